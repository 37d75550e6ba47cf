# SPDX-License-Identifier: MIT
"""gelu: x times the normal distribution function, exact or by its tanh approximation."""
import math

import numpy as np

from common import gelu, pick
from plain import activation_cases

DEFAULTS = {"approximate": "none"}


def run(x, w, a):
    x = x["x"]
    if pick(a["approximate"], ("none", "tanh"), "approximate") == "none":
        return {"y": gelu(x)}
    return {"y": 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3)))}


def cases(rng):
    yield from activation_cases(rng, [("defaults", {}), ("none_given", {"approximate": "none"}),
                                      ("tanh", {"approximate": "tanh"})])
    rng("tanh_large_values")
    values = np.array([-1e4, -100.0, -50.0, -12.0, 12.0, 50.0, 100.0, 1e4, 0.0])
    yield "tanh_large_values", {"x": values}, {}, {"approximate": "tanh"}
