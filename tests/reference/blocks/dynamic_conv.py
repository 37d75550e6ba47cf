# SPDX-License-Identifier: MIT
"""dynamic_conv: lightweight and dynamic convolution along tokens (Wu et al., ICLR 2019)."""
import numpy as np

from common import REQUIRED, layer, linear, pick, sigmoid, softmax
from draw import bf16, f16, u8

DEFAULTS = {"type": "dynamic", "heads": 1, "kernel_size": REQUIRED, "padding_l": None,
            "weight_softmax": True, "renorm_padding": False, "in_proj": False,
            "weight_bias": False, "conv_bias": False, "module": False, "glu": True}


def token_of_tap(length, a):
    """[T, K]: the token that tap k of token t reads."""
    k = a["kernel_size"]
    left = k - 1 if a["padding_l"] is None else a["padding_l"]
    if not 0 <= left < k:
        raise ValueError(f"padding_l {left} with kernel_size {k}")
    return np.arange(length)[:, None] + np.arange(k) - left


def predicted(u, query, w, a):
    """(what is convolved, logits [N, T, h, K])."""
    bias = w["weight_linear.bias"] if a["weight_bias"] or a["in_proj"] else None
    logits = linear(u if query is None else query, w["weight_linear.weight"], bias)
    if a["in_proj"]:
        u, logits = np.split(logits, [u.shape[2]], axis=2)
    return u, logits.reshape(logits.shape[:2] + (a["heads"], a["kernel_size"]))


def check(a, channels):
    dynamic = pick(a["type"], ("dynamic", "light"), "type") == "dynamic"
    if channels % a["heads"]:
        raise ValueError(f"heads {a['heads']} does not divide {channels}")
    if a["in_proj"] and not dynamic:
        raise ValueError("in_proj with type light")
    if a["renorm_padding"] and not (dynamic and a["weight_softmax"]):
        raise ValueError("renorm_padding without a dynamic softmax")
    return dynamic


