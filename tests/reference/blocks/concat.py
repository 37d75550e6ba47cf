# SPDX-License-Identifier: MIT
"""concat: x, x_1, x_2, ... one behind the other along an axis, as torch.cat."""
import numpy as np

from draw import bf16, f16

DEFAULTS = {"dim": 1}


def run(x, w, a):
    names = ["x"] + [f"x_{i}" for i in range(1, len(x))]
    return {"y": np.concatenate([x[name] for name in names], axis=a["dim"])}


def cases(rng):
    table = [
        ("defaults", [(2, 3, 5, 3), (2, 1, 5, 3)], {}),
        ("given", [(2, 3, 2), (2, 4, 2)], {"dim": 1}),
        ("single", [(2, 3, 2)], {}),
        ("dim_0", [(1, 3), (2, 3), (4, 3)], {"dim": 0}),
        ("dim_last", [(2, 3, 1), (2, 3, 7), (2, 3, 2)], {"dim": -1}),
        ("rank_1", [(3,), (5,)], {"dim": 0}),
        ("rank_5", [(1, 2, 3, 2, 2), (1, 2, 1, 2, 2)], {"dim": -3}),
        ("twelve", [(2, 1 + i % 3, 3) for i in range(12)], {}),  # x_10 comes after x_9
    ]
    for name, shapes, attrs in table:
        r = rng(name)
        yield name, {f"x_{i}" if i else "x": r.normal(*s) for i, s in enumerate(shapes)}, {}, attrs
    r = rng("mixed_types")
    yield "mixed_types", {"x": f16(r.normal(2, 3)), "x_1": r.normal(2, 5),
                          "x_2": bf16(r.normal(2, 1))}, {}, {}
