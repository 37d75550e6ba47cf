#!/bin/sh
# SPDX-License-Identifier: MIT
# Tests of threads under ThreadSanitizer, in build-threads/: plans, contexts and devices side by
# side, on lavapipe and on the CPU path. A report from our code is a failure; what LLVM, which
# lavapipe compiles with, does among its own threads is not.
# The last line sums up: N passed, N failed, N skipped.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/tests/lib.sh"
cd "$top"
tests='unit_vk_side_by_side unit_vk_plans unit_plans'
build=build-threads

generator=
if [ ! -f $build/CMakeCache.txt ] && command -v ninja >/dev/null 2>&1; then
    generator=-GNinja
fi
# shellcheck disable=SC2086
cmake -S . -B $build $generator -DVKATTN_TESTS=ON -DVKATTN_SANITIZE=thread -DVKATTN_COMMAND=OFF \
    -DVKATTN_SAMPLES=OFF -DVKATTN_SPIRV_DIR="$(made_shaders)" ${VKATTN_CMAKE_FLAGS:-} \
    >/dev/null || die "no configuration"
# shellcheck disable=SC2046,SC2086
cmake --build $build --parallel "$(nproc)" --target $(printf 'test_%s ' $tests) \
    >$build/log.txt 2>&1 || {
    tail -n 40 $build/log.txt
    die "the build failed"
}

set -- /usr/share/vulkan/icd.d/lvp_icd*.json
[ ! -f "$1" ] || export VK_DRIVER_FILES="$1" VK_ICD_FILENAMES="$1"
# An empty layer folder hides the installed layer, which isn't built for this.
mkdir -p $build/no-layers
printf 'race:libLLVM\n' >$build/suppressions
export VK_LAYER_PATH="$top/$build/no-layers"
export TSAN_OPTIONS="suppressions=$top/$build/suppressions:halt_on_error=0:exitcode=66"
passed=0 failed=0
for test in $tests; do
    if $build/tests/test_"$test" >$build/"$test".txt 2>&1; then
        passed=$((passed + 1))
        grep -h '^(' $build/"$test".txt || :
    else
        failed=$((failed + 1))
        grep -A 30 'WARNING: ThreadSanitizer\|FAILED\|ERROR' $build/"$test".txt | head -n 200
    fi
done
echo "$passed passed, $failed failed, 0 skipped"
[ $failed = 0 ]
