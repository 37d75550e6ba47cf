# SPDX-License-Identifier: MIT
"""mul: the product of a and b, either broadcast against the other."""
from plain import binary_cases as cases

DEFAULTS = {}


def run(x, w, a):
    return {"y": x["a"] * x["b"]}
