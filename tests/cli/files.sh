#!/bin/sh
# SPDX-License-Identifier: MIT
# Pictures, arrays and maps in and out of the command's files: what is written is read again. Called
# by ctest with the build folder; closes with counts as cmocka does.
#
#   sh tests/cli/files.sh BUILD
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
vkattn=$1/vkattn
. "$top/tests/cli/check.sh"
picture=$top/tests/samples/spotlight/scene0.png

# model NAME INPUTS NODES OUTPUTS
model() {
    printf '{"vkattn": 1, "inputs": {%s}, "nodes": [%s], "outputs": {%s}}\n' "$2" "$3" "$4" \
        >"$out/$1.json"
}
relu='{"name": "same", "block": "relu", "in": {"x": "image"}}'
model same '"image": [1, 3, "H", "W"]' "$relu" '"y": "same"'
model small '"image": [1, 3, 6, 10]' "$relu" '"y": "same"'
model grey '"image": [1, 1, "H", "W"]' "$relu" '"y": "same"'
model number '"image": {"shape": [1, 3, "H", "W"], "dtype": "i32"}' \
    '{"name": "e", "block": "embedding", "in": {"x": "image"}}' '"y": "e"'
model two '"image": [1, 3, "H", "W"], "other": [1]' "$relu" '"y": "same"'

# run MODEL IN OUT: the picture or array through the model
run() {
    "$vkattn" run "$out/$1.json" --input image="$2" --output y="$3" --device cpu
}

# --- pictures ---

check "a picture to an array" 0 "" run same "$picture" "$out/a.npy"
check "an array to a picture" 0 "" run same "$out/a.npy" "$out/b.png"
check "that picture to an array" 0 "" run same "$out/b.png" "$out/b.npy"
true_that "nothing was lost" cmp "$out/a.npy" "$out/b.npy"
check "an array to a tensor" 0 "" run same "$out/a.npy" "$out/c.safetensors"
model renamed '"y": [1, 3, "H", "W"]' '{"name": "same", "block": "relu", "in": {"x": "y"}}' \
    '"image": "same"'
check "a tensor of that name" 0 "" "$vkattn" run "$out/renamed.json" --input \
    y="$out/c.safetensors" --output image="$out/d.npy" --device cpu
true_that "nothing was lost either" cmp "$out/a.npy" "$out/d.npy"
check "no tensor of that name" 2 "holds no tensor 'image'" run same "$out/c.safetensors" \
    "$out/e.npy"
check "a broken safetensors file" 2 "picture.safetensors" sh -c \
    'cp "$1" "$0/picture.safetensors" && "$2" run "$0/same.json" --input \
        image="$0/picture.safetensors" --output y="$0/e.npy" --device cpu' \
    "$out" "$picture" "$vkattn"
check "an array that isn't there" 2 "none.npy" run same "$out/none.npy" "$out/e.npy"
check "a JPEG" 0 "" run same "$picture" "$out/j.jpg"
check "a JPEG again" 0 "" run same "$out/j.jpg" "$out/j.npy"
true_that "of the same size" test "$(wc -c <"$out/j.npy")" = "$(wc -c <"$out/a.npy")"
check "a picture of the model's size" 0 "" run small "$picture" "$out/small.npy"
true_that "that size" test "$(wc -c <"$out/small.npy")" = $((128 + 3 * 6 * 10 * 4))
check "luminance" 0 "" run grey "$picture" "$out/grey.png"
check "luminance of grey is the same" 0 "" run grey "$out/grey.png" "$out/grey2.png"
true_that "grey stays" cmp "$out/grey.png" "$out/grey2.png"

for ending in png jpg; do
    from=$picture
    [ $ending = png ] || from=$out/j.jpg
    head -c 700 "$from" >"$out/cut.$ending"
    check "half a picture, .$ending" 2 "cut.$ending" run same "$out/cut.$ending" "$out/e.npy"
    head -c 5 "$from" >"$out/head.$ending"
    check "the head alone, .$ending" 2 "head.$ending" run same "$out/head.$ending" "$out/e.npy"
