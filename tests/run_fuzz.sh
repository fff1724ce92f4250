#!/bin/sh
# Runs the libFuzzer targets, all for the same time, with ASan and UBSan.
#   sh tests/run_fuzz.sh [SECONDS [TARGET...]]      60 seconds of each of what strangers send over DNS, upstreams included
#   sh tests/run_fuzz.sh 60 all                     of every target in tests/fuzz
# FUZZ_JOBS (as many as there are processors) of them run at once. Builds the clang preset. What is new goes to build/corpus, the
# corpus of the tree stays as it is. Prints executions and findings of each; exit code 1 when there is a finding.
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-60}
[ $# -eq 0 ] || shift
targets=${*:-packet tcp name zone_text cookie upstream}
known=$(ls tests/fuzz/fuzz_*.c | sed 's#.*/fuzz_##; s#\.c$##' | grep -vx main | tr '\n' ' ')
[ "$targets" != all ] || targets=$known
jobs=${FUZZ_JOBS:-$(nproc)}
case $seconds$jobs in *[!0-9]*) echo "usage: sh tests/run_fuzz.sh [SECONDS [TARGET...]]" >&2; exit 1 ;; esac
for target in $targets; do
    case " $known" in *" $target "*) ;; *) echo "run_fuzz.sh: no target $target; there are: $known" >&2; exit 1 ;; esac
done

mkdir -p build/clang build/corpus build/fuzz
[ -f build/clang/build.ninja ] || cmake --preset clang -G Ninja >build/clang.configure.log
# shellcheck disable=SC2046 # a list of words
cmake --build build/clang --target $(for t in $targets; do echo "libfuzzer_$t"; done) >build/fuzz/build.log ||
    { tail -n 20 build/fuzz/build.log >&2; exit 1; }

fuzz() { # target; its whole output is build/fuzz/TARGET.log
    mkdir -p "build/corpus/$1"
    rm -f "build/fuzz/$1-"*
    nice "build/clang/tests/libfuzzer_$1" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=4096 \
        -print_final_stats=1 -artifact_prefix="build/fuzz/$1-" "build/corpus/$1" "tests/fuzz/corpus/$1" >"build/fuzz/$1.log" 2>&1 &&
        result="no finding" || result="FINDING, see build/fuzz/$1.log and build/fuzz/$1-*"
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "build/fuzz/$1.log")
    edges=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "build/fuzz/$1.log" | tail -n 1)
    echo "$1: ${executions:-?} executions in $seconds s, ${edges:-?} edges, $result"
    [ "$result" = "no finding" ]
}

# Each job takes every jobs-th target, so that no more than so many run at once.
n=0
pids=
while [ "$n" -lt "$jobs" ]; do
    (
        i=0
        failed=0
        for target in $targets; do
            [ $((i % jobs)) -ne "$n" ] || fuzz "$target" || failed=1
            i=$((i + 1))
        done
        exit "$failed"
    ) &
    pids="$pids $!"
    n=$((n + 1))
done
failed=0
for pid in $pids; do wait "$pid" || failed=1; done
exit "$failed"
