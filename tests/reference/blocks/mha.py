# SPDX-License-Identifier: MIT
"""mha: multi-head attention (Vaswani et al., NeurIPS 2017), as torch.nn.MultiheadAttention."""
import numpy as np

from common import REQUIRED, attend, causal, forbid, linear
from draw import bf16, f16, u8

DEFAULTS = {"num_heads": REQUIRED, "causal": False, "add_zero_attn": False,
            "average_attn_weights": True}


def projected(x, w):
    e = x["q"].shape[2]
    bias = w.get("in_proj_bias", np.zeros(3 * e, x["q"].dtype))
    if "in_proj_weight" in w:
        rows = np.split(w["in_proj_weight"], 3)
    else:
        rows = [w[f"{name}_proj_weight"] for name in "qkv"]
    return [linear(x[name], row, b) for name, row, b in zip("qkv", rows, np.split(bias, 3))]


def by_head(t, heads):
    n, length, e = t.shape
    return t.reshape(n, length, heads, e // heads).transpose(0, 2, 1, 3)


def logit_term(x, shape, a, extra):
    """What is added to the logits [N, H, Tq, Tk]; the appended columns get 0."""
    term = np.zeros(shape)
    if "attn_bias" in x:  # the rank 3 forms are indexed n * H + h
        term = term + x["attn_bias"].reshape((-1,) + shape[1:] if x["attn_bias"].ndim == 3
                                             else shape[2:])
    if "attn_mask" in x:
        mask = x["attn_mask"].reshape((-1,) + shape[1:] if x["attn_mask"].ndim == 3 else shape[2:])
        term = term + forbid(shape, ~mask)
    if "key_padding_mask" in x:
        term = term + forbid(shape, ~x["key_padding_mask"][:, None, None, :])
    if a["causal"]:
        term = term + forbid(shape, causal(*shape[2:]))
    return np.pad(term, [(0, 0), (0, 0), (0, 0), (0, extra)])


def run(x, w, a):
    heads = a["num_heads"]
    (q, k, v), extra = projected(x, w), 0
    n, tq, e = q.shape
    if e % heads:
        raise ValueError(f"num_heads {heads} does not divide {e}")
    shape = (n, heads, tq, k.shape[1])
    if "bias_k" in w:
        k = np.concatenate([k, np.broadcast_to(w["bias_k"], (n, 1, e))], axis=1)
        v = np.concatenate([v, np.broadcast_to(w["bias_v"], (n, 1, e))], axis=1)
        extra += 1
    q, k, v = (by_head(t, heads) for t in (q, k, v))
    if a["add_zero_attn"]:
        k, v = (np.pad(t, [(0, 0), (0, 0), (0, 1), (0, 0)]) for t in (k, v))
        extra += 1
    o, attn = attend(q, k, v, (e // heads) ** -0.5, logit_term(x, shape, a, extra))
    o = o.transpose(0, 2, 1, 3).reshape(n, tq, e)
    y = linear(o, w["out_proj.weight"], w.get("out_proj.bias"))
    return {"y": y, "attn": attn.mean(axis=1) if a["average_attn_weights"] else attn}


def weights(r, e, ek=None, ev=None, bias=True, split=False, extra=False):
    out = r.layer("out_proj", e, e, bias=bias)
    if split or ek or ev:
        w = {"q_proj_weight": r.normal(e, e, scale=e ** -0.5),
             "k_proj_weight": r.normal(e, ek or e, scale=(ek or e) ** -0.5),
             "v_proj_weight": r.normal(e, ev or e, scale=(ev or e) ** -0.5)}
    else:
        w = {"in_proj_weight": r.normal(3 * e, e, scale=e ** -0.5)}
    if bias:
        w["in_proj_bias"] = r.normal(3 * e, scale=0.3)
    if extra:
        w["bias_k"], w["bias_v"] = r.normal(1, 1, e), r.normal(1, 1, e)
    return {**w, **out}


def qkv(r, n, tq, tk, e, ek=None, ev=None):
    return {"q": r.normal(n, tq, e), "k": r.normal(n, tk, ek or e), "v": r.normal(n, tk, ev or e)}


def alike(r, n, t, e):
    x = r.normal(n, t, e)
    return {"q": x, "k": x, "v": x}


def plain_cases(rng):
    per_head = {"average_attn_weights": False}
    table = [
        ("cross", (2, 3, 5, 6), {}, {"num_heads": 3}),
        ("all_given", (1, 3, 4, 6), {}, {**DEFAULTS, "num_heads": 2}),
        ("one_of_everything", (1, 1, 1, 1), {}, {"num_heads": 1}),
        ("one_head", (2, 3, 4, 7), {}, {"num_heads": 1, **per_head}),
        ("heads_of_one", (2, 3, 4, 7), {}, {"num_heads": 7, **per_head}),
        ("no_bias", (2, 4, 3, 6), {"bias": False}, {"num_heads": 2}),
        ("split_weights", (2, 4, 3, 6), {"split": True}, {"num_heads": 2}),
        ("split_weights_no_bias", (1, 4, 3, 6), {"split": True, "bias": False}, {"num_heads": 2}),
        ("other_widths", (2, 3, 5, 6, 11, 3), {}, {"num_heads": 3, **per_head}),
        ("other_key_width", (1, 3, 5, 6, 5), {}, {"num_heads": 3}),
        ("extra_key", (2, 3, 5, 6), {"extra": True}, {"num_heads": 2, **per_head}),
        ("zero_key", (2, 3, 5, 6), {}, {"num_heads": 2, "add_zero_attn": True}),
        ("extra_and_zero_key", (2, 3, 5, 6), {"extra": True}, {"num_heads": 2, **per_head,
                                                              "add_zero_attn": True}),
        ("causal_more_keys", (1, 3, 7, 4), {}, {"num_heads": 2, "causal": True}),
        ("causal_more_queries", (1, 7, 3, 4), {}, {"num_heads": 2, "causal": True}),
        ("causal_extra_and_zero", (1, 4, 4, 4), {"extra": True}, {
            "num_heads": 2, "causal": True, "add_zero_attn": True}),
    ]
    for name, sizes, more, attrs in table:
        r, widths = rng(name), dict(zip(("ek", "ev"), sizes[4:]))
        yield name, qkv(r, *sizes), weights(r, sizes[3], **widths, **more), attrs
    r = rng("self")
    yield "self", alike(r, 2, 5, 9), weights(r, 9), {"num_heads": 3}
    r = rng("out_bias_only")
    w = weights(r, 4)
    del w["in_proj_bias"]
    yield "out_bias_only", alike(r, 1, 3, 4), w, {"num_heads": 2}


def mask_cases(rng):
    n, h, tq, tk, e = 2, 3, 4, 5, 6
    two, three, attrs = (tq, tk), (n * h, tq, tk), {"num_heads": h, "average_attn_weights": False}
    table = [
        ("mask_rank_2", lambda r: {"attn_mask": r.true(*two, p=0.4)}),
        ("mask_rank_3", lambda r: {"attn_mask": r.true(*three, p=0.4)}),
        ("bias_rank_2", lambda r: {"attn_bias": r.normal(*two)}),
        ("bias_rank_3", lambda r: {"attn_bias": r.normal(*three)}),
        ("bias_minus_inf", lambda r: {
            "attn_bias": np.where(r.true(*three), -np.inf, r.normal(*three))}),
        ("padding", lambda r: {"key_padding_mask": np.arange(tk) >= np.array([[2], [5]])}),
        ("padding_u8", lambda r: {"key_padding_mask": u8(r.true(n, tk, p=0.3)),
                                  "attn_mask": u8(r.true(*two, p=0.3))}),
        ("all_masks", lambda r: {"key_padding_mask": r.true(n, tk, p=0.2),
                                 "attn_mask": r.true(*three, p=0.2),
                                 "attn_bias": r.normal(*two)}),
    ]
    for name, masks in table:
        r = rng(name)
        yield name, {**qkv(r, n, tq, tk, e), **masks(r)}, weights(r, e), attrs


def mixed_cases(rng):
    r = rng("padded_whole_sample")  # attn 0, y the output bias
    padding = np.array([[True] * 5, [False] * 5])
    yield "padded_whole_sample", {**qkv(r, 2, 3, 5, 4), "key_padding_mask": padding}, \
        weights(r, 4), {"num_heads": 2}

    r = rng("empty_rows_no_bias")
    mask = r.true(3, 5, p=0.3)
    mask[1] = True
    yield "empty_rows_no_bias", {**qkv(r, 2, 3, 5, 4), "attn_mask": mask}, \
        weights(r, 4, bias=False), {"num_heads": 2}

    r = rng("all_forbidden_but_appended")  # only the two extra columns are left
    x = {**qkv(r, 1, 3, 4, 4), "attn_mask": np.ones((3, 4), bool)}
    yield "all_forbidden_but_appended", x, weights(r, 4, extra=True), \
        {"num_heads": 2, "add_zero_attn": True, "average_attn_weights": False}

    r = rng("masks_extra_causal")
    x = {**qkv(r, 2, 5, 5, 6), "attn_mask": r.true(4, 5, 5, p=0.2),
         "attn_bias": r.normal(4, 5, 5), "key_padding_mask": r.true(2, 5, p=0.2)}
    yield "masks_extra_causal", x, weights(r, 6, extra=True), {"num_heads": 2, "causal": True}

    r = rng("f16_bf16")
    x = qkv(r, 1, 3, 5, 6)
    x = {"q": f16(x["q"]), "k": bf16(x["k"]), "v": f16(x["v"]), "key_padding_mask":
         r.true(1, 5, p=0.3)}
    w = {name: bf16(t) for name, t in weights(r, 6).items()}
    yield "f16_bf16", x, w, {"num_heads": 2}

    r = rng("y_only")
    yield "y_only", alike(r, 2, 17, 6), weights(r, 6), {"num_heads": 2}, ["y"]


def cases(rng):
    yield from plain_cases(rng)
    yield from mask_cases(rng)
    yield from mixed_cases(rng)
