# SPDX-License-Identifier: MIT
# What the tests of the command share. Sourced, with `top` set to the root of the source tree and
# `vkattn` to the program; gives a folder `out`, check, true_that and close_checks.
# shellcheck shell=sh
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
passed=0 failed=0 skipped=0
windows=no
[ ! -e "${vkattn%/emulated/vkattn}/vkattn.exe" ] || windows=yes

# check NAME CODE SAYS COMMAND...: the exit code, and a text on stdout or stderr ("" for any).
check() {
    name=$1 code=$2 says=$3
    shift 3
    "$@" >"$out/stdout" 2>"$out/stderr" </dev/null
    got=$?
    cat "$out/stdout" "$out/stderr" >"$out/said"
    if [ $got -eq "$code" ] && { [ -z "$says" ] || grep -qF -- "$says" "$out/said"; }; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL $name: exit $got (want $code), wanted to read '$says'"
        sed 's/^/    /' "$out/said"
    fi
}
# true_that NAME COMMAND...
true_that() {
    name=$1
    shift
    if "$@" >/dev/null 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL $name"
    fi
}

# skip NAME WHY: what this system can't show.
skip() {
    skipped=$((skipped + 1))
    echo "skipped: $1: $2"
}

# Counts as cmocka tells them.
close_checks() {
    echo "[==========] $((passed + failed)) test(s) run."
    echo "[  PASSED  ] $passed test(s)."
    [ $skipped -eq 0 ] || echo "[  SKIPPED ] $skipped test(s)."
    [ $failed -eq 0 ] || echo "[  FAILED  ] $failed test(s)."
    [ $failed -eq 0 ]
}
