#!/bin/sh
# DNS latency with and without a flood of API requests, in interleaved rounds on one daemon.
#   sh tests/bench/run_flood.sh
# Needs the release build: cmake --preset release -G Ninja && cmake --build build --target ordinald bench_flood
# BUILD: another build folder. ROUNDS (9). On two CPUs or more the DNS worker and the prober have the first for themselves, the
# control thread and the flood share the second; on one there is nothing to measure.
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
field() { sed -n "s/^ready .*\<$1=\([^ ,]*\).*/\1/p" "$dir/ready"; }

taskset -c 1 "$build/ordinald" --set store.path="$dir/data" --set api.socket="$dir/api.sock" --set dns.listen=127.0.0.1:0 \
    --set dns.workers=1 --set metrics.listen=127.0.0.1:0 --set log.level=error >"$dir/ready" &
daemon=$!
until grep -q ^ready "$dir/ready"; do
    kill -0 "$daemon"
    sleep 0.05
done
for task in /proc/"$daemon"/task/*; do # all but the control thread, which is the first
    [ "${task##*/}" = "$daemon" ] || taskset -cp 0 "${task##*/}" >/dev/null
done
echo '| round | p50 us quiet | flooded | p99 us quiet | flooded | ratio of p99 | API requests/s | lost |'
echo '|---|---|---|---|---|---|---|---|'
"$build/tests/bench_flood" "$(field dns)" ns.dns.cluster.local "$dir/api.sock" "${ROUNDS:-9}" 0 1
