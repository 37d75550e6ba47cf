#!/bin/sh
# SPDX-License-Identifier: MIT
# Puts what tests/ports.sh found on a port into the table tests/results/ports.md:
#
#   sh tests/ports_table.sh PORT COMPILER PROGRAMS ROWS
#
# PROGRAMS: a file with the names of all that the port has; ROWS: see tests/counts.awk. Rows of
# programs that were not run this time stay as they were, those of programs that are gone go.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
table=$top/tests/results/ports.md
port=$1 compiler=$2 programs=$3 found=$4

rows=$(mktemp)
trap 'rm -f "$rows"' EXIT
touch "$table"
{
    awk -v port="$port" -v compiler="$compiler" -v date="$(date +%F)" '{
        names = $0
        for (i = 1; i <= 5; i++)
            sub(/^[^ ]* ?/, "", names)
        gsub(/[|]/, "/", names)
        printf "| %s | %s | %s | %s%s | %s | %s | %s | %s |\n", port, $1, $2, $3,
               names == "" ? "" : ": " names, $4, $5, compiler, date
    }' "$found"
    awk -v port="$port" -v programs="$programs" -v found="$found" '
        FILENAME == programs { exists[$1] = 1 }
        FILENAME == found { delete exists[$1] }
        FILENAME != programs && FILENAME != found && /^\| [a-z0-9]+ \| [a-z]+\// &&
            ($2 != port || $4 in exists)' "$programs" "$found" "$table"
} | LC_ALL=C sort >"$rows"

{
    cat <<'END'
# The suite on other systems and processors

Made by `sh tests/ports.sh --all --write`, which tells what the ports are. A test is skipped where
it needs a Vulkan device, or a part of one, that isn't there.

| port | programs | passed | failed | skipped |
|---|--:|--:|--:|--:|
END
    awk -F ' *[|] *' '{
        programs[$2]++
        passed[$2] += $4
        failed[$2] += $5
        skipped[$2] += $6
    }
    END {
        for (port in programs)
            printf "| %s | %d | %d | %d | %d |\n", port, programs[port], passed[port],
                   failed[port], skipped[port]
    }' "$rows" | LC_ALL=C sort
    printf '\n| port | program | passed | failed | skipped | s | compiler | date |\n'
    printf '|---|---|--:|--:|--:|--:|---|---|\n'
    cat "$rows"
} >"$table.new"
mv "$table.new" "$table"
