# SPDX-License-Identifier: MIT
"""leaky_relu: x where it is positive, negative_slope * x elsewhere."""
from common import leaky_relu
from plain import activation_cases

DEFAULTS = {"negative_slope": 0.01}


def run(x, w, a):
    return {"y": leaky_relu(x["x"], a["negative_slope"])}


def cases(rng):
    yield from activation_cases(rng, [
        ("defaults", {}), ("slope_given", {"negative_slope": 0.01}),
        ("slope_0", {"negative_slope": 0.0}), ("slope_negative", {"negative_slope": -0.5}),
        ("slope_over_1", {"negative_slope": 1.5})])
