# SPDX-License-Identifier: MIT
"""glore: Graph-based Global Reasoning unit (Chen et al., CVPR 2019)."""
import numpy as np

from common import batch_norm, pointwise, positions, relu
from draw import bf16, f16

DEFAULTS = {"normalize": False, "bn_eps": 1e-4}


def run(x, w, a):
    x = x["x"]
    state, proj = (positions(pointwise(w, f"conv_{name}", x)) for name in ("state", "proj"))
    v = np.einsum("nsp,nkp->nsk", state, proj)
    if a["normalize"]:
        v = v / state.shape[2]
    u = v + w["gcn.conv1.bias"] + np.einsum("kj,nsj->nsk", w["gcn.conv1.weight"][:, :, 0], v)
    m = np.einsum("ts,nsk->ntk", w["gcn.conv2.weight"][:, :, 0], relu(u))
    if "gcn.conv2.bias" in w:
        m = m + w["gcn.conv2.bias"][:, None]
    z = np.einsum("nsk,nkp->nsp", m, proj).reshape(x.shape[:1] + m.shape[1:2] + x.shape[2:])
    y = x + batch_norm(w, "bn", pointwise(w, "conv_extend", z), a["bn_eps"])
    return {"y": y, "proj": proj, "nodes": v}


def weights(r, shape, s, k, conv2_bias=False):
    c, ones = shape[1], (1,) * (len(shape) - 2)
    return {**r.layer("conv_state", s, c, *ones), **r.layer("conv_proj", k, c, *ones),
            **r.layer("gcn.conv1", k, k, 1), **r.layer("gcn.conv2", s, s, 1, bias=conv2_bias),
            **r.layer("conv_extend", c, s, *ones, bias=False), **r.bn("bn", c)}


def cases(rng):
    norm = {"normalize": True}
    table = [  # shape, states, nodes, bias of conv2
        ("defaults_2d", (2, 7, 3, 5), 6, 3, False, {}),
        ("all_given", (1, 6, 3, 3), 4, 2, False, {"normalize": False, "bn_eps": 1e-4}),
        ("size_1", (1, 1, 1, 1), 1, 1, False, {}),
        ("normalize", (2, 5, 7, 3), 6, 3, False, norm),
        ("fewer_states_than_nodes", (2, 5, 3, 4), 2, 7, False, {}),
        ("states_as_nodes", (1, 5, 3, 3), 4, 4, True, norm),
        ("line_1d", (3, 4, 13), 5, 3, True, {}),
        ("frames_3d", (1, 4, 3, 2, 5), 3, 5, False, norm),
        ("eps_1e_5", (1, 5, 2, 3), 3, 2, True, {"bn_eps": 1e-5}),
        ("large_eps", (2, 3, 3, 3), 3, 2, False, {"bn_eps": 0.4}),
        ("one_node", (2, 5, 3, 3), 3, 1, False, {}),
    ]
    for name, shape, s, k, bias, attrs in table:
        r = rng(name)
        yield name, {"x": r.normal(*shape)}, weights(r, shape, s, k, bias), attrs
    r, shape = rng("small_variance"), (1, 3, 3, 3)  # eps shows
    w = weights(r, shape, 2, 2)
    w["bn.running_var"] = np.array([1e-4, 1e-5, 3e-4])
    yield "small_variance", {"x": r.normal(*shape)}, w, norm
    r, shape = rng("f16_bf16_y_only"), (1, 5, 3, 5)
    w = {name: bf16(t) for name, t in weights(r, shape, 4, 3).items()}
    yield "f16_bf16_y_only", {"x": f16(r.normal(*shape))}, w, {}, ["y"]
