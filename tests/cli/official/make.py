#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the files of tests/cli/official.sh: a case of tests/cases/cbam with its weights under the
names that they have in the authors' state_dict, and these weights alone, as a part of a network.

usage: make.py
"""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../reference"))
import safetensors  # noqa: E402

KEYS = {"channel.fc1": "ChannelGate.mlp.1", "channel.fc2": "ChannelGate.mlp.3",
        "spatial.conv": "SpatialGate.spatial.conv", "spatial.bn": "SpatialGate.spatial.bn"}


def main():
    source = os.path.join(HERE, "../../cases/cbam/kernel_1.safetensors")
    tensors, metadata = safetensors.read(source)
    case, weights = {}, {}
    for name, tensor in tensors.items():
        layer, _, part = name.removeprefix("w.").rpartition(".")
        if name.startswith("w."):
            weights[f"layer1.att.{KEYS[layer]}.{part}"] = tensor
            name = f"w.{KEYS[layer]}.{part}"
        case[name] = tensor
    weights["layer1.att.SpatialGate.spatial.bn.num_batches_tracked"] = \
        safetensors.Tensor("I64", [3])
    safetensors.write(os.path.join(HERE, "case.safetensors"), case,
                      {**metadata, "weights_as": "official"})
    del metadata["attrs"], metadata["block"]
    safetensors.write(os.path.join(HERE, "weights.safetensors"), weights, metadata)


if __name__ == "__main__":
    main()
