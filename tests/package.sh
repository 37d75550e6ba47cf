#!/bin/sh
# SPDX-License-Identifier: MIT
# Packaging: installs the library in a folder of its own, shared and static, and builds and runs a
# program in C11 and one in C++17 against it, found by CMake and by pkg-config; then the same with
# the source tree as a subdirectory and fetched. Also: each public header compiles alone in C99, C11
# and C++, and the shared library exports exactly tests/package/symbols.txt and stays small.
#
#   sh tests/package.sh [--write]       --write: makes symbols.txt anew
#
# The last line sums up: N passed, N failed, N skipped.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/tests/lib.sh"
cd "$top"
sh tests/setup.sh build
command -v c++ >/dev/null || sh tests/setup.sh package

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0
unset PKG_CONFIG_PATH LD_LIBRARY_PATH VKATTN_DEVICE

# check NAME COMMAND...: one test; what it said is shown where it fails.
check() {
    name=$1
    shift
    if "$@" >"$work/log" 2>&1; then
        passed=$((passed + 1))
        echo "ok $name"
    else
        failed=$((failed + 1))
        echo "NOT ok $name: $*"
        tail -n 20 "$work/log"
    fi
}

# The modules are compiled once at most, then taken from there.
library() { # folder, further options
    folder=$1
    shift
    cmake -S "$top" -B "$folder" -GNinja -DVKATTN_COMMAND=OFF -DVKATTN_SAMPLES=OFF \
        -DCMAKE_INSTALL_PREFIX="$folder/first" "$@" && cmake --build "$folder" &&
        cmake --install "$folder" && mv "$folder/first" "$folder/prefix"
}
made=$(made_shaders)
spirv=${made:-$work/shared/spirv}

consumer() { # folder, options
    folder=$1
    shift
    cmake -S "$top/tests/package" -B "$folder" -GNinja "$@" && cmake --build "$folder" &&
        "$folder/consumer_c" && "$folder/consumer_cpp"
}

by_pkg_config() { # prefix, option
    PKG_CONFIG_PATH=$(dirname "$(find "$1" -name vkattn.pc)")
    export PKG_CONFIG_PATH
    # Flags are split into words on purpose.
    # shellcheck disable=SC2046
    cc -std=c11 tests/package/consumer.c -o "$work/by_pc" \
        $(pkg-config --cflags --libs $2 vkattn) -lm &&
        LD_LIBRARY_PATH=$(pkg-config --variable=libdir vkattn) "$work/by_pc"
}

# A header that names all it needs compiles alone, with warnings as errors.
header() { # compiler and flags
    for file in include/vkattn/*.h; do
        "$@" -Wall -Wextra -Wpedantic -Werror -Iinclude -fsyntax-only "$file" || return 1
    done
}

symbols() {
    nm -D --defined-only "$(find "$work/shared/prefix" -name 'libvkattn.so')" |
        awk '{ print $3 }' | LC_ALL=C sort
}
same_symbols() {
    symbols >"$work/symbols"
    [ "$write" = no ] || cp "$work/symbols" tests/package/symbols.txt
    diff -u tests/package/symbols.txt "$work/symbols"
}

# What a program that ships the library adds to its size.
small() {
    strip -o "$work/stripped" "$(find "$work/shared/prefix" -name 'libvkattn.so')" &&
        bytes=$(wc -c <"$work/stripped") && echo "stripped: $bytes bytes" &&
        [ "$bytes" -le $((3 * 1024 * 1024)) ]
}

write=no
[ "${1:-}" != --write ] || write=yes
check "install, shared" library "$work/shared" -DBUILD_SHARED_LIBS=ON \
    -DVKATTN_SPIRV_DIR="$made"
check "install, static" library "$work/static" -DVKATTN_SPIRV_DIR="$spirv"
for kind in shared static; do
    check "find_package, $kind" consumer "$work/$kind/consumer" -DHOW=installed \
        -DCMAKE_PREFIX_PATH="$work/$kind/prefix"
done
check "pkg-config, shared" by_pkg_config "$work/shared/prefix" --print-errors
check "pkg-config, static" by_pkg_config "$work/static/prefix" --print-errors
for how in subdirectory fetched; do
    check "$how" consumer "$work/$how" -DHOW="$how" -DVKATTN_SOURCE="$top" \
        -DVKATTN_SPIRV_DIR="$spirv"
done
check "headers in C99" header cc -std=c99 -xc
check "headers in C11" header cc -std=c11 -xc
check "headers in C++11" header c++ -std=c++11 -xc++
check "headers in C++20" header c++ -std=c++20 -xc++
check "exported symbols" same_symbols
check "stripped library within 3 MiB" small

echo "$passed passed, $failed failed, 0 skipped"
[ $failed = 0 ]
