#!/bin/sh
# SPDX-License-Identifier: MIT
# Weights under their official names, from outside: cases, models, errors and the table. Called by
# ctest with the build folder; closes with counts as cmocka does.
#
#   sh tests/cli/official.sh BUILD
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
vkattn=$1/vkattn
. "$top/tests/cli/check.sh"
case_file=$top/tests/cli/official/case.safetensors
weights=$top/tests/cli/official/weights.safetensors
cases=$top/tests/cases

# model NAME REST: a model of one cbam, with REST behind its input
model() {
    printf '{"vkattn": 1, "inputs": {"in.x": ["N", 7, "H", "W"]}, "nodes": [{"name": "att",
        "block": "cbam", "in": {"x": "in.x"}, "attrs": {"reduction": 3, "kernel_size": 1}%s}],
        "outputs": {"y": "att", "map": "att.attn_spatial"}}\n' "$2" >"$out/$1.json"
}
# run MODEL OUT ARGUMENTS...: the model on the case's input
run() {
    name=$1 into=$2
    shift 2
    "$vkattn" run "$out/$name.json" --weights "$weights" --input in.x="$case_file" \
        --output y="$into" --device cpu "$@"
}
model official ', "weights": "layer1.att", "weights_as": "official"'
model own ', "weights": "layer1.att"'
model elsewhere ', "weights": "layer2.att", "weights_as": "official"'

check "a case that says so" 0 "0 failed" "$vkattn" verify --device cpu "$case_file"
check "cases, by the flag" 0 "0 failed" "$vkattn" verify --device cpu --weights-as official \
    "$case_file" "$cases/se/official_hardsigmoid.safetensors" "$cases"/mha/*.safetensors
check "a case under its own names" 1 \
    "weight 'ChannelGate.mlp.1.weight' (channel.fc1.weight) of shape [2, 7] is missing" "$vkattn" \
    verify --device cpu --weights-as official "$cases/cbam/kernel_1.safetensors"
check "a block without official names" 1 "the block's weights have no official names" \
    "$vkattn" verify --device cpu --weights-as official "$cases"/ma_cnn/*.safetensors
check "another word" 2 "--weights-as is official, not 'timm'" "$vkattn" verify --weights-as timm \
    "$case_file"

check "a model that says so" 0 "" run official "$out/a.npy"
check "a model, by the flag" 0 "" run own "$out/b.npy" --weights-as official
true_that "the same outputs" cmp "$out/a.npy" "$out/b.npy"
check "the flag and its own names" 2 "weight 'layer1.att.channel.fc1.weight' of shape [2, 7]" \
    run own "$out/c.npy"
check "another prefix" 2 "'layer2.att.ChannelGate.mlp.1.weight' (channel.fc1.weight)" \
    run elsewhere "$out/c.npy"
check "run, another word" 2 "not 'own'" run own "$out/c.npy" --weights-as own
true_that "nothing was written then" test ! -e "$out/c.npy"
check "see, another word" 2 "not 'x'" "$vkattn" see "$out/own.json" --weights-as x
check "bench, a model" 0 "ms" "$vkattn" bench "$out/own.json" --weights "$weights" \
    --weights-as official --shape in.x=1,7,3,3 --device cpu --rounds 1
check "bench, made-up weights" 0 "ms" "$vkattn" bench "$out/elsewhere.json" \
    --shape in.x=1,7,3,3 --device cpu --rounds 1
check "bench, a case" 0 "ms" "$vkattn" bench "$case_file" --device cpu --rounds 1
check "bench, a block" 2 "--weights-as is for a case or a model" "$vkattn" bench se \
    --weights-as official --device cpu
check "bench, another word" 2 "not 'x'" "$vkattn" bench se --weights-as x

check "the table" 0 "ChannelGate.mlp.1.weight" "$vkattn" blocks cbam
check "the table, several names" 0 "fc1.weight | fc.0.weight" "$vkattn" blocks se
check "the table as JSON" 0 \
    '"official": [{"name": "fc1.weight", "layout": "plain"}, {"name": "fc.0.weight"' \
    "$vkattn" blocks se --json
check "the table as JSON, a layout" 0 \
    '{"name": "attn_conv1/kernel", "layout": "transposed"}' "$vkattn" blocks delf --json
check "the table as JSON, no names" 0 '"when": "i < groups", "official": []' "$vkattn" blocks \
    ma_cnn --json

close_checks
