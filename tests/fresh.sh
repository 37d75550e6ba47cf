#!/bin/sh
# SPDX-License-Identifier: MIT
# Proves the README's promise: on a machine with the base system, git and root alone, its two
# commands do all. For each release a bare tree is made, the committed HEAD is cloned into it, and
# the commands are taken from the README and typed as they stand.
#
#   sh tests/fresh.sh [--package] [bookworm] [trixie]     (both)
#
# --package: types `sh tests/package.sh` in their place, which installs and embeds the library.
#
# The trees are made once and copied for each run (see tests/tree.sh).
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/tests/lib.sh"
cd "$top"

bundle=$(mktemp)
trap 'rm -f "$bundle"' EXIT
git bundle create -q "$bundle" HEAD
if [ "${1:-}" = --package ]; then
    shift
    commands='sh tests/package.sh'
else
    commands=$(git show HEAD:README.md |
        sed -n 's/^ *\(sh [a-z]*\/run\.sh\)\( *#.*\)\{0,1\}$/\1/p' | awk '!seen[$0]++')
    [ "$(printf '%s\n' "$commands" | wc -l)" = 2 ] ||
        die "the committed README.md doesn't hold two commands on lines of their own: $commands"
    commands="$commands
test -s build/spotlight.png"
fi

# What is typed in the tree; the repository comes in on standard input.
typed="set -e
cat >/root/repository
git -c advice.detachedHead=false clone -q /root/repository /root/vkattn
cd /root/vkattn
exec </dev/null
$commands"

[ $# -gt 0 ] || set -- bookworm trixie
failed=0 table=
for release in "$@"; do
    start=$(date +%s)
    result=passed
    sh tests/tree.sh "fresh-$release" -- sh -xc "$typed" <"$bundle" || result=FAILED
    [ $result = passed ] || failed=1
    table="$table$release: $(git rev-parse --short HEAD) $result in $(($(date +%s) - start)) s
"
done
printf '\n%s' "$table"
exit $failed
