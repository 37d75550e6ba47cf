# SPDX-License-Identifier: MIT
"""Finds the definitions, fills in attributes and runs a definition on a case's tensors."""
import importlib
import os

import numpy as np

from common import REQUIRED

HERE = os.path.dirname(os.path.abspath(__file__))
CASES = os.path.join(os.path.dirname(HERE), "cases")
SOURCE = "numpy definition tests/reference/blocks/{}.py"


def block_ids():
    return sorted(f[:-3] for f in os.listdir(os.path.join(HERE, "blocks")) if f.endswith(".py"))


def definition(block):
    """A definition by the block's id; some ids are words of Python, so no import statement."""
    if block not in block_ids():
        raise ValueError(f"there is no definition of block {block}")
    return importlib.import_module(f"blocks.{block}")


def fill(attrs, defaults):
    unknown = sorted(set(attrs) - set(defaults))
    if unknown:
        raise ValueError(f"unknown attribute {', '.join(unknown)}")
    full = {**defaults, **attrs}
    missing = sorted(name for name, value in full.items() if value is REQUIRED)
    if missing:
        raise ValueError(f"missing attribute {', '.join(missing)}")
    return full


def plain(t, precision):
    """What a definition computes with: floats of one precision, whole numbers, truth values."""
    if t.dtype in ("BOOL", "U8"):
        return t.data != 0
    if t.dtype in ("I32", "I64"):
        return t.data.astype(np.int64)
    return t.data.astype(precision)


def run(block, inputs, weights, attrs, precision=np.float64):
    module = definition(block)
    x = {name: plain(t, precision) for name, t in inputs.items()}
    w = {name: plain(t, precision) for name, t in weights.items()}
    with np.errstate(all="ignore"):
        return module.run(x, w, fill(attrs, module.DEFAULTS))


def stored(values):
    """An output as its file holds it: F32, I32 or BOOL."""
    values = np.asarray(values)
    kinds = {"b": np.bool_, "i": np.int32, "u": np.int32, "f": np.float32}
    return values.astype(kinds[values.dtype.kind])
