#!/bin/sh
# SPDX-License-Identifier: MIT
# What there is to see on a machine with a GPU, in under eight minutes and without a network: the
# cases of all blocks, then products, attention and gates against PyTorch on the same GPU and
# against what it could do at best (gpu.py), then the time of every block. Each part has its own
# time limit and file, so that one that fails leaves the others.
#
#   sh tests/bench/gpu.sh --build BUILD [--device D] [--out FOLDER] [--python PYTHON]
#
# BUILD was configured with -DBUILD_SHARED_LIBS=ON. PYTHON has NumPy and PyTorch.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/lib.sh"
build='' device=vulkan out=gpu-results python=python3
while [ $# -gt 0 ]; do
    case $1 in
    --build | --device | --out | --python) [ $# -gt 1 ] || die "$1 takes a value" ;;
    *) die "no option is called '$1', see the top of tests/bench/gpu.sh" ;;
    esac
    case $1 in
    --build) build=$2 ;;
    --device) device=$2 ;;
    --out) out=$2 ;;
    --python) python=$2 ;;
    esac
    shift 2
done
[ -x "$build/vkattn" ] && [ -e "$build/libvkattn.so" ] || die "no shared build in '$build'"
mkdir -p "$out"
status=0

# part NAME SECONDS COMMAND...: output to OUT/NAME.txt, the last lines here.
part() {
    name=$1 seconds=$2 code=0
    shift 2
    say "== $name"
    timeout -k 5 "$seconds" "$@" >"$out/$name.txt" 2>"$out/$name.err" || code=$?
    tail -n 40 "$out/$name.txt"
    if [ $code != 0 ]; then
        status=1
        say "$name: status $code (124: it took over $seconds s)"
        tail -n 5 "$out/$name.err" >&2
    fi
}

"$build/vkattn" devices | tee "$out/devices.txt"
# The failures and the counts alone.
# shellcheck disable=SC2016
part verify 160 sh -c 'vkattn=$1 device=$2
    shift 2
    "$vkattn" verify --device "$device" "$@" >"$0.all" || code=$?
    grep -v "^PASS" "$0.all"
    exit "${code:-0}"' "$out/verify" "$build/vkattn" "$device" "$top"/tests/cases/*/*.safetensors
part peers 185 env PYTHONDONTWRITEBYTECODE=1 "$python" "$top/tests/bench/gpu.py" \
    "$build/libvkattn.so" "$device"
part blocks 130 sh "$top/tests/bench/blocks.sh" --build "$build" --device "$device"
exit $status
