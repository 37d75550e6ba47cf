# SPDX-License-Identifier: MIT
"""feedback: top-down gates over rounds of forward and backward (Cao et al., ICCV 2015)."""
import numpy as np

from common import REQUIRED, conv, linear, max_pool, pick, relu
from draw import bf16, f16, i64

DEFAULTS = {"layers": REQUIRED, "iterations": 4, "mode": "fsp", "gate_at": "all", "eta": None,
            "lambda": 0.0}
LAYERS = {"conv": {"stride": 1, "padding": 0}, "relu": {}, "maxpool": {"kernel": REQUIRED,
                                                                       "stride": None},
          "linear": {}}


def filled(layer):
    """A layer with its defaults."""
    kind = pick(layer["type"], LAYERS, "type")
    full = {**LAYERS[kind], **layer}
    if set(full) != {"type", *LAYERS[kind]} or REQUIRED in full.values():
        raise ValueError(f"layer {layer}")
    if kind == "maxpool" and full["stride"] is None:
        full["stride"] = full["kernel"]
    return full


# Each kind of layer: forward, and the gradient with respect to what it was given

def forward(layer, w, i, v):
    weight, bias = w.get(f"layers.{i}.weight"), w.get(f"layers.{i}.bias")
    if layer["type"] == "conv":
        return conv(v, weight, bias, layer["stride"], layer["padding"])
    if layer["type"] == "maxpool":
        return max_pool(v, layer["kernel"], layer["stride"])
    if layer["type"] == "linear":
        return linear(v.reshape(len(v), -1), weight, bias)
    return relu(v)


def conv_back(layer, weight, v, g):
    p, s = layer["padding"], layer["stride"]
    q = np.zeros(v.shape[:2] + (v.shape[2] + 2 * p, v.shape[3] + 2 * p), v.dtype)
    for r, c in np.ndindex(*weight.shape[2:]):
        rows, columns = (slice(t, t + (n - 1) * s + 1, s) for t, n in zip((r, c), g.shape[2:]))
        q[:, :, rows, columns] += np.einsum("nohw,oi->nihw", g, weight[:, :, r, c])
    return q[:, :, p:p + v.shape[2], p:p + v.shape[3]]


def max_pool_back(layer, v, g):
    k, s, q = layer["kernel"], layer["stride"], np.zeros_like(v)
    for n, c, r, j in np.ndindex(*g.shape):
        window = (n, c, slice(r * s, r * s + k), slice(j * s, j * s + k))
        first = np.unravel_index(v[window].argmax(), v[window].shape)
        q[window][first] += g[n, c, r, j]
    return q


def backward(layer, w, i, v, g):
    weight = w.get(f"layers.{i}.weight")
    if layer["type"] == "conv":
        return conv_back(layer, weight, v, g)
    if layer["type"] == "maxpool":
        return max_pool_back(layer, v, g)
    if layer["type"] == "linear":
        return np.einsum("no,oi->ni", g, weight).reshape(v.shape)
    return np.where(v > 0, g, 0)


# Rounds

def look(x, layers, w, gates):
    """(inputs of the layers, the same times their gates, scores)."""
    inputs, gated = [], []
    for i, layer in enumerate(layers):
        inputs.append(x)
        gated.append(gates[i] * x if i in gates else x)
        x = forward(layer, w, i, gated[i])
    return inputs, gated, x


def think(inputs, gated, g, layers, w, gates, a):
    """One way down; returns (gradient of the image, new gates)."""
    new = {}
    for i in reversed(range(len(layers))):
        q = backward(layers[i], w, i, gated[i], g)
        g = gates[i] * q if i in gates else q
        if i not in gates:
            continue
        if a["mode"] == "ascent":
            step = a["eta"] * (inputs[i] * q - a["lambda"])
            new[i] = np.clip(gates[i] + step, 0, 1)
            continue
        new[i] = (g > 0).astype(g.dtype)
        if a["mode"] == "fr" or i == 0:
            g = new[i] * g
    return g, new


def is_gated(layer, a):
    return pick(a["gate_at"], ("all", "select"), "gate_at") == "all" \
        or layer["type"] in ("relu", "maxpool")


