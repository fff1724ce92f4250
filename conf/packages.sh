#!/bin/sh
# Installs the Debian packages that are missing, as root or with sudo; quiet when there is nothing to do.
#   sh conf/packages.sh build        compiler and libraries
#   sh conf/packages.sh build demo   and what the demo shows things with
#   sh conf/packages.sh build test   and what the tests run
#   sh conf/packages.sh build test all   and the second compiler and its tools
#   sh conf/packages.sh build bench  what tests/bench/run_compare.sh runs, but for the other servers, which it unpacks itself
set -eu

build="gcc libc6-dev cmake ninja-build pkg-config libevent-dev libldns-dev libcjson-dev liblmdb-dev libyaml-dev libssl-dev libcurl4-openssl-dev"
demo="bind9-dnsutils curl"
test="libcmocka-dev bind9-dnsutils knot-dnsutils ldnsutils curl openssl musl-tools python3 python3-venv iproute2 clang-format-14"
all="clang-14 clang-tidy-14 libclang-rt-14-dev valgrind"
bench="python3 valgrind"

wanted=
for group in "$@"; do
    case $group in
    build) wanted="$wanted $build" ;;
    demo) wanted="$wanted $demo" ;;
    test) wanted="$wanted $test"; command -v kubectl >/dev/null || wanted="$wanted kubernetes-client" ;;
    all) wanted="$wanted $all" ;;
    bench) wanted="$wanted $bench" ;;
    *) echo "packages.sh: unknown group $group" >&2; exit 1 ;;
    esac
done

if ! command -v dpkg-query >/dev/null; then
    echo "packages.sh: not a Debian system; install by other means:$wanted" >&2
    exit 0
fi

missing=
for package in $wanted; do
    case $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true) in
    installed) ;;
    *) missing="$missing $package" ;;
    esac
done
[ -n "$missing" ] || exit 0

root=
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "packages.sh: run this as root, or install sudo; missing:$missing" >&2
        exit 1
    fi
    root=sudo
fi
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
# shellcheck disable=SC2086 # a list of words
install_missing() { $root apt-get install -y --no-install-recommends $missing; }
if ! { install_missing || { $root apt-get update && install_missing; }; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    exit 1
fi
rm -f "$log"
