#!/bin/sh
# tests/docs_test.sh - docs.sh notices whatever goes missing, and nothing else.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
for folder in base zones dns controller conf cmd tests docs; do
    cp -r "$here/../$folder" "$tree/$folder"
done
"$here/docs.sh" "$tree"

# broken WANTED FILE SED-SCRIPT : with the file changed so, docs.sh fails and its output has WANTED
broken() {
    cp "$tree/$2" "$tree/kept"
    sed "$3" "$tree/kept" >"$tree/$2"
    if cmp -s "$tree/kept" "$tree/$2"; then
        echo "the mutant changes nothing: $3 in $2"
        exit 1
    fi
    if "$here/docs.sh" "$tree" >"$tree/found"; then
        echo "docs.sh succeeds with $3 in $2"
        exit 1
    fi
    if ! grep -qF "$1" "$tree/found"; then
        echo "docs.sh does not name $1 with $3 in $2"
        exit 1
    fi
    cp "$tree/kept" "$tree/$2"
}
broken ": answer_verdict" dns/answer.c 's/answer_verdict(/answer_faults(/'
broken ": stages" cmd/ordinald.c 's/ stages\[/ steps[/'
broken "log.level" conf/options.c 's/"log\.level"/"log.most"/'
broken "base/cows.h" docs/hacking.md 's#base/cow\.h#base/cows.h#'
broken "chains_list_each_name_once_in_order" tests/unit/dns/test_answer.c 's/static void chains_list/static void chain_lists/'
broken "odd_names_are_parsed_and_missing" tests/unit/dns/test_answer.c '/cmocka_unit_test(odd_names_are_parsed/d'
broken "s68_r57_old_revisions_are_forgotten" tests/unit/reconcile/test_statefulset_update.c 's/^SCENARIO(s68_r57_old/SCENARIO(s68_r57_elder/'
broken "P33 loop of two" tests/unit/dns/test_answer.c 's/P33 loop/a loop/'
broken "test_d30_lameduck" tests/system/test_changes.py 's/def test_d30/def d30/'
broken "scenario/main_jobs" docs/conformance.md 's#scenario/main_job`#scenario/main_jobs`#'
broken "no row for R29" docs/conformance.md '/^| R29 |/d'
broken "more than one row for R30" docs/conformance.md 's/^| R29 |/| R30 |/'
broken "longer than 140 columns" docs/conformance.md "1s/.*/&&&&&&/"
