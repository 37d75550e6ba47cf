#!/bin/sh
# SPDX-License-Identifier: MIT
# --json of every command: read as strictly as RFC 8259 says, whatever a file is called. Called by
# ctest with the build folder; closes with counts as cmocka does.
#
#   sh tests/cli/json.sh BUILD
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
vkattn=$1/vkattn
strict=$1/tests/strict_json
. "$top/tests/cli/check.sh"
net=$top/samples/spotlight/spotlight.json
weights=$top/samples/spotlight/spotlight.safetensors
picture=$top/tests/samples/spotlight/scene0.png
case_file=$top/tests/cases/se/official_hardsigmoid.safetensors

# json NAME CODE SAYS COMMAND...: as check, and stdout is a document (lines: one on each line).
json() {
    check "$@"
    cp "$out/stdout" "$out/document"
    check "$1: strict" 0 "" sh -c '"$0" <"$1"' "$strict" "$out/document"
}
lines() {
    check "$@"
    cp "$out/stdout" "$out/document"
    check "$1: strict" 0 "" sh -c '"$0" lines <"$1"' "$strict" "$out/document"
}
says() {
    check "$1" 0 "" grep -qF -- "$2" "$out/document"
}

# --- the reader itself refuses ---

for text in '' '{' '[1,]' '[nan]' '[inf]' '["\x"]' '[1] 2' "['a']" '{"a": 1,}'; do
    check "no JSON: $text" 1 "" sh -c 'printf "%s\n" "$1" | "$0"' "$strict" "$text"
done
printf '["\377"]\n' >"$out/bytes"
check "no JSON: bytes that aren't UTF-8" 1 "" sh -c '"$0" <"$1"' "$strict" "$out/bytes"
check "no lines" 1 "" sh -c '"$0" lines </dev/null' "$strict"

# --- what there is ---

json "devices" 0 '"type": "cpu"' "$vkattn" devices --json
json "all blocks" 0 '"id": "cbam"' "$vkattn" blocks --json
json "one block" 0 '"example"' "$vkattn" blocks cbam --json

# --- runs ---

run() {
    "$vkattn" run "$net" --weights "$weights" --device cpu --json "$@"
}
mkdir "$out/in" "$out/to"
odd=$(printf 'a"b\\c\td\377\303\251') told='a\"b\\c\u0009d\ufffdé'
if [ $windows = yes ]; then # whose names hold none of " \\ tab and bytes that are no UTF-8
    odd="c dé'" told="c dé'"
fi
odd=$out/in/$odd
cp "$picture" "$out/in/plain.png"
cp "$picture" "$odd.png"
json "one run" 0 '"result": "done"' run --input image="$picture" --output y="$out/y.npy"
says "its input" "\"inputs\": {\"image\": \"$picture\"}"
says "its output" "\"outputs\": {\"y\": \"$out/y.npy\"}"
lines "a list, one of an odd name" 0 '"name": "plain", "result": "done"' run \
    --input image="$out/in" --output y="$out/to/y.npy" --output map="$out/to/{}.png"
true_that "a line each" test "$(wc -l <"$out/document")" -eq 2
says "the odd one" "\"name\": \"$told\""
lines "a list that is there" 0 '"name": "plain", "result": "there"' run --input image="$out/in" \
    --output y="$out/to/y.npy" --resume
head -c 700 "$picture" >"$out/in/broken.png"
lines "a list with a broken picture" 2 '"name": "broken", "result": "failed"' run \
    --input image="$out/in" --output y="$out/to/y.npy"
json "a profile" 0 '"variant": "cpu"' run --input image="$picture" --output y="$out/y.npy" --profile
for field in block op variant ms bytes flops gbytes gflops; do
    says "a step has $field" "\"$field\": "
done
check "a profile as text" 0 "GFLOP/s" "$vkattn" run "$net" --weights "$weights" --device cpu \
    --input image="$picture" --output y="$out/y.npy" --profile
cp "$out/stdout" "$out/document"
check "a profile's row" 0 "" grep -qE \
    '^stem +conv +cpu +[0-9]+\.[0-9]{4} +[0-9]+ +([0-9.]+|-) +([0-9.]+|-)$' "$out/document"

# --- the others ---

json "see" 0 '"peak": {"y": ' "$vkattn" see "$net" --weights "$weights" --image "$odd.png" \
    --map map -o "$odd.jpg" --device cpu --json
json "verify" 0 '"result": "PASS"' "$vkattn" verify --json --device cpu "$case_file"
json "verify, files that are none" 1 '"err": null' "$vkattn" verify --json --device cpu \
    "$odd.png" "$case_file"
json "verify in f16 on a device without it" 0 '"result": "SKIP"' "$vkattn" verify --json \
    --device cpu --dtype f16 "$case_file"
json "bench" 0 '"gflops": ' "$vkattn" bench se --device cpu --rounds 1 --json
json "bench, two devices" 0 '"gbytes": ' "$vkattn" bench se --device cpu --device cpu --rounds 1 \
    --json
json "bench of nothing that fits" 2 "" "$vkattn" bench se --device cpu --dtype f16 --json
for command in devices blocks run see verify bench; do
    check "help of $command" 0 "--json: " sh -c '"$0" "$1" --help | sed "s/--json  */--json: /"' \
        "$vkattn" "$command"
done
close_checks
