#!/bin/sh
# tests/system/go_build.sh SOURCE PROGRAM [FLAG...] - builds the Go program of folder SOURCE into the file PROGRAM.
#
#   prints   the path of the program (exit 0), or "skip: reason" where Go or its modules are not to be had (exit 77);
#            a program that does not compile, or whose go.sum does not fit, is an error (exit 1)
#   needs    go, and once the module proxy that go env GOPROXY names; afterwards the caches of go answer for it
#
# A cold build takes minutes of two cores. Two callers at once: the second waits for the first.
set -eu
source=$1
program=$2
shift 2

skip() { echo "skip: $*"; exit 77; }

command -v go >/dev/null || skip "no go on the PATH"
mkdir -p "$(dirname "$program")"
program=$(cd "$(dirname "$program")" && pwd)/$(basename "$program")
exec 9>"$program.lock"
flock 9

cd "$source"
# -mod=readonly: the modules are those of go.mod and go.sum, or there is no program.
export GOFLAGS="-mod=readonly -trimpath -buildvcs=false" CGO_ENABLED=0
if ! reason=$(timeout 600 go list "$@" -deps . 2>&1 >/dev/null); then
    last=$(echo "$reason" | tail -n 1)
    case $reason in
    *"requires go >="* | *"toolchain not available"*) skip "$last" ;;
    *"dial tcp"* | *"no such host"* | *"i/o timeout"* | *"TLS handshake"* | *"proxyconnect"* | *"connection refused"* | \
        *"GOPROXY=off"* | *"module lookup disabled"*)
        skip "modules cannot be fetched: $last" ;;
    esac
    echo "$reason" >&2
    exit 1
fi
timeout 1500 go build "$@" -o "$program" . >&2
echo "$program"
