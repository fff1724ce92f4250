#!/bin/sh
# ordinald beside Knot DNS, NSD, CoreDNS (kubernetes plugin, fed from ordinald's own API) and a bare reflector; see compare.py.
#   sh tests/bench/run_compare.sh [--sizes 1000,100000] [--rounds 9] [--only cpu,memory] ...
# Writes build/bench/compare.md, compare.svg and compare.json. With a million endpoints it takes about 15 minutes and 8 GB.
# Builds the release preset. Knot DNS and NSD: the installed ones, or their Debian packages, fetched by name and unpacked into
# build/bench/unpacked without being installed, so that no service starts. CoreDNS is built from its published module where Go is.
set -eu
cd "$(dirname "$0")/../.."
export PATH="$PATH:/usr/sbin:/sbin"
sh conf/packages.sh build bench
[ -f build/build.ninja ] || cmake --preset release -G Ninja >/dev/null
cmake --build build --target ordinald bench_udp bench_load bench_answer bench_zones >/dev/null
mkdir -p build/bench

unpack() { # packages: with what they need and the system lacks
    mkdir -p build/bench/packages/partial build/bench/unpacked
    apt-get install --download-only --reinstall --no-install-recommends -y -o Debug::NoLocking=1 \
        -o Dir::Cache::archives="$PWD/build/bench/packages" "$@" >build/bench/packages.log 2>&1 ||
        { echo "run_compare.sh: cannot fetch $*, see build/bench/packages.log" >&2; return 0; }
    for package in build/bench/packages/*.deb; do dpkg -x "$package" build/bench/unpacked; done
}
command -v knotd >/dev/null && command -v nsd >/dev/null || [ -x build/bench/unpacked/usr/sbin/nsd ] || unpack knot nsd

coredns=
reason=$(sh tests/system/coredns/build.sh) && coredns=$reason || echo "run_compare.sh: without CoreDNS: $reason" >&2
PYTHONDONTWRITEBYTECODE=1 exec python3 tests/bench/compare.py ${coredns:+--coredns "$coredns"} "$@" build
