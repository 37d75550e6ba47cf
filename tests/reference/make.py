#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the case files of the blocks named, or of all: tests/cases/<id>/<name>.safetensors.

Inputs and weights are rounded to the types of the file first; the definition then runs in float64
on the rounded values, so that the outputs are right to the last bit of float32.

usage: make.py [ID...]
"""
import json
import os
import sys

import cases
import safetensors
from draw import Rng

LIMIT = 30000  # bytes: a case is meant to be awkward, not large; a definition may have its own


def tensors_of(block, inputs, weights, attrs, wanted):
    inputs = {name: safetensors.rounded(t) for name, t in inputs.items()}
    weights = {name: safetensors.rounded(t) for name, t in weights.items()}
    outputs = cases.run(block, inputs, weights, attrs)
    made = {f"in.{name}": t for name, t in inputs.items()}
    made.update({f"w.{name}": t for name, t in weights.items()})
    for name in wanted or outputs:
        made[f"out.{name}"] = cases.stored(outputs[name])
    return made


def write_case(block, folder, name, inputs, weights, attrs, wanted=None):
    path = os.path.join(folder, f"{name}.safetensors")
    metadata = {"block": block, "attrs": json.dumps(attrs), "source": cases.SOURCE.format(block)}
    safetensors.write(path, tensors_of(block, inputs, weights, attrs, wanted), metadata)
    limit = getattr(cases.definition(block), "LIMIT", LIMIT)
    if os.path.getsize(path) > limit:
        raise ValueError(f"{path} has {os.path.getsize(path)} bytes, more than {limit}")
    return path


def remove_stale(block, folder, written):
    """Files of cases that the definition no longer has; files from elsewhere stay."""
    for entry in sorted(os.listdir(folder)):
        path = os.path.join(folder, entry)
        if path in written or not entry.endswith(".safetensors"):
            continue
        if safetensors.read(path)[1].get("source") == cases.SOURCE.format(block):
            os.remove(path)
            print(f"{block}: removed {entry}")


def make(block):
    folder, rng, written = os.path.join(cases.CASES, block), Rng(block), []
    os.makedirs(folder, exist_ok=True)
    for case in cases.definition(block).cases(rng):
        if rng.names.count(case[0]) != 1:
            raise ValueError(f"{block}: case {case[0]} must draw from rng({case[0]!r}), once")
        written.append(write_case(block, folder, *case))
    remove_stale(block, folder, written)
    print(f"{block}: {len(written)} cases, {sum(map(os.path.getsize, written))} bytes")


if __name__ == "__main__":
    for each in sys.argv[1:] or cases.block_ids():
        make(each)
