#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds the fuzzers (with clang, address and undefined-behaviour sanitizers) and runs each on one
# core:
#
#   sh tests/fuzz/run.sh [SECONDS [NAME...]]     60 seconds each, all of them
#
# What they find new is kept in build-fuzz/corpus/NAME and used the next time; an input that fails
# is written to build-fuzz/NAME-crash-..., and the script ends with status 1.
# CLANG: the compiler (clang-14, else clang). VKATTN_BUILD_DIR: the build folder (build-fuzz).
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/lib.sh"
cd "$top"
build=${VKATTN_BUILD_DIR:-build-fuzz}
seconds=${1:-60}
[ $# -eq 0 ] || shift
if [ $# -eq 0 ]; then
    for file in tests/fuzz/*.c; do
        set -- "$@" "$(basename "$file" .c)"
    done
fi

clang=${CLANG:-$(command -v clang-14 || command -v clang)} ||
    die "clang is missing: sh tests/setup.sh check"
build_in "$build" -DCMAKE_C_COMPILER="$clang" -DVKATTN_FUZZ=ON -DVKATTN_COMMAND=OFF \
    -DVKATTN_SAMPLES=OFF || die "the build failed"

# Small files of the source tree to begin with.
seed() {
    mkdir -p "$build/corpus/$1"
    [ ! -d "tests/fuzz/seeds/$1" ] || cp -f "tests/fuzz/seeds/$1/"* "$build/corpus/$1/"
    case $1 in
    safetensors)
        find tests/cases -name '*.safetensors' -size -3k | sort | head -n 200 |
            while read -r file; do
                cp -f "$file" "$build/corpus/$1/$(echo "$file" | tr / _)"
            done
        ;;
    json) cp -f tests/fuzz/seeds/model/* "$build/corpus/$1/" ;;
    esac
}

status=0
for name in "$@"; do
    seed "$name"
    set -- -max_total_time="$seconds" -timeout=5 -rss_limit_mb=1024 -print_final_stats=1
    [ ! -f "tests/fuzz/$name.dict" ] || set -- "$@" -dict="tests/fuzz/$name.dict"
    log=$build/$name.log
    "$build/tests/fuzz/fuzz_$name" "$@" -artifact_prefix="$build/$name-" "$build/corpus/$name" \
        >"$log" 2>&1 || {
        status=1
        tail -n 40 "$log" >&2
    }
    awk -v name="$name" '
        /number_of_executed_units/ { runs = $2 }
        /average_exec_per_sec/ { rate = $2 }
        / cov: / { for (i = 1; i < NF; i++) if ($i == "cov:") cov = $(i + 1) }
        END { printf "%s: %d runs, %d a second, %d edges\n", name, runs, rate, cov }' "$log"
done
exit $status
