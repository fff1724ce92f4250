#!/bin/sh
# ordinald beside Knot DNS, NSD, CoreDNS (kubernetes plugin, fed from ordinald's own API) and a bare reflector; see compare.py.
#   sh tests/bench/run_compare.sh [--sizes 1000,100000] [--rounds 9] [--only cpu,memory] ...
# Writes build/bench/compare.md, compare.svg and compare.json. With a million endpoints it takes about 15 minutes and 8 GB.
# Builds the release preset. Knot DNS and NSD: the installed ones, or those that tests/unpack.sh fetches. CoreDNS is built from its
# published module where Go is.
set -eu
cd "$(dirname "$0")/../.."
export PATH="$PATH:/usr/sbin:/sbin"
sh conf/packages.sh build bench
[ -f build/build.ninja ] || cmake --preset release -G Ninja >/dev/null
cmake --build build --target ordinald bench_udp bench_load bench_answer bench_zones >/dev/null
mkdir -p build/bench

sh tests/unpack.sh knotd=knot nsd=nsd

coredns=
reason=$(sh tests/system/coredns/build.sh) && coredns=$reason || echo "run_compare.sh: without CoreDNS: $reason" >&2
PYTHONDONTWRITEBYTECODE=1 exec python3 tests/bench/compare.py ${coredns:+--coredns "$coredns"} "$@" build
