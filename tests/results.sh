#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs the cases of all blocks, or of some, on the CPU and under each driver of tests/drivers.sh and
# writes what was found to tests/results/blocks.csv: cases, operations and the worst error on each.
# The README's table is made of it. All blocks: some ten minutes on two cores.
#
#   sh tests/results.sh [--build BUILD] [ID...]
#
# BUILD (build) must have the tests built. Blocks that aren't named keep their rows. Nothing is
# written unless all cases pass everywhere.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/tests/lib.sh"
cd "$top"
build=build
if [ "${1:-}" = --build ]; then
    [ $# -gt 1 ] || die "--build takes a folder"
    build=$2
    shift 2
fi
drivers="debian12 minimum swiftshader lavapipe26"
csv=tests/results/blocks.csv
[ -x "$build/tests/test_blocks_cases" ] || die "$build has no tests: run sh tests/run.sh first"

found=$(mktemp -d)
trap 'rm -rf "$found"' EXIT
# under DRIVER [ID...]
under() {
    driver=$1
    shift
    program=$build/tests/test_blocks_cases
    [ "$driver" != lavapipe26 ] || program=build/tests/test_blocks_cases
    VKATTN_CMAKE_FLAGS=-DVKATTN_TESTS=ON VKATTN_VALIDATION=0 sh tests/drivers.sh "$driver" -- \
        "$program" --results "$@" >"$found/$driver.txt" 2>"$found/$driver.err" || {
        grep -h 'FAIL\|ERROR' "$found/$driver.txt" >&2 || tail -n 20 "$found/$driver.err" >&2
        die "cases fail under $driver"
    }
    sed -n 's/^device [0-9]*: //p' "$found/$driver.txt" | grep -v '^cpu$' >"$found/$driver.name" ||
        die "$driver: no Vulkan device"
    say "$driver: $(cat "$found/$driver.name"), done"
}
running=
for driver in $drivers; do
    under "$driver" "$@" &
    running="$running $!"
done
for job in $running; do
    wait "$job" || exit 1
done

# CPU, cases and operations stand in the first driver's results.
grep '^result,[^,]*,cpu,' "$found/debian12.txt" | while IFS=, read -r _ id _ cases err ops; do
    row="$id,$cases,${ops# },$err"
    for driver in $drivers; do
        worst=$(sed -n "s/^result,$id,vulkan,[0-9]*,\([^,]*\),.*/\1/p" "$found/$driver.txt")
        [ -n "$worst" ] || die "$driver told nothing of '$id'"
        row=$row,$worst
    done
    echo "$row"
done >"$found/rows"
[ -s "$found/rows" ] || die "there are no results"
if [ -f $csv ]; then # the rows of the others
    grep '^[a-z0-9_]*,[0-9]' $csv |
        awk -F, 'NR == FNR { new[$1] = 1; next } !($1 in new)' "$found/rows" - >"$found/old" || :
    cat "$found/old" >>"$found/rows"
fi
{
    echo "# Worst error of each block over its cases; made by tests/results.sh, $(date +%F)"
    for driver in $drivers; do
        echo "# $driver: $(cat "$found/$driver.name")"
    done
    echo "block,cases,operations,cpu,$(echo "$drivers" | tr ' ' ,)"
    sort "$found/rows"
} >"$found/blocks.csv"
mkdir -p tests/results
cp "$found/blocks.csv" $csv
say "$csv: $(wc -l <"$found/rows") blocks"
