# SPDX-License-Identifier: MIT
"""transformer_encoder_layer: self-attention and feed-forward (Vaswani et al., NeurIPS 2017)."""
import transformer
from transformer import SELF, attention, feed_forward, masks_of, norm

DEFAULTS = transformer.DEFAULTS


def run(x, w, a):
    def attend(z):
        return attention(z, z, w, "self_attn", masks_of(x, SELF), a, a["causal"])
    z = x["x"]
    if a["norm_first"]:
        o, attn = attend(norm(w, 1, z, a))
        h = z + o
        y = h + feed_forward(w, norm(w, 2, h, a), a)
    else:
        o, attn = attend(z)
        h = norm(w, 1, z + o, a)
        y = norm(w, 2, h + feed_forward(w, h, a), a)
    return {"y": y, "attn": attn}


def build(r, n, e, f, bias=True, t=5):
    return {"x": r.normal(n, t, e)}, transformer.weights(r, e, f, ["self_attn"], bias)


def cases(rng):
    yield from transformer.layer_cases(rng, build)
    yield from transformer.masked_cases(rng, build, transformer.mask_table(2, 2, 5, 5, SELF), 2)
    r = rng("one_token")
    yield ("one_token", *build(r, 1, 3, 1, t=1), {"num_heads": 3})
    r = rng("many_tokens")
    yield ("many_tokens", *build(r, 1, 6, 5, t=19), {"num_heads": 2, "causal": True})
