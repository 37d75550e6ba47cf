# SPDX-License-Identifier: MIT
"""residual_attention: module of the Residual Attention Network (Wang et al., CVPR 2017)."""
import numpy as np

from common import batch_norm, conv, pick, pointwise, relu, sigmoid, standardize
from draw import bf16, f16, under
from plain import pool, resize_linear

DEFAULTS = {"levels": 3, "p": 1, "t": 2, "r": 1, "pool": "ceil", "extra_skip": False,
            "mask": "mixed", "fusion": "residual", "eps": 1e-5}
EPS = 1e-5  # of the batch norms


def norm_relu(w, name, x):
    return relu(batch_norm(w, name, x, EPS))


def unit(w, name, x):
    z = pointwise(w, f"{name}.conv1", norm_relu(w, f"{name}.bn1", x))
    z = conv(norm_relu(w, f"{name}.bn2", z), w[f"{name}.conv2.weight"], padding=1)
    return x + pointwise(w, f"{name}.conv3", norm_relu(w, f"{name}.bn3", z))


def units(w, name, x, count):
    for i in range(count):
        x = unit(w, f"{name}.{i}", x)
    return x


def halved(x, a):
    ceil = pick(a["pool"], ("ceil", "pad1"), "pool") == "ceil"
    return pool(x, {"kernel_size": 3, "stride": 2, "padding": 0 if ceil else 1,
                    "ceil_mode": ceil}, lambda values, _: values.max(axis=2))


def resized(x, like):
    for axis in (2, 3):
        x = resize_linear(x, axis, like.shape[axis], None, True)
    return x


def hourglass(d0, trunk, w, a):
    levels, r, extra = a["levels"], a["r"], a["extra_skip"]
    if not levels:
        return units(w, "bottom", d0, 2 * r)
    down = [d0]
    for l in range(1, levels):
        down.append(units(w, f"down.{l}", halved(down[-1], a), r))
    skip = [unit(w, f"skip.{l}", down[l]) if l else None for l in range(levels)]
    u = units(w, "bottom", halved(down[-1], a), 2 * r)
    for l in range(levels - 1, 0, -1):
        u = resized(u, down[l]) + skip[l] + (down[l] if extra else 0)
        u = units(w, f"up.{l}", u, r)
    return resized(u, d0) + (trunk if extra else 0)


def mask_of(u, w, a):
    z = pointwise(w, "tail.conv1", norm_relu(w, "tail.bn1", u))
    z = pointwise(w, "tail.conv2", norm_relu(w, "tail.bn2", z))
    if pick(a["mask"], ("mixed", "channel", "spatial"), "mask") == "mixed":
        return sigmoid(z)
    if a["mask"] == "channel":
        return z / np.maximum(np.sqrt((z * z).sum(axis=1, keepdims=True)), 1e-12)
    return sigmoid(standardize(z, (2, 3), a["eps"]))


def run(x, w, a):
    d0 = units(w, "first", x["x"], a["p"])
    trunk = units(w, "trunk", d0, a["t"])
    mask = mask_of(hourglass(d0, trunk, w, a), w, a)
    residual = pick(a["fusion"], ("residual", "naive"), "fusion") == "residual"
    return {"y": units(w, "last", (1 + mask if residual else mask) * trunk, a["p"]), "attn": mask}


def unit_weights(r, c, m):
    return {**r.bn("bn1", c), **r.layer("conv1", m, c, 1, 1, bias=False),
            **r.bn("bn2", m), **r.layer("conv2", m, m, 3, 3, bias=False),
            **r.bn("bn3", m), **r.layer("conv3", c, m, 1, 1, bias=False)}


def unit_names(a):
    counts = {"first": a["p"], "last": a["p"], "trunk": a["t"], "bottom": 2 * a["r"]}
    for l in range(1, a["levels"]):
        counts.update({f"down.{l}": a["r"], f"up.{l}": a["r"]})
    names = [f"{name}.{i}" for name, count in counts.items() for i in range(count)]
    return names + [f"skip.{l}" for l in range(1, a["levels"])]


