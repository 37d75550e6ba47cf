# SPDX-License-Identifier: MIT
"""rcca_head: segmentation head of CCNet round recurrent criss-cross attention (ICCV 2019)."""
import numpy as np

from blocks import criss_cross
from common import batch_norm, conv, leaky_relu, part_of, pick, pointwise, relu
from draw import bf16, f16, under

DEFAULTS = {"recurrence": 2, "abn_abs": True, "activation": "leaky_relu", "negative_slope": 0.01,
            "bn_eps": 1e-5}


def convolved(x, w, name, a):
    """3x3 convolution, its norm and activation."""
    norm = part_of(w, f"{name}_bn")
    if a["abn_abs"]:
        norm["weight"] = np.abs(norm["weight"]) + a["bn_eps"]
    y = batch_norm(norm, "", conv(x, w[f"{name}.weight"], padding=1), a["bn_eps"])
    if pick(a["activation"], ("leaky_relu", "relu"), "activation") == "relu":
        return relu(y)
    return leaky_relu(y, a["negative_slope"])


def run(x, w, a):
    out = criss_cross.run({"x": convolved(x["x"], w, "conva", a)}, part_of(w, "cca"),
                          {"recurrence": a["recurrence"]})
    b = convolved(out["y"], w, "convb", a)
    d = convolved(np.concatenate([x["x"], b], axis=1), w, "bottleneck", a)
    return {**out, "y": pointwise(w, "classifier", d)}


def weights(r, c, ci, cqk, co, classes):
    w = under("cca", criss_cross.weights(r, ci, cqk))
    for name, out, inner in (("conva", ci, c), ("convb", ci, ci), ("bottleneck", co, c + ci)):
        w.update({**r.layer(name, out, inner, 3, 3, bias=False), **r.bn(f"{name}_bn", out)})
        w[f"{name}_bn.weight"][::2] *= -1  # abs() shows
    return {**w, **r.layer("classifier", classes, co, 1, 1)}


def cases(rng):
    table = [  # shape, inner, query, bottleneck channels, classes
        ("defaults", (2, 8, 5, 3), (2, 1, 5, 3), {}),
        ("all_given", (1, 5, 3, 4), (3, 2, 4, 2), dict(DEFAULTS)),
        ("one_of_everything", (1, 1, 1, 1), (1, 1, 1, 1), {}),
        ("plain_bn_relu", (2, 6, 3, 5), (3, 1, 4, 3), {"abn_abs": False, "activation": "relu"}),
        ("plain_bn_leaky", (1, 6, 3, 5), (3, 1, 4, 3), {"abn_abs": False}),
        ("abs_relu_one_pass", (1, 6, 4, 3), (2, 2, 3, 5), {"activation": "relu", "recurrence": 1}),
        ("slope_and_eps", (1, 4, 5, 4), (3, 1, 3, 2), {"negative_slope": 0.3, "bn_eps": 0.1}),
        ("three_passes_row", (1, 5, 1, 7), (3, 1, 2, 2), {"recurrence": 3}),
    ]
    for name, shape, sizes, attrs in table:
        r = rng(name)
        yield name, {"x": r.normal(*shape)}, weights(r, shape[1], *sizes), attrs
    r = rng("f16_bf16_y_only")
    w = {name: bf16(t) for name, t in weights(r, 6, 3, 1, 4, 3).items()}
    yield "f16_bf16_y_only", {"x": f16(r.normal(1, 6, 3, 5))}, w, {}, ["y"]
