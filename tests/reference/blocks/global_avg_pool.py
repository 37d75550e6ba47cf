# SPDX-License-Identifier: MIT
"""global_avg_pool: one value a channel, [N, C, ...] to [N, C]."""
from plain import global_pool_cases as cases

DEFAULTS = {"keepdim": False}


def run(x, w, a):
    x = x["x"]
    return {"y": x.mean(axis=tuple(range(2, x.ndim)), keepdims=a["keepdim"])}
