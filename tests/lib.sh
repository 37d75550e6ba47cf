# SPDX-License-Identifier: MIT
# What the scripts of this folder share. Sourced, with `top` set to the root of the source tree.
# shellcheck shell=sh disable=SC2154

say() {
    printf '%s\n' "$*" >&2
}

die() {
    say "$(basename "$0"): $*"
    exit 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null 2>&1; then
        sudo "$@"
    else
        die "this step needs root or sudo: $*"
    fi
}

# Trees and drivers that are fetched once lie outside the source tree, so that clones share them.
cache_dir() {
    if [ -n "${VKATTN_CACHE:-}" ]; then
        printf '%s\n' "$VKATTN_CACHE"
    elif [ "$(id -u)" = 0 ]; then
        printf '%s\n' /var/cache/vkattn
    else
        printf '%s\n' "${XDG_CACHE_HOME:-$HOME/.cache}/vkattn"
    fi
}

# Configures and builds $top in the folder $1; the remaining arguments go to cmake.
build_in() {
    build_dir=$1
    shift
    generator=
    if [ ! -f "$build_dir/CMakeCache.txt" ] && command -v ninja >/dev/null 2>&1; then
        generator=-GNinja
    fi
    # VKATTN_CMAKE_FLAGS is a list of -D options, split on purpose.
    # shellcheck disable=SC2086
    cmake -S "$top" -B "$build_dir" $generator "$@" ${VKATTN_CMAKE_FLAGS:-} &&
        cmake --build "$build_dir" --parallel "$(nproc)"
}
