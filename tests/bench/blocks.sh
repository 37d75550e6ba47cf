#!/bin/sh
# SPDX-License-Identifier: MIT
# How long every attention block takes at a typical shape (that of its row's example), as a Markdown
# table on stdout: a column for each device, then what the plan for the last one has of steps and
# temporaries. Read it for blocks that are slow for what they compute.
#
#   sh tests/bench/blocks.sh [--build BUILD] [--rounds N] [--device D]... [ID...] >table.md
#
# Devices: the CPU path and the first Vulkan device, if there is one. Blocks: all with a paper.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/lib.sh"
build=$top/build rounds=3 devices=
while [ $# -gt 0 ]; do
    case $1 in
    --build | --rounds | --device) [ $# -gt 1 ] || die "$1 takes a value" ;;
    -*) die "no option is called '$1', see the top of tests/bench/blocks.sh" ;;
    *) break ;;
    esac
    case $1 in
    --build) build=$2 ;;
    --rounds) rounds=$2 ;;
    --device) devices="$devices $2" ;;
    esac
    shift 2
done
vkattn=$build/vkattn
[ -x "$vkattn" ] || die "there is no $vkattn: build it first"
if [ -z "$devices" ]; then
    devices=cpu
    ! "$vkattn" devices | grep -q '^0 ' || devices="cpu vulkan:0"
fi
# shellcheck disable=SC2046
[ $# -gt 0 ] || set -- $("$vkattn" blocks |
    awk '/^[A-Z]/ { on = /^Attention/ } on && /^ / { print $1 }')
[ $# -gt 0 ] || die "the command lists no blocks"

row=$(mktemp)
trap 'rm -f "$row"' EXIT
# The value of a key in the one object of the JSON list.
number_of() {
    sed -n "s/^{.*\"$1\": \([^,}]*\).*/\1/p" "$row"
}

printf '| block | inputs |'
for device in $devices; do
    printf ' %s, ms |' "$device"
done
printf ' GFLOP/s | steps | temporaries, KiB |\n|---|---|'
for device in $devices; do
    printf -- '--:|'
done
printf -- '--:|--:|--:|\n'
status=0
for id in "$@"; do
    times='' inputs=''
    for device in $devices; do
        if "$vkattn" bench "$id" --device "$device" --rounds "$rounds" --json >"$row"; then
            inputs=$(sed -n 's/.*"inputs": "\([^"]*\)".*/\1/p' "$row")
            times="$times $(number_of ms | awk '{ printf "%.2f", $1 }') |"
        else
            times="$times failed |" status=1
        fi
    done
    printf '| `%s` | %s |%s %s | %s | %s |\n' "$id" "$inputs" "$times" \
        "$(number_of gflops | awk '{ printf "%.1f", $1 }')" "$(number_of steps)" \
        "$(number_of temporaries | awk '{ printf "%.0f", $1 / 1024 }')"
done
exit $status
