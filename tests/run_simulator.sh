#!/bin/sh
# Runs the simulator, built for release with UBSan, over several seeds at once; docs/simulator.md says what it does.
#   sh tests/run_simulator.sh                      a million steps: seeds 1 to 8, 125,000 steps each (what CI runs)
#   sh tests/run_simulator.sh STEPS SEED...        that many steps with each seed
# The line of a seed that fails says how it is replayed. A step that takes a minute of processor time is a failure, and
# so is a seed that takes thirty times its usual time.
set -eu
cd "$(dirname "$0")/.."

steps=${1:-125000}
[ $# -gt 0 ] && shift
[ $# -gt 0 ] || set -- 1 2 3 4 5 6 7 8

mkdir -p build/release-ubsan
log=build/release-ubsan/simulator.log
cmake --preset release-ubsan -G Ninja >"$log" 2>&1 || { cat "$log"; exit 1; }
cmake --build build/release-ubsan -j "$(nproc)" --target simulator >"$log" 2>&1 || { cat "$log"; exit 1; }

limit=$((120 + steps / 100)) # seconds
one_seed='
timeout "$2" build/release-ubsan/tests/simulator --seed "$3" --steps "$1" && exit
status=$?
[ $status -ne 124 ] || echo "BROKEN seed=$3 steps=$1: it has not ended after $2 s" >&2
exit 1'
printf '%s\n' "$@" | xargs -P "$(nproc)" -I SEED sh -c "$one_seed" one_seed "$steps" "$limit" SEED