def run(x, w, a):
    pick(a["mode"], ("fsp", "fr", "ascent"), "mode")
    layers, image = [filled(layer) for layer in a["layers"]], x["x"]
    inputs, _, scores = look(image, layers, w, {})
    gates = {i: np.ones_like(inputs[i]) for i, layer in enumerate(layers) if is_gated(layer, a)}
    target = x.get("target", np.full(len(image), -1))
    if (target < -1).any() or (target >= scores.shape[1]).any():
        raise ValueError(f"target {target.tolist()} of {scores.shape[1]} classes")
    labels = []
    for _ in range(a["iterations"]):
        inputs, gated, scores = look(image, layers, w, gates)
        labels.append(np.where(target < 0, scores.argmax(axis=1), target))
        one_hot = np.eye(scores.shape[1], dtype=scores.dtype)[labels[-1]]
        y, gates = think(inputs, gated, one_hot, layers, w, gates, a)
    saliency = np.abs(y).max(axis=1)
    top = saliency.max(axis=(1, 2), keepdims=True)
    return {"y": y, "saliency": saliency / np.where(top == 0, 1, top), "scores": scores,
            "labels": np.stack(labels, axis=1), **{f"gate{i}": z for i, z in gates.items()}}


# Cases

RELU, LINEAR = {"type": "relu"}, {"type": "linear"}


def conv_layer(**more):
    return {"type": "conv", **more}


def pool_layer(kernel, **more):
    return {"type": "maxpool", "kernel": kernel, **more}


def weights(r, shape, layers, sizes):
    """sizes: (channels, kernel height, width) of each convolution, width of each linear layer."""
    w, v, sizes = {}, np.zeros(shape), iter(sizes)
    for i, layer in enumerate(map(filled, layers)):
        if layer["type"] == "conv":
            channels, *kernel = next(sizes)
            w.update(r.layer(f"layers.{i}", channels, v.shape[1], *kernel))
        elif layer["type"] == "linear":
            w.update(r.layer(f"layers.{i}", next(sizes), int(np.prod(v.shape[1:]))))
        v = forward(layer, w, i, v)
    return w


SMALL = [conv_layer(padding=1), RELU, pool_layer(2), LINEAR]
DEEP = [conv_layer(stride=2), RELU, conv_layer(), RELU, LINEAR, RELU, LINEAR]
SMALL_SIZES, DEEP_SIZES = [(4, 3, 3), 5], [(4, 3, 3), (5, 2, 2), 7, 6]


