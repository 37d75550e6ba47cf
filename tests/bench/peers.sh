#!/bin/sh
# SPDX-License-Identifier: MIT
# vkattn against what people would use otherwise, in one run, interleaved (see compare.py): PyTorch
# as it is and compiled by torch.compile, onnxruntime, ncnn and ggml on two cores, in a Debian
# testing tree (tests/tree.sh peers), where vkattn is built, too. Prints the README's tables and
# writes build-peers/peers.csv; where nothing was left out, tests/results/peers.csv, too, from which
# tests/readme.sh --write makes the README's.
#
#   sh tests/bench/peers.sh [--quick] [--busy] [--only CONTESTANT,...] [WORK...]
#
# --quick: 3 short rounds. --busy: one thread and processor time, for a machine that has other work.
# A WORK is a number (W6), a block (sdpa) or both (W6-sdpa-4k). The first call fetches some 2 GB,
# converts and compiles the models, once; after that it takes some ten minutes.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/lib.sh"
cd "$top"

# ncnn and its converter from PyPI, as they are there.
fetch_ncnn() {
    say "fetching ncnn (40 MB)"
    python3 -m venv --system-site-packages "$scratch/ncnn" &&
        "$scratch/ncnn/bin/pip" -q install --only-binary :all: --no-deps \
            ncnn==1.0.20261020 pnnx==20261020 || die "can't install ncnn"
}

# Inside the tree: builds what is timed, then compares.
inside() {
    build_in build -DBUILD_SHARED_LIBS=ON -DVKATTN_SAMPLES=OFF >build/peers.log 2>&1 || {
        tail -n 20 build/peers.log >&2
        die "vkattn doesn't build in the tree"
    }
    cc -O3 -march=native -fopenmp tests/bench/limits.c -o build/limits
    cc -O2 -Wall tests/bench/ggml.c -o build/ggml -lggml -lggml-base -lm
    # ggml would round to f16 on the way, and would pass over a software device.
    export GGML_VK_DISABLE_F16=1 GGML_VK_DISABLE_COOPMAT=1 GGML_VK_VISIBLE_DEVICES=0
    scratch=/var/tmp/vkattn-peers-$(id -u) # stays in the tree, for all clones
    mkdir -p "$scratch"
    # What torch.compile made is found again, and made in the worker itself.
    export TORCHINDUCTOR_CACHE_DIR="$scratch/inductor" TORCHINDUCTOR_COMPILE_THREADS=1
    library=$top/build/libvkattn.so
    for contestant in $(echo "$only" | tr , ' '); do
        python=python3 word=$contestant command=
        case $contestant in
        torch | torch-compile | onnxruntime) ;;
        ncnn | ncnn-vulkan)
            python=$scratch/ncnn/bin/python
            [ -x "$scratch/ncnn/bin/pnnx" ] || fetch_ncnn
            ;;
        ggml) command="build/ggml cpu" ;;
        ggml-vulkan) command="build/ggml vulkan" ;;
        vkattn | vkattn-vulkan) word=$contestant=$library ;;
        *) die "no contestant is called '$contestant'" ;;
        esac
        : "${command:=$python tests/bench/worker.py $word}"
        set -- "$@" --with "$contestant=$command"
    done
    set -- --limits build/limits --scratch "$scratch" --pnnx "$scratch/ncnn/bin/pnnx" "$@"
    PYTHONDONTWRITEBYTECODE=1 PYTHONWARNINGS=ignore python3 tests/bench/compare.py "$@"
}

only=torch,torch-compile,onnxruntime,ncnn,ggml,vkattn,ncnn-vulkan,ggml-vulkan,vkattn-vulkan
clock=wall threads=2
if [ "${1:-}" = --inside ]; then
    only=$2
    shift 2
    inside "$@"
    exit
fi

rounds="--rounds 7 --ms 60" whole=yes
while [ $# -gt 0 ]; do
    case $1 in
    --quick) rounds="--rounds 3 --ms 30" whole= ;;
    --only)
        [ $# -gt 1 ] || die "--only takes a list"
        only=$2 whole=
        shift
        ;;
    --busy) clock=cpu threads=1 ;;
    -*) die "no option is called '$1', see the top of tests/bench/peers.sh" ;;
    *) break ;;
    esac
    shift
done
[ $# = 0 ] || whole=
# shellcheck disable=SC2086
sh tests/tree.sh peers -- env OMP_NUM_THREADS=$threads LP_NUM_THREADS=$threads \
    VKATTN_CLOCK=$clock sh tests/bench/peers.sh --inside "$only" $rounds --csv build/peers.csv "$@"
[ -z "$whole" ] || cp build-peers/peers.csv tests/results/peers.csv
awk -f tests/bench/table.awk build-peers/peers.csv
