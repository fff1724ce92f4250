#!/bin/sh
# Fetches Debian packages by name, with what they need and the system lacks, and unpacks them into build/unpacked without installing
# them, so that no service starts. The tests and benchmarks that run other servers look there; PATH comes first.
#   sh tests/unpack.sh PROGRAM=PACKAGE ...      only those whose program is not there yet
# Never fails: what cannot be had is skipped by the tests, which say so.
set -eu
cd "$(dirname "$0")/.."
PATH="$PATH:/usr/sbin:/sbin:$PWD/build/unpacked/usr/sbin"

wanted=
for pair in "$@"; do
    command -v "${pair%%=*}" >/dev/null || wanted="$wanted ${pair#*=}"
done
[ -n "$wanted" ] || exit 0
command -v apt-get >/dev/null || exit 0

packages=$PWD/build/unpacked/packages
mkdir -p "$packages/partial"
# shellcheck disable=SC2086 # a list of words
apt-get install --download-only --reinstall --no-install-recommends -y -o Debug::NoLocking=1 \
    -o Dir::Cache::archives="$packages" $wanted >build/unpacked/log 2>&1 ||
    { echo "unpack.sh: cannot fetch$wanted, see build/unpacked/log" >&2; exit 0; }
for package in "$packages"/*.deb; do dpkg -x "$package" build/unpacked; done
