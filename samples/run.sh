#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs what is missing, builds, and shows where a network looks in a picture:
#
#   sh samples/run.sh [--device D] [PICTURE] [-o OVERLAY.png]
#
# Without a picture it takes samples/spotlight/scene.png, without -o it writes build/spotlight.png.
# Paths are as seen from where you call it. Other arguments go to the sample as they are.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/tests/lib.sh"
build=$top/${VKATTN_BUILD_DIR:-build}

sh "$top/tests/setup.sh" build
log=$(mktemp)
trap 'rm -f "$log"' EXIT
say "building in $build"
build_in "$build" >"$log" 2>&1 || {
    tail -n 40 "$log" >&2
    die "the build failed"
}

picture='' several='' overlay='' previous=''
for argument in "$@"; do
    case $previous in
    -o) overlay=$argument ;;
    esac
    case $argument in
    *.png | *.PNG | *.jpg | *.JPG | *.jpeg | *.JPEG) [ "$previous" = -o ] || {
        several=${picture:+yes} picture=$argument
    } ;;
    esac
    previous=$argument
done
[ -n "$picture" ] || set -- "$@" "$top/samples/spotlight/scene.png"
[ -n "$overlay" ] || { overlay=$build/spotlight.png && set -- "$@" -o "$overlay"; }
"$build/samples/spotlight" "$@"
if [ -z "$several" ]; then
    say "the picture with the attention laid over it: $overlay"
else
    over=$(dirname "$overlay")/NAME.$(basename "$overlay")
    say "the pictures with the attention laid over them: $over"
fi
