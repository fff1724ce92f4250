#!/bin/sh
# Breaks the program on purpose, one edit at a time in a copy of the tree, and asks that the simulator or a named test
# sees it. docs/simulator.md has the table.
#   sh tests/mutations.sh                 all of them (about 10 minutes on two cores)
#   sh tests/mutations.sh NAME...         some of them
#   sh tests/mutations.sh --stale         only: is the text that each edit replaces there exactly once?
#   sh tests/mutations.sh --list
exec python3 "$(dirname "$0")/mutations.py" "$@"
