#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs the test suite, or one command, under each software driver. Each stands for another kind of
# GPU; a fix for one that breaks another is no fix.
#
#   sh tests/drivers.sh [all | DRIVER...]          the suite; all: what tests/run.sh doesn't run
#   sh tests/drivers.sh DRIVER -- COMMAND [ARG]... one command, e.g.
#   sh tests/drivers.sh swiftshader -- build/vkattn devices
#   sh tests/drivers.sh lavapipe26 -- build/vkattn verify tests/cases/cbam/*.safetensors
#
#   debian12     Mesa 22 lavapipe, Vulkan 1.3, subgroups of 8, f16: a plain desktop GPU, with the
#                validation layer that sees missing barriers
#   minimum      the same with limits clamped to what Vulkan 1.1 promises (VKATTN_LIMITS=min): the
#                smallest GPU that may exist
#   swiftshader  Chromium's driver: subgroups of 4, workgroups of 256, no f16 and no 16-bit storage,
#                offsets aligned to 256, an inexact sin and tanh: a small phone GPU. The layer that
#                comes with it sees missing barriers after writes, too
#   lavapipe26   Mesa 26 in a Debian 13 tree: Vulkan 1.4 and cooperative matrices: a new GPU. It is
#                built in the tree, in build-lavapipe26/ (inside: build/), before COMMAND runs
#   sanitize     debian12 with AddressSanitizer and UBSan, in build-sanitize/; no validation layer,
#                because Debian 12's leaks by itself
#   mock         for COMMAND alone: a driver that takes every call and runs no shader
#
# What is fetched lies in VKATTN_CACHE (see tests/tree.sh). All together: within 40 minutes on two
# cores. The last line sums up: N passed, N failed, N skipped.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/tests/lib.sh"
cd "$top"

# Chromium's package holds SwiftShader, a mock driver and a newer validation layer. They need libc,
# libm and libgcc alone.
chromium_files() {
    chromium=$(cache_dir)/chromium
    mkdir -p "$chromium"
    [ -e "$chromium/complete" ] || (
        flock 9
        [ ! -e "$chromium/complete" ] || exit 0
        say "fetching SwiftShader (32 MB) to $chromium"
        cd "$chromium"
        rm -rf ./*.deb x
        apt-get -qq -o APT::Sandbox::User="$(id -un)" download chromium-common 2>/dev/null ||
            { as_root apt-get -qq update && apt-get -qq download chromium-common; } ||
            die "can't download the package chromium-common, which holds SwiftShader"
        dpkg -x ./chromium-common*.deb x
        for lib in libvk_swiftshader libVkICD_mock_icd libVkLayer_khronos_validation; do
            mv "x/usr/lib/chromium/$lib.so" .
        done
        for icd in libvk_swiftshader libVkICD_mock_icd; do
            printf '{"file_format_version": "1.0.0", "ICD": {"library_path": "%s", %s}}\n' \
                "$chromium/$icd.so" '"api_version": "1.3.0"' >$icd.json
        done
        mkdir -p layers
        cat >layers/validation.json <<END
{"file_format_version": "1.2.0", "layer": {
 "name": "VK_LAYER_KHRONOS_validation", "type": "GLOBAL", "api_version": "1.3.296",
 "library_path": "$chromium/libVkLayer_khronos_validation.so",
 "implementation_version": "1", "description": "Khronos validation layer",
 "instance_extensions": [{"name": "VK_EXT_debug_utils", "spec_version": "2"},
                         {"name": "VK_EXT_validation_features", "spec_version": "6"}]}}
END
        rm -rf ./*.deb x
        touch complete
    ) 9>"$chromium/lock" || exit 1
}

on_debian12() {
    grep -qx 'VERSION_CODENAME=bookworm' /etc/os-release
}

use_driver() {
    # Both names: loaders before 1.3.207 know the second alone.
    export VK_DRIVER_FILES="$1" VK_ICD_FILENAMES="$1"
}

use_lavapipe() {
    set -- /usr/share/vulkan/icd.d/lvp_icd*.json
    [ -f "$1" ] || die "lavapipe isn't installed: run sh tests/setup.sh test"
    use_driver "$1"
}

# Runs a command under the driver $1.
run_under() {
    driver=$1
    shift
    case $driver in
    debian12 | minimum)
        [ "$driver" != minimum ] || export VKATTN_LIMITS=min
        if on_debian12; then
            use_lavapipe
            "$@"
        else
            sh tests/tree.sh debian12 -- env ${VKATTN_LIMITS:+VKATTN_LIMITS=$VKATTN_LIMITS} "$@"
        fi
        ;;
    swiftshader)
        chromium_files
        use_driver "$chromium/libvk_swiftshader.json"
        VK_LAYER_PATH=$chromium/layers VK_LAYER_SYNCVAL_SHADER_ACCESSES_HEURISTIC=1 "$@"
        ;;
    mock)
        chromium_files
        use_driver "$chromium/libVkICD_mock_icd.json"
        VK_LAYER_PATH=$chromium/layers "$@"
        ;;
    lavapipe26)
        sh tests/tree.sh lavapipe26 -- env VK_LAYER_SYNCVAL_SHADER_ACCESSES_HEURISTIC=1 "$@"
        ;;
    sanitize)
        use_lavapipe
        # An empty layer folder hides the installed layer. A small quarantine: lavapipe takes and
        # frees 24 bytes on a page boundary for each workgroup, which AddressSanitizer would keep by
        # the million, 8 KiB each (24 GB were seen).
        mkdir -p build-sanitize/no-layers
        ASAN_OPTIONS=quarantine_size_mb=8:thread_local_quarantine_size_kb=64:${ASAN_OPTIONS:-} \
            VK_LAYER_PATH=$top/build-sanitize/no-layers "$@"
        ;;
    *) die "no driver is called '$driver', see the top of tests/drivers.sh" ;;
    esac
}

# What its compiler knows and its driver offers.
lavapipe26_flags="-DVKATTN_MATRIX2=ON -DVKATTN_BF16=ON"

suite_under() {
    case $1 in
    sanitize)
        shaders=-DVKATTN_SPIRV_DIR=$(made_shaders)
        VKATTN_BUILD_DIR=build-sanitize \
            VKATTN_CMAKE_FLAGS="${VKATTN_CMAKE_FLAGS:-} -DVKATTN_SANITIZE=ON $shaders" \
            run_under sanitize sh tests/run.sh
        ;;
    lavapipe26)
        run_under lavapipe26 env VKATTN_CMAKE_FLAGS="${VKATTN_CMAKE_FLAGS:-} $lavapipe26_flags" \
            sh tests/run.sh
        ;;
    *) run_under "$1" sh tests/run.sh ;;
    esac
}

one_command() {
    driver=$1
    shift 2
    if [ "$driver" = lavapipe26 ] && [ -f CMakeLists.txt ]; then
        # shellcheck disable=SC2016
        set -- env flags="$lavapipe26_flags" sh -c '. tests/lib.sh && top=. &&
            build_in build $flags >build/build.log 2>&1 ||
            { tail -n 40 build/build.log >&2; exit 1; }; exec "$@"' sh "$@"
    fi
    run_under "$driver" "$@"
}

if [ "${2:-}" = -- ]; then
    one_command "$@"
    exit
fi
if [ $# = 0 ] || [ "$1" = all ]; then
    set -- minimum swiftshader sanitize lavapipe26
    # On Debian 12 tests/run.sh is the suite on that driver.
    on_debian12 || set -- debian12 "$@"
fi
each_suite suite_under "$@"
