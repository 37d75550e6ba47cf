# SPDX-License-Identifier: MIT
"""show_attend_tell: caption decoder with soft or hard visual attention (Xu et al., ICML 2015)."""
import numpy as np

from common import layer, linear, part_of, pick, relu, sigmoid, softmax
from draw import bf16, f16, i64
from recurrent import lengths_of, lstm_gates, tokens_of

DEFAULTS = {"variant": "port", "attention": "soft", "mode": "teacher", "max_len": None,
            "start": None, "temperature": 1.0, "selector": True, "prev2out": False,
            "ctx2out": False, "dropout_scale": 1.0}
ATTENTIONS = ("soft", "hard_argmax", "hard_sample")


def used(w, a):
    """Without the weights that the variant and the attributes do not read."""
    off = {"decode_step.bias_hh", "attention.decoder_att.bias"}
    if a["variant"] == "port":
        off = {name for name in w if name.startswith("out_")}
    elif not a["ctx2out"]:
        off |= {"out_ctx.weight", "out_ctx.bias"}
    return {name: t for name, t in w.items() if name not in off}


def location(alpha, a, u):
    """The place that a hard mode looks at; the last one where the sum never exceeds u."""
    if a["attention"] == "hard_argmax":
        return alpha.argmax(axis=1)
    above = np.cumsum(alpha, axis=1) > u[:, None]
    return np.where(above.any(axis=1), above.argmax(axis=1), alpha.shape[1] - 1)


def look(features, keys, w, a, h, u):
    """(context before the gate, weights, place)."""
    act = relu if a["variant"] == "port" else np.tanh
    s = layer(w, "attention.full_att",
              act(keys + layer(w, "attention.decoder_att", h)[:, None]))[..., 0]
    if a["attention"] == "soft":
        alpha = softmax(s)
        return np.einsum("np,npd->nd", alpha, features), alpha, np.zeros(len(s), int)
    alpha = softmax(a["temperature"] * s)
    pos = location(alpha, a, u)
    return features[np.arange(len(pos)), pos], alpha, pos


def cell(w, x, h, c):
    own = part_of(w, "decode_step")
    return lstm_gates(linear(x, own["weight_ih"], own["bias_ih"])
                      + linear(h, own["weight_hh"], own.get("bias_hh")), (h, c))


def scores(w, a, h, e, z):
    if a["variant"] == "port":
        return layer(w, "fc", h)
    inner = layer(w, "out_h", a["dropout_scale"] * h)
    if a["prev2out"]:
        inner = inner + e
    if a["ctx2out"]:
        inner = inner + layer(w, "out_ctx", z)
    return layer(w, "fc", a["dropout_scale"] * np.tanh(inner))


def start(features, w, a):
    """State (h, c) before the first word."""
    m = features.mean(axis=1)
    state = [layer(w, "init_h", m), layer(w, "init_c", m)]
    return state if a["variant"] == "port" else [np.tanh(part) for part in state]


def decode(features, w, a, lengths, steps, words, u):
    """words: those of each step, or None to go on with the best ones."""
    table = np.append(w["embedding.weight"], w["embedding.weight"][:1] * 0, axis=0)  # word -1: 0
    keys, (h, c) = layer(w, "attention.encoder_att", features), start(features, w, a)
    word, rows = np.full(len(h), a["start"] if words is None else 0), []
    for t in range(steps):
        e = table[word if words is None else words[:, t]]
        z, alpha, pos = look(features, keys, w, a, h, None if u is None else u[:, t])
        gate = sigmoid(layer(w, "f_beta", h)) if a["variant"] == "port" or a["selector"] \
            else np.ones_like(h[:, :1])
        going = (t < lengths)[:, None]
        new_h, new_c = cell(w, np.concatenate([e, gate * z], axis=1), h, c)
        y = scores(w, a, new_h, e, gate * z)
        h, c, word = np.where(going, new_h, h), np.where(going, new_c, c), y.argmax(axis=1)
        rows.append([part * going for part in (y, alpha, gate, pos[:, None], word[:, None])])
    y, attn, gate, pos, tokens = (np.stack(part, axis=1) for part in zip(*rows))
    return {"y": y, "attn": attn, "gate": gate, "pos": pos[..., 0], "tokens_out": tokens[..., 0],
            "h_n": h, "c_n": c}