done
check "a picture for integers" 2 "takes no picture" run number "$picture" "$out/e.npy"
check "an input that isn't NAME=FILE" 2 "isn't NAME=FILE" "$vkattn" run "$out/same.json" \
    --input image --output y="$out/e.npy"
check "an unknown ending" 2 "ending" run same "$out/same.json" "$out/e.npy"
check "a missing file without an ending" 2 "none: No such file" run same "$out/none" "$out/e.npy"
check "no output" 2 "no --output" "$vkattn" run "$out/same.json" --input image="$picture"
check "two models" 2 "more than one model" "$vkattn" run "$out/same.json" "$out/same.json" \
    --output y="$out/e.npy"
check "a folder that isn't there, picture" 1 "none/e.png" run same "$picture" "$out/none/e.png"
check "a folder that isn't there, tensor" 1 "none/e.safetensors" run same "$picture" \
    "$out/none/e.safetensors"
true_that "nothing was written then" test ! -e "$out/e.npy"
: >"$out/target.png"
ln -s target.png "$out/link.png"
check "a picture through a link" 0 "" run same "$picture" "$out/link.png"
if [ $windows = no ]; then
    true_that "the link stayed" test -h "$out/link.png"
    true_that "its target was written" cmp "$out/b.png" "$out/target.png"
else
    skip "the link stayed" "Wine shows a link as the file itself"
    skip "its target was written" "Wine shows a link as the file itself"
fi
mkfifo "$out/pipe.png"
timeout 20 cat "$out/pipe.png" >"$out/piped.png" &
reader=$!
check "a picture into a pipe" 0 "" run same "$picture" "$out/pipe.png"
true_that "the pipe stayed" test -p "$out/pipe.png"
wait "$reader"
true_that "what came out is the picture" cmp "$out/b.png" "$out/piped.png"

# --- names: of other letters, longer than Windows' 260 ---

deep=$out/$(printf '%0120d/%0120d/%0120d' 1 2 3)
mkdir -p "$deep"
cp "$picture" "$out/grün 日本.png"
check "a name in other letters" 0 "" run same "$out/grün 日本.png" "$deep/ö 山.npy"
true_that "and a long one" cmp "$out/a.npy" "$deep/ö 山.npy"
check "it is read, too" 0 "" run same "$deep/ö 山.npy" "$deep/b.png"
true_that "nothing was lost on the way" cmp "$out/b.png" "$deep/b.png"
check "which of them isn't there" 2 "fort-ü 山.npy" run same "$deep/fort-ü 山.npy" "$out/e.npy"
check "a folder of a long name" 0 "" run same "$deep" "$out/日本-{}.npy"
true_that "each of its pictures" cmp "$out/a.npy" "$out/日本-b.npy"

# --- streams that are closed, names that are taken ---

if [ $windows = no ]; then
    check "no streams at all" 1 "" sh -c '"$0" run "$1/same.json" --input image="$1/a.npy" \
        --output y="$1/closed.npy" --device cpu --json <&- >&- 2>&-' "$vkattn" "$out"
    true_that "no message went into the file" cmp "$out/a.npy" "$out/closed.npy"
else
    skip "no streams at all" "the C library of Windows opens no file as one of them"
fi
# A process of the same number was killed here.
check "what another left half written" 0 "" sh -c ': >"$1/b.png.$$-0.part" &&
    exec "$0" run "$1/same.json" --input image="$1/a.npy" --output y="$1/b.png" --device cpu' \
    "$vkattn" "$out"
rm -f "$out"/b.png.*.part

# --- maps: a non-local block, its weights made of a picture ---

model weights '"image": [1, 3, 1, 3]' \
    '{"name": "r", "block": "reshape", "attrs": {"shape": [3, 3]}, "in": {"x": "image"}}' \
    '"att.g.weight": "r", "att.conv_out.weight": "r"'
check "weights" 0 "" "$vkattn" run "$out/weights.json" --input image="$picture" --output \
    att.g.weight="$out/w.safetensors" --output att.conv_out.weight="$out/w.safetensors" \
    --device cpu
