#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs what is missing, builds, and runs all tests on every Vulkan device that the machine has
# (lavapipe where there is no GPU) and on the CPU. Arguments go to ctest:
#
#   sh tests/run.sh [-R NAME] [-L cpu|vulkan] ...
#
# VKATTN_BUILD_DIR: the build folder (build); VKATTN_CMAKE_FLAGS: more options for cmake.
# The last line sums up single tests over all programs: N passed, N failed, N skipped.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/tests/lib.sh"
cd "$top"
build=${VKATTN_BUILD_DIR:-build}

sh tests/setup.sh build test
build_in "$build" -DVKATTN_TESTS=ON || die "the build failed"

results=$top/$build/results.xml
case $build in
/*) results=$build/results.xml ;;
esac
rm -f "$results"
status=0
# The whole output is kept, because the counts are read from it.
ctest --test-dir "$build" --output-on-failure --no-tests=error --parallel "$(nproc)" \
    --output-junit "$results" --test-output-size-passed 99999999 \
    --test-output-size-failed 99999999 "$@" || status=$?
[ -f "$results" ] || die "ctest wrote no $results"

# cmocka closes each group with counts. A program that ends red without having said so (a crash, a
# time-out, a sanitizer's report) is one failure; one without counts is one test itself.
awk -v status=$status '
    /<testcase / { p = f = s = 0; red = /status="fail"/ }
    /<skipped message="SKIP_/ { s = 1 }
    /<skipped / && !/message="SKIP_/ { red = 1 }
    /^\[  PASSED  \]/ { p += count($0) }
    /^\[  FAILED  \].*test\(s\)/ { f += count($0) }
    /^\[  SKIPPED \].*test\(s\)/ { s += count($0) }
    /<\/testcase>/ {
        if (red && f == 0) f = 1
        if (p + f + s == 0) p = 1
        passed += p; failed += f; skipped += s
    }
    function count(line) {
        sub(/^[^]]*\][^0-9]*/, "", line)
        return line + 0
    }
    END {
        if (status != 0 && failed == 0) failed = 1
        printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
        exit failed > 0 || passed == 0
    }' "$results"
