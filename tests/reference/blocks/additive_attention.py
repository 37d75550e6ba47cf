# SPDX-License-Identifier: MIT
"""additive_attention: alignment attention and RNNsearch (Bahdanau, Cho and Bengio, ICLR 2015)."""
import numpy as np

from common import layer, linear, part_of, pick, softmax
from draw import bf16, f16, i64, under
from recurrent import cho_update, direction, lengths_of, tokens_of

DEFAULTS = {"mode": "attention", "decode": "teacher", "max_len": None}


def attend(w, query, keys, lengths):
    """Contexts [N, Tq, Dk] and weights [N, Tq, Ts]."""
    hidden = np.tanh(layer(w, "w_query", query)[:, :, None] + layer(w, "w_key", keys)[:, None])
    e = linear(hidden, w["v.weight"])[..., 0]
    valid = np.arange(keys.shape[1]) < lengths[:, None]
    attn = softmax(np.where(valid[:, None], e, -np.inf))
    return np.einsum("nij,njd->nid", attn, keys), attn


def cell(w, x, s, context=None):
    """The next state, of the encoder's or (with a context) the decoder's cell."""
    inputs = [layer(w, name, x) for name in ("wr", "wz", "w")]
    if context is not None:
        inputs = [i + layer(w, name, context) for i, name in zip(inputs, ("cr", "cz", "c"))]
    return cho_update(inputs, [w[f"{name}.weight"] for name in ("ur", "uz", "u")], s)


def encode(w, src, lengths):
    """Annotations [N, Ts, 2H]: behind the end the forward state stays, the backward one is 0."""
    x, sides = w["src_emb.weight"][src], []
    for name, reverse in (("enc_fwd", False), ("enc_bwd", True)):
        own = part_of(w, name)
        zeros = np.zeros((len(src), len(own["u.weight"])), x.dtype)
        y, (last,) = direction(x, lengths, [zeros],
                               lambda x_t, state: (cell(own, x_t, state[0]),), reverse)
        for row, state, end in zip(y, last, lengths):
            row[end:] = 0 if reverse else state
        sides.append(y)
    return np.concatenate(sides, axis=2)


def scores(w, s, context, previous):
    t = layer(w, "out.u", s) + layer(w, "out.c", context) + layer(w, "out.v", previous)
    if t.shape[1] % 2:
        raise ValueError(f"maxout over pairs of {t.shape[1]} values")
    return layer(w, "out.softmax1", layer(w, "out.softmax0", np.maximum(t[:, ::2], t[:, 1::2])))


