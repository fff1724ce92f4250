#!/bin/sh
# Durable writes through the API: on a disk; on a file system in memory, where only the CPU counts; and there with syncs
# that take as long as those of a fast disk (libslow_sync.so adds SYNC_US microseconds to each, default 300).
#   sh tests/bench/run_api.sh [DIR]      DIR: a directory on the disk to measure (default: a new one in /var/tmp)
# Needs the release build: cmake --preset release -G Ninja && cmake --build build --target ordinald bench_api slow_sync
# BUILD: another build folder. ROUNDS: how often every slice is updated. LISTEN=tcp: over TCP, not the Unix socket.
set -eu
cd "$(dirname "$0")/../.."
build=$(cd "${BUILD:-build}" && pwd)
bench=$build/tests/bench_api
disk=$(mktemp -d "${1:-/var/tmp}/ordinald-bench.XXXXXX")
memory=$(mktemp -d /dev/shm/ordinald-bench.XXXXXX)
daemon=
stop() {
    [ -z "$daemon" ] || { kill "$daemon" && wait "$daemon" || true; }
    daemon=
}
trap 'stop; rm -rf "$disk" "$memory"' EXIT

field() { sed -n "s/^ready .*\<$2=\([^ ,]*\).*/\1/p" "$1/ready"; }

run() { # directory, what it is, microseconds added to each sync
    printf '\n%s. ' "$2"
    slow=$([ -z "$3" ] || echo "$build/tests/libslow_sync.so")
    SYNC_US=$3 LD_PRELOAD=$slow "$bench" disk "$1"
    echo
    SYNC_US=$3 LD_PRELOAD=$slow "$build/ordinald" --set store.path="$1/data" --set api.socket="$1/api.sock" \
        --set api.listen=127.0.0.1:0 --set dns.listen=127.0.0.1:0 --set metrics.listen=127.0.0.1:0 \
        --set log.level=warn >"$1/ready" &
    daemon=$!
    until grep -q ^ready "$1/ready"; do
        kill -0 "$daemon"
        sleep 0.05
    done
    api=$1/api.sock
    [ "${LISTEN:-unix}" = unix ] || api=$(field "$1" http)
    "$bench" "$api" "$(field "$1" dns)" "$(field "$1" metrics)" "$daemon" "${ROUNDS:-5}"
    stop
}

run "$disk" "On the disk" ""
run "$memory" "In memory (tmpfs)" ""
rm -rf "$memory/data"
run "$memory" "In memory, syncs as slow as a disk's" "${SYNC_US:-300}"
