#!/bin/sh
# The main job, played with real tools: build, start ordinald with three simulated nodes on an unprivileged port, apply the
# kubia manifest, and watch names, addresses and disks stay with their ordinals. Ends by checking itself.
#   sh conf/demo.sh          play it and clean up
#   sh conf/demo.sh --keep   play it and leave the daemon running
set -eu
cd "$(dirname "$0")/.."

keep=false
case ${1:-} in
--keep) keep=true ;;
"") ;;
*) echo "usage: sh conf/demo.sh [--keep]" >&2; exit 1 ;;
esac

sh conf/packages.sh build demo
mkdir -p build
printf 'building ... '
if ! { cmake --preset release -G Ninja -DORDINALD_TESTS=OFF -DORDINALD_WERROR=OFF && cmake --build build -j "$(nproc)"; } >build/demo-build.log 2>&1; then
    tail -n 40 build/demo-build.log
    exit 1
fi
echo 'done'

if [ -t 1 ]; then bold=$(printf '\033[1m') dim=$(printf '\033[2m') plain=$(printf '\033[0m'); else bold='' dim='' plain=''; fi
dir=$(mktemp -d "${TMPDIR:-/tmp}/ordinald-demo.XXXXXX")
wrong=0
pid=

start() {
    mkfifo "$dir/ready"
    build/ordinald --set dns.listen=127.0.0.1:"${dns_port:-0}" --set api.socket="$dir/api.sock" \
        --set api.listen=127.0.0.1:"${http_port:-0}" --set metrics.listen=127.0.0.1:0 --set store.path="$dir/data" \
        --set nodes.embedded=3 --set nodes.grace=2s >"$dir/ready" 2>>"$dir/log" &
    pid=$!
    read -r line <"$dir/ready" || line=
    rm -f "$dir/ready"
    case $line in
    ready*) ;;
    *) echo "ordinald did not start:"; tail -n 5 "$dir/log"; exit 1 ;;
    esac
    dns_port=$(field dns "$line" | sed 's/.*://')
    http_port=$(field http "$line" | sed 's/.*://')
}
field() { # name, ready line
    for word in $2; do case $word in "$1"=*) echo "${word#*=}" ;; esac; done
}
finish() {
    if $keep && [ "$wrong" -eq 0 ] && [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null; then return; fi
    if [ -n "$pid" ]; then kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; fi
    rm -rf "$dir"
}
trap finish EXIT
trap 'exit 130' INT TERM

title() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
show() { # prints a command as one would type it, runs it, indents its output
    printf '%s$ %s%s\n' "$dim" "$*" "$plain"
    "$@" 2>&1 | sed 's/^/    /'
}
ordctl() { build/ordctl --server "$dir/api.sock" "$@"; }
dig() { command dig -p "$dns_port" @127.0.0.1 +tries=3 +time=2 "$@"; }
names() { dig +short "$1" "${2:-A}" | sort; }
value() { ordctl get "$1" "$2" -o json | tr -d ' \n' | sed -n "s/.*\"$3\":\"\([^\"]*\)\".*/\1/p"; }
address() { value pod "$1" podIP; }
uid_of() { ordctl get "$1" "$2" -o json | tr -d '\n' | sed 's/"ownerReferences"[^]]*]//; s/.*"metadata"//' | sed -n 's/.*"uid": *"\([^"]*\)".*/\1/p' | head -n 1; }
pods() { ordctl get pods -l app=kubia -o name | sed 's,.*/,,' | sort | tr '\n' ' '; }
check() { # what, have, want
    if [ "$2" = "$3" ]; then
        printf '  ok    %s\n' "$1"
    else
        printf '  WRONG %s: have "%s", want "%s"\n' "$1" "$2" "$3"
        wrong=$((wrong + 1))
    fi
}
differ() { # what, a, b
    if [ -n "$2" ] && [ -n "$3" ] && [ "$2" != "$3" ]; then
        printf '  ok    %s (%s, then %s)\n' "$1" "$2" "$3"
    else
        printf '  WRONG %s: "%s", then "%s"\n' "$1" "$2" "$3"
        wrong=$((wrong + 1))
    fi
}
eventually() { # what, seconds, command...
    what=$1 ticks=$(($2 * 20))
    shift 2
    until "$@" >/dev/null 2>&1; do
        ticks=$((ticks - 1))
        if [ "$ticks" -le 0 ]; then
            printf '  WRONG %s: never happened\n' "$what"
            wrong=$((wrong + 1))
            return 0
        fi
        command sleep 0.05
    done
    printf '  ok    %s\n' "$what"
}
is() { [ "$("$1" ${2:+"$2"})" = "$3" ]; }
ready_is() { [ "$(ordctl get statefulset kubia -o json | tr -d ' \n' | sed -n 's/.*"readyReplicas":\([0-9]*\).*/\1/p')" = "$1" ]; }
zone=default.svc.cluster.local

start
title "ordinald serves names on 127.0.0.1 port $dns_port, with three simulated nodes"
show ordctl get nodes

title "1. A headless Service and a StatefulSet: pods appear one by one, each after its predecessor is Ready"
show ordctl apply -f conf/kubia.yaml
show ordctl rollout status statefulset/kubia
show ordctl get pods -o wide
show ordctl get pvc
check "three pods" "$(pods)" "kubia-0 kubia-1 kubia-2 "
created=$(ordctl get events -o json | tr -d '\n' | grep -o 'Create Pod kubia-[0-9]' | tr '\n' ' ')
check "created in order" "$created" "Create Pod kubia-0 Create Pod kubia-1 Create Pod kubia-2 "

title "2. Each has a name; the Service has them all; SRV and PTR agree"
show dig +noall +answer kubia-1.kubia.$zone
show dig +noall +answer kubia.$zone
show dig +noall +answer _http._tcp.kubia.$zone SRV
show dig +noall +answer -x "$(address kubia-1)"
check "kubia-1 has its pod's address" "$(names kubia-1.kubia.$zone)" "$(address kubia-1)"
check "three addresses under the Service" "$(names kubia.$zone | wc -l | tr -d ' ')" 3
check "three SRV targets" "$(names _http._tcp.kubia.$zone SRV | wc -l | tr -d ' ')" 3
check "PTR names the pod" "$(dig +short -x "$(address kubia-1)")" "kubia-1.kubia.$zone."

title "3. kubia-0 is deleted and comes back: same name, same disk, another node and another address"
old_ip=$(address kubia-0) old_node=$(value pod kubia-0 nodeName) old_volume=$(value pvc data-kubia-0 volumeName)
old_uid=$(uid_of pod kubia-0)
show ordctl delete pod kubia-0
renewed() { [ -n "$(uid_of pod kubia-0)" ] && [ "$(uid_of pod kubia-0)" != "$old_uid" ] && ready_is 3; }
eventually "a new incarnation is Ready" 20 renewed
show ordctl get pod kubia-0 -o wide
show dig +noall +answer kubia-0.kubia.$zone
differ "another address" "$old_ip" "$(address kubia-0)"
differ "another node" "$old_node" "$(value pod kubia-0 nodeName)"
check "the same volume" "$(value pvc data-kubia-0 volumeName)" "$old_volume"
check "the name answers the new address" "$(names kubia-0.kubia.$zone)" "$(address kubia-0)"

title "   kill -9 and restart: nothing acknowledged is lost, names answer at once"
before=$(uid_of pod kubia-2)/$(address kubia-2)
printf '%s$ kill -9 ordinald; ordinald ...%s\n' "$dim" "$plain"
kill -9 "$pid"
wait "$pid" 2>/dev/null || true
start
check "kubia-2 answers in the first query" "$(names kubia-2.kubia.$zone)" "${before#*/}"
check "kubia-2 keeps uid and address" "$(uid_of pod kubia-2)/$(address kubia-2)" "$before"

title "4. Scaling down removes the highest ordinals, one at a time; claims stay; scaling up takes them again"
volumes=$(value pvc data-kubia-1 volumeName)/$(value pvc data-kubia-2 volumeName)
show ordctl scale statefulset/kubia --replicas 1
eventually "only kubia-0 is left" 20 is pods "" "kubia-0 "
removed=$(ordctl get events -o json | tr -d '\n' | grep -o 'Delete Pod kubia-[12]' | tr '\n' ' ')
check "kubia-2 went first, then kubia-1" "$removed" "Delete Pod kubia-2 Delete Pod kubia-1 "
show ordctl get pvc
check "kubia-2 has no name now" "$(dig kubia-2.kubia.$zone | grep -c 'status: NXDOMAIN')" 1
show ordctl scale statefulset/kubia --replicas 3
show ordctl rollout status statefulset/kubia
check "the same volumes are attached again" "$(value pvc data-kubia-1 volumeName)/$(value pvc data-kubia-2 volumeName)" "$volumes"

title "5. A node falls silent: its pod keeps its identity, nobody else gets it, until the pod is force-deleted"
node=$(value pod kubia-1 nodeName) uid=$(uid_of pod kubia-1)
show ordctl nodes silence "$node"
node_unknown() { ordctl get node "$node" | grep -q NotReady; }
eventually "$node is NotReady" 20 node_unknown
show ordctl get nodes
eventually "kubia-1 left the answers" 20 is names "kubia-1.kubia.$zone" ""
show ordctl delete pod kubia-1 --wait=false
terminating() { ordctl get pod kubia-1 | grep -q Terminating; }
eventually "kubia-1 is Terminating, and stays so" 10 terminating
check "no second kubia-1: the same uid" "$(uid_of pod kubia-1)" "$uid"
show ordctl delete pod kubia-1 --force --grace-period=0
renewed() { [ -n "$(uid_of pod kubia-1)" ] && [ "$(uid_of pod kubia-1)" != "$uid" ] && ordctl get pod kubia-1 | grep -q '1/1 *Running'; }
eventually "after the force delete a new kubia-1 is Ready" 20 renewed
show ordctl get pods -o wide
show ordctl history kubia-1
check "its name answers the new address" "$(names kubia-1.kubia.$zone)" "$(address kubia-1)"
show ordctl nodes wake "$node"
node_ready() { ! node_unknown; }
eventually "$node is Ready again" 20 node_ready

title "6. A ReplicaSet over the same image, for contrast: random names, one claim for all, no name that stays"
show ordctl apply -f conf/crowd.yaml
crowd() { ordctl get pods -l app=crowd -o name | sed 's,.*/,,' | sort; }
crowd_ready() { [ "$(ordctl get pods -l app=crowd | grep -c '1/1 *Running')" = 3 ] && [ "$(names crowd.$zone | wc -l)" -eq 3 ]; }
eventually "three pods are Ready, and three addresses answer" 20 crowd_ready
show ordctl get pods -l app=crowd -o wide
check "names are the set's and five random letters" "$(crowd | grep -cE '^crowd-[bcdfghjklmnpqrstvwxz2456789]{5}$')" 3
check "all use the one claim" "$(ordctl get pods -l app=crowd -o json | tr -d ' \n' | grep -o '"claimName":"[^"]*"' | sort | uniq -c | tr -s ' ')" ' 3 "claimName":"shared"'
lost=$(crowd | head -n 1)
show ordctl delete pod "$lost"
replaced() { crowd_ready && ! crowd | grep -qx "$lost"; }
eventually "$lost does not come back: another name takes its place" 20 replaced
show ordctl get pods -l app=crowd
fresh=$(crowd | head -n 1)
show dig +noall +answer "crowd.$zone"
check "no pod has a name under the Service" "$(dig "$fresh.crowd.$zone" | grep -c 'status: NXDOMAIN')" 1

if command -v kubectl >/dev/null; then
    title "The same through kubectl"
    mkdir -p "$dir/kube"
    kubectl() { HOME="$dir/kube" KUBECONFIG=/dev/null command kubectl --server "http://127.0.0.1:$http_port" "$@"; }
    show kubectl get statefulset,replicaset,pods,pvc
fi

title "Result"
if [ "$wrong" -ne 0 ]; then
    echo "$wrong checks were wrong; the log:"
    tail -n 20 "$dir/log"
    exit 1
fi
echo "every step was right"
if $keep; then
    cat <<TXT

ordinald goes on running (pid $pid, data in $dir). Try:
    dig -p $dns_port @127.0.0.1 kubia.$zone
    build/ordctl --server $dir/api.sock get pods -w
    build/ordctl --server $dir/api.sock delete pod kubia-0
    kubectl --server http://127.0.0.1:$http_port get statefulset kubia -o yaml
    kill $pid
TXT
fi