def search(x, w, a, src, lengths):
    greedy = pick(a["decode"], ("teacher", "greedy"), "decode") == "greedy"
    table = w["tgt_emb.weight"]
    tgt = None if greedy else tokens_of(x, "tgt", len(table))
    h = encode(w, src, lengths)
    s = np.tanh(layer(w, "init", h[:, 0, h.shape[2] // 2:]))
    previous, states, rows = np.zeros((len(src), table.shape[1]), h.dtype), [s], []
    for i in range(a["max_len"] if greedy else tgt.shape[1]):
        context, attn = (t[:, 0] for t in attend(part_of(w, "att"), s[:, None], h, lengths))
        y = scores(w, s, context, previous)
        best = y.argmax(axis=1)
        token = best if greedy else tgt[:, i]
        s = cell(part_of(w, "dec"), table[token], s, context)
        previous = table[token] * (token != 0)[:, None] if greedy else table[token]
        states.append(s)
        rows.append((y, attn, best))
    y, attn, tokens = (np.stack(part, axis=1) for part in zip(*rows))
    return {"y": y, "attn": attn, "annotations": h, "states": np.stack(states, axis=1),
            "tokens": tokens}


def run(x, w, a):
    if pick(a["mode"], ("attention", "rnnsearch"), "mode") == "attention":
        y, attn = attend(w, x["query"], x["keys"], lengths_of(x, "lengths", *x["keys"].shape[:2]))
        return {"y": y, "attn": attn}
    src = tokens_of(x, "src", len(w["src_emb.weight"]))
    return search(x, w, a, src, lengths_of(x, "lengths", *src.shape))


# Cases

def unit_weights(r, align, query, key):
    return {"w_query.weight": r.normal(align, query, scale=query ** -0.5),
            "w_key.weight": r.normal(align, key, scale=key ** -0.5),
            "v.weight": r.normal(1, align, scale=2 / np.sqrt(align))}


def unit(r, n, tq, ts, dq, dk, align, lengths=None):
    x = {"query": r.normal(n, tq, dq), "keys": r.normal(n, ts, dk)}
    if lengths:
        x["lengths"] = np.array(lengths, np.int32)
    return x, unit_weights(r, align, dq, dk)


def cell_weights(r, width, h, context=0):
    w = r.layer("w", h, width)
    for name, inner in (("wr", width), ("wz", width), ("u", h), ("ur", h), ("uz", h)):
        w.update(r.layer(name, h, inner, bias=False))
    for name in ("c", "cr", "cz") if context else ():
        w.update(r.layer(name, h, context, bias=False))
    return w


def model_weights(r, words, widths, h, align, readout, rank):
    w = {"src_emb.weight": r.normal(words[0], widths[0]),
         "tgt_emb.weight": r.normal(words[1], widths[1]),
         **under("enc_fwd", cell_weights(r, widths[0], h)),
         **under("enc_bwd", cell_weights(r, widths[0], h)),
         **under("dec", cell_weights(r, widths[1], h, 2 * h)),
         **under("att", unit_weights(r, align, h, 2 * h)), **r.layer("init", h, h)}
    w.update({**r.layer("out.u", readout, h), **r.layer("out.v", readout, widths[1], bias=False),
              **r.layer("out.c", readout, 2 * h, bias=False),
              **r.layer("out.softmax0", rank, readout // 2, bias=False),
              **r.layer("out.softmax1", words[1], rank)})
    return w


def model(r, n, ts, tt=None, lengths=None, words=(7, 5), widths=(3, 4), h=3, align=5, readout=6,
          rank=3):
    x = {"src": r.ints(0, words[0], n, ts)}
    if lengths:
        x["lengths"] = np.array(lengths, np.int32)
    if tt:
        x["tgt"] = r.ints(0, words[1], n, tt)
    return x, model_weights(r, words, widths, h, align, readout, rank)


def unit_cases(rng):
    table = [
        ("defaults", (2, 3, 5, 4, 7, 6), {}),
        ("all_given", (1, 2, 4, 3, 3, 5), {"mode": "attention", "decode": "teacher"}),
        ("one_of_everything", (1, 1, 1, 1, 1, 1), {}),
        ("lengths", (4, 3, 5, 3, 4, 7, [5, 1, 3, 4]), {}),
        ("one_key", (2, 5, 1, 3, 4, 3), {}),
        ("one_query", (3, 1, 7, 5, 2, 3), {}),
        ("wide", (1, 2, 37, 3, 17, 33, [31]), {}),
        ("attention_ignores_decode", (2, 2, 3, 3, 2, 4), {"decode": "greedy", "max_len": 3}),
    ]
    for name, sizes, attrs in table:
        yield (name, *unit(rng(name), *sizes), attrs)

    r = rng("large_energies")
    x, w = unit(r, 2, 3, 5, 4, 3, 7, [5, 4])
    w["v.weight"] *= 60
    yield "large_energies", x, w, {}
    r = rng("large_padding")
    x, w = unit(r, 2, 3, 5, 4, 3, 7, [2, 5])
    x["keys"][0, 2:] = 1e6
    yield "large_padding", x, w, {}
    r = rng("f16_bf16_y_only")
    x, w = unit(r, 2, 3, 5, 4, 3, 7)
    yield "f16_bf16_y_only", {"query": f16(x["query"]), "keys": bf16(x["keys"]),
                              "lengths": i64([5, 2])}, \
        {name: bf16(t) for name, t in w.items()}, {}, ["y"]


def model_cases(rng):
    whole = {"mode": "rnnsearch"}
    greedy = {**whole, "decode": "greedy"}
    small = {"words": (1, 1), "widths": (1, 1), "h": 1, "align": 1, "readout": 2, "rank": 1}
    table = [
        ("teacher", (2, 5, 4), whole, {}),
        ("teacher_all_given", (1, 3, 5), {**whole, "decode": "teacher", "max_len": 2}, {}),
        ("teacher_one_of_everything", (1, 1, 1), whole, small),
        ("teacher_lengths", (4, 6, 3, [6, 1, 3, 5]), whole, {"h": 4}),
        ("teacher_widths", (2, 3, 3), whole, {"widths": (5, 2), "h": 2, "align": 3,
                                                "readout": 14, "rank": 5}),
        ("greedy", (2, 5), {**greedy, "max_len": 6}, {}),
        ("greedy_one_of_everything", (1, 1), {**greedy, "max_len": 1}, small),
        ("greedy_lengths", (4, 6, None, [2, 6, 1, 5]), {**greedy, "max_len": 4}, {}),
        ("greedy_long", (1, 4), {**greedy, "max_len": 41}, {"h": 5, "align": 3}),
        ("greedy_ignores_target", (2, 4, 2), {**greedy, "max_len": 5}, {}),
        ("greedy_many_words", (2, 4), {**greedy, "max_len": 3}, {"words": (67, 131)}),
    ]
    for name, sizes, attrs, more in table:
        yield (name, *model(rng(name), *sizes, **more), attrs)

    for name, attrs in (("teacher_word_0", whole), ("greedy_word_0", {**greedy, "max_len": 7})):
        x, w = model(rng(name), 3, 4, 5)
        x["tgt"][:, :3:2] = 0
        w["out.softmax1.bias"][0] += 1.0
        yield name, x, w, attrs
    for name, attrs in (("teacher_ties", whole), ("greedy_ties", {**greedy, "max_len": 3})):
        x, w = model(rng(name), 2, 3, 2)
        w["out.softmax1.weight"][[2, 4]], w["out.softmax1.bias"][[2, 4]] = 0, 40
        yield name, x, w, attrs
    r = rng("teacher_i64_bf16")
    x, w = model(r, 2, 4, 3, [4, 2])
    yield "teacher_i64_bf16", {name: i64(t) for name, t in x.items()}, \
        {name: bf16(t) for name, t in w.items()}, whole
    r = rng("greedy_y_only")
    yield ("greedy_y_only", *model(r, 1, 4), {**greedy, "max_len": 3}, ["y"])


def cases(rng):
    yield from unit_cases(rng)
    yield from model_cases(rng)
