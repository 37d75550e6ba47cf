# SPDX-License-Identifier: MIT
"""dgmn: module of Dynamic Graph Message Passing Networks (Zhang et al., CVPR 2020)."""
import numpy as np

from blocks import group_norm
from common import conv, part_of, pick, pointwise, relu, sigmoid, softmax
from draw import bf16, f16
from windows import bilinear, centred, steps, windows

DEFAULTS = {"groups": 1, "dilations": [1, 4, 8, 12], "deform": "deformatt", "fusion": "sum",
            "reduce": False, "gn_groups": 32, "fix_att4": False}


def scaled(w, name, x, a):
    """1x1 convolution, group norm, ReLU."""
    y = group_norm.run({"x": pointwise(w, f"{name}.conv", x)}, part_of(w, f"{name}.norm"),
                       {"num_groups": a["gn_groups"], "eps": 1e-5})["y"]
    return relu(y)


def moved(z, offset, dilation):
    """z at the taps moved by the offsets: [N, C', 9, H, W]."""
    rows, cols = (steps(n, 3, 1, dilation, dilation) for n in z.shape[2:])
    shape = (len(z), 3, 3) + z.shape[2:]
    down = offset[:, 0::2].reshape(shape) + rows[:, None, :, None]
    across = offset[:, 1::2].reshape(shape) + cols[:, None, :]
    return bilinear(z, down, across).reshape(z.shape[:2] + (9,) + z.shape[2:])


def by_group(t, groups):
    return t.reshape((len(t), groups, 9) + t.shape[2:])


def rate_of_sum(z, w, i, a):
    """(samples, tap weights, offsets) of rate i; offsets are None where there are none."""
    g, e, weight, offset = a["groups"], a["dilations"][i], w[f"filter.{i}.weight"], None
    if a["deform"] == "none":
        samples = windows(z, *(centred(n, 3, 1, e) for n in z.shape[2:]))
    else:
        offset = conv(z, w[f"offset.{i}.weight"], padding=e, dilation=e)
        samples = moved(z, offset, e)
    f = np.einsum("oct,ncthw->nohw", weight.reshape(weight.shape[:2] + (9,)), samples)
    filters = by_group(f[:, :9 * g], g)
    if a["deform"] != "deformatt":
        return samples, softmax(filters, axis=2), offset
    slip = i == 3 and not a["fix_att4"]
    affinity = softmax(f[:, 9 * g - 9:9 * g] if slip else f[:, 9 * g:], axis=1)
    return samples, filters * affinity[:, None], offset


def rate_of_concat(z, w, i, a):
    g, e = a["groups"], a["dilations"][i]
    p = conv(z, w[f"filter.{i}.weight"], padding=e, dilation=e)
    filters, offset, affinity = np.split(p, [9 * g, 9 * g + 18], axis=1)
    weights = softmax(by_group(filters, g), axis=2)
    if a["deform"] == "none":
        return windows(z, *(centred(n, 3, 1, e) for n in z.shape[2:])), weights, None
    if a["deform"] == "deformatt":
        weights = weights * sigmoid(affinity)[:, None]
    return moved(z, offset, e), weights, offset


def check(x, a):
    pick(a["deform"], ("none", "deform", "deformatt"), "deform")
    pick(a["fusion"], ("sum", "concat"), "fusion")
    if a["fusion"] == "concat" and a["deform"] == "deform" and a["groups"] != 1:
        raise ValueError("fusion concat with deform takes one group only")
    if x.shape[1] % (4 if a["reduce"] else 1) or x.shape[1] // (4 if a["reduce"] else 1) \
            % a["groups"]:
        raise ValueError(f"{x.shape[1]} channels in {a['groups']} groups, reduce {a['reduce']}")


