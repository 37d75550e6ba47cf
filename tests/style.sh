#!/bin/sh
# SPDX-License-Identifier: MIT
# The style checks: formatting by clang-format 14, a licence line in each source file, no trailing
# blanks, no tabs, a newline at the end, no line over 100 characters, shell scripts that parse.
# Prints each fault as FILE:LINE: what; exit 1 where there is one.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/tests/lib.sh"
cd "$top"

faults=$(mktemp)
trap 'rm -f "$faults"' EXIT
files() {
    git ls-files -co --exclude-standard -- "$@"
}

sources=$(files '*.c' '*.h' '*.comp' '*.glsl' '*.cmake' '*.sh' '*.py' '*CMakeLists.txt' .ci/run)
for file in $sources; do
    [ -f "$file" ] || continue
    head -n 2 "$file" | grep -q 'SPDX-License-Identifier: MIT$' ||
        echo "$file:1: no SPDX licence line"
    awk -v file="$file" '
        length($0) > 100 { print file ":" NR ": over 100 characters" }
        /[ \t\r]$/ { print file ":" NR ": blank at the end of the line" }
        /\t/ { print file ":" NR ": tab" }' "$file"
    [ -z "$(tail -c 1 "$file")" ] || echo "$file: no newline at the end"
done >"$faults"
for file in $(files '*.sh'); do
    sh -n "$file" 2>>"$faults" || :
done

format=
for candidate in clang-format-14 clang-format; do
    if $candidate --version 2>/dev/null | grep -q 'version 14\.'; then
        format=$candidate
        break
    fi
done
[ -n "$format" ] || die "clang-format 14 is missing: sh tests/setup.sh check (Debian 12)"
# shellcheck disable=SC2046
$format --dry-run -Werror $(files '*.c' '*.h') 2>&1 | sed -n 's/^\([^:]*\):.*error: code.*/\1/p' |
    sort -u | sed "s/\$/: not as $format writes it/" >>"$faults"

cat "$faults"
[ ! -s "$faults" ]
