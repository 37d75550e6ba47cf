# SPDX-License-Identifier: MIT
"""sk: Selective Kernel unit (Li et al., CVPR 2019)."""
import numpy as np

from common import batch_norm, conv, layer, relu, softmax, spread
from draw import bf16, f16

DEFAULTS = {"out_channels": 0, "kernels": [3, 3], "dilations": [1, 2], "groups": [32, 32],
            "stride": 1, "reduction": 16, "min_dim": 32, "hidden": 0, "split_input": False,
            "bn_eps": 1e-5}


def run(x, w, a):
    x, m, branches = x["x"], len(a["kernels"]), []
    inputs = np.split(x, m, axis=1) if a["split_input"] else [x] * m
    for i, (v, k, d, g) in enumerate(zip(inputs, a["kernels"], a["dilations"], a["groups"])):
        u = conv(v, w[f"branch.{i}.conv.weight"], None, a["stride"], d * (k - 1) // 2, d, g)
        branches.append(relu(batch_norm(w, f"branch.{i}.bn", u, a["bn_eps"])))
    s = sum(branches).mean(axis=(2, 3))
    z = relu(batch_norm(w, "fc1_bn", layer(w, "fc1", s), a["bn_eps"]))
    attn = softmax(layer(w, "fc2", z).reshape(x.shape[0], m, -1), axis=1)
    return {"y": sum(spread(attn[:, i], u) * u for i, u in enumerate(branches)), "attn": attn}


def weights(r, cin, attrs):
    a = {**DEFAULTS, **attrs}
    m, c, w = len(a["kernels"]), a["out_channels"] or cin, {}
    hidden = a["hidden"] or max(c // a["reduction"], a["min_dim"])
    for i, (k, g) in enumerate(zip(a["kernels"], a["groups"])):
        inner = (cin // m if a["split_input"] else cin) // g
        w.update(r.layer(f"branch.{i}.conv", c, inner, k, k, bias=False))
        w.update(r.bn(f"branch.{i}.bn", c))
    return {**w, **r.layer("fc1", hidden, c, bias=False), **r.bn("fc1_bn", hidden),
            **r.layer("fc2", m * c, hidden, bias=False)}


def cases(rng):
    one = {"groups": [1, 1], "hidden": 3}
    small = {"groups": [1, 1], "min_dim": 2}
    table = [
        ("defaults", (1, 32, 2, 3), {}),
        ("all_given", (1, 8, 3, 3), {**DEFAULTS, "groups": [4, 2], "min_dim": 1, "reduction": 2}),
        ("one_channel_one_pixel", (2, 1, 1, 1), {**one, "hidden": 1}),
        ("hidden", (2, 5, 5, 3), one),
        ("min_dim_rules", (1, 7, 3, 5), {**small, "min_dim": 5}),
        ("reduction_rules", (1, 11, 4, 3), {**small, "reduction": 3}),
        ("more_channels_out", (2, 3, 5, 3), {**one, "out_channels": 7}),
        ("groups_differ", (1, 6, 5, 5), {**one, "groups": [2, 3], "out_channels": 12}),
        ("real_5x5", (1, 4, 7, 5), {**one, "kernels": [3, 5], "dilations": [1, 1]}),
        ("three_branches", (1, 5, 5, 7), {"kernels": [3, 3, 3], "dilations": [1, 2, 3],
                                         "groups": [1, 5, 1], "hidden": 2}),
        ("kernel_1_and_7", (1, 3, 5, 5), {**one, "kernels": [1, 7], "dilations": [3, 1]}),
        ("stride_2_even", (2, 4, 6, 8), {**one, "stride": 2}),
        ("stride_3_odd", (1, 4, 7, 5), {**one, "stride": 3, "bn_eps": 0.2}),
        ("split_input", (2, 6, 5, 3), {**one, "split_input": True, "out_channels": 5}),
        ("split_three_grouped", (1, 12, 3, 3), {
            "kernels": [1, 3, 5], "dilations": [1, 2, 1], "groups": [4, 2, 1], "hidden": 3,
            "split_input": True, "out_channels": 8, "stride": 2}),
        ("dilation_beyond_map", (1, 3, 2, 3), {**one, "dilations": [1, 4]}),
    ]
    for name, shape, attrs in table:
        r = rng(name)
        yield name, {"x": r.normal(*shape)}, weights(r, shape[1], attrs), attrs
    r = rng("large_logits")
    w = weights(r, 4, one)
    w["fc2.weight"] *= 100
    yield "large_logits", {"x": r.normal(2, 4, 3, 3)}, w, one
    r = rng("f16_bf16")
    w = {name: bf16(t) for name, t in weights(r, 5, one).items()}
    yield "f16_bf16", {"x": f16(r.normal(1, 5, 3, 5))}, w, one
