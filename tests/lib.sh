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

default_mirror=http://deb.debian.org/debian

# The machine's own Debian mirror: what apt uses here can be reached from here.
mirror() {
    found=
    if [ -n "${VKATTN_MIRROR:-}" ]; then
        found=$VKATTN_MIRROR
    elif grep -qx 'ID=debian' /etc/os-release; then
        # shellcheck disable=SC2016
        found=$(apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' |
            awk '$1 !~ /security/ && /(http|mirror)/ { print $2; exit }')
        case $found in # Debian's cloud images name a file that lists the mirrors
        mirror+file:*) found=$(grep -om1 'http[^[:space:]]*' "${found#mirror+file:}") || found= ;;
        esac
    fi
    case $found in
    http://* | https://* | file:/*) printf '%s\n' "${found%/}" ;;
    *) printf '%s\n' $default_mirror ;;
    esac
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

# The folder of the shaders that build/ has made, brought up to date, for other builds: shaders
# don't hang on the C compiler. Nothing where there is no such folder.
made_shaders() {
    if grep -qsx 'VKATTN_SPIRV_DIR:PATH=' "$top/build/CMakeCache.txt" &&
        cmake --build "$top/build" --target vkattn_modules >/dev/null 2>&1; then
        printf '%s\n' "$top/build/spirv"
    fi
}

# Runs `FUNCTION NAME` for each NAME, a suite that closes with counts as tests/run.sh does, and sums
# up: a table, then "N passed, N failed, N skipped".
each_suite() {
    suite_function=$1
    shift
    log=$(mktemp)
    trap 'rm -f "$log" "$log.status"' EXIT
    passed=0 failed=0 skipped=0 table=
    for suite_name in "$@"; do
        say "== $suite_name"
        start=$(date +%s)
        # A subshell, so that one suite's environment doesn't reach the next.
        {
            status=0
            ("$suite_function" "$suite_name") || status=$?
            echo $status >"$log.status"
        } 2>&1 | tee "$log"
        # A suite that ends red without a failed test, or with no counts, is one failure.
        number='\([0-9]*\)'
        counts=$(sed -n "s/^$number passed, $number failed, $number skipped\$/\1 \2 \3/p" "$log" |
            tail -n 1)
        # shellcheck disable=SC2086
        set -- ${counts:-0 1 0}
        [ "$(cat "$log.status")" = 0 ] || [ "$2" != 0 ] || set -- "$1" 1 "$3"
        passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
        table="$table$(printf '%-12s %5d passed %5d failed %5d skipped %5d s' "$suite_name" \
            "$1" "$2" "$3" $(($(date +%s) - start)))
"
    done
    printf '\n%s\n%d passed, %d failed, %d skipped\n' "$table" $passed $failed $skipped
    [ $failed = 0 ]
}