def run(x, w, a):
    pick(a["variant"], ("port", "original"), "variant")
    hard = pick(a["attention"], ATTENTIONS, "attention") != "soft"
    greedy, n = pick(a["mode"], ("teacher", "greedy"), "mode") == "greedy", len(x["features"])
    if greedy:
        words, steps, lengths = None, a["max_len"], np.full(n, a["max_len"])
    else:
        words = tokens_of(x, "tokens", len(w["embedding.weight"]), lowest=-1)
        steps = words.shape[1]
        lengths = lengths_of(x, "lengths", n, steps)
    u = x["u"] if a["attention"] == "hard_sample" else None
    out = decode(x["features"], used(w, a), a, lengths, steps, words, u)
    absent = ([] if hard else ["pos"]) + ([] if a["variant"] == "port" or a["selector"]
                                          else ["gate"])
    return {name: t for name, t in out.items() if name not in absent}


# Cases

def weights(r, d, h, e, v, align, attrs):
    a = {**DEFAULTS, **attrs}
    port = a["variant"] == "port"
    align = align if port else d
    w = {**r.layer("attention.encoder_att", align, d),
         **r.layer("attention.decoder_att", align, h, bias=port),
         **r.layer("attention.full_att", 1, align), "embedding.weight": r.normal(v, e),
         "decode_step.weight_ih": r.normal(4 * h, e + d, scale=1.2 / np.sqrt(e + d)),
         "decode_step.weight_hh": r.normal(4 * h, h, scale=1.2 / np.sqrt(h)),
         "decode_step.bias_ih": r.normal(4 * h, scale=0.3),
         **r.layer("init_h", h, d), **r.layer("init_c", h, d)}
    w["attention.full_att.weight"] *= 3  # clear preferences
    if port:
        w.update({"decode_step.bias_hh": r.normal(4 * h, scale=0.3), **r.layer("f_beta", d, h),
                  **r.layer("fc", v, h)})
    else:
        w.update({**r.layer("fc", v, e), **r.layer("out_h", e, h)})
        w.update(r.layer("f_beta", 1, h) if a["selector"] else {})
        w.update(r.layer("out_ctx", e, d) if a["ctx2out"] else {})
    w["fc.weight"] *= 3
    return w


def build(r, attrs, n, p, t=None, lengths=None, d=5, h=4, e=3, v=7, align=6):
    x = {"features": r.normal(n, p, d)}
    if t:
        x["tokens"] = r.ints(-1, v, n, t)
    if lengths:
        x["lengths"] = np.array(lengths, np.int32)
    if attrs.get("attention") == "hard_sample":
        x["u"] = r.uniform(n, t or attrs["max_len"])
    return x, weights(r, d, h, e, v, align, attrs)


def both_variants():
    """Rows for either variant: name, attributes, sequences, places, steps, lengths."""
    argmax, sample = {"attention": "hard_argmax"}, {"attention": "hard_sample"}

    def greedy(steps, first):
        return {"mode": "greedy", "max_len": steps, "start": first}
    for variant in ("port", "original"):
        v = {"variant": variant}
        yield from [
            (f"{variant}_soft", v, (2, 7, 3)),
            (f"{variant}_lengths", v, (4, 5, 4, [2, 4, 1, 3])),
            (f"{variant}_argmax", {**v, **argmax}, (3, 7, 3)),
            (f"{variant}_argmax_lengths", {**v, **argmax, "temperature": 3.0},
             (3, 5, 4, [4, 1, 2])),
            (f"{variant}_sample", {**v, **sample}, (3, 7, 3)),
            (f"{variant}_sample_lengths", {**v, **sample, "temperature": 0.25},
             (3, 11, 4, [1, 4, 3])),
            (f"{variant}_greedy", {**v, **greedy(6, 2)}, (2, 5)),
            (f"{variant}_greedy_no_start_word", {**v, **greedy(5, -1)}, (3, 5)),
            (f"{variant}_greedy_argmax", {**v, **argmax, **greedy(4, 0)}, (2, 7)),
            (f"{variant}_greedy_sample", {**v, **sample, **greedy(5, 6), "temperature": 0.5},
             (3, 7)),
            (f"{variant}_greedy_ignores_tokens", {**v, **greedy(5, 1)}, (2, 5, 3, [2, 1])),
            (f"{variant}_soft_ignores_temperature", {**v, "temperature": 4.0}, (2, 5, 2)),
        ]


