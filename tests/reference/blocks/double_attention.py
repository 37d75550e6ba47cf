# SPDX-License-Identifier: MIT
"""double_attention: gather and distribute of A2-Nets (Chen et al., NeurIPS 2018)."""
import numpy as np

from common import pointwise, positions, softmax
from draw import bf16, f16

DEFAULTS = {"reconstruct": False, "residual": False}


def run(x, w, a):
    x = x["x"]
    features, gather, spread = (positions(pointwise(w, f"conv_{name}", x)) for name in "abv")
    gather, spread = softmax(gather, axis=2), softmax(spread, axis=1)
    g = np.einsum("ncp,njp->ncj", features, gather)
    z = np.einsum("ncj,njp->ncp", g, spread).reshape(x.shape[:1] + g.shape[1:2] + x.shape[2:])
    if a["reconstruct"]:
        z = pointwise(w, "conv_reconstruct", z)
    if a["residual"]:
        if z.shape != x.shape:
            raise ValueError(f"residual: the result {z.shape} is not shaped as x {x.shape}")
        z = x + z
    return {"y": z, "attn_gather": gather, "attn_distribute": spread, "descriptors": g}


def weights(r, shape, m, n, reconstruct, bias=True):
    ones, w = (1,) * (len(shape) - 2), {}
    for name, width in (("a", m), ("b", n), ("v", n)):
        w.update(r.layer(f"conv_{name}", width, shape[1], *ones, bias=bias))
    if reconstruct:
        w.update(r.layer("conv_reconstruct", shape[1], m, *ones, bias=bias))
    return w


def cases(rng):
    back, rest = {"reconstruct": True}, {"residual": True}
    table = [  # shape, channels of A, descriptors, biases
        ("defaults_2d", (2, 7, 5, 3), 4, 3, True, {}),
        ("all_given", (1, 6, 3, 4), 3, 2, True, {"reconstruct": False, "residual": False}),
        ("one_of_everything", (1, 1, 1, 1), 1, 1, True, {}),
        ("one_descriptor", (2, 5, 3, 3), 3, 1, True, {}),
        ("reconstruct", (2, 5, 3, 5), 3, 7, True, back),
        ("paper_form", (2, 5, 3, 5), 3, 4, True, {**back, **rest}),
        ("residual_alone", (2, 5, 3, 4), 5, 3, True, rest),
        ("line_1d", (3, 4, 11), 5, 2, True, {}),
        ("frames_3d", (1, 4, 3, 2, 5), 3, 2, True, {**back, **rest}),
        ("no_bias", (2, 4, 3, 3), 3, 5, False, back),
        ("wide", (1, 3, 2, 5), 33, 17, True, {}),
    ]
    for name, shape, m, n, bias, attrs in table:
        r = rng(name)
        yield name, {"x": r.normal(*shape)}, \
            weights(r, shape, m, n, attrs.get("reconstruct"), bias), attrs

    r, shape = rng("large_logits"), (2, 4, 3, 5)
    w = weights(r, shape, 3, 3, False)
    w["conv_b.weight"] *= 80
    w["conv_v.weight"] *= 80
    yield "large_logits", {"x": r.normal(*shape)}, w, {}

    r, shape = rng("f16_bf16_y_only"), (1, 5, 3, 7)
    w = {name: bf16(t) for name, t in weights(r, shape, 3, 2, False).items()}
    yield "f16_bf16_y_only", {"x": f16(r.normal(*shape))}, w, {}, ["y"]