# nonlocal NAME SUB_SAMPLE
nonlocal() {
    model "$1" '"image": [1, 3, 8, 12]' \
        '{"name": "att", "block": "nonlocal", "in": {"x": "image"},
          "attrs": {"mode": "gaussian", "bn": false, "sub_sample": '"$2"'}}' \
        '"y": "att", "map": "att.attn"'
}
nonlocal all false
nonlocal half true
see() {
    net=$1
    shift
    "$vkattn" see "$out/$net.json" --weights "$out/w.safetensors" --image "$picture" --device cpu \
        "$@"
}
check "a map of each position" 2 "--at Y,X" see all --map map -o "$out/m.png"
check "one position's" 0 "map 'map' of 8 x 12" see all --map map --at 7,11 -o "$out/m.png"
check "of keys pooled by two" 0 "of 4 x 6" see half --map map --at 0,3 -o "$out/m.jpg"
check "outside the grid" 2 "outside the grid of 8 x 12" see all --map map --at 8,0 -o "$out/n.png"
check "--at where one map serves all" 2 "one map for all positions" see all --map image --head 0 \
    --at 0,0 -o "$out/n.png"
model tokens '"image": [1, 3, 8, 12]' \
    '{"name": "f", "block": "reshape", "attrs": {"shape": [1, 3, 96]}, "in": {"x": "image"}},
     {"name": "t", "block": "transpose", "attrs": {"dim0": 1, "dim1": 2}, "in": {"x": "f"}},
     {"name": "u", "block": "reshape", "attrs": {"shape": [1, 1, 96, 3]}, "in": {"x": "t"}},
     {"name": "att", "block": "sdpa", "in": {"q": "u", "k": "u", "v": "u"}}' \
    '"y": "att", "map": "att.attn"'
see_tokens() {
    "$vkattn" see "$out/tokens.json" --image "$picture" --device cpu --map map "$@"
}
check "tokens, which may lie anyhow" 2 "--grid H,W" see_tokens --at 7,11 -o "$out/n.png"
check "how they lie" 0 "map 'map' of 8 x 12" see_tokens --grid 8,12 --at 7,11 -o "$out/m.png"
check "how they can't lie" 2 "those of --grid" see_tokens --grid 8,11 --at 0,0 -o "$out/n.png"
check "--grid without sizes" 2 "--grid takes" see all --map map --grid 8,0 -o "$out/n.png"
check "a map given twice" 2 "--map is given twice" see all --map map --map map -o "$out/n.png"
check "--at without a number" 2 "--at takes Y,X" see all --map map --at 3 -o "$out/n.png"
check "--head without a number" 2 "--head takes" see all --map map --head x -o "$out/n.png"
check "an output that is no map" 2 "not [N, 1, H, W]" "$vkattn" see "$out/weights.json" \
    --image "$picture" --map att.g.weight -o "$out/o.png" --device cpu
check "a head past the last" 2 "past the last" see all --map y --head 3 -o "$out/n.png"
check "an input itself" 0 "of 8 x 12" see all --map image --head 0 -o "$out/n.png"
check "a model of two inputs" 2 "inputs besides" see two --map y -o "$out/o.png"
check "no picture" 2 "none.png" "$vkattn" see "$out/all.json" --image "$out/none.png" --map map \
    -o "$out/o.png" --device cpu
check "no map is named" 2 "must be given" see all -o "$out/o.png"
check "a map as text" 2 "must end in" see all --map map -o "$out/o.txt"
check "no model" 2 "no model" "$vkattn" see --map map
check "an unknown option" 2 "the call is wrong" see all --size 3
check "no folder for the map" 1 "none/o.png" see all --map map --at 0,0 -o "$out/none/o.png"
true_that "nothing was written then, either" test ! -e "$out/o.png"

# --- verify ---

check "verify as JSON" 0 '"result": "PASS"' "$vkattn" verify --json --device cpu \
    "$top"/tests/cases/se/*.safetensors
check "verify as JSON, a file that is none" 1 '"result": "ERROR"' "$vkattn" verify --json \
    --device cpu "$picture"
check "verify, where the first wrong number is" 1 "first at [" "$vkattn" verify --rtol 0 \
    --device cpu "$top"/tests/cases/mha/*.safetensors
check "help" 0 "usage: vkattn see" "$vkattn" see --help
true_that "no file was left half written" sh -c '! ls "$0" | grep -q part' "$out"
close_checks
