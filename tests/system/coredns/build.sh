#!/bin/sh
# tests/system/coredns/build.sh [FOLDER] - builds CoreDNS from its published module into FOLDER, or into build/coredns of the tree.
# Prints the path of the program, or "skip: reason" with exit code 77; see tests/system/go_build.sh.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
exec "$here/../go_build.sh" "$here" "${1:-$here/../../../build/coredns}/coredns"
