#!/bin/sh
# tests/docs.sh [ROOT] - what docs/ names is there.
#
#   docs/hacking.md and docs/decisions/: every word in backticks is a file (it has a slash or a known ending), an option
#   (it has a dot), or a name that the sources declare. Commands and longer pieces stand in indented blocks instead.
#   docs/conformance.md: every test in backticks exists and runs, every rule has a row, each rule once.
#
# Prints each thing that is missing as file:line and fails.
set -eu
cd "${1:-$(dirname "$0")/..}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# ---- names that the sources declare ----

find base zones dns controller conf cmd tests -name '*.[ch]' >"$work/sources"
xargs cat <"$work/sources" | awk '
    /^[a-z]/ { # a function, a table, a type, at the left edge
        line = $0
        while (match(line, /[a-z_][a-z0-9_]*[[(]/)) {
            print substr(line, RSTART, RLENGTH - 1)
            line = substr(line, RSTART + RLENGTH)
        }
        if (match($0, /^(static )?(const )?(struct|enum|union) [a-z_][a-z0-9_]*/))
            print $1 == "static" || $1 == "const" ? $0 : $2
        if (match($0, /[a-z_][a-z0-9_]* = \{/))
            print substr($0, RSTART, RLENGTH - 4)
    }
    /^extern const struct/ || /^    [a-z_]*_controller,/ { gsub(/[,;]/, " "); for (i = 1; i <= NF; i++) print $i }
    /^#define / { sub(/\(.*/, "", $2); print $2 }
    /^    [A-Z][A-Z0-9_]*(,| =|$| +\/\*)/ { sub(/,.*/, "", $1); print $1 } # a constant of an enum
    /^    int \(\*[a-z_]+\)\(/ || /^    void \(\*[a-z_]+\)\(/ { # a member that is a function
        match($0, /\(\*[a-z_]+/)
        print substr($0, RSTART + 2, RLENGTH - 2)
    }' | sort -u >"$work/names"
sed -n 's/.*{\.name = "\([a-z.0-9-]*\)".*/\1/p' conf/options.c >"$work/options"
[ -s "$work/names" ] && [ -s "$work/options" ]

# Each piece in backticks of a Markdown file, as "file:line<TAB>piece"; indented blocks are left out.
pieces() {
    awk '!/^    / {
        n = split($0, part, "`")
        for (i = 2; i <= n; i += 2)
            print FILENAME ":" FNR "\t" part[i]
    }' "$@"
}

tab=$(printf '\t')
pieces docs/hacking.md docs/decisions/*.md | while IFS="$tab" read -r where word; do
    case $word in
    *' '*) found=false ;;
    */* | *.c | *.h | *.sh | *.py | *.md | *.txt | *.json | *.conf | *.service | *.yaml)
        found=true
        for file in $word; do # the shell spells out a star
            [ -e "$file" ] || found=false
        done ;;
    *.*) grep -qxF "$word" "$work/options" && found=true || found=false ;;
    *) grep -qxF "$word" "$work/names" && found=true || found=false ;;
    esac
    $found || echo "$where: no such file, option or name: $word"
done >"$work/missing"

# ---- tests that conformance.md names ----

# "dns/test_answer: name" is a function of tests/unit/dns/test_answer.c, "system/test_changes: name" one of a Python file,
# "scenario/NAME" and "fuzz/NAME" are whole files. The beginning of a table's row may follow in quotes.
form='s#^tests/unit/##; s#\.c:(static void )?#: #; s#\(void.*##' # "dns/test_answer: name"
grep -oE '^(static void )?[A-Za-z0-9_]+\(void \*\*state\)' tests/unit/*/test_*.c | sed -E "$form" | sort -u >"$work/defined"
grep -oE '[(][A-Za-z0-9_]+[),]' tests/unit/*/test_*.c | sed -E 's#^tests/unit/##; s#\.c:.#: #; s#.$##' | sort -u >"$work/listed"
{
    comm -12 "$work/defined" "$work/listed"
    awk '/^SCENARIO\(/ { name = $0; sub(/^SCENARIO\(/, "", name); wrapped = name == "" }
        wrapped && /^ / { name = $1; wrapped = 0 }
        name != "" { sub(/,.*/, "", name); print FILENAME ": " name; name = "" }' tests/unit/*/test_*.c |
        sed -E 's#^tests/unit/##; s#\.c: #: #'
    grep -oE '^def test_[a-z0-9_]+\(\)' tests/system/test_*.py | sed 's#^tests/##; s#\.py:def #: #; s#()$##'
    ls tests/scenario/*.scn | sed 's#^tests/##; s#\.scn$##'
    ls tests/fuzz/fuzz_*.c | sed 's#^tests/fuzz/fuzz_#fuzz/#; s#\.c$##'
    ls tests/*.sh
} >"$work/tests"

pieces docs/conformance.md >"$work/named"
awk -F"$tab" 'NR == FNR { known[$1] = 1; next }
    {
        test = $2
        sub(/ ".*/, "", test)
        if (!(test in known))
            print $1 ": no such test: " $2
    }' "$work/tests" "$work/named" >>"$work/missing"
grep '"' "$work/named" | while IFS="$tab" read -r where text; do
    row=${text#*\"}
    grep -qF "\"${row%\"}" "tests/unit/${text%%:*}.c" 2>/dev/null || echo "$where: no such row: $text"
done >>"$work/missing"

# ---- every rule has its row ----

numbers() { # prefix, last
    i=1
    while [ "$i" -le "$2" ]; do
        echo "$1$i"
        i=$((i + 1))
    done
}
{ numbers V 107; numbers D 30; numbers P 37; numbers R 101; numbers S 83; numbers A 39; numbers C 26; } | sort >"$work/wanted"
sed -nE 's/^\| ([A-Z]+[-0-9A-Z]*( to [A-Z]+[0-9]+)?) \|.*/\1/p' docs/conformance.md |
    awk '$2 == "to" {
            prefix = substr($1, 1, 1)
            for (i = substr($1, 2) + 0; i <= substr($3, 2) + 0; i++)
                print prefix i
            next
        }
        { print }' | sort >"$work/rows"
comm -23 "$work/wanted" "$work/rows" | sed 's/^/docs\/conformance.md: no row for /' >>"$work/missing"
uniq -d "$work/rows" | sed 's/^/docs\/conformance.md: more than one row for /' >>"$work/missing"

awk 'length($0) > 140 { print FILENAME ":" FNR ": longer than 140 columns" }' docs/*.md docs/decisions/*.md >>"$work/missing"

cat "$work/missing"
[ ! -s "$work/missing" ]
