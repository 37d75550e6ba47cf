#!/bin/sh
# SPDX-License-Identifier: MIT
# The command from outside: exit codes, messages, files. Called by ctest with the build folder;
# closes with counts as cmocka does.
#
#   sh tests/cli/command.sh BUILD
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
vkattn=$1/vkattn
. "$top/tests/cli/check.sh"
net=$top/samples/spotlight/spotlight.json
weights=$top/samples/spotlight/spotlight.safetensors
picture=$top/tests/samples/spotlight/scene0.png
case_file=$top/tests/cases/se/official_hardsigmoid.safetensors

check "no command" 2 "vkattn devices" "$vkattn"
check "help" 0 "vkattn verify" "$vkattn" --help
check "version" 0 "vkattn 0." "$vkattn" --version
if [ $windows = no ]; then # there is no full device
    for word in --help --version devices; do
        check "$word, on a full disk" 1 "writing to stdout failed" sh -c '"$0" "$1" >/dev/full' \
            "$vkattn" $word
    done
    check "the sample, on a full disk" 1 "writing to stdout failed" sh -c \
        '"$0" --device cpu "$1" >/dev/full' "$1/samples/spotlight" "$picture"
fi
check "unknown command" 2 "no command 'fly'" "$vkattn" fly
check "devices" 0 "cpu" "$vkattn" devices
check "devices as JSON" 0 '"type": "cpu"' "$vkattn" devices --json
check "devices, one word too many" 2 "one too many" "$vkattn" devices now
check "devices, a cache folder of too long a name" 0 "VKATTN_PIPELINE_CACHE is too long" \
    env VKATTN_PIPELINE_CACHE="$(printf '%05000d' 0)" "$vkattn" devices
check "blocks" 0 "cbam" "$vkattn" blocks
check "one block" 0 "spatial.bn.running_var" "$vkattn" blocks cbam
check "one block as JSON" 0 '"id": "cbam"' "$vkattn" blocks cbam --json
check "blocks in two forms" 2 "--markdown goes without --json" "$vkattn" blocks --json --markdown
check "one block as Markdown" 2 "--markdown goes without cbam" "$vkattn" blocks --markdown cbam
check "unknown block" 2 "no block 'cbamm'" "$vkattn" blocks cbamm

