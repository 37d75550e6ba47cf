# SPDX-License-Identifier: MIT
"""relu6: min(max(x, 0), 6)."""
import numpy as np

from plain import activation_cases

DEFAULTS = {}


def run(x, w, a):
    return {"y": np.clip(x["x"], 0, 6)}


def cases(rng):
    yield from activation_cases(rng, [("defaults", {})])
