# SPDX-License-Identifier: MIT
#
# Counts single tests in what `ctest --output-junit` wrote: on standard output the failed ones by
# name and the sum, in the file ROWS a line a program: name, passed, failed, skipped, seconds, then
# the failed tests' names with commas between them.
#
#   awk -v status=CTEST_STATUS -v rows=ROWS -f tests/counts.awk RESULTS.xml
#
# cmocka closes each group with counts. A program that ends red without having said so (a crash, a
# time-out, a sanitizer's report) is one failure; one without counts is one test itself.
function attribute(line, name) {
    sub(".* " name "=\"", "", line)
    sub(/".*/, "", line)
    return line
}

function name(text) {
    names = names (names == "" ? "" : ", ") text
}

function count(line) {
    sub(/^[^]]*\][^0-9]*/, "", line)
    return line + 0
}

/<testcase / {
    p = f = s = listing = 0
    names = ""
    program = attribute($0, "name")
    seconds = attribute($0, "time")
    red = /status="fail"/
}
{ sub(/^[ \t]*<system-out>/, "") }
/<skipped message="SKIP_/ { s = 1 }
/<skipped / && !/message="SKIP_/ { red = 1 }
/^\[  PASSED  \]/ { p += count($0) }
/^\[  FAILED  \]/ && !/test\(s\)/ && listing { name($4) }
/^FAIL / && program ~ /^cli\// {
    sub(/^FAIL /, "")
    sub(/: exit .*/, "")
    name($0)
}
/^\[  FAILED  \].*test\(s\)/ {
    f += count($0)
    listing = 1
}
/^\[  SKIPPED \].*test\(s\)/ {
    s += count($0)
    listing = 0
}
/<\/testcase>/ {
    if (red && f == 0) {
        f = 1
        name("the program itself")
    }
    if (p + f + s == 0)
        p = 1
    passed += p
    failed += f
    skipped += s
    printf "%s %d %d %d %d %s\n", program, p, f, s, seconds + 0.5, names >rows
    if (f > 0)
        print "failed: " program ": " names
}
END {
    if (status != 0 && failed == 0)
        failed = 1
    printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
    exit failed > 0 || passed == 0
}
