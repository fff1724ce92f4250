#!/bin/sh
# Installs what is missing, builds with ASan and UBSan, and runs every test.
#   sh tests/run.sh          the default, about 15 minutes on two cores
#   sh tests/run.sh --all    and the builds of clang and for release, clang-tidy, ThreadSanitizer, and the long runs
set -eu
cd "$(dirname "$0")/.."

everything=false
case ${1:-} in
--all) everything=true ;;
"") ;;
*) echo "usage: sh tests/run.sh [--all]" >&2; exit 1 ;;
esac

if $everything; then sh conf/packages.sh build test all; else sh conf/packages.sh build test; fi
sh tests/unpack.sh knotd=knot nsd=nsd # for system/differential

jobs=$(nproc)
step() { printf '\n== %s\n' "$*"; }
configure_and_build() { # preset, build folder
    cmake --preset "$1" -G Ninja >"$2.configure.log" 2>&1 || { cat "$2.configure.log"; exit 1; }
    cmake --build "$2" -j "$jobs"
}

mkdir -p build/debug
step "build with ASan and UBSan"
configure_and_build debug build/debug
step "tests"
(cd build/debug && ctest -j "$jobs" --output-on-failure)
grep -a '^skip ' build/debug/Testing/Temporary/LastTest.log || true # what this machine's clients lack

step "a million steps of the simulator, optimised, with UBSan"
sh tests/run_simulator.sh

$everything || exit 0

step "build with clang"
mkdir -p build/clang
configure_and_build clang build/clang
(cd build/clang && ctest -j "$jobs" -L 'unit|fuzz-smoke' --output-on-failure)
step "a minute of each fuzzer"
sh tests/run_fuzz.sh 60 all

step "clang-tidy"
find base zones dns controller conf cmd -name '*.c' -print0 | sort -z |
    xargs -0 -P "$jobs" -n 4 clang-tidy-14 --quiet -p build/clang

step "ThreadSanitizer"
mkdir -p build/tsan
configure_and_build tsan build/tsan
(cd build/tsan && ctest -j "$jobs" -L unit --output-on-failure)
(cd build/tsan && ctest -j "$jobs" -R '^system/(messages|changes|vectors)$' --output-on-failure)

step "kubectl of every version"
ORDINALD_BUILD=$PWD/build/debug python3 -B tests/system/kubectl_versions.py --build

step "optimised build"
configure_and_build release build

step "long runs"
mkdir -p build/release-ubsan
configure_and_build release-ubsan build/release-ubsan
COW_STEPS=1000000 build/release-ubsan/tests/unit_base_test_cow
build/debug/tests/simulator --steps 50000

step "mutations"
sh tests/mutations.sh
