#!/bin/sh
# SPDX-License-Identifier: MIT
# Checks that the README's tables are those of the command and of tests/results, and its program
# that of samples/hello.c; --write puts them there. Every attention block must have its row of
# results, for as many cases as there are.
#
#   sh tests/readme.sh [--write] [BUILD]
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/tests/lib.sh"
write=
[ "${1:-}" != --write ] || { write=yes && shift; }
vkattn=${1:-$top/build}/vkattn
csv=$top/tests/results/blocks.csv
parts=$(mktemp -d)
trap 'rm -rf "$parts"' EXIT

"$vkattn" blocks --markdown >"$parts/tables"
{
    echo '```c'
    sed -n '/^#include <stdio.h>/,$p' "$top/samples/hello.c"
    echo '```'
} >"$parts/hello"
awk -f "$top/tests/bench/table.awk" "$top/tests/results/peers.csv" >"$parts/peers"

# --- the results: a row a block, in the order of the command ---

result_of() {
    row=$(grep "^$1," "$csv") ||
        die "no result of '$1' in tests/results/blocks.csv: sh tests/results.sh"
    cases=$(find "$top/tests/cases/$1" -name '*.safetensors' | wc -l)
    [ "$(echo "$row" | cut -d, -f2)" -eq "$cases" ] ||
        die "'$1' has $cases cases, others in tests/results/blocks.csv: sh tests/results.sh"
    echo "$row" | awk -F, '{
        printf "| `%s` | %s |", $1, $2
        for (i = 4; i <= NF; i++)
            printf " %s |", $i
        print " " $3 " |"
    }'
}
{
    sed -n 's/^# \([a-z0-9]*\): \(.*\)/- `\1`: \2/p' "$csv"
    echo
    grep '^block,' "$csv" | awk -F, '{
        printf "| %s | %s |", $1, $2
        for (i = 4; i <= NF; i++)
            printf " %s |", $i
        printf " %s |\n|---|--:|", $3
        for (i = 4; i <= NF; i++)
            printf "--:|"
        print "---|"
    }'
    "$vkattn" blocks | awk '/^[A-Z]/ { on = /^Attention/ } on && /^ / { print $1 }' |
        while read -r id; do
            result_of "$id" || exit 1
        done
} >"$parts/results" || exit 1
[ -s "$parts/results" ] || die "no results"

# --- what stands between <!-- name --> and <!-- /name --> is replaced by a file ---

awk -v parts="$parts" '
    /^<!-- \/(tables|hello|results|peers) -->$/ { inside = 0 }
    !inside { print }
    /^<!-- (tables|hello|results|peers) -->$/ {
        inside = 1
        file = parts "/" $2
        while ((getline line < file) > 0)
            print line
    }' "$top/README.md" >"$parts/made"

if [ -n "$write" ]; then
    cat "$parts/made" >"$top/README.md"
elif ! diff -u "$top/README.md" "$parts/made"; then
    echo "README.md differs from the rows: sh tests/readme.sh --write" >&2
    exit 1
fi
