#!/bin/sh
# SPDX-License-Identifier: MIT
# Lists of inputs in one call: names of outputs, shards, work that is resumed, wrong calls. Called
# by ctest with the build folder; closes with counts as cmocka does.
#
#   sh tests/cli/lists.sh BUILD
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
vkattn=$1/vkattn
. "$top/tests/cli/check.sh"
net=$top/samples/spotlight/spotlight.json
weights=$top/samples/spotlight/spotlight.safetensors
pictures=$top/tests/samples/spotlight

# run ARGUMENTS...: on the CPU
run() {
    "$vkattn" run "$net" --weights "$weights" --device cpu "$@"
}
# files FOLDER TEXT: whether the folder holds just these
files() {
    [ "$(cd "$1" && echo *)" = "$2" ]
}
mkdir "$out/in" "$out/one" "$out/two" "$out/odd"
for i in 0 1 2; do
    cp "$pictures/scene$i.png" "$out/in/s$i.png"
    run --input image="$pictures/scene$i.png" --output y="$out/one/s$i.y.npy" \
        --output map="$out/one/s$i.map.npy"
done
echo text >"$out/in/notes.txt"
cp "$out/in/notes.txt" "$out/in/.hidden.png"
cp "$out/one/s0.y.npy" "$out/in/no_picture.npy"

# --- names ---

check "a folder" 0 "3 run, 0 there already, 0 failed" run --input image="$out/in" \
    --output y="$out/two/y.npy" --output map="$out/two/map.npy"