def weights(r, c, m, attrs):
    w = {}
    for name in unit_names({**DEFAULTS, **attrs}):
        w.update(under(name, unit_weights(r, c, m)))
    for i in (1, 2):
        w.update({**r.bn(f"tail.bn{i}", c),
                  **r.layer(f"tail.conv{i}", c, c, 1, 1, bias=False)})
        w[f"tail.bn{i}.bias"] += 1.0  # few dead channels: the mask shows what the hourglass did
        w[f"tail.conv{i}.weight"] *= 1.5
    return w


def table():
    port, flat = {"pool": "pad1", "extra_skip": True}, {"levels": 0}
    one, two = {"levels": 1}, {"levels": 2}
    return [  # x, bottleneck channels
        ("defaults", (1, 4, 9, 11), 1, {}),
        ("all_given", (1, 4, 13, 9), 2, dict(DEFAULTS)),
        ("stage_2", (2, 5, 7, 6), 2, two),
        ("stage_3", (2, 5, 6, 5), 2, one),
        ("no_pools", (2, 4, 3, 5), 1, flat),
        ("no_pools_one_pixel", (2, 3, 1, 1), 2, flat),
        ("port_3", (1, 4, 8, 5), 1, port),
        ("port_2", (2, 3, 5, 6), 1, {**two, **port}),
        ("port_no_pools", (1, 4, 5, 3), 1, {**flat, **port}),
        ("pad1_one_pixel", (2, 3, 1, 1), 1, {**two, "pool": "pad1"}),
        ("pad1_row", (1, 3, 1, 7), 2, {**two, "pool": "pad1"}),
        ("ceil_smallest", (2, 3, 2, 2), 2, one),
        ("ceil_two_levels_smallest", (1, 3, 3, 4), 1, {**one, "extra_skip": True}),
        ("channel", (2, 5, 4, 3), 2, {**one, "mask": "channel"}),
        ("channel_naive", (1, 6, 3, 5), 1, {**flat, "mask": "channel", "fusion": "naive"}),
        ("spatial", (2, 4, 3, 5), 2, {**one, "mask": "spatial"}),
        ("spatial_large_eps", (1, 4, 3, 4), 1, {**one, "mask": "spatial", "eps": 0.3,
                                                "fusion": "naive"}),
        ("spatial_one_pixel", (2, 3, 1, 1), 1, {**flat, "mask": "spatial"}),
        ("naive", (2, 4, 5, 4), 1, {**one, "fusion": "naive"}),
        ("no_first_no_last", (2, 4, 4, 5), 1, {**one, "p": 0}),
        ("no_trunk", (1, 4, 5, 4), 1, {**one, "t": 0}),
        ("neither", (2, 3, 5, 2), 1, {**one, "p": 0, "t": 0, "extra_skip": True}),
        ("more_of_each", (1, 4, 6, 7), 1, {**two, "p": 2, "t": 3, "r": 2}),
        ("one_channel", (1, 1, 5, 5), 1, two),
        ("wide_bottleneck", (1, 3, 4, 4), 7, one),
        ("four_levels", (1, 2, 16, 15), 1, {"levels": 4, "p": 0, "t": 1, "pool": "pad1"}),
    ]


def cases(rng):
    for name, shape, m, attrs in table():
        r = rng(name)
        yield name, {"x": r.normal(*shape)}, weights(r, shape[1], m, attrs), attrs

    r, attrs = rng("channel_zero"), {"levels": 0, "mask": "channel", "p": 0, "t": 1}
    w = weights(r, 4, 1, attrs)
    w["tail.conv2.weight"] = np.zeros_like(w["tail.conv2.weight"])  # 0 / 1e-12, no NaN
    yield "channel_zero", {"x": r.normal(1, 4, 3, 3)}, w, attrs

    r, attrs = rng("unused_weights"), {"levels": 1, "p": 0, "t": 1}
    w = weights(r, 4, 1, {"levels": 2, "p": 1, "t": 1})  # kinds of unit that there are none of
    yield "unused_weights", {"x": r.normal(1, 4, 5, 4)}, w, attrs

    r, attrs = rng("f16_bf16_y_only"), {"levels": 2}
    w = {name: bf16(t) for name, t in weights(r, 8, 2, attrs).items()}
    yield "f16_bf16_y_only", {"x": f16(r.normal(2, 8, 7, 9))}, w, attrs, ["y"]
