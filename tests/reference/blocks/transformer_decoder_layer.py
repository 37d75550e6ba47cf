# SPDX-License-Identifier: MIT
"""transformer_decoder_layer: self-attention, cross-attention, feed-forward (Vaswani et al.)."""
import transformer
from transformer import MEMORY, SELF, attention, feed_forward, masks_of, norm

DEFAULTS = transformer.DEFAULTS


def run(x, w, a):
    def attend(z):
        return attention(z, z, w, "self_attn", masks_of(x, SELF), a, a["causal"])

    def cross(z):
        return attention(z, x["memory"], w, "multihead_attn", masks_of(x, MEMORY), a)
    z = x["x"]
    if a["norm_first"]:
        o, self_attn = attend(norm(w, 1, z, a))
        z = z + o
        o, cross_attn = cross(norm(w, 2, z, a))
        z = z + o
        y = z + feed_forward(w, norm(w, 3, z, a), a)
    else:
        o, self_attn = attend(z)
        z = norm(w, 1, z + o, a)
        o, cross_attn = cross(z)
        z = norm(w, 2, z + o, a)
        y = norm(w, 3, z + feed_forward(w, z, a), a)
    return {"y": y, "self_attn": self_attn, "cross_attn": cross_attn}


def build(r, n, e, f, bias=True, t=4, s=5):
    return {"x": r.normal(n, t, e), "memory": r.normal(n, s, e)}, \
        transformer.weights(r, e, f, ["self_attn", "multihead_attn"], bias)


def cases(rng):
    table = transformer.mask_table(2, 2, 4, 4, SELF) + transformer.mask_table(2, 2, 4, 5, MEMORY)
    yield from transformer.layer_cases(rng, build)
    yield from transformer.masked_cases(rng, build, table, 2)
    r = rng("one_token")
    yield ("one_token", *build(r, 2, 3, 5, t=1, s=7), {"num_heads": 3})
    r = rng("one_memory_token")
    yield ("one_memory_token", *build(r, 1, 4, 3, t=6, s=1), {"num_heads": 1, "causal": True})
