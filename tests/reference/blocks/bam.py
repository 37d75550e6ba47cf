# SPDX-License-Identifier: MIT
"""bam: Bottleneck Attention Module (Park et al., BMVC 2018)."""
from common import batch_norm, conv, layer, pick, relu, sigmoid, spread
from draw import bf16, f16

DEFAULTS = {"reduction": 16, "num_layers": 1, "num_dilated": 2, "dilation": 4, "combine": "mul",
            "bn_eps": 1e-5}


def convolved(w, name, x, pad, dilation):
    return conv(x, w[f"{name}.weight"], w[f"{name}.bias"], padding=pad, dilation=dilation)


def run(x, w, a):
    x, eps = x["x"], a["bn_eps"]
    c = x.mean(axis=(2, 3))
    for i in range(a["num_layers"]):
        c = relu(batch_norm(w, f"channel.bn.{i}", layer(w, f"channel.fc.{i}", c), eps))
    c = layer(w, f"channel.fc.{a['num_layers']}", c)
    s = relu(batch_norm(w, "spatial.reduce_bn", convolved(w, "spatial.reduce", x, 0, 1), eps))
    for i in range(a["num_dilated"]):
        s = convolved(w, f"spatial.dilated.{i}", s, a["dilation"], a["dilation"])
        s = relu(batch_norm(w, f"spatial.dilated_bn.{i}", s, eps))
    s = convolved(w, "spatial.final", s, 0, 1)
    both = pick(a["combine"], ("mul", "add"), "combine")
    attn = 1 + sigmoid(spread(c, x) * s if both == "mul" else spread(c, x) + s)
    return {"y": x * attn, "attn": attn, "logit_channel": c, "logit_spatial": s}


def weights(r, c, attrs):
    a = {**DEFAULTS, **attrs}
    hidden, layers, w = c // a["reduction"], a["num_layers"], {}
    for i in range(layers):
        w.update(r.layer(f"channel.fc.{i}", hidden, hidden if i else c))
        w.update(r.bn(f"channel.bn.{i}", hidden))
    w.update(r.layer(f"channel.fc.{layers}", c, hidden))
    w.update({**r.layer("spatial.reduce", hidden, c, 1, 1), **r.bn("spatial.reduce_bn", hidden)})
    for i in range(a["num_dilated"]):
        w.update(r.layer(f"spatial.dilated.{i}", hidden, hidden, 3, 3))
        w.update(r.bn(f"spatial.dilated_bn.{i}", hidden))
    return {**w, **r.layer("spatial.final", 1, hidden, 1, 1)}


def cases(rng):
    table = [
        ("defaults", (2, 33, 5, 3), {}),
        ("all_given", (1, 16, 4, 3), dict(DEFAULTS)),
        ("one_channel_one_pixel", (1, 1, 1, 1), {"reduction": 1}),
        ("add", (2, 13, 7, 5), {"reduction": 4, "combine": "add"}),
        ("three_layers", (2, 11, 3, 5), {"reduction": 3, "num_layers": 3}),
        ("no_dilated", (2, 7, 5, 3), {"reduction": 2, "num_dilated": 0}),
        ("three_dilated", (1, 9, 7, 9), {"reduction": 3, "num_dilated": 3, "dilation": 2}),
        ("dilation_1", (1, 10, 5, 7), {"reduction": 5, "num_dilated": 1, "dilation": 1}),
        ("dilation_beyond_map", (2, 6, 3, 2), {"reduction": 2, "dilation": 5, "combine": "add"}),
        ("wide_map", (1, 8, 1, 13), {"reduction": 4}),
        ("large_eps", (1, 12, 3, 3), {"reduction": 4, "bn_eps": 0.3, "num_layers": 2}),
    ]
    for name, shape, attrs in table:
        r = rng(name)
        yield name, {"x": r.normal(*shape)}, weights(r, shape[1], attrs), attrs
    r = rng("f16_bf16")
    w = {name: bf16(t) for name, t in weights(r, 16, {}).items()}
    yield "f16_bf16", {"x": f16(r.normal(1, 16, 5, 3))}, w, {}
