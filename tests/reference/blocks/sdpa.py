# SPDX-License-Identifier: MIT
"""sdpa: scaled dot-product attention (Vaswani et al., NeurIPS 2017), grouped heads included."""
import numpy as np

from common import attend, causal, forbid
from draw import bf16, f16, u8

DEFAULTS = {"scale": None, "causal": False, "causal_lower_right": False}


def run(x, w, a):
    q, ratio = x["q"], x["q"].shape[1] // x["k"].shape[1]
    k, v = np.repeat(x["k"], ratio, axis=1), np.repeat(x["v"], ratio, axis=1)
    shape = q.shape[:3] + k.shape[2:3]
    if a["causal_lower_right"] and not a["causal"]:
        raise ValueError("causal_lower_right without causal")
    term = np.zeros(shape)
    if "bias" in x:
        term = term + x["bias"]
    if "mask" in x:
        term = term + forbid(shape, x["mask"])
    if a["causal"]:
        offset = shape[3] - shape[2] if a["causal_lower_right"] else 0
        term = term + forbid(shape, causal(shape[2], shape[3], offset))
    scale = q.shape[3] ** -0.5 if a["scale"] is None else a["scale"]
    y, attn = attend(q, k, v, scale, term)
    return {"y": y, "attn": attn}


def qkv(r, b, h, tq, tk, d, dv=None, hkv=None, scale=1.0):
    hkv, dv = hkv or h, dv or d
    return {"q": r.normal(b, h, tq, d, scale=scale), "k": r.normal(b, hkv, tk, d),
            "v": r.normal(b, hkv, tk, dv)}


def plain_cases(rng):
    lower = {"causal": True, "causal_lower_right": True}
    table = [
        ("defaults", (2, 3, 5, 7, 6), {}, {}),
        ("all_given", (1, 2, 3, 3, 4), {}, dict(DEFAULTS)),
        ("one_of_everything", (1, 1, 1, 1, 1), {}, {}),
        ("one_query", (2, 3, 1, 33, 5), {}, {}),
        ("one_key", (2, 2, 7, 1, 3), {}, {}),
        ("values_wider", (1, 2, 3, 5, 3, 11), {}, {}),
        ("values_narrower", (1, 2, 3, 5, 13, 1), {}, {}),
        ("head_67", (1, 1, 3, 5, 67), {}, {}),
        ("keys_131", (1, 1, 2, 131, 3), {}, {}),
        ("grouped_4_over_2", (2, 4, 3, 5, 3), {"hkv": 2}, {}),
        ("multi_query", (2, 5, 3, 4, 3), {"hkv": 1}, {"causal": True}),
        ("scale_negative", (1, 2, 3, 5, 4), {}, {"scale": -0.7}),
        ("scale_zero", (1, 2, 3, 5, 4), {}, {"scale": 0.0}),
        ("scale_int", (1, 2, 3, 5, 4), {}, {"scale": 1}),
        ("causal_square", (2, 2, 5, 5, 3), {}, {"causal": True}),
        ("causal_more_keys", (1, 2, 3, 8, 4), {}, {"causal": True}),
        ("causal_more_queries", (1, 2, 8, 3, 4), {}, {"causal": True}),
        ("lower_right_more_keys", (1, 2, 3, 8, 4), {}, lower),
        ("lower_right_more_queries", (1, 2, 8, 3, 4), {}, lower),  # empty rows at the top
        ("large_logits", (1, 2, 5, 7, 4), {"scale": 40.0}, {}),
    ]
    for name, sizes, more, attrs in table:
        yield name, qkv(rng(name), *sizes, **more), {}, attrs


def mask_cases(rng):
    full = (2, 3, 4, 5)
    for name, shape in (("mask_keys", (5,)), ("mask_rank_2", (4, 5)), ("mask_rank_3", (3, 4, 5)),
                        ("mask_rank_4", full), ("mask_batch", (2, 1, 1, 5)),
                        ("mask_head", (1, 3, 1, 5)), ("mask_query", (2, 1, 4, 1)),
                        ("mask_one", (1, 1, 1, 1))):
        r = rng(name)
        x = qkv(r, *full, 3)
        x["mask"] = r.true(*shape, p=0.6) | (np.size(np.zeros(shape)) == 1)
        yield name, x, {}, {}
    for name, shape in (("bias_rank_2", (4, 5)), ("bias_rank_4", full), ("bias_head", (3, 1, 1)),
                        ("bias_batch", (2, 1, 4, 5)), ("bias_column", (4, 1))):
        r = rng(name)
        x = qkv(r, *full, 3)
        x["bias"] = r.normal(*shape)
        yield name, x, {}, {}


def mixed_cases(rng):
    r = rng("mask_empty_rows")
    x = qkv(r, 2, 2, 4, 5, 3)
    x["mask"] = r.true(2, 2, 4, 5, p=0.7)
    x["mask"][0, 1, 2], x["mask"][1, :, 0], x["mask"][1, 0, 3, :4] = False, False, False
    yield "mask_empty_rows", x, {}, {}

    r = rng("mask_all_false")
    yield "mask_all_false", {**qkv(r, 1, 2, 3, 7, 3), "mask": np.zeros((3, 7), bool)}, {}, {}

    r = rng("bias_minus_inf")
    x = qkv(r, 2, 2, 4, 5, 3)
    x["bias"] = np.where(r.true(2, 1, 4, 5, p=0.6), r.normal(2, 1, 4, 5), -np.inf)
    x["bias"][1, 0, 2] = -np.inf
    yield "bias_minus_inf", x, {}, {}

    # A row in which everything up to the last of many keys is forbidden: streams start empty.
    r = rng("late_first_key")
    x = qkv(r, 1, 1, 2, 150, 2)
    x["mask"] = np.arange(150)[None, :] >= np.array([[149], [70]])
    yield "late_first_key", x, {}, {}

    r = rng("mask_u8_bias_causal_grouped")
    x = {**qkv(r, 2, 4, 5, 7, 3, dv=2, hkv=2), "mask": u8(r.true(2, 1, 1, 7, p=0.7)),
         "bias": r.normal(4, 5, 7)}
    yield "mask_u8_bias_causal_grouped", x, {}, {"causal": True, "scale": 0.3}

    r = rng("mask_bias_lower_right")
    x = {**qkv(r, 1, 3, 5, 4, 3), "mask": r.true(5, 4, p=0.7), "bias": r.normal(1, 4)}
    yield "mask_bias_lower_right", x, {}, {"causal": True, "causal_lower_right": True}

    r = rng("f16_bf16_inputs")
    x = qkv(r, 1, 2, 3, 5, 7)
    x = {"q": f16(x["q"]), "k": bf16(x["k"]), "v": f16(x["v"]), "bias": bf16(r.normal(3, 5)),
         "mask": r.true(3, 5, p=0.8)}
    yield "f16_bf16_inputs", x, {}, {}

    r = rng("y_only")
    yield "y_only", qkv(r, 2, 2, 17, 19, 5), {}, {"causal": True}, ["y"]


def cases(rng):
    yield from plain_cases(rng)
    yield from mask_cases(rng)
    yield from mixed_cases(rng)
