#!/bin/sh
# tests/format.sh [ROOT] - every source file is as .clang-format wants it; 77 (skipped) without clang-format 14.
set -eu
command -v clang-format-14 >/dev/null || exit 77
cd "${1:-$(dirname "$0")/..}"
for folder in base zones dns controller conf cmd tests; do
    [ ! -d "$folder" ] || find "$folder" -name '*.[ch]' -print0
done | xargs -0 -r clang-format-14 --dry-run -Werror
