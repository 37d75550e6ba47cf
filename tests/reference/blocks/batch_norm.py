# SPDX-License-Identifier: MIT
"""batch_norm: inference form of torch.nn.BatchNorm1d/2d/3d."""
import numpy as np

from common import batch_norm
from draw import bf16, f16

DEFAULTS = {"eps": 1e-5}


def run(x, w, a):
    return {"y": batch_norm(w, "", x["x"], a["eps"])}


def cases(rng):
    table = [
        ("rank_2", (3, 7), {}, ()),
        ("rank_3", (2, 5, 11), {}, ()),
        ("rank_4", (2, 13, 3, 5), {}, ()),
        ("rank_5", (1, 3, 2, 3, 5), {"eps": 1e-5}, ()),
        ("one_of_everything", (1, 1, 1, 1), {}, ()),
        ("large_eps", (2, 3, 4, 5), {"eps": 0.5}, ()),
        ("no_affine", (2, 5, 3, 3), {}, ("weight", "bias")),
        ("weight_only", (2, 5, 3, 3), {"eps": 1e-3}, ("bias",)),
        ("bias_only", (2, 5, 3, 3), {}, ("weight",)),
    ]
    for name, shape, attrs, without in table:
        r = rng(name)
        w = {k: t for k, t in r.bn("", shape[1]).items() if k not in without}
        yield name, {"x": r.normal(*shape)}, w, attrs

    r = rng("variance_0")
    w = {**r.bn("", 3), "running_var": np.array([0.0, 1e-6, 4.0])}
    yield "variance_0", {"x": r.normal(1, 3, 5)}, w, {}

    r = rng("f16_bf16")
    w = {name: bf16(t) for name, t in r.bn("", 5).items()}
    yield "f16_bf16", {"x": f16(r.normal(2, 5, 3, 3))}, w, {}
