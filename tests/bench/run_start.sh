#!/bin/sh
# Restart with many pods: embedded nodes fill a store, the daemon is killed (SIGKILL), and a new one starts on what is there.
# Prints the time to the first DNS answer, to /readyz, to the API's first answer, the memory and the bytes of the database.
#   sh tests/bench/run_start.sh [DIR]     DIR: where the store lies (default: a new directory in /var/tmp)
# Needs the release build: cmake --preset release -G Ninja && cmake --build build --target ordinald ordctl bench_start
# BUILD: another build folder. SHAPES: sets x replicas, one run each. CLAIMS=1: a claim for each pod. ROUNDS: restarts.
# COLD=1: the page cache is told to forget the database first. KEEP=DIR: leave the filled store there, take it if it is there.
set -eu
cd "$(dirname "$0")/../.."
build=${BUILD:-build}
dir=$(mktemp -d "${1:-/var/tmp}/ordinald-bench.XXXXXX")
data=${KEEP:-$dir/data}
daemon=
stop() {
    [ -z "$daemon" ] || { kill "-${1:-TERM}" "$daemon" && wait "$daemon" 2>/dev/null || true; }
    daemon=
}
trap 'stop; rm -rf "$dir"' EXIT

manifest() { # name, replicas
    claims=
    [ -z "${CLAIMS:-}" ] || claims=', "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {
        "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}]'
    cat <<END
---
{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "$1", "namespace": "default"},
 "spec": {"clusterIP": "None", "selector": {"app": "$1"}, "ports": [{"name": "http", "port": 80}]}}
---
{"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "$1", "namespace": "default"},
 "spec": {"serviceName": "$1", "replicas": $2, "podManagementPolicy": "Parallel",
          "selector": {"matchLabels": {"app": "$1"}},
          "template": {"metadata": {"labels": {"app": "$1"}},
                       "spec": {"containers": [{"name": "main", "image": "example.org/main:1",
                                                "ports": [{"name": "http", "containerPort": 80}]}]}}$claims}}
END
}

launch() {
    "$build/ordinald" --set store.path="$data" --set api.socket="$dir/api.sock" --set dns.listen="127.0.0.1:$1" \
        --set metrics.listen=127.0.0.1:0 --set log.level=warn --set nodes.embedded=20 --set nodes.embedded-start=0 \
        --set nodes.pod-range=10.0.0.0/8 --set nodes.service-range=172.16.0.0/12 --set nodes.pod-prefix=18 >"$dir/ready" &
    daemon=$!
}

field() { sed -n "s/^ready .*\<$1=\([^ ,]*\).*/\1/p" "$dir/ready"; }

wait_ready() {
    until grep -q ^ready "$dir/ready"; do
        kill -0 "$daemon"
        sleep 0.05
    done
}

fill() { # sets, replicas each
    launch 0
    wait_ready
    for i in $(seq "$1"); do manifest "set$i" "$2"; done >"$dir/sets.yaml"
    until [ "$("$build/ordctl" --server "$dir/api.sock" get nodes -o name | wc -l)" = 20 ]; do
        sleep 0.05
    done
    "$build/ordctl" --server "$dir/api.sock" apply -f "$dir/sets.yaml" >/dev/null
    for i in $(seq "$1"); do
        "$build/ordctl" --server "$dir/api.sock" rollout status "statefulset/set$i" >/dev/null
    done
    stop KILL
}

run() { # sets, replicas each
    [ -d "$data" ] || { mkdir -p "$data"; fill "$1" "$2"; }
    for round in $(seq "${ROUNDS:-3}"); do
        [ -z "${COLD:-}" ] || dd if="$data/data.mdb" iflag=nocache count=0 status=none
        "$build/tests/bench_start" port >"$dir/port"
        : >"$dir/ready"
        launch "$(cat "$dir/port")"
        printf '| %s x %s%s | %s ' "$1" "$2" "${CLAIMS:+ with claims}" "$round"
        "$build/tests/bench_start" "127.0.0.1:$(cat "$dir/port")" "set$1-$(($2 - 1)).set$1.default.svc.cluster.local" \
            "$dir/api.sock" "/api/v1/namespaces/default/pods/set$1-$(($2 - 1))" "$daemon" $(($1 * $2)) "$data/data.mdb"
        wait_ready
        stop KILL
    done
    [ -n "${KEEP:-}" ] || rm -rf "$data"
}

printf '| sets x pods | round | s to the first DNS answer | CPU s until then | s to the first API answer | CPU s until then | anonymous MiB | RSS MiB | anonymous bytes per pod | database bytes per pod |\n'
printf "|---|---|---|---|---|---|---|---|---|---|\n"
for shape in ${SHAPES:-1000x100 5000x20}; do
    run "${shape%x*}" "${shape#*x}"
done
