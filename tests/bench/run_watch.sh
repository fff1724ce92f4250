#!/bin/sh
# 1,000 watches: what an event costs, who waits for whom, and that those who do not read are cut.
#   sh tests/bench/run_watch.sh
# Needs the release build: cmake --preset release -G Ninja && cmake --build build --target ordinald bench_watch
# BUILD: another build folder. WATCHERS, SLOW, RATE (writes a second), SECONDS_EACH: the size of a run.
set -eu
cd "$(dirname "$0")/../.."
build=${BUILD:-build}
dir=$(mktemp -d /dev/shm/ordinald-bench.XXXXXX)
daemon=
stop() {
    [ -z "$daemon" ] || { kill "$daemon" && wait "$daemon" || true; }
    daemon=
}
trap 'stop; rm -rf "$dir"' EXIT

run() { # watchers, slow ones, [table]
    # A short history, so that who does not read falls behind it within the run.
    "$build/ordinald" --set store.path="$dir/data" --set api.socket="$dir/api.sock" --set dns.listen=127.0.0.1:0 \
        --set metrics.listen=127.0.0.1:0 --set log.level=error --set store.history-bytes=256KiB >"$dir/ready" &
    daemon=$!
    until grep -q ^ready "$dir/ready"; do
        kill -0 "$daemon"
        sleep 0.05
    done
    "$build/tests/bench_watch" "$dir/api.sock" "$daemon" "$1" "$2" "${RATE:-50}" "${SECONDS_EACH:-20}" ${3:-} || echo missed
    stop
    rm -rf "$dir/data" "$dir/ready"
}

echo '| watchers + slow ones | writes/s | events/s delivered | missed | cut | p50 ms | p99 ms | server CPU us/event | % of a CPU | MiB more | slow ones cut |'
echo '|---|---|---|---|---|---|---|---|---|---|---|'
run "${WATCHERS:-1000}" 0
run "${WATCHERS:-1000}" "${SLOW:-50}"
run "${WATCHERS:-1000}" 0 table
