#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs what is missing, builds, and runs all tests on every Vulkan device that the machine has
# (lavapipe where there is no GPU) and on the CPU. Arguments go to ctest:
#
#   sh tests/run.sh [-R NAME] [-L cpu|vulkan] ...
#
# VKATTN_BUILD_DIR: the build folder (build); VKATTN_CMAKE_FLAGS: more options for cmake.
# A line a program stands in the build folder's results.txt (see tests/counts.awk). The last lines
# are the failed tests by name and the sum over all programs: N passed, N failed, N skipped.
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

awk -v status=$status -v rows="${results%.xml}.txt" -f tests/counts.awk "$results"
