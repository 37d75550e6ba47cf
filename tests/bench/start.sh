#!/bin/sh
# SPDX-License-Identifier: MIT
# How soon a block's first result is there when nothing was compiled before, as a Markdown table on
# stdout: no cache of the driver's (Mesa), none of ours. What the first run takes beyond a later one
# is the driver's compiling; read it for shaders that are unrolled too far.
#
#   sh tests/bench/start.sh [--build BUILD] [--device D] [--most MS] [ID...] >table.md
#
# --most: fails, and names them, where blocks take longer (plan and first run less a later one).
# Which step it is: vkattn bench ID --steps.
# Device: the first Vulkan device. Blocks: all with a paper.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/lib.sh"
build=$top/build device=vulkan:0 most= late=
while [ $# -gt 0 ]; do
    case $1 in
    --build | --device | --most) [ $# -gt 1 ] || die "$1 takes a value" ;;
    -*) die "no option is called '$1', see the top of tests/bench/start.sh" ;;
    *) break ;;
    esac
    case $1 in
    --build) build=$2 ;;
    --device) device=$2 ;;
    --most) most=$2 ;;
    esac
    shift 2
done
case $most in
*[!0-9]*) die "--most takes a whole number of milliseconds" ;;
esac
vkattn=$build/vkattn
[ -x "$vkattn" ] || die "there is no $vkattn: build it first"
# shellcheck disable=SC2046
[ $# -gt 0 ] || set -- $("$vkattn" blocks |
    awk '/^[A-Z]/ { on = /^Attention/ } on && /^ / { print $1 }')
[ $# -gt 0 ] || die "the command lists no blocks"

export MESA_SHADER_CACHE_DISABLE=true
row=$(mktemp)
trap 'rm -f "$row"' EXIT
number_of() {
    sed -n "s/^{.*\"$1\": \([^,}]*\).*/\1/p" "$row"
}
echo '| block | dispatches | plan, ms | first run, ms | a later run, ms |'
echo '|---|--:|--:|--:|--:|'
for id in "$@"; do
    "$vkattn" bench "$id" --device "$device" --rounds 1 --json >"$row" ||
        die "$id doesn't run on $device"
    [ -n "$(number_of plan_ms)" ] && [ -n "$(number_of first_ms)" ] && [ -n "$(number_of ms)" ] ||
        die "the command tells no times of $id"
    printf '| `%s` | %s | %.0f | %.0f | %.0f |\n' "$id" "$(number_of dispatches)" \
        "$(number_of plan_ms)" "$(number_of first_ms)" "$(number_of ms)"
    [ -z "$most" ] || awk -v most="$most" -v plan="$(number_of plan_ms)" \
        -v first="$(number_of first_ms)" -v ms="$(number_of ms)" \
        'BEGIN { exit plan + first - ms > most }' || late="$late $id"
done
[ -z "$late" ] || die "over $most ms:$late"
