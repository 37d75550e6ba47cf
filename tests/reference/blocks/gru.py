# SPDX-License-Identifier: MIT
"""gru: gated recurrent unit layers (Cho et al., EMNLP 2014), as torch.nn.GRU or as published."""
import numpy as np

import recurrent
from common import REQUIRED, pick
from draw import bf16, f16, i64

DEFAULTS = {"input_size": REQUIRED, "hidden_size": REQUIRED, "num_layers": 1,
            "bidirectional": False, "bias": True, "variant": "torch"}
STEPS = {"torch": recurrent.gru_step, "cho": recurrent.cho_step}


def run(x, w, a):
    n, steps, width = x["x"].shape
    if width != a["input_size"]:
        raise ValueError(f"x has width {width}, input_size is {a['input_size']}")
    directions = 2 if a["bidirectional"] else 1
    zeros = np.zeros((a["num_layers"] * directions, n, a["hidden_size"]), x["x"].dtype)
    if not a["bias"]:
        w = {name: t for name, t in w.items() if not name.startswith("bias_")}
    y, (h,) = recurrent.stack(x["x"], w, recurrent.lengths_of(x, "lengths", n, steps),
                              [x.get("h0", zeros)], STEPS[pick(a["variant"], STEPS, "variant")],
                              a["num_layers"], directions)
    return {"y": y, "h_n": h}


def build(r, shape, attrs, lengths=None, state=False):
    a = {**DEFAULTS, **attrs}
    directions, hidden, x = 2 if a["bidirectional"] else 1, a["hidden_size"], {}
    x["x"] = r.normal(*shape)
    if state:
        x["h0"] = r.normal(a["num_layers"] * directions, shape[0], hidden, scale=0.7)
    if lengths:
        x["lengths"] = np.array(lengths, np.int32)
    return x, recurrent.weights(r, 3, shape[2], hidden, a["num_layers"], directions, a["bias"])


def cases(rng):
    both, cho = {"bidirectional": True}, {"variant": "cho"}
    table = [  # shape of x, hidden size, attributes, inputs
        ("defaults", (2, 5, 3), 4, {}, {}),
        ("all_given", (1, 3, 4), 3, {"num_layers": 1, "bidirectional": False, "bias": True,
                                     "variant": "torch"}, {}),
        ("one_of_everything", (1, 1, 1), 1, {}, {}),
        ("one_of_everything_cho", (1, 1, 1), 1, cho, {"state": True}),
        ("state", (3, 4, 5), 3, {}, {"state": True}),
        ("no_bias", (2, 3, 3), 5, {"bias": False}, {}),
        ("lengths", (4, 6, 3), 5, {}, {"lengths": [6, 1, 4, 3]}),
        ("both_ways_lengths", (4, 7, 3), 3, both, {"lengths": [3, 7, 1, 5]}),
        ("three_layers_both_ways", (2, 4, 3), 3, {**both, "num_layers": 3},
         {"lengths": [4, 2], "state": True}),
        ("cho", (2, 5, 3), 4, cho, {}),
        ("cho_state", (3, 4, 5), 3, cho, {"state": True}),
        ("cho_no_bias", (2, 3, 3), 5, {**cho, "bias": False}, {}),
        ("cho_two_layers_both_ways", (3, 5, 4), 3, {**cho, **both, "num_layers": 2},
         {"lengths": [2, 5, 1], "state": True}),
        ("cho_one_step", (5, 1, 2), 3, {**cho, "num_layers": 2}, {"state": True}),
        ("long", (2, 131, 2), 3, {}, {}),
        ("long_cho", (1, 127, 2), 3, cho, {}),
        ("wide", (1, 2, 5), 37, {}, {}),
        ("wide_cho", (1, 2, 5), 33, cho, {}),
        ("many_sequences", (37, 2, 3), 3, {}, {}),
    ]
    for name, shape, hidden, attrs, more in table:
        attrs = {"input_size": shape[2], "hidden_size": hidden, **attrs}
        yield (name, *build(rng(name), shape, attrs, **more), attrs)

    attrs = {"input_size": 3, "hidden_size": 4, **both}
    for name, variant in (("nan_as_padding", {}), ("nan_as_padding_cho", cho)):
        x, w = build(rng(name), (3, 5, 3), {**attrs, **variant}, lengths=[2, 5, 3])
        x["x"][0, 2:], x["x"][2, 3:] = np.nan, np.inf
        yield name, x, w, {**attrs, **variant}
    r = rng("lengths_i64")
    x, w = build(r, (2, 5, 3), attrs)
    yield "lengths_i64", {**x, "lengths": i64([1, 5])}, w, attrs
    r = rng("saturated")
    x, w = build(r, (2, 5, 3), attrs)
    x["x"] *= 40
    yield "saturated", x, w, attrs
    for name, variant in (("unused_bias", {}), ("unused_bias_cho", cho)):
        yield (name, *build(rng(name), (2, 3, 3), attrs), {**attrs, **variant, "bias": False})
    r = rng("f16_bf16_y_only")
    x, w = build(r, (2, 5, 3), attrs, state=True)
    yield "f16_bf16_y_only", {name: f16(t) for name, t in x.items()}, \
        {name: bf16(t) for name, t in w.items()}, attrs, ["y"]
