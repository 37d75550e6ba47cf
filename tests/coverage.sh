#!/bin/sh
# SPDX-License-Identifier: MIT
# How much of the C code in src/ the tests run through, on the CPU and on lavapipe: a table of files
# with fewer lines than wanted, the share of all lines, and failure below the bound. It builds in
# build-coverage/ with gcc's --coverage; no validation layer, for speed.
#
#   sh tests/coverage.sh [CTEST ARG]...
#
# VKATTN_COVERAGE: the bound in percent (90).
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/tests/lib.sh"
cd "$top"
bound=${VKATTN_COVERAGE:-90}
build=build-coverage

sh tests/setup.sh build test coverage
VKATTN_CMAKE_FLAGS="-DCMAKE_BUILD_TYPE=Debug" build_in $build -DVKATTN_TESTS=ON \
    "-DCMAKE_C_FLAGS=--coverage -O1" >$build.log 2>&1 ||
    { tail -n 20 $build.log >&2 && die "the build failed"; }
rm -f $build.log
find $build -name '*.gcda' -delete
mkdir -p $build/no-layers
status=0
VK_LAYER_PATH=$top/$build/no-layers ctest --test-dir $build --parallel "$(nproc)" --no-tests=error \
    --output-on-failure "$@" >$build/tests.log 2>&1 || status=$?
sed -n '/tests passed/p; /tests FAILED/,$p' $build/tests.log

# Threads count without locks: a line's count may be off, never whether it ran.
gcovr --root . --filter src/ --object-directory $build --gcov-ignore-parse-errors \
    --sort-uncovered --txt $build/coverage.txt --print-summary \
    --fail-under-line "$bound" >$build/summary.txt || status=1
awk -v bound="$bound" '/^src\// && $4 + 0 < bound {
    printf "%-45s %5d lines %4s\n", $1, $2, $4
}' $build/coverage.txt
echo "line by line: $build/coverage.txt"
grep '^lines' $build/summary.txt
exit $status
