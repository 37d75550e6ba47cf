# SPDX-License-Identifier: MIT
"""ma_cnn: channel groups as part attention (Zheng, Fu, Mei and Luo, ICCV 2017)."""
import numpy as np

from common import layer, pick, positions, sigmoid
from draw import bf16, f16

DEFAULTS = {"groups": 4, "fc_input": "gap", "act": "tanh", "normalize": "none", "crop": 0,
            "stride": 1, "losses": False, "margin": 0.02}
ACTS = {"tanh": np.tanh, "sigmoid": sigmoid, "none": lambda t: t}


def channel_weights(x, w, a):
    flat = pick(a["fc_input"], ("gap", "flatten"), "fc_input") == "flatten"
    u = x.reshape(len(x), -1) if flat else x.mean(axis=(2, 3))
    act = ACTS[pick(a["act"], ACTS, "act")]
    return np.stack([act(layer(w, f"group.{i}.fc2", np.tanh(layer(w, f"group.{i}.fc1", u))))
                     for i in range(a["groups"])], axis=1)


def boxes(peak, shape, a):
    """x0, y0, x1, y1 around the peak, moved into the image where it fits."""
    side = a["crop"]

    def low(cell, n):
        room = max(n * a["stride"] - side, 0)
        return np.minimum(np.maximum(a["stride"] * (cell + 0.5) - side / 2, 0), room)
    x0, y0 = low(peak[..., 1], shape[3]), low(peak[..., 0], shape[2])
    return np.stack([x0, y0, x0 + side, y0 + side], axis=-1)


def losses(m, peak, a):
    """(dis, div), [N, G] each, of maps m [N, G, H, W]."""
    rows, columns = np.mgrid[:m.shape[2], :m.shape[3]]
    far = (rows - peak[..., :1, None]) ** 2 + (columns - peak[..., 1:, None]) ** 2
    dis, div = (m * far).sum(axis=(2, 3)), np.zeros(m.shape[:2], m.dtype)
    for i in range(m.shape[1]) if m.shape[1] > 1 else ():
        others = np.delete(m, i, axis=1).max(axis=1)
        div[:, i] = (m[:, i] * (others - a["margin"])).sum(axis=(1, 2))
    return {"dis": dis, "div": div}


def run(x, w, a):
    x = x["x"]
    d = channel_weights(x, w, a)
    total = np.einsum("ngc,nchw->nghw", d, x)
    m = sigmoid(total)
    if pick(a["normalize"], ("none", "sum"), "normalize") == "sum":
        m = m / m.sum(axis=(2, 3), keepdims=True)
    peak = np.stack(np.unravel_index(positions(total).argmax(axis=2), x.shape[2:]), axis=2)
    out = {"y": np.einsum("nchw,nghw->ngc", x, m), "attn": m, "d": d, "peak": peak}
    if "cls.0.weight" in w:
        out["logits"] = np.stack([layer(w, f"cls.{i}", out["y"][:, i])
                                  for i in range(a["groups"])], axis=1)
    if a["crop"] > 0:
        out["boxes"] = boxes(peak, x.shape, a)
    return {**out, **losses(m, peak, a)} if a["losses"] else out


def weights(r, shape, attrs, hidden, classes=0):
    a, w = {**DEFAULTS, **attrs}, {}
    width = shape[1] * shape[2] * shape[3] if a["fc_input"] == "flatten" else shape[1]
    for i in range(a["groups"]):
        w.update({**r.layer(f"group.{i}.fc1", hidden, width),
                  **r.layer(f"group.{i}.fc2", shape[1], hidden)})
        w.update(r.layer(f"cls.{i}", classes, shape[1]) if classes else {})
    return w


def cases(rng):
    table = [  # shape, hidden width, attributes, classes
        ("defaults", (2, 5, 7, 4), 6, {}, 0),
        ("all_given", (1, 4, 3, 5), 3, dict(DEFAULTS), 3),
        ("one_of_everything", (1, 1, 1, 1), 1, {"groups": 1, "losses": True, "crop": 1}, 1),
        ("classes", (2, 5, 3, 3), 4, {"groups": 3}, 7),
        ("flatten", (2, 3, 4, 5), 4, {"groups": 2, "fc_input": "flatten"}, 0),
        ("flatten_sigmoid_sum", (2, 3, 5, 2), 3, {"groups": 3, "fc_input": "flatten",
                                                  "act": "sigmoid", "normalize": "sum"}, 2),
        ("sigmoid", (2, 5, 3, 7), 4, {"groups": 2, "act": "sigmoid"}, 0),
        ("no_activation", (2, 5, 3, 7), 4, {"groups": 2, "act": "none"}, 0),
        ("sum", (2, 5, 5, 3), 4, {"groups": 3, "normalize": "sum"}, 3),
        ("losses", (2, 5, 5, 3), 4, {"groups": 3, "losses": True}, 0),
        ("losses_sum", (2, 5, 4, 5), 4, {"groups": 2, "losses": True, "normalize": "sum",
                                         "margin": 0.1}, 0),
        ("losses_one_group", (2, 5, 3, 4), 3, {"groups": 1, "losses": True}, 0),
        ("margin_above_maps", (1, 5, 3, 4), 3, {"groups": 5, "losses": True, "margin": 1.5}, 0),
        ("boxes", (3, 5, 7, 5), 4, {"groups": 3, "crop": 20, "stride": 8}, 0),
        ("boxes_odd", (3, 4, 5, 9), 3, {"groups": 3, "crop": 7, "stride": 3}, 0),
        ("boxes_beyond_image", (2, 4, 3, 5), 3, {"groups": 2, "crop": 27, "stride": 7}, 0),
        ("boxes_of_one_pixel", (2, 4, 5, 3), 3, {"groups": 2, "crop": 1}, 0),
        ("stride_without_boxes", (1, 4, 5, 3), 3, {"groups": 2, "stride": 16}, 0),
        ("one_channel", (2, 1, 5, 3), 4, {"groups": 3, "losses": True}, 2),
        ("one_position", (3, 5, 1, 1), 4, {"groups": 2, "losses": True, "normalize": "sum"}, 0),
        ("many_groups", (1, 3, 4, 4), 2, {"groups": 17, "losses": True}, 0),
        ("wide", (1, 37, 5, 7), 11, {"groups": 2}, 0),
        ("large_map", (1, 3, 31, 37), 5, {"groups": 2, "losses": True}, 0),
    ]
    for name, shape, hidden, attrs, classes in table:
        r = rng(name)
        yield name, {"x": r.normal(*shape)}, weights(r, shape, attrs, hidden, classes), attrs

    attrs = {"groups": 3, "losses": True, "crop": 3, "stride": 2}
    r = rng("saturated")  # maps of ones and zeros, the peaks stay apart
    x, w = r.normal(2, 5, 5, 7, scale=20.0), weights(r, (2, 5, 5, 7), attrs, 4)
    yield "saturated", {"x": x}, w, attrs
    r = rng("zero_sample")  # every place is the best: the first
    x, w = r.normal(2, 5, 4, 3), weights(r, (2, 5, 4, 3), attrs, 4)
    x[1] = 0
    yield "zero_sample", {"x": x}, w, attrs
    r, attrs = rng("f16_bf16_y_only"), {"groups": 2}
    w = {name: bf16(t) for name, t in weights(r, (2, 5, 4, 3), attrs, 4).items()}
    yield "f16_bf16_y_only", {"x": f16(r.normal(2, 5, 4, 3))}, w, attrs, ["y"]