true_that "each is what it is alone" diff -r "$out/one" "$out/two"
rm "$out"/two/*
check "files in any order, names by {}" 0 "3 run" run --input image="$out/in/s2.png" \
    --input image="$out/in/s0.png" --input image="$out/in/s1.png" --output y="$out/two/{}.y.npy" \
    --output map="$out/two/{}.map.npy"
true_that "the same files" diff -r "$out/one" "$out/two"
rm "$out"/two/*
check "one file, named by {}" 0 "" run --input image="$out/in/s1.png" --output y="$out/two/{}.npy"
true_that "its name alone" files "$out/two" "s1.npy"
true_that "its numbers" cmp "$out/two/s1.npy" "$out/one/s1.y.npy"
rm "$out"/two/*
check "two tensors a file" 0 "3 run" run --input image="$out/in" \
    --output y="$out/two/{}.safetensors" --output map="$out/two/{}.safetensors"
true_that "a file each" files "$out/two" "s0.safetensors s1.safetensors s2.safetensors"
rm "$out"/two/*

# --- several sizes, lists that go together, files for all ---

printf '%s\n' '{"vkattn": 1, "inputs": {"a": [1, 3, "H", "W"], "b": [1, 3, "H", "W"]},
    "nodes": [{"name": "sum", "block": "add", "in": {"a": "a", "b": "b"}}],
    "outputs": {"y": "sum"}}' >"$out/add.json"
for size in 4,6 6,4 5,5 4,4 8,3 7,7; do
    h=${size%,*} w=${size#*,}
    printf '%s\n' '{"vkattn": 1, "inputs": {"x": [1, 3, '"$h, $w"']},
        "nodes": [{"name": "r", "block": "relu", "in": {"x": "x"}}], "outputs": {"y": "r"}}' \
        >"$out/cut.json"
    for n in 1 2; do
        "$vkattn" run "$out/cut.json" --input x="$out/in/s0.png" \
            --output y="$out/odd/$n-$h$w.npy" --device cpu
    done
done
add() {
    "$vkattn" run "$out/add.json" --device cpu "$@"
}
check "lists by names, more sizes than plans" 0 "12 run" add --input a="$out/odd" \
    --input b="$out/odd" --output y="$out/two/{}.npy"
mkdir "$out/alone"
for file in "$out"/odd/*; do
    add --input a="$file" --input b="$file" --output y="$out/alone/{}.npy"
done
true_that "each is what it is alone, in its size" diff -r "$out/alone" "$out/two"
true_that "all of them" test "$(find "$out/two" -name '*.npy' | wc -l)" -eq 12
rm "$out"/two/*
check "one file for all" 2 "2 run, 0 there already, 10 failed" add --input a="$out/odd" \
    --input b="$out/odd/1-55.npy" --output y="$out/two/{}.npy"
true_that "where it fits" files "$out/two" "1-55.npy 2-55.npy"
check "lists that don't go together" 2 "no file of the name 's2'" add --input a="$out/in" \
    --input b="$out/in/s0.png" --input b="$out/in/s1.png" --output y="$out/two/{}.npy"
rm "$out"/two/*

# --- shards and resuming ---

check "the second of two" 0 "1 run" run --input image="$out/in" --output y="$out/two/y.npy" \
    --shard 2/2
true_that "every other one" files "$out/two" "s1.y.npy"
check "the first of two" 0 "2 run" run --input image="$out/in" --output y="$out/two/y.npy" \
    --shard 1/2
true_that "all of them" files "$out/two" "s0.y.npy s1.y.npy s2.y.npy"
check "a shard with nothing in it" 0 "0 run" run --input image="$out/in" \
    --output y="$out/two/y.npy" --shard 9/9
rm "$out/two/s1.y.npy"
touch -d 2001-01-01 "$out/two/s0.y.npy"
check "resumed" 0 "1 run, 2 there already" run --input image="$out/in" \
    --output y="$out/two/y.npy" --resume
true_that "what was there stays" test "$out/two/s0.y.npy" -ot "$out/in/s0.png"
true_that "what wasn't is made" cmp "$out/two/s1.y.npy" "$out/one/s1.y.npy"
: >"$out/two/s1.y.npy"
head -c 20 "$out/one/s2.y.npy" >"$out/two/s2.y.npy"
check "resumed where two are damaged" 0 "2 run, 1 there already" run --input image="$out/in" \
    --output y="$out/two/y.npy" --resume
true_that "they are mended" cmp "$out/one/s2.y.npy" "$out/two/s2.y.npy"
mkdir "$out/pictures"
for ending in png jpg; do
    run --input image="$out/in" --output map="$out/pictures/map.$ending"
    head -c 50 "$out/pictures/s1.map.$ending" >"$out/cut"
    mv "$out/cut" "$out/pictures/s1.map.$ending"
    check "resumed where a .$ending is cut off" 0 "1 run, 2 there already" run \
        --input image="$out/in" --output map="$out/pictures/map.$ending" --resume
done
check "resumed with another output" 0 "3 run, 0 there" run --input image="$out/in" \
    --output y="$out/two/y.npy" --output map="$out/two/map.npy" --resume
: >"$out/two/s2.map.npy"
check "an empty file is none" 0 "1 run, 2 there" run --input image="$out/in" \
    --output y="$out/two/y.npy" --output map="$out/two/map.npy" --resume
true_that "it is filled" cmp "$out/two/s2.map.npy" "$out/one/s2.map.npy"
run --input image="$out/in" --output y="$out/two/t.safetensors" >"$out/said"
check "a file without the tensor isn't complete" 0 "3 run, 0 there" run --input image="$out/in" \
    --output y="$out/two/t.safetensors" --output map="$out/two/t.safetensors" --resume
check "a file with both is" 0 "0 run, 3 there" run --input image="$out/in" \
    --output y="$out/two/t.safetensors" --output map="$out/two/t.safetensors" --resume
check "one file, resumed" 0 "" run --input image="$out/none.png" --output y="$out/one/s0.y.npy" \
    --resume
rm "$out"/two/*

# --- what is wrong ---

for shard in " 1/2" "1/ 2" +1/2 0/2 3/2 -1/2 1/0 1 1/ /2 a/2 1/2x 1/9999999999; do
    check "--shard $shard" 2 "--shard takes I/N with I in 1..N, not '$shard'" run \
        --input image="$out/in" --output y="$out/two/y.npy" --shard "$shard"
done
head -c 700 "$out/in/s0.png" >"$out/in/r.png"
check "a broken picture among others" 2 "3 run, 0 there already, 1 failed" run \
    --input image="$out/in" --output y="$out/two/y.npy"
check "it is named" 2 "that was 'r'" run --input image="$out/in" --output y="$out/two/y.npy"
true_that "the others are there" files "$out/two" "s0.y.npy s1.y.npy s2.y.npy"
rm "$out/in/r.png" "$out"/two/*
mkdir "$out/more"
cp "$out/in/s0.png" "$out/more"
check "two of one name" 2 "have the same name 's0'" run --input image="$out/in" \
    --input image="$out/more" --output y="$out/two/y.npy"
check "one file twice" 2 "have the same name 's1'" run --input image="$out/in/s1.png" \
    --input image="$out/in/s1.png" --output y="$out/two/y.npy"
check "two outputs, one file" 2 "would both be" run --input image="$out/in/s1.png" \
    --output y="$out/two/y.npy" --output map="$out/two/y.npy"
check "two outputs, one file, spelled otherwise" 2 "would both be" run \
    --input image="$out/in/s1.png" --output y="$out/two/y.npy" --output map="$out/in/../two/y.npy"
check "two names, one file" 2 "would both be" run --input image="$out/in/s1.png" \
    --output y="$out/two/{}.npy" --output map="$out/two/s1.npy"
check "into the inputs' folder" 2 "to the folder of the inputs" run --input image="$out/in" \
    --output y="$out/two/../in/y.npy"
check "in an input's place" 2 "take the place of the input" run --input image="$out/more/s0.png" \
    --output gate="$out/more/{}.png"
check "in its place by another way" 2 "take the place of the input" run \
    --input image="$out/more/s0.png" --output gate="$out/two/../more/{}.png"
cp "$weights" "$out/own.safetensors"
check "in the weights' place" 2 "take the place of the input" "$vkattn" run "$net" --device cpu \
    --weights "$out/own.safetensors" --input image="$out/more/s0.png" \
    --output gate="$out/own.safetensors"
true_that "they are as they were" cmp "$out/own.safetensors" "$weights"
true_that "it is as it was" cmp "$out/more/s0.png" "$out/in/s0.png"
check "a folder of nothing" 2 "holds no .png" run --input image="$out/two" \
    --output y="$out/y.npy"
check "a list for no input" 2 "no input 'picture'" run --input picture="$out/in" \
    --output y="$out/two/y.npy"
check "named after nothing" 2 "none is given" run --output y="$out/two/{}.npy"
check "a shard of nothing" 2 "none is given" run --output y="$out/two/y.npy" --shard 1/1
check "a folder that isn't there ends it" 1 "1 failed" run --input image="$out/in" \
    --output y="$out/none/y.npy"
true_that "nothing was written then" files "$out/two" "*"
true_that "no file was left half written" sh -c '! find "$0" -name "*.part" | grep -q .' "$out"
close_checks
