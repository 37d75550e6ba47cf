# SPDX-License-Identifier: MIT
"""sca: Spatial and Channel-wise Attention of SCA-CNN (Chen et al., CVPR 2017)."""
import numpy as np

from common import layer, pick, positions, softmax, spread
from draw import bf16, f16

DEFAULTS = {"order": "cs", "rescale": True}


def scores(w, name, v, h):
    """v [N, entries, in] against the state: a score an entry."""
    t = np.tanh(layer(w, f"{name}.v_proj", v) + layer(w, f"{name}.h_proj", h)[:, None, :])
    return softmax(layer(w, f"{name}.score", t)[..., 0])


def run(x, w, a):
    y, h, out = x["x"], x["h"], {}
    for half in pick(a["order"], ("cs", "sc", "c", "s"), "order"):
        flat = positions(y)
        if half == "c":
            beta = scores(w, "channel", flat.mean(axis=2)[:, :, None], h)
            out["attn_channel"] = beta
            y = y * spread(beta, y) * (beta.shape[1] if a["rescale"] else 1)
        else:
            alpha = scores(w, "spatial", flat.transpose(0, 2, 1), h)
            out["attn_spatial"] = alpha.reshape(y.shape[:1] + (1,) + y.shape[2:])
            y = y * out["attn_spatial"] * (alpha.shape[1] if a["rescale"] else 1)
    return {"y": y, **out}


def weights(r, c, d, k, order):
    w = {}
    for half, name, inner in (("c", "channel", 1), ("s", "spatial", c)):
        if half in order:
            w.update({**r.layer(f"{name}.v_proj", k, inner),
                      **r.layer(f"{name}.h_proj", k, d, bias=False),
                      **r.layer(f"{name}.score", 1, k)})
    return w


def cases(rng):
    plain = {"rescale": False}
    table = [  # shape of x, width of h, attention width
        ("defaults", (2, 7, 5, 3), 5, 9, {}),
        ("all_given", (1, 4, 3, 3), 6, 4, {"order": "cs", "rescale": True}),
        ("cs_not_rescaled", (2, 5, 3, 4), 3, 7, plain),
        ("sc", (2, 5, 3, 7), 3, 6, {"order": "sc"}),
        ("sc_not_rescaled", (3, 4, 2, 5), 2, 5, {"order": "sc", **plain}),
        ("c", (2, 9, 3, 1), 5, 3, {"order": "c"}),
        ("c_not_rescaled", (1, 5, 3, 5), 4, 3, {"order": "c", **plain}),
        ("s", (2, 3, 7, 5), 5, 7, {"order": "s"}),
        ("s_not_rescaled", (1, 6, 1, 11), 5, 7, {"order": "s", **plain}),
        ("one_of_everything", (1, 1, 1, 1), 1, 1, {}),
        ("one_pixel", (2, 13, 1, 1), 3, 5, {}),
        ("one_channel", (2, 1, 5, 5), 3, 5, {"order": "sc"}),
        ("wide_attention", (1, 3, 3, 2), 7, 67, {}),
    ]
    for name, shape, d, k, attrs in table:
        r = rng(name)
        yield name, {"x": r.normal(*shape), "h": r.normal(shape[0], d)}, \
            weights(r, shape[1], d, k, attrs.get("order", "cs")), attrs

    r = rng("saturated_tanh")  # arguments in the hundreds
    x = {"x": r.normal(2, 5, 3, 3, scale=300.0), "h": r.normal(2, 4, scale=50.0)}
    yield "saturated_tanh", x, weights(r, 5, 4, 6, "s"), {"order": "s"}

    r = rng("f16_bf16")
    w = {name: bf16(t) for name, t in weights(r, 5, 4, 3, "cs").items()}
    yield "f16_bf16", {"x": f16(r.normal(1, 5, 3, 4)), "h": bf16(r.normal(1, 4))}, w, {}
