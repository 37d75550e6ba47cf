# SPDX-License-Identifier: MIT
"""softplus: ln(1 + exp(beta x)) / beta; x itself where beta x is above the threshold."""
import numpy as np

from plain import activation_cases

DEFAULTS = {"beta": 1.0, "threshold": 20.0}


def run(x, w, a):
    x, z = x["x"], a["beta"] * x["x"]
    return {"y": np.where(z > a["threshold"], x, np.log1p(np.exp(z)) / a["beta"])}


def cases(rng):
    yield from activation_cases(rng, [
        ("defaults", {}), ("given", {"beta": 1, "threshold": 20}), ("beta_half", {"beta": 0.5}),
        ("low_threshold", {"threshold": 1.0}), ("beta_3_threshold_2", {"beta": 3.0,
                                                                       "threshold": 2.0})])