check "verify" 0 "0 failed" "$vkattn" verify --device cpu "$case_file"
check "verify, a bound that nothing meets" 1 "failed" "$vkattn" verify --device cpu --rtol 0 \
    "$top"/tests/cases/se/*.safetensors
true_that "an empty variable names no folder of pipelines" sh -c \
    '! VKATTN_PIPELINE_CACHE="" "$0" verify --device cpu "$1" 2>&1 | grep "kept in"' "$vkattn" \
    "$case_file"
check "verify goes on after a bad file" 1 "ERROR" "$vkattn" verify --device cpu "$picture" \
    "$case_file"
check "verify counts a missing file as failed" 1 "1 failed" "$vkattn" verify --device cpu \
    "$out/nonesuch.safetensors" "$case_file"
check "verify without a file" 2 "no case file" "$vkattn" verify
check "verify, a bound that is no number" 2 "--rtol" "$vkattn" verify --rtol abc "$case_file"
check "verify, unknown dtype" 2 "--dtype" "$vkattn" verify --dtype f8 "$case_file"
check "verify in f16 on a device without it" 0 "SKIP" "$vkattn" verify --device cpu --dtype f16 \
    "$case_file"
check "verify, all skipped: it says so" 0 "nothing was verified" "$vkattn" verify --device cpu \
    --dtype f16 "$case_file"
check "verify, skipped but for what isn't there" 1 "No such file" "$vkattn" verify --device cpu \
    --dtype f16 "$case_file" "$case_file.none"
check "verify, a bound given twice" 2 "--rtol is given twice" "$vkattn" verify --rtol 1 --rtol 2 \
    "$case_file"
for word in devices blocks; do
    check "$word, an option given twice" 2 "--json is given twice" "$vkattn" $word --json --json
done
check "bench, a device and a shape each, twice" 0 "cpu" "$vkattn" bench sdpa --rounds 1 \
    --device cpu --device cpu --shape q=1,1,4,4 --shape k=1,1,5,4 --shape v=1,1,5,4
check "bench, the second device is none" 2 "device 'nix'" "$vkattn" bench se --rounds 1 \
    --device cpu --device nix
true_that "bench, a device that is none: nothing is timed before" sh -c \
    '[ -z "$("$0" bench se --rounds 1 --device cpu --device nix 2>/dev/null)" ]' "$vkattn"
check "bench, a weight's shape" 0 "cpu" "$vkattn" bench nonlocal --rounds 1 --device cpu \
    --shape x=1,16,4,4 --shape w.g.weight=8,16
check "bench, its help tells of them" 0 "--shape w.g.weight=" "$vkattn" bench --help
check "bench, rounds given twice" 2 "--rounds is given twice" "$vkattn" bench sdpa --rounds 1 \
    --rounds 1
check "unknown device" 2 "no such device" "$vkattn" verify --device nonesuch "$case_file"
check "no such index" 2 "vulkan:77" "$vkattn" verify --device vulkan:77 "$case_file"
check "a device by variable" 2 "nonesuch" env VKATTN_DEVICE=nonesuch "$vkattn" verify "$case_file"
check "the flag beats the variable" 0 "0 failed" env VKATTN_DEVICE=nonesuch "$vkattn" verify \
    --device cpu "$case_file"
check "no driver: the CPU path" 0 "0 failed" env VK_DRIVER_FILES=/nonexistent \
    VK_ICD_FILENAMES=/nonexistent VKATTN_DEVICE=auto "$vkattn" verify "$case_file"
check "no driver: vulkan:0 says so" 2 "Vulkan" env VK_DRIVER_FILES=/nonexistent \
    VK_ICD_FILENAMES=/nonexistent "$vkattn" verify --device vulkan:0 "$case_file"
echo '{' >"$out/broken.json"
check "a broken driver file: auto" 0 "0 failed" env VK_DRIVER_FILES="$out/broken.json" \
    VK_ICD_FILENAMES="$out/broken.json" VKATTN_DEVICE=auto "$vkattn" verify "$case_file"
check "a broken driver file: vulkan:0" 2 "vulkan:0" env VK_DRIVER_FILES="$out/broken.json" \
    VK_ICD_FILENAMES="$out/broken.json" "$vkattn" verify --device vulkan:0 "$case_file"

check "run" 0 "" "$vkattn" run "$net" --weights "$weights" --input image="$picture" \
    --output y="$out/y.npy" --output map="$out/map.safetensors" \
    --output logits="$out/map.safetensors" --device cpu
true_that "run wrote the array" test -s "$out/y.npy"
check "run, two tensors in one file" 0 "" grep -aq '"logits"' "$out/map.safetensors"
check "run, a map as a picture" 0 "" "$vkattn" run "$net" --weights "$weights" \
    --input image="$picture" --output gate="$out/gate.png" --device cpu
check "run, what is no picture" 2 "rows.png: output 'stem' of shape [1, 16" "$vkattn" run "$net" \
    --weights "$weights" --input image="$picture" --output stem="$out/rows.png" --device cpu
true_that "nothing was written then" test ! -e "$out/rows.png"
check "run, weights given twice" 2 "--weights is given twice" "$vkattn" run "$net" \
    --weights "$weights" --weights "$weights" --input image="$picture" --output y="$out/z.npy"
if [ $windows = no ]; then
    # Its words go through a pipe: the file that they end in is made elsewhere.
    check "run, files may not grow" 1 "capped.npy: can't be written" sh -c \
        'said=$( (ulimit -f 0; "$@") 2>&1); code=$?; echo "$said"; exit $code' sh "$vkattn" run \
        "$net" --weights "$weights" --input image="$picture" --output y="$out/capped.npy" \
        --device cpu
    true_that "nothing is left of it" sh -c '! ls "$0"/capped* 2>/dev/null' "$out"
fi
check "run, there is no such picture" 2 "No such file" "$vkattn" run "$net" \
    --weights "$weights" --input image="$out/y.npy.png" --output y="$out/z.npy" --device cpu
cp "$out/y.npy" "$out/fake.png"
check "run, a file in disguise" 2 "neither a PNG nor a JPEG" "$vkattn" run "$net" \
    --weights "$weights" --input image="$out/fake.png" --output y="$out/z.npy" --device cpu
printf '\377\330\377\340junk' >"$out/empty.jpg"
check "run, a JPEG file of a beginning alone" 2 "no picture in the JPEG file" "$vkattn" run "$net" \
    --weights "$weights" --input image="$out/empty.jpg" --output y="$out/z.npy" --device cpu
true_that "nothing was written then" test ! -e "$out/z.npy"
check "run, unknown input" 2 "no input 'picture'" "$vkattn" run "$net" --weights "$weights" \
    --input picture="$picture" --output y="$out/z.npy" --device cpu
check "run, unknown output" 2 "nonesuch" "$vkattn" run "$net" --weights "$weights" \
    --input image="$picture" --output nonesuch="$out/z.npy" --device cpu
check "run, unknown ending" 2 "ending" "$vkattn" run "$net" --weights "$weights" \
    --input image="$picture" --output y="$out/z.txt" --device cpu
check "run, no weights" 2 "stem.weight" "$vkattn" run "$net" --input image="$picture" \
    --output y="$out/z.npy" --device cpu
check "run, no such folder" 1 "z.npy" "$vkattn" run "$net" --weights "$weights" \
    --input image="$picture" --output y="$out/none/z.npy" --device cpu
check "run --profile" 0 "temporaries" "$vkattn" run "$net" --weights "$weights" \
    --input image="$picture" --output y="$out/y.npy" --device cpu --profile
check "see" 0 "peak at" "$vkattn" see "$net" --weights "$weights" --image "$picture" --map map \
    -o "$out/see.png" --device cpu
true_that "see wrote both files" test -s "$out/see.png" -a -s "$out/see.npy"
cp "$picture" "$out/own.png"
check "see, in the picture's place" 2 "take the place of the input" "$vkattn" see "$net" \
    --weights "$weights" --image "$out/own.png" --map map -o "$out/own.png"
check "the sample, in its place" 2 "take the place of the picture" "$1/samples/spotlight" \
    --device cpu "$out/own.png" -o "$out/own.png"
check "the sample, no picture's name" 2 "must end in" "$1/samples/spotlight" --device cpu \
    "$picture" -o "$out/own.npy"
true_that "the picture is as it was" cmp "$out/own.png" "$picture"
check "see, no such map" 2 "nonesuch" "$vkattn" see "$net" --weights "$weights" --image "$picture" \
    --map nonesuch -o "$out/see2.png" --device cpu
check "see, no map at all" 2 "shape" "$vkattn" see "$net" --weights "$weights" --image "$picture" \
    --map y -o "$out/see2.png" --device cpu
true_that "nothing was written then" test ! -e "$out/see2.png"
check "see, several heads" 2 "--head" "$vkattn" see "$net" --weights "$weights" --image "$picture" \
    --map sum3 -o "$out/see2.png" --device cpu
check "see, one head" 0 "peak" "$vkattn" see "$net" --weights "$weights" --image "$picture" \
    --map sum3 --head 2 -o "$out/see2.png" --device cpu
check "bench" 0 "GFLOP/s" "$vkattn" bench se --device cpu --rounds 2
check "bench as JSON" 0 '"inputs": "x [1, 64, 7, 5]"' "$vkattn" bench se --device cpu --rounds 2 \
    --json --shape x=1,64,7,5 --attr reduction=4 --attr act=silu --all
check "bench, integers in their range" 0 "src [2, 5]" "$vkattn" bench seq2seq --device cpu \
    --shape src=2,5 --shape src_lengths=2 --attr max_len=3 --rounds 1
check "bench, taken apart" 0 "sdpa" "$vkattn" bench sdpa --device cpu --rounds 1 --expand \
    --shape q=1,1,8,4 --shape k=1,1,8,4 --shape v=1,1,8,4 --shape mask=8,8
check "bench, a case" 0 "x [2, 19, 8, 3]" "$vkattn" bench "$case_file" --device cpu --rounds 1
check "bench, a model" 0 "image [1, 3, 64, 64]" "$vkattn" bench "$net" --weights "$weights" \
    --shape image=1,3,64,64 --device cpu --rounds 1
check "bench, a model of fixed sizes" 0 "gate.json: x [1, 2, 4, 4]" sh -c \
    'echo "{\"vkattn\": 1, \"inputs\": {\"x\": [1, 2, 4, 4]}, \"nodes\": [{\"name\": \"g\",
    \"block\": \"se\", \"attrs\": {\"hidden\": 2}, \"in\": {\"x\": \"x\"}}],
    \"outputs\": {\"y\": \"g\"}}" >"$0/gate.json" && "$1" bench "$0/gate.json" --device cpu' \
    "$out" "$vkattn"
check "bench, a free size" 2 "give --shape image=" "$vkattn" bench "$net" --device cpu
check "bench, a weight of free sizes" 2 "give --shape w.stem.weight=" "$vkattn" bench "$net" \
    --device cpu --shape image=1,3,64,64
check "bench, a shape that doesn't fit" 2 "must have [?, 3, ?, ?]" "$vkattn" bench conv2d \
    --device cpu --shape x=1,3,32,32
check "bench, an unknown weight" 2 "weight 'x' belongs to no block" "$vkattn" bench se \
    --device cpu --shape w.x=3
check "bench, an attribute of a wrong type" 2 "must be int" "$vkattn" bench se --attr reduction=all
check "bench, no such block" 2 "no block 'nix'" "$vkattn" bench nix --device cpu
check "bench, nothing" 2 "nothing to time" "$vkattn" bench
check "bench, two things" 2 "more than one" "$vkattn" bench se eca
for shape in x x= x=1,a x=0 x=1,2,3,4,5,6,7,8,9 x=99999999999999999999; do
    check "bench --shape $shape" 2 "'$shape' isn't" "$vkattn" bench se --shape "$shape"
done
check "bench --attr" 2 "'act' isn't" "$vkattn" bench se --attr act
check "bench --rounds" 2 "'0'" "$vkattn" bench se --rounds 0
check "bench --dtype" 2 "'f8'" "$vkattn" bench se --dtype f8
check "bench in f16 on a device without it" 2 "no 16-bit" "$vkattn" bench se --device cpu \
    --dtype f16
check "bench, a case with other shapes" 2 "its own shapes" "$vkattn" bench "$case_file" --shape x=1
check "bench, a case with attributes" 2 "for a block" "$vkattn" bench "$case_file" --attr bias=true
check "bench, a block's weights" 2 "for a model" "$vkattn" bench se --weights "$weights"
check "bench, more than there is memory" 1 "" "$vkattn" bench se --device cpu \
    --shape x=1,256,16777216,67108864
check "the benchmark of all blocks, one of them" 0 "| \`crow\` |" sh "$top/tests/bench/blocks.sh" \
    --build "$1" --rounds 1 --device cpu crow
check "the benchmark, an unknown block" 1 "no block 'nix'" sh "$top/tests/bench/blocks.sh" \
    --build "$1" --rounds 1 --device cpu nix


# --- variables that say something unknown ---

for word in "ISA=foo, there are: plain, avx2, avx512" "VALIDATION=yes, there are: 0, 1"; do
    set_to=${word%%,*}
    check "VKATTN_$set_to" 0 "warning: VKATTN_$set_to is not known (${word#*, })" \
        env "VKATTN_$set_to" "$vkattn" bench se --device cpu --rounds 1
done

mkdir "$out/over"
cp "$picture" "$out/one.png"
check "the sample, several pictures" 0 "one.png: " "$1/samples/spotlight" --device cpu "$picture" \
    "$out/one.png" -o "$out/over/o.png"
true_that "each has its own" test -s "$out/over/scene0.o.png" -a -s "$out/over/one.o.png"
check "the sample, one name twice" 2 "would both be laid over in" "$1/samples/spotlight" \
    --device cpu "$picture" "$picture" -o "$out/over.png"
check "the sample" 0 "looked at" "$1/samples/spotlight" --device cpu "$picture" -o "$out/over.png"
check "the smallest program" 0 "0." "$1/samples/hello" --device cpu
true_that "no file was left half written" sh -c '! ls "$0" | grep -q part' "$out"

close_checks
