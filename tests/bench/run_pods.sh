#!/bin/sh
# From apply to Ready: Parallel StatefulSets on embedded nodes that start a pod at once, durable.
#   sh tests/bench/run_pods.sh [DIR]     DIR: where the store lies (default: a new directory in /dev/shm)
# Needs the release build: cmake --preset release -G Ninja && cmake --build build --target ordinald ordctl bench_api
# BUILD: another build folder. SHAPES: sets x replicas, one run each. PROFILE: a file for `perf record -g`.
set -eu
cd "$(dirname "$0")/../.."
build=${BUILD:-build}
dir=$(mktemp -d "${1:-/dev/shm}/ordinald-bench.XXXXXX")
daemon=
profiler=
stop() {
    [ -z "$profiler" ] || { kill -INT "$profiler" && wait "$profiler" || true; }
    [ -z "$daemon" ] || { kill "$daemon" && wait "$daemon" || true; }
    daemon=
    profiler=
}
trap 'stop; rm -rf "$dir"' EXIT

manifest() { # name, replicas
    cat <<END
---
{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "$1", "namespace": "default"},
 "spec": {"clusterIP": "None", "selector": {"app": "$1"}, "ports": [{"name": "http", "port": 80}]}}
---
{"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "$1", "namespace": "default"},
 "spec": {"serviceName": "$1", "replicas": $2, "podManagementPolicy": "Parallel",
          "selector": {"matchLabels": {"app": "$1"}},
          "template": {"metadata": {"labels": {"app": "$1"}},
                       "spec": {"containers": [{"name": "main", "image": "example.org/main:1"}]}}}}
END
}

milliseconds() { date +%s%3N; }
cpu_ms() { awk -v hz="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); print ($12 + $13) * 1000 / hz }' "/proc/$daemon/stat"; }

run() { # sets, replicas each
    "$build/ordinald" --set store.path="$dir/data" --set api.socket="$dir/api.sock" \
        --set dns.listen=127.0.0.1:0 --set metrics.listen=127.0.0.1:0 --set log.level=warn \
        --set nodes.embedded=20 --set nodes.embedded-start=0 >"$dir/ready" &
    daemon=$!
    until grep -q ^ready "$dir/ready"; do
        kill -0 "$daemon"
        sleep 0.05
    done
    for i in $(seq "$1"); do manifest "set$i" "$2"; done >"$dir/sets.yaml"
    until [ "$("$build/ordctl" --server "$dir/api.sock" get nodes -o name | wc -l)" = 20 ]; do
        sleep 0.05
    done
    if [ -n "${PROFILE:-}" ]; then
        perf record -q -F 1000 -g -o "$PROFILE" -p "$daemon" >/dev/null &
        profiler=$!
        sleep 0.5
    fi
    cpu=$(cpu_ms)
    start=$(milliseconds)
    "$build/ordctl" --server "$dir/api.sock" apply -f "$dir/sets.yaml" >/dev/null
    for i in $(seq "$1"); do
        "$build/ordctl" --server "$dir/api.sock" rollout status "statefulset/set$i" >/dev/null
    done
    end=$(milliseconds)
    awk -v sets="$1" -v each="$2" -v ms=$((end - start)) -v cpu="$cpu" -v after="$(cpu_ms)" \
        'BEGIN { pods = sets * each
                 printf "| %d x %d | %.2f | %.0f | %.0f |\n", sets, each, ms / 1000, pods * 1000 / ms, (after - cpu) * 1000 / pods }'
    stop
    rm -rf "$dir/data" "$dir/ready"
}

printf 'Store: '
"$build/tests/bench_api" disk "$dir"
printf '\n| sets x pods | s from apply to all Ready | pods/s | server CPU us per pod |\n|---|---|---|---|\n'
for shape in ${SHAPES:-20x100 1x2000}; do
    run "${shape%x*}" "${shape#*x}"
done
