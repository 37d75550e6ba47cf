# SPDX-License-Identifier: MIT
"""nonlocal: Non-local block (Wang et al., CVPR 2018)."""
import numpy as np

from common import batch_norm, max_pool, pick, pointwise, positions, relu, softmax
from draw import f16

DEFAULTS = {"mode": "embedded_gaussian", "sub_sample": False, "pool_first": False,
            "use_scale": False, "bn": True, "bn_eps": 1e-5}
MODES = ("gaussian", "embedded_gaussian", "dot_product", "concatenation")


def pool(x):
    """Halves every axis but time."""
    kernel = [2] * (x.ndim - 2)
    if len(kernel) == 3:
        kernel[0] = 1
    return max_pool(x, kernel, kernel)


def sampled(x, project, a):
    if not a["sub_sample"]:
        return project(x)
    return project(pool(x)) if a["pool_first"] else pool(project(x))


def pairwise(theta, phi, inner, w, a):
    keys = phi.shape[2]
    if a["mode"] == "concatenation":
        wt, wp = np.split(w["concat_project.weight"].reshape(-1), 2)
        s = np.einsum("c,nci->ni", wt, theta)[:, :, None] + \
            np.einsum("c,ncj->nj", wp, phi)[:, None, :]
        return relu(s) / keys
    s = np.einsum("nci,ncj->nij", theta, phi)
    if a["mode"] == "dot_product":
        return s / keys
    if a["mode"] == "embedded_gaussian" and a["use_scale"]:
        s = s * inner ** -0.5
    return softmax(s)


def run(x, w, a):
    x, gaussian = x["x"], pick(a["mode"], MODES, "mode") == "gaussian"
    g = sampled(x, lambda v: pointwise(w, "g", v), a)
    theta = x if gaussian else pointwise(w, "theta", x)
    phi = sampled(x, (lambda v: v) if gaussian else (lambda v: pointwise(w, "phi", v)), a)
    f = pairwise(positions(theta), positions(phi), g.shape[1], w, a)
    o = np.einsum("nij,ncj->nci", f, positions(g)).reshape(x.shape[:1] + g.shape[1:2] + x.shape[2:])
    o = pointwise(w, "conv_out", o)
    if a["bn"]:
        o = batch_norm(w, "bn", o, a["bn_eps"])
    return {"y": x + o, "attn": f}


def weights(r, shape, inner, attrs, bias=True):
    a, c, ones = {**DEFAULTS, **attrs}, shape[1], (1,) * (len(shape) - 2)
    w = r.layer("g", inner, c, *ones, bias=bias)
    if a["mode"] != "gaussian":
        w.update(r.layer("theta", inner, c, *ones, bias=bias))
        w.update(r.layer("phi", inner, c, *ones, bias=bias))
    if a["mode"] == "concatenation":
        w.update(r.layer("concat_project", 1, 2 * inner, 1, 1, bias=False))
    w.update(r.layer("conv_out", c, inner, *ones, bias=bias))
    if a["bn"]:
        w.update(r.bn("bn", c))
    return w


def cases(rng):
    sub, first = {"sub_sample": True}, {"sub_sample": True, "pool_first": True}
    gauss, dot = {"mode": "gaussian"}, {"mode": "dot_product"}
    concat, plain = {"mode": "concatenation"}, {"bn": False}
    table = [
        ("defaults_2d", (2, 7, 5, 3), 3, {}),
        ("all_given", (1, 6, 3, 4), 3, dict(DEFAULTS)),
        ("one_of_everything", (1, 1, 1, 1), 1, {}),
        ("embedded_1d", (3, 5, 11), 2, {}),
        ("embedded_3d", (1, 4, 2, 3, 3), 2, {}),
        ("embedded_scale", (2, 5, 3, 3), 7, {"use_scale": True}),
        ("embedded_sub", (1, 6, 5, 7), 3, sub),  # odd: the last row and column are dropped
        ("embedded_sub_first", (1, 6, 5, 7), 3, {**first, "use_scale": True}),
        ("embedded_sub_3d", (1, 3, 3, 4, 5), 2, sub),  # time is never pooled
        ("embedded_sub_one_key", (2, 3, 2, 3), 2, sub),
        ("gaussian_2d", (2, 5, 3, 5), 2, gauss),
        ("gaussian_1d_sub", (1, 3, 13), 2, {**gauss, **sub}),
        ("gaussian_sub_first", (2, 5, 4, 3), 2, {**gauss, **first, **plain}),
        ("gaussian_3d_ignores_scale", (1, 3, 2, 2, 5), 2, {**gauss, "use_scale": True}),
        ("dot_2d", (2, 5, 3, 5), 3, {**dot, "use_scale": True}),
        ("dot_3d_sub", (1, 4, 2, 5, 3), 3, {**dot, **sub}),
        ("dot_1d_sub_first", (2, 5, 9), 3, {**dot, **first, **plain}),
        ("concat_2d", (2, 7, 5, 3), 3, concat),
        ("concat_1d_sub_first", (2, 3, 7), 4, {**concat, **first}),
        ("concat_3d_sub", (1, 3, 3, 3, 4), 2, {**concat, **sub, "bn_eps": 0.1}),
    ]
    for name, shape, inner, attrs in table:
        r = rng(name)
        yield name, {"x": r.normal(*shape)}, weights(r, shape, inner, attrs), attrs

    for name, attrs in (("no_bias", {}), ("no_bias_no_bn_concat", {**concat, **plain})):
        r, shape = rng(name), (2, 5, 3, 4)
        yield name, {"x": r.normal(*shape)}, weights(r, shape, 3, attrs, bias=False), attrs

    r, shape = rng("no_bias_out_only"), (1, 5, 3, 3)
    w = weights(r, shape, 2, {})
    del w["conv_out.bias"]
    yield "no_bias_out_only", {"x": r.normal(*shape)}, w, {}

    r, shape = rng("gaussian_large_logits"), (1, 4, 3, 3)  # |x|^2 near 400
    yield "gaussian_large_logits", {"x": r.normal(*shape, scale=10.0)}, \
        weights(r, shape, 2, gauss), gauss

    r, shape = rng("gaussian_unused_weights"), (1, 4, 3, 3)  # theta, phi and bn are in the file
    yield "gaussian_unused_weights", {"x": r.normal(*shape)}, weights(r, shape, 2, {}), \
        {**gauss, **plain}

    r, shape = rng("x_f16_y_only"), (2, 6, 3, 5)
    yield "x_f16_y_only", {"x": f16(r.normal(*shape))}, weights(r, shape, 3, {}), {}, ["y"]
