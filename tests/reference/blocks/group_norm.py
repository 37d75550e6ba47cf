# SPDX-License-Identifier: MIT
"""group_norm: as torch.nn.GroupNorm."""
from common import REQUIRED, along, standardize
from draw import bf16

DEFAULTS = {"num_groups": REQUIRED, "eps": 1e-5}


def run(x, w, a):
    x, groups = x["x"], a["num_groups"]
    if x.shape[1] % groups:
        raise ValueError(f"num_groups {groups} does not divide {x.shape[1]} channels")
    y = standardize(x.reshape(x.shape[0], groups, -1), 2, a["eps"]).reshape(x.shape)
    y = y * along(w["weight"], y) if "weight" in w else y
    return {"y": y + along(w["bias"], y) if "bias" in w else y}


def cases(rng):
    table = [
        ("rank_4", (2, 6, 3, 5), {"num_groups": 3}, ()),
        ("all_given", (1, 4, 3, 3), {"num_groups": 2, "eps": 1e-5}, ()),
        ("rank_3", (2, 9, 7), {"num_groups": 3}, ()),
        ("rank_5", (1, 4, 2, 3, 3), {"num_groups": 4}, ()),
        ("rank_2", (3, 10), {"num_groups": 2}, ()),
        ("one_group", (2, 5, 3, 3), {"num_groups": 1}, ()),
        ("group_a_channel", (2, 7, 5, 1), {"num_groups": 7}, ()),
        ("large_eps", (1, 6, 3, 3), {"num_groups": 2, "eps": 0.3}, ()),
        ("no_affine", (2, 6, 3, 3), {"num_groups": 2}, ("weight", "bias")),
        ("no_bias", (2, 6, 3, 3), {"num_groups": 3}, ("bias",)),
        ("bias_only", (2, 6, 3, 3), {"num_groups": 3}, ("weight",)),
    ]
    for name, shape, attrs, without in table:
        r = rng(name)
        w = {k: t for k, t in r.norm("", shape[1]).items() if k not in without}
        yield name, {"x": r.normal(*shape)}, w, attrs

    r = rng("far_from_zero")
    yield "far_from_zero", {"x": r.normal(1, 4, 5, 7, shift=-30.0)}, r.norm("", 4), \
        {"num_groups": 2}

    r = rng("x_bf16")
    yield "x_bf16", {"x": bf16(r.normal(2, 6, 5))}, r.norm("", 6), {"num_groups": 3}