def convolve(u, attn, at):
    """attn is [h, K] or [N, T, h, K]."""
    taps = np.stack([np.where((t >= 0) & (t < u.shape[1]), 1, 0)[:, None]
                     * u[:, np.clip(t, 0, u.shape[1] - 1)] for t in at.T], axis=3)
    return (taps * np.repeat(attn, u.shape[2] // attn.shape[-2], axis=-2)).sum(axis=3)


def run(x, w, a):
    u = x["x"]
    if a["module"]:
        u = layer(w, "linear1", u)
        if a["glu"]:
            u, gate = np.split(u, 2, axis=2)
            u = u * sigmoid(gate)
    if "padding_mask" in x:
        u = np.where(x["padding_mask"][:, :, None], 0, u)
    at = token_of_tap(u.shape[1], a)
    if check(a, u.shape[2]):
        u, attn = predicted(u, x.get("query"), w, a)
        if a["renorm_padding"]:
            attn = np.where(((at >= 0) & (at < u.shape[1]))[:, None], attn, -np.inf)
    else:
        attn = w["weight"][:, 0]
    attn = softmax(attn) if a["weight_softmax"] else attn
    v = convolve(u, attn, at)
    v = v + w["conv_bias"] if a["conv_bias"] else v
    return {"y": layer(w, "linear2", v) if a["module"] else v, "attn": attn}


def weights(r, e, attrs, channels=None, query=None):
    a, w = {**DEFAULTS, **attrs}, {}
    c, rows = channels or e, a["heads"] * a["kernel_size"]
    if a["type"] == "light":
        w["weight"] = r.normal(a["heads"], 1, a["kernel_size"])
    else:
        w.update(r.layer("weight_linear", rows + (c if a["in_proj"] else 0), query or c,
                         bias=a["weight_bias"] or a["in_proj"]))
    if a["conv_bias"]:
        w["conv_bias"] = r.normal(c)
    if a["module"]:
        w.update({**r.layer("linear1", 2 * c if a["glu"] else c, e), **r.layer("linear2", e, c)})
    return w


def table():
    light, raw, inside = {"type": "light"}, {"weight_softmax": False}, {"renorm_padding": True}
    module, project, biased = {"module": True}, {"in_proj": True}, {"weight_bias": True}
    return [  # x, channels of the convolution
        ("dynamic", (2, 7, 6), None, {"kernel_size": 3}),
        ("all_given", (2, 5, 6), None, {**DEFAULTS, "heads": 2, "kernel_size": 3,
                                        "padding_l": 2}),
        ("one_of_everything", (1, 1, 1), None, {"kernel_size": 1}),
        ("dynamic_centred", (2, 7, 6), None, {"heads": 3, "kernel_size": 5, "padding_l": 2,
                                              **biased}),
        ("dynamic_ahead", (1, 5, 4), None, {"heads": 2, "kernel_size": 4, "padding_l": 0}),
        ("dynamic_even", (1, 7, 6), None, {"heads": 6, "kernel_size": 4, "padding_l": 1}),
        ("dynamic_kernel_1", (2, 5, 4), None, {"heads": 2, "kernel_size": 1}),
        ("dynamic_raw", (2, 5, 6), None, {"heads": 3, "kernel_size": 3, **raw, **biased}),
        ("dynamic_conv_bias", (2, 5, 6), None, {"heads": 2, "kernel_size": 3,
                                                "conv_bias": True}),
        ("dynamic_longer_than_tokens", (2, 3, 4), None, {"heads": 2, "kernel_size": 11,
                                                         "padding_l": 5}),
        ("dynamic_one_token", (2, 1, 6), None, {"heads": 3, "kernel_size": 5}),
        ("renorm", (2, 7, 4), None, {"heads": 2, "kernel_size": 5, "padding_l": 2, **inside}),
        ("renorm_longer_than_tokens", (2, 3, 6), None, {"heads": 3, "kernel_size": 9, **inside}),
        ("renorm_in_proj", (1, 5, 6), None, {"heads": 2, "kernel_size": 4, "padding_l": 3,
                                             **inside, **project, "conv_bias": True}),
        ("in_proj", (2, 5, 6), None, {"heads": 3, "kernel_size": 3, **project}),
        ("in_proj_raw", (1, 7, 5), None, {"heads": 5, "kernel_size": 3, "padding_l": 1,
                                          **project, **raw}),
        ("light", (2, 7, 6), None, {**light, "heads": 3, "kernel_size": 3}),
        ("light_all_given", (1, 5, 4), None, {**DEFAULTS, **light, "kernel_size": 3, "heads": 4,
                                              "padding_l": 1}),
        ("light_raw", (2, 5, 6), None, {**light, **raw, "heads": 2, "kernel_size": 5,
                                        "padding_l": 2, "conv_bias": True}),
        ("light_longer_than_tokens", (2, 2, 4), None, {**light, "heads": 1, "kernel_size": 7}),
        ("light_ignores_weight_bias", (1, 5, 3), None, {**light, **biased, "kernel_size": 2}),
        ("module", (2, 5, 6), None, {**module, "heads": 2, "kernel_size": 3}),
        ("module_wider", (1, 7, 5), 8, {**module, "heads": 4, "kernel_size": 5, "padding_l": 2,
                                        **biased}),
        ("module_no_glu", (2, 5, 7), 6, {**module, "glu": False, "heads": 3, "kernel_size": 3,
                                         "conv_bias": True}),
        ("module_in_proj", (2, 5, 4), 6, {**module, **project, "heads": 2, "kernel_size": 3}),
        ("module_light", (2, 7, 4), 3, {**module, **light, "heads": 3, "kernel_size": 3}),
        ("module_light_no_glu", (1, 5, 4), None, {**module, **light, "glu": False, "heads": 2,
                                                  "kernel_size": 4}),
        ("module_renorm", (2, 4, 5), 4, {**module, **inside, "kernel_size": 5}),
        ("many_tokens", (1, 131, 3), None, {"heads": 3, "kernel_size": 7, "padding_l": 3}),
    ]


def padded_table():
    """Cases with padded tokens, before and behind."""
    base = {"heads": 2, "kernel_size": 3}
    return [
        ("padded", base), ("padded_centred_renorm", {**base, "padding_l": 1,
                                                     "renorm_padding": True}),
        ("padded_bias", {**base, "weight_bias": True}),
        ("padded_in_proj", {**base, "in_proj": True}),  # padded tokens become the bias
        ("padded_light", {**base, "type": "light"}),
        ("padded_module", {**base, "module": True, "weight_bias": True}),
        ("padded_module_light", {**base, "type": "light", "module": True, "glu": False}),
    ]


def cases(rng):
    for name, shape, channels, attrs in table():
        r = rng(name)
        yield name, {"x": r.normal(*shape)}, weights(r, shape[2], attrs, channels), attrs

    for i, (name, attrs) in enumerate(padded_table()):
        r, mask = rng(name), np.array([[0, 0, 0, 1, 1], [1, 0, 0, 0, 0], [1, 1, 1, 1, 1]])
        yield name, {"x": r.normal(3, 5, 4), "padding_mask": mask > 0 if i % 2 else u8(mask)}, \
            weights(r, 4, attrs), attrs

    for name, width, more in (("query", 6, {}), ("query_wider", 9, {"weight_bias": True}),
                              ("query_renorm", 5, {"renorm_padding": True, "padding_l": 1})):
        r, attrs = rng(name), {"heads": 3, "kernel_size": 3, **more}
        yield name, {"x": r.normal(2, 5, 6), "query": r.normal(2, 5, width)}, \
            weights(r, 6, attrs, query=width), attrs
    r, attrs = rng("query_padded"), {"heads": 2, "kernel_size": 3}  # the query is not zeroed
    yield "query_padded", {"x": r.normal(2, 5, 4), "query": r.normal(2, 5, 3),
                           "padding_mask": u8(r.true(2, 5, p=0.4))}, \
        weights(r, 4, attrs, query=3), attrs

    r, attrs = rng("large_logits"), {"heads": 2, "kernel_size": 3}
    yield "large_logits", {"x": r.normal(2, 5, 4, scale=100.0)}, weights(r, 4, attrs), attrs

    r, attrs = rng("unused_weights"), {"heads": 2, "kernel_size": 3, "type": "light"}
    every = {**attrs, "type": "dynamic", "conv_bias": True, "module": True, "weight_bias": True}
    yield "unused_weights", {"x": r.normal(2, 5, 4)}, \
        {**weights(r, 4, every), **weights(r, 4, attrs)}, attrs

    r, attrs = rng("f16_bf16_y_only"), {"heads": 3, "kernel_size": 5, "module": True}
    w = {name: bf16(t) for name, t in weights(r, 6, attrs).items()}
    yield "f16_bf16_y_only", {"x": f16(r.normal(2, 11, 6))}, w, attrs, ["y"]
