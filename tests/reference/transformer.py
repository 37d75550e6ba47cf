# SPDX-License-Identifier: MIT
"""What the definitions of the Transformer's two layers share, their cases' masks included."""
import numpy as np

from blocks import mha
from common import REQUIRED, gelu, layer, layer_norm, part_of, pick, relu
from draw import bf16, f16, u8, under

DEFAULTS = {"num_heads": REQUIRED, "norm_first": False, "activation": "relu",
            "layer_norm_eps": 1e-5, "causal": False}
ACTS = {"relu": relu, "gelu": gelu}
SELF = ("attn_mask", "attn_bias", "key_padding_mask")
MEMORY = ("memory_mask", "memory_bias", "memory_key_padding_mask")


def attention(z, keys, w, name, masks, a, causal=False):
    """mha under a name; masks are its own inputs. Weights are given head by head."""
    attrs = {**mha.DEFAULTS, "num_heads": a["num_heads"], "causal": causal,
             "average_attn_weights": False}
    out = mha.run({"q": z, "k": keys, "v": keys, **masks}, part_of(w, name), attrs)
    return out["y"], out["attn"]


def masks_of(x, names):
    """The masks present among x's inputs `names`, under mha's names."""
    return {own: x[name] for own, name in zip(SELF, names) if name in x}


def norm(w, i, x, a):
    return layer_norm(w, f"norm{i}", x, a["layer_norm_eps"])


def feed_forward(w, x, a):
    return layer(w, "linear2", ACTS[pick(a["activation"], ACTS, "activation")](
        layer(w, "linear1", x)))


# Cases

def weights(r, e, f, attentions, bias=True):
    w = {}
    for i, name in enumerate(attentions, 1):
        w.update(under(name, mha.weights(r, e)))
        w.update(r.norm(f"norm{i}", e))
    w.update({**r.norm(f"norm{len(attentions) + 1}", e), **r.layer("linear1", f, e),
              **r.layer("linear2", e, f)})
    return w if bias else {k: t for k, t in w.items() if not k.endswith("bias")}


def mask_table(n, heads, tq, tk, names):
    """(case name, maker of masks) of one attention; the last ones leave rows with no key."""
    mask, bias, padding = names
    two, three = (tq, tk), (n * heads, tq, tk)
    ends = np.arange(tk) >= np.array([tk - 1 - i % tk for i in range(n)])[:, None]
    gone = np.zeros((n, tk), bool)
    gone[-1] = True
    return [
        (f"{mask}_rank_2", lambda r: {mask: r.true(*two, p=0.3)}),
        (f"{mask}_rank_3_u8", lambda r: {mask: u8(r.true(*three, p=0.3))}),
        (f"{bias}_rank_2", lambda r: {bias: r.normal(*two)}),
        (f"{bias}_rank_3", lambda r: {bias: np.where(r.true(*three, p=0.3), -np.inf,
                                                     r.normal(*three))}),
        (padding, lambda r: {padding: ends}),
        (f"{padding}_whole_sample", lambda r: {padding: gone}),
        (f"{mask}_bias_padding", lambda r: {mask: r.true(*three, p=0.2), bias: r.normal(*two),
                                            padding: u8(r.true(n, tk, p=0.2))}),
    ]


ATTRIBUTES = [  # name, width, hidden width, attributes
    ("post_relu", 6, 7, {"num_heads": 2}),
    ("all_given", 6, 5, {**DEFAULTS, "num_heads": 3}),
    ("post_gelu", 5, 9, {"num_heads": 1, "activation": "gelu"}),
    ("pre_relu", 6, 11, {"num_heads": 3, "norm_first": True}),
    ("pre_gelu_causal", 8, 5, {"num_heads": 4, "norm_first": True, "activation": "gelu",
                               "causal": True}),
    ("post_causal", 6, 7, {"num_heads": 6, "causal": True}),
    ("large_eps_post", 6, 5, {"num_heads": 2, "layer_norm_eps": 0.3}),
    ("large_eps_pre", 6, 5, {"num_heads": 2, "layer_norm_eps": 0.3, "norm_first": True}),
]


def layer_cases(rng, build):
    """build(r, n, e, f, bias) gives inputs and weights."""
    for name, e, f, attrs in ATTRIBUTES:
        yield (name, *build(rng(name), 2, e, f), attrs)
    for name, attrs in (("no_bias", {}), ("no_bias_pre_gelu", {"norm_first": True,
                                                              "activation": "gelu"})):
        yield (name, *build(rng(name), 1, 6, 7, bias=False), {"num_heads": 2, **attrs})
    x, w = build(rng("f16_bf16_y_only"), 2, 6, 7)
    yield "f16_bf16_y_only", {name: f16(t) for name, t in x.items()}, \
        {name: bf16(t) for name, t in w.items()}, {"num_heads": 3}, ["y"]


def masked_cases(rng, build, table, heads):
    for i, (name, masks) in enumerate(table):
        r = rng(name)
        x, w = build(r, 2, 6, 5)
        yield name, {**x, **masks(r)}, w, {"num_heads": heads, **({"norm_first": True} if i % 2
                                                                  else {})}
    for name, make in ((name, make) for name, make in table if name.endswith("_bias_padding")):
        r = rng(f"causal_{name}")
        x, w = build(r, 2, 6, 5)
        yield f"causal_{name}", {**x, **make(r)}, w, {"num_heads": heads, "causal": True}
