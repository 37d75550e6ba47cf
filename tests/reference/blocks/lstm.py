# SPDX-License-Identifier: MIT
"""lstm: long short-term memory layers (Hochreiter and Schmidhuber 1997), as torch.nn.LSTM."""
import numpy as np

import recurrent
from common import REQUIRED
from draw import bf16, f16, i64

DEFAULTS = {"input_size": REQUIRED, "hidden_size": REQUIRED, "num_layers": 1,
            "bidirectional": False, "bias": True, "proj_size": 0}


def used(w, a):
    """Without the weights that the attributes switch off."""
    off = ([] if a["bias"] else ["bias_"]) + ([] if a["proj_size"] else ["weight_hr_"])
    return {name: t for name, t in w.items() if not name.startswith(tuple(off))}


def run(x, w, a):
    n, steps, width = x["x"].shape
    if width != a["input_size"]:
        raise ValueError(f"x has width {width}, input_size is {a['input_size']}")
    if ("h0" in x) != ("c0" in x):
        raise ValueError("h0 and c0 come together")
    directions = 2 if a["bidirectional"] else 1
    rows, out = a["num_layers"] * directions, a["proj_size"] or a["hidden_size"]
    start = [x.get("h0", np.zeros((rows, n, out), x["x"].dtype)),
             x.get("c0", np.zeros((rows, n, a["hidden_size"]), x["x"].dtype))]
    y, (h, c) = recurrent.stack(x["x"], used(w, a), recurrent.lengths_of(x, "lengths", n, steps),
                                start, recurrent.lstm_step, a["num_layers"], directions)
    return {"y": y, "h_n": h, "c_n": c}


def build(r, shape, attrs, lengths=None, states=False):
    a = {**DEFAULTS, **attrs}
    directions, hidden = 2 if a["bidirectional"] else 1, a["hidden_size"]
    x, rows = {"x": r.normal(*shape)}, a["num_layers"] * directions
    if states:
        x["h0"] = r.normal(rows, shape[0], a["proj_size"] or hidden, scale=0.7)
        x["c0"] = r.normal(rows, shape[0], hidden)
    if lengths:
        x["lengths"] = np.array(lengths, np.int32)
    return x, recurrent.weights(r, 4, shape[2], hidden, a["num_layers"], directions, a["bias"],
                                a["proj_size"])


def cases(rng):
    both = {"bidirectional": True}
    table = [  # shape of x, hidden size, attributes, inputs
        ("defaults", (2, 5, 3), 4, {}, {}),
        ("all_given", (1, 3, 4), 3, {"num_layers": 1, "bidirectional": False, "bias": True,
                                     "proj_size": 0}, {}),
        ("one_of_everything", (1, 1, 1), 1, {}, {}),
        ("states", (3, 4, 5), 3, {}, {"states": True}),
        ("no_bias", (2, 3, 3), 5, {"bias": False}, {}),
        ("lengths", (4, 6, 3), 5, {}, {"lengths": [6, 1, 4, 3]}),
        ("lengths_states", (3, 5, 3), 4, {"num_layers": 2}, {"lengths": [2, 5, 1],
                                                             "states": True}),
        ("two_layers", (2, 5, 7), 3, {"num_layers": 2}, {}),
        ("both_ways", (2, 5, 3), 4, both, {}),
        ("both_ways_lengths", (4, 7, 3), 3, both, {"lengths": [3, 7, 1, 5]}),
        ("both_ways_one_step", (3, 1, 4), 3, {**both, "num_layers": 2}, {"states": True}),
        ("three_layers_both_ways", (2, 4, 3), 3, {**both, "num_layers": 3},
         {"lengths": [4, 2], "states": True}),
        ("projected", (2, 5, 3), 7, {"proj_size": 4}, {}),
        ("projected_to_one", (2, 4, 3), 5, {"proj_size": 1, "num_layers": 2}, {"states": True}),
        ("projected_both_ways", (3, 5, 4), 6, {**both, "proj_size": 5, "num_layers": 2},
         {"lengths": [5, 3, 4], "states": True}),
        ("projected_no_bias", (1, 6, 3), 5, {"proj_size": 3, "bias": False, **both}, {}),
        ("long", (2, 131, 2), 3, {}, {}),
        ("wide", (1, 2, 5), 33, {}, {}),
        ("many_sequences", (37, 2, 3), 3, {}, {}),
    ]
    for name, shape, hidden, attrs, more in table:
        attrs = {"input_size": shape[2], "hidden_size": hidden, **attrs}
        yield (name, *build(rng(name), shape, attrs, **more), attrs)

    attrs = {"input_size": 3, "hidden_size": 4, **both}
    r = rng("nan_as_padding")
    x, w = build(r, (3, 5, 3), attrs, lengths=[2, 5, 3])
    x["x"][0, 2:], x["x"][2, 3:] = np.nan, np.inf
    yield "nan_as_padding", x, w, attrs
    r = rng("lengths_i64")
    x, w = build(r, (2, 5, 3), attrs)
    yield "lengths_i64", {**x, "lengths": i64([1, 5])}, w, attrs
    r = rng("saturated")
    x, w = build(r, (2, 5, 3), attrs)
    x["x"] *= 40
    yield "saturated", x, w, attrs
    r = rng("unused_bias_and_projection")
    x, w = build(r, (2, 3, 3), {**attrs, "proj_size": 3})
    w.update({name: r.normal(16, 4) for name in w if name.startswith("weight_hh")})
    yield "unused_bias_and_projection", x, w, {**attrs, "bias": False}
    r = rng("f16_bf16_y_only")
    x, w = build(r, (2, 5, 3), attrs, states=True)
    yield "f16_bf16_y_only", {name: f16(t) for name, t in x.items()}, \
        {name: bf16(t) for name, t in w.items()}, attrs, ["y"]