def run(x, w, a):
    x, total = x["x"], a["fusion"] == "sum"
    check(x, a)
    z = scaled(w, "scale1", x, a) if a["reduce"] else x
    rates = [(rate_of_sum if total else rate_of_concat)(z, w, i, a) for i in range(4)]
    messages = [(np.repeat(weights, z.shape[1] // a["groups"], axis=1) * samples).sum(axis=2)
                for samples, weights, _ in rates]
    if total:
        u = z + sum(w[f"gamma.{i}"] * m for i, m in enumerate(messages))
    else:
        u = scaled(w, "scale2", np.concatenate([z] + messages, axis=1), a)
    y = scaled(w, "scale3", u, a) if a["reduce"] else u
    out = {"y": y if total and not a["reduce"] else y + x,
           "attn": np.stack([weights for _, weights, _ in rates], axis=1)}
    if a["deform"] != "none":
        out["offset"] = np.stack([offset for _, _, offset in rates], axis=1)
    return out


def scale_weights(r, name, out, inner, bias=False):
    return {**r.layer(f"{name}.conv", out, inner, 1, 1, bias=bias), **r.norm(f"{name}.norm", out)}


def weights(r, c, attrs):
    a = {**DEFAULTS, **attrs}
    inner, total, deform = c // 4 if a["reduce"] else c, a["fusion"] == "sum", a["deform"]
    more = {"none": 0, "deform": 0 if total else 18, "deformatt": 9 if total else 27}[deform]
    w = {}
    for i in range(4):
        if total and deform != "none":
            w.update(r.layer(f"offset.{i}", 18, inner, 3, 3, bias=False))
        w.update(r.layer(f"filter.{i}", 9 * a["groups"] + more, inner, 3, 3, bias=False))
        if total:
            w[f"gamma.{i}"] = r.uniform(1, lo=-1.0, hi=1.0)
    if not total:
        w.update(scale_weights(r, "scale2", inner, 5 * inner, bias=not a["reduce"]))
    if a["reduce"]:
        w.update({**scale_weights(r, "scale1", inner, c), **scale_weights(r, "scale3", c, inner)})
    return w


def cases(rng):
    near, cat = {"dilations": [1, 2, 3, 1]}, {"fusion": "concat", "dilations": [1, 3, 2, 1]}
    none, deform, small = {"deform": "none"}, {"deform": "deform"}, {"reduce": True}
    table = [
        ("defaults", (1, 2, 3, 4), {}),
        ("all_given", (1, 2, 3, 3), {**DEFAULTS, "gn_groups": 2, "groups": 2}),
        ("one_of_everything", (1, 1, 1, 1), {}),
        ("sum_none", (2, 4, 3, 2), {**near, **none, "groups": 2}),
        ("sum_deform", (2, 2, 2, 3), {**near, **deform, "groups": 2}),
        ("sum_deformatt", (2, 2, 2, 3), {**near, "groups": 2}),
        ("sum_fourth_fixed", (1, 2, 3, 4), {**near, "groups": 2, "fix_att4": True}),
        ("sum_fix_without_affinity", (1, 1, 3, 3), {**near, **deform, "fix_att4": True}),
        ("sum_reduce_none", (2, 8, 3, 5), {**near, **none, **small, "gn_groups": 2}),
        ("sum_reduce_deform", (1, 8, 3, 4), {**near, **deform, **small, "gn_groups": 2,
                                             "groups": 2}),
        ("sum_reduce_deformatt", (2, 8, 3, 3), {**near, **small, "gn_groups": 1}),
        ("sum_far_rates", (1, 3, 2, 13), {"dilations": [2, 5, 7, 11], "groups": 3, **none}),
        ("concat_none", (2, 4, 3, 3), {**cat, **none, "groups": 2, "gn_groups": 4}),
        ("concat_deform", (1, 3, 5, 4), {**cat, **deform, "gn_groups": 3}),
        ("concat_deformatt", (1, 2, 3, 4), {**cat, "groups": 2, "gn_groups": 1,
                                            "fix_att4": True}),
        ("concat_reduce_none", (2, 12, 3, 3), {**cat, **none, **small, "gn_groups": 3}),
        ("concat_reduce_deform", (2, 8, 3, 3), {**cat, **deform, **small, "gn_groups": 2}),
        ("concat_reduce_deformatt", (1, 8, 3, 5), {**cat, **small, "groups": 2, "gn_groups": 2}),
        ("row_default_rates", (1, 2, 1, 17), {"groups": 2, **deform}),
        ("column_concat", (2, 2, 7, 1), {**cat, **deform, "gn_groups": 1}),
    ]
    for name, shape, attrs in table:
        r = rng(name)
        x, w = {"x": r.normal(*shape)}, weights(r, shape[1], attrs)
        if len(w) > 8:  # with so many rows of filters a file is mostly weights: half the room
            w = {key: bf16(t) for key, t in w.items()}
        yield name, x, w, attrs

    r = rng("unused_weights")
    w = {**weights(r, 2, cat), **weights(r, 2, none)}
    yield "unused_weights", {"x": r.normal(1, 2, 3, 4)}, w, {**near, **none}

    r, attrs = rng("f16_bf16_y_only"), {**near, "groups": 2}
    w = {name: bf16(t) for name, t in weights(r, 4, attrs).items()}
    yield "f16_bf16_y_only", {"x": f16(r.normal(2, 4, 5, 7))}, w, attrs, ["y"]