def odd_cases(rng):
    one, original = {"d": 1, "h": 1, "e": 1, "v": 1, "align": 1}, {"variant": "original"}
    table = [
        ("defaults", {}, (2, 6, 3), {}),
        ("all_given", {**DEFAULTS, "mode": "greedy", "max_len": 4, "start": 3}, (1, 6), {}),
        ("one_of_everything", {}, (1, 1, 1), one),
        ("original_one_of_everything", original, (1, 1, 1), one),
        ("one_place_argmax", {"attention": "hard_argmax"}, (2, 1, 3), {}),
        ("port_ignores_original", {"selector": False, "prev2out": True, "ctx2out": True,
                                   "dropout_scale": 0.5}, (2, 5, 3), {}),
        ("no_selector", {**original, "selector": False}, (2, 5, 3, [3, 2]), {}),
        ("no_selector_sample", {**original, "selector": False, "attention": "hard_sample"},
         (2, 5, 3), {}),
        ("prev2out", {**original, "prev2out": True}, (2, 5, 3), {}),
        ("ctx2out", {**original, "ctx2out": True}, (2, 5, 3), {}),
        ("ctx2out_argmax_no_selector", {**original, "ctx2out": True, "selector": False,
                                        "attention": "hard_argmax"}, (2, 5, 3), {}),
        ("all_of_original", {**original, "prev2out": True, "ctx2out": True, "selector": True,
                             "dropout_scale": 0.5, "mode": "greedy", "max_len": 5, "start": -1},
         (2, 7), {}),
        ("dropout_scale", {**original, "dropout_scale": 0.5}, (2, 5, 3), {}),
        ("many_places", {}, (1, 67, 2), {"d": 3, "align": 9}),
        ("many_words", {"mode": "greedy", "max_len": 4, "start": 130}, (2, 5), {"v": 131}),
        ("wide_state", original, (1, 5, 2), {"d": 3, "h": 17, "e": 5}),
    ]
    for name, attrs, sizes, more in table:
        yield (name, *build(rng(name), attrs, *sizes, **more), attrs)


def cases(rng):
    for name, attrs, sizes in both_variants():
        yield (name, *build(rng(name), attrs, *sizes), attrs)
    yield from odd_cases(rng)

    r, attrs = rng("unused_weights_and_u"), {"variant": "original", "selector": False}
    x, w = build(r, attrs, 2, 5, 3)
    yield "unused_weights_and_u", {**x, "u": r.uniform(2, 3)}, \
        {**w, **r.layer("f_beta", 1, 4), **r.layer("out_ctx", 3, 5)}, attrs
    r, attrs = rng("sample_ends"), {"attention": "hard_sample"}
    x, w = build(r, attrs, 2, 5, 4)
    x["u"][:] = [0.0, 1 - 2.0 ** -24, 2.0 ** -40, 0.5]
    w["attention.full_att.weight"] /= 3
    yield "sample_ends", x, w, attrs
    for name, attention in (("argmax_ties", "hard_argmax"), ("sample_alike", "hard_sample")):
        r, attrs = rng(name), {"attention": attention}
        x, w = build(r, attrs, 2, 7, 3)
        w["attention.full_att.weight"] *= 0  # every place scores the same
        yield name, x, w, attrs
    for name, attrs in (("word_ties", {}), ("greedy_word_ties", {
            "mode": "greedy", "max_len": 3, "start": 1, "variant": "original"})):
        x, w = build(rng(name), attrs, 2, 5, 3)
        w["fc.weight"][[3, 5]], w["fc.bias"][[3, 5]] = 0, 40
        yield name, x, w, attrs
    r = rng("large_scores")
    x, w = build(r, {}, 2, 5, 3)
    w["attention.full_att.weight"] *= 60
    yield "large_scores", x, w, {}
    r, attrs = rng("f16_bf16_i64"), {"variant": "original", "ctx2out": True}
    x, w = build(r, attrs, 2, 5, 3)
    yield "f16_bf16_i64", {"features": f16(x["features"]), "tokens": i64(x["tokens"])}, \
        {name: bf16(t) for name, t in w.items()}, attrs
    yield ("y_only", *build(rng("y_only"), {}, 2, 5, 3), {}, ["y"])
