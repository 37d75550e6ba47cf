#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs the Debian packages that are missing, by what they are wanted for:
#
#   sh tests/setup.sh build [test] [drivers] [package] [check] [coverage] [windows] [arm64]
#                     [musl] [peers]
#
#   build    the library, the command and the samples
#   test     the test suite, the driver that it runs on where there is no GPU, and what the sample
#            window is built and looked at with
#   drivers  what tests/drivers.sh and tests/fresh.sh make their trees with
#   package  what tests/package.sh builds its programs with
#   check    the compilers and formatters of .ci/run
#   coverage what tests/coverage.sh counts with
#   windows, arm64, musl what tests/ports.sh builds and runs these ports with
#   peers    what tests/bench/peers.sh compares with
#
# The names are the same in Debian 12 and 13 (check: Debian 12 alone; peers: Debian testing). It
# does nothing where nothing is missing; otherwise it needs root or sudo. VKATTN_SETUP=none turns it
# off: for systems without apt, where the packages come from elsewhere.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/tests/lib.sh"

build="gcc libc6-dev cmake ninja-build pkg-config glslang-tools spirv-tools libvulkan-dev
    libvulkan-volk-dev zlib1g-dev libspng-dev libturbojpeg0-dev"
test="vulkan-validationlayers mesa-vulkan-drivers libcmocka-dev libsdl2-dev xvfb"
drivers="debootstrap debian-archive-keyring"
package="g++"
sets="build, test, drivers, package, check, coverage, windows, arm64, musl, peers"
coverage="gcovr"
arm64="gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user debian-archive-keyring"
windows="gcc-mingw-w64-x86-64-posix wine64 debian-archive-keyring"
musl="musl-tools debian-archive-keyring"
peers="python3-torch python3-torchvision python3-onnx python3-onnxruntime python3-numpy
    python3-venv libopenblas0-openmp libggml-dev libggml0-backend-vulkan libgomp1 g++
    python3-dev libtorch-dev"
check="clang-14 libclang-rt-14-dev clang-format-14"

packages_of() {
    for set in "$@"; do
        case $set in
        build) echo "$build" ;;
        test) echo "$test" ;;
        drivers) echo "$drivers" ;;
        package) echo "$package" ;;
        check) echo "$check" ;;
        coverage) echo "$coverage" ;;
        windows) echo "$windows" ;;
        arm64) echo "$arm64" ;;
        musl) echo "$musl" ;;
        peers) echo "$peers" ;;
        *) die "no package set is called '$set' (there are: $sets)" ;;
        esac
    done
}

missing_of() {
    for package in "$@"; do
        status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || status=none
        [ "$status" = installed ] || printf '%s ' "$package"
    done
}

[ "${VKATTN_SETUP:-}" != none ] || exit 0
[ $# -gt 0 ] || die "say what for: $sets"
wanted=$(packages_of "$@" | xargs)
[ -n "$wanted" ] || exit 1

if ! command -v apt-get >/dev/null 2>&1 || ! command -v dpkg-query >/dev/null 2>&1; then
    die "this isn't a Debian or Ubuntu system. Install what your system has for these Debian
packages, then run it again with VKATTN_SETUP=none in the environment:
  $wanted"
fi
# The lists are split into words on purpose, here and below.
# shellcheck disable=SC2086
missing=$(missing_of $wanted)
[ -n "$missing" ] || exit 0

say "installing: $missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qy -o DPkg::Lock::Timeout=300 \
        -o Dpkg::Use-Pty=0 "$@" </dev/null >>"$log" 2>&1
}
apt update || say "apt-get update failed; going on with the package lists that are there"
# shellcheck disable=SC2086
apt --no-install-recommends install $missing || {
    tail -n 20 "$log" >&2
    die "apt-get couldn't install: $missing"
}