def table():
    """Rows: name, shape of x, layers, sizes, attributes, targets."""
    select, ascent = {"gate_at": "select"}, {"mode": "ascent", "eta": 0.3}
    given = {"iterations": 4, "mode": "fsp", "gate_at": "all", "eta": 0.5, "lambda": 0.0}
    yield from [
        ("defaults", (2, 2, 7, 5), SMALL, SMALL_SIZES, {}, None),
        ("all_given", (1, 3, 4, 5), [conv_layer(stride=1, padding=1), RELU,
                                     pool_layer(2, stride=2), LINEAR], SMALL_SIZES, given, [2]),
        ("one_of_everything", (1, 1, 1, 1), [LINEAR], [1], {"iterations": 1}, None),
        ("fsp_targets", (3, 2, 7, 5), SMALL, SMALL_SIZES, {"iterations": 3}, [4, -1, 0]),
        ("fsp_select", (2, 2, 7, 5), SMALL, SMALL_SIZES, select, [1, 3]),
        ("fsp_deep", (2, 2, 9, 8), DEEP, DEEP_SIZES, {"iterations": 3}, None),
        ("fsp_deep_select", (2, 2, 9, 8), DEEP, DEEP_SIZES, {"iterations": 2, **select}, [5, -1]),
        ("fr", (2, 2, 7, 5), SMALL, SMALL_SIZES, {"mode": "fr"}, [1, 2]),
        ("fr_one_round", (2, 2, 7, 5), SMALL, SMALL_SIZES, {"mode": "fr", "iterations": 1}, None),
        ("fr_select", (2, 2, 7, 5), SMALL, SMALL_SIZES, {"mode": "fr", **select}, None),
        ("fr_deep", (2, 2, 9, 8), DEEP, DEEP_SIZES, {"mode": "fr", "iterations": 3}, [-1, 0]),
        ("ascent", (2, 2, 7, 5), SMALL, SMALL_SIZES, ascent, [1, -1]),
        ("ascent_select", (2, 2, 7, 5), SMALL, SMALL_SIZES, {**ascent, **select}, None),
        ("ascent_lambda", (2, 2, 7, 5), SMALL, SMALL_SIZES, {**ascent, "lambda": 0.2}, [0, 4]),
        ("ascent_deep", (1, 2, 9, 8), DEEP, DEEP_SIZES, {**ascent, "iterations": 3}, None),
        ("ascent_large_step", (1, 2, 7, 5), SMALL, SMALL_SIZES, {**ascent, "eta": 20.0,
                                                                "lambda": 0.05}, [2]),
        ("ascent_closes", (1, 2, 5, 5), SMALL, SMALL_SIZES, {**ascent, "lambda": 50.0}, [2]),
        ("one_linear", (3, 2, 3, 5), [LINEAR], [4], {"iterations": 2}, None),
        ("no_gates", (2, 2, 4, 3), [conv_layer(), LINEAR], [(3, 2, 2), 4], select, None),
        ("relu_first", (2, 2, 4, 5), [RELU, LINEAR, RELU, LINEAR], [5, 3], select, [2, -1]),
        ("relu_last", (2, 2, 7, 5), [*SMALL, RELU], SMALL_SIZES, {"iterations": 2}, [-1, 2]),
        ("pool_first", (2, 2, 7, 5), [pool_layer(2), LINEAR], [4], {"mode": "fr", **select}, None),
        ("overlapping_pools", (2, 2, 6, 7), [conv_layer(), RELU, pool_layer(3, stride=1), LINEAR],
         [(3, 2, 2), 4], {"iterations": 2}, [3, 1]),
        ("pools_with_gaps", (1, 2, 8, 9), [conv_layer(), pool_layer(2, stride=3), RELU, LINEAR],
         [(3, 1, 1), 4], {"iterations": 2, "mode": "fr"}, [1]),
        ("stride_leaves_edge", (1, 2, 8, 9), [conv_layer(stride=3), RELU, LINEAR], [(4, 2, 2), 3],
         {"iterations": 2}, [0]),
        ("oblong_kernel_wide_padding", (1, 2, 4, 5), [conv_layer(padding=3, stride=2), RELU,
                                                      LINEAR], [(3, 2, 5), 3], {}, [2]),
        ("many_classes", (1, 1, 5, 5), SMALL, [(3, 3, 3), 131], {"iterations": 2}, None),
        ("many_rounds", (1, 1, 5, 6), SMALL, SMALL_SIZES, {"iterations": 13}, None),
    ]


def cases(rng):
    for name, shape, layers, sizes, attrs, target in table():
        r = rng(name)
        x = {"x": r.normal(*shape)}
        if target:
            x["target"] = np.array(target, np.int32)
        yield name, x, weights(r, shape, layers, sizes), {"layers": layers, **attrs}

    for name, attrs in (("fsp_all_off", {}), ("fr_all_off", {"mode": "fr"})):
        r, shape = rng(name), (2, 2, 4, 5)  # nothing speaks for class 1 of sample 0
        w = weights(r, shape, SMALL, SMALL_SIZES)
        w["layers.3.weight"][1] = -np.abs(w["layers.3.weight"][1])
        yield name, {"x": r.normal(*shape), "target": i64([1, 0])}, w, {"layers": SMALL, **attrs}
    r, shape = rng("flat_windows"), (1, 2, 6, 6)  # each window's first element gets it all
    x = r.normal(*shape)
    x[:, :, :4] = 0
    layers = [pool_layer(3, stride=2), LINEAR]
    yield "flat_windows", {"x": x}, weights(r, shape, layers, [3]), {
        "layers": layers, "iterations": 1, "mode": "ascent", "eta": 0.1}
    r, shape = rng("score_ties"), (2, 2, 4, 5)
    w = weights(r, shape, SMALL, SMALL_SIZES)
    w["layers.3.weight"][[1, 4]], w["layers.3.bias"][[1, 4]] = 0, 30
    yield "score_ties", {"x": r.normal(*shape)}, w, {"layers": SMALL, "iterations": 2}
    r, shape = rng("f16_bf16_y_only"), (1, 2, 7, 5)
    w = {name: bf16(t) for name, t in weights(r, shape, SMALL, SMALL_SIZES).items()}
    yield "f16_bf16_y_only", {"x": f16(r.normal(*shape))}, w, {"layers": SMALL}, ["y"]
