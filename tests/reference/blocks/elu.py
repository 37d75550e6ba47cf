# SPDX-License-Identifier: MIT
"""elu: x where it is positive, alpha * (exp(x) - 1) elsewhere."""
import numpy as np

from plain import activation_cases

DEFAULTS = {"alpha": 1.0}


def run(x, w, a):
    return {"y": np.where(x["x"] > 0, x["x"], a["alpha"] * np.expm1(x["x"]))}


def cases(rng):
    yield from activation_cases(rng, [
        ("defaults", {}), ("alpha_given", {"alpha": 1.0}), ("alpha_0", {"alpha": 0.0}),
        ("alpha_negative", {"alpha": -1.5}), ("alpha_2", {"alpha": 2.0})])
