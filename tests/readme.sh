#!/bin/sh
# SPDX-License-Identifier: MIT
# Checks that the README's tables are those of the command, and its program that of samples/hello.c;
# --write puts them there.
#
#   sh tests/readme.sh [--write] [BUILD]
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
write=
[ "${1:-}" != --write ] || { write=yes && shift; }
vkattn=${1:-$top/build}/vkattn
made=$(mktemp)
tables=$(mktemp)
hello=$(mktemp)
trap 'rm -f "$made" "$tables" "$hello"' EXIT
"$vkattn" blocks --markdown >"$tables"
{
    echo '```c'
    sed -n '/^#include <stdio.h>/,$p' "$top/samples/hello.c"
    echo '```'
} >"$hello"

# What stands between <!-- name --> and <!-- /name --> is replaced by a file.
awk -v tables="$tables" -v hello="$hello" '
    /^<!-- \/(tables|hello) -->$/ { inside = 0 }
    !inside { print }
    /^<!-- (tables|hello) -->$/ {
        inside = 1
        file = $2 == "tables" ? tables : hello
        while ((getline line < file) > 0) print line
    }' "$top/README.md" >"$made"

if [ -n "$write" ]; then
    cat "$made" >"$top/README.md"
elif ! diff -u "$top/README.md" "$made"; then
    echo "README.md differs from the rows: sh tests/readme.sh --write" >&2
    exit 1
fi
