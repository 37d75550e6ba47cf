#!/bin/sh
# SPDX-License-Identifier: MIT
# vkattn against what people would use otherwise, in one run, interleaved (see compare.py): PyTorch
# and others on the CPU with two threads, all in a Debian testing tree (tests/tree.sh peers), where
# vkattn is built, too. Writes tests/results/peers.csv, where all workloads were run, and prints the
# table that the README shows.
#
#   sh tests/bench/peers.sh [--quick] [--busy] [--only CONTESTANT,...] [WORK...]
#
# --quick: 3 short rounds. --busy: one thread and processor time, for a machine that has other work.
# A WORK is a number (W6), a block (sdpa) or both (W6-sdpa-4k). The first call fetches some 2 GB.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/lib.sh"
cd "$top"

# Inside the tree: builds what is timed, then compares.
inside() {
    build_in build -DBUILD_SHARED_LIBS=ON -DVKATTN_SAMPLES=OFF >build/peers.log 2>&1 || {
        tail -n 20 build/peers.log >&2
        die "vkattn doesn't build in the tree"
    }
    cc -O3 -march=native -fopenmp tests/bench/limits.c -o build/limits
    library=$top/build/libvkattn.so
    set -- --limits build/limits --scratch build "$@"
    for contestant in $(echo "$only" | tr , ' '); do
        case $contestant in
        torch) command="python3 tests/bench/worker.py torch" ;;
        vkattn | vkattn-vulkan)
            command="python3 tests/bench/worker.py $contestant=$library" ;;
        *) die "no contestant is called '$contestant'" ;;
        esac
        set -- --with "$contestant=$command" "$@"
    done
    PYTHONDONTWRITEBYTECODE=1 PYTHONWARNINGS=ignore python3 tests/bench/compare.py "$@"
}

only=torch,vkattn,vkattn-vulkan clock=wall threads=2
if [ "${1:-}" = --inside ]; then
    only=$2
    shift 2
    inside "$@"
    exit
fi

rounds="--rounds 7 --ms 60"
while [ $# -gt 0 ]; do
    case $1 in
    --quick) rounds="--rounds 3 --ms 30" ;;
    --only)
        [ $# -gt 1 ] || die "--only takes a list"
        only=$2
        shift
        ;;
    --busy) clock=cpu threads=1 ;;
    -*) die "no option is called '$1', see the top of tests/bench/peers.sh" ;;
    *) break ;;
    esac
    shift
done
csv=build-peers/peers.csv
# shellcheck disable=SC2086
sh tests/tree.sh peers -- env OMP_NUM_THREADS=$threads LP_NUM_THREADS=$threads \
    VKATTN_CLOCK=$clock sh tests/bench/peers.sh --inside "$only" $rounds --csv build/peers.csv "$@"
cat $csv
