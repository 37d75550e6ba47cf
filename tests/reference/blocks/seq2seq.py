# SPDX-License-Identifier: MIT
"""seq2seq: LSTM encoder and decoder (Sutskever, Vinyals and Le, NeurIPS 2014)."""
import numpy as np

import recurrent
from common import REQUIRED, layer, part_of, pick
from draw import bf16, i64, under
from recurrent import lengths_of, lstm_step, tokens_of

DEFAULTS = {"num_layers": 1, "hidden_size": REQUIRED, "reverse_source": True, "mode": "teacher",
            "eos": 0, "bos": None, "max_len": None}


def encode(x, w, a):
    """The last (h, c) of each layer, [L, N, H] each."""
    src = tokens_of(x, "src", len(w["src_emb.weight"]))
    lengths = lengths_of(x, "src_lengths", *src.shape)
    if a["reverse_source"]:
        src = np.stack([np.append(row[:end][::-1], row[end:]) for row, end in zip(src, lengths)])
    embedded = w["src_emb.weight"][src]
    zeros = np.zeros((a["num_layers"], len(src), a["hidden_size"]), embedded.dtype)
    return recurrent.stack(embedded, part_of(w, "encoder"), lengths, [zeros, zeros], lstm_step,
                           a["num_layers"])[1]


def decode_step(w, tokens, state):
    """Scores; state, a list of (h, c) by layer, moves on."""
    z = w["tgt_emb.weight"][tokens]
    for i, before in enumerate(state):
        state[i] = lstm_step(part_of(w, "decoder"), f"l{i}", z, before)
        z = state[i][0]
    return layer(w, "fc", z)


def teacher(x, w, a, state):
    tgt = tokens_of(x, "tgt", len(w["tgt_emb.weight"]))
    y = np.stack([decode_step(w, column, state) for column in tgt.T], axis=1)
    return {"y": y, "tokens": y.argmax(axis=2)}


def greedy(w, a, state):
    n, eos = len(state[0][0]), a["eos"]
    token = np.full(n, eos if a["bos"] is None else a["bos"])
    ended, y, tokens = np.zeros(n, bool), [], []
    for _ in range(a["max_len"]):
        y.append(decode_step(w, token, state))
        token = np.where(ended, eos, y[-1].argmax(axis=1))
        ended |= token == eos
        tokens.append(token)
    tokens = np.stack(tokens, axis=1)
    lengths = [list(row).index(eos) if eos in row else a["max_len"] for row in tokens]
    return {"y": np.stack(y, axis=1), "tokens": tokens, "lengths": np.array(lengths)}


def run(x, w, a):
    h, c = encode(x, w, a)
    state = list(zip(h, c))
    made = greedy(w, a, state) if pick(a["mode"], ("teacher", "greedy"), "mode") == "greedy" \
        else teacher(x, w, a, state)
    return {**made, "enc_h": h, "enc_c": c}


def weights(r, words, widths, hidden, layers):
    w = {"src_emb.weight": r.normal(words[0], widths[0]),
         "tgt_emb.weight": r.normal(words[1], widths[1])}
    for name, width in zip(("encoder", "decoder"), widths):
        w.update(under(name, recurrent.weights(r, 4, width, hidden, layers)))
    fc = r.layer("fc", words[1], hidden)
    return {**w, **fc, "fc.weight": 3 * fc["fc.weight"]}  # far apart, so that words differ


def build(r, attrs, n, ts, tt=None, lengths=None, words=(7, 11), widths=(3, 5)):
    a = {**DEFAULTS, **attrs}
    x = {"src": r.ints(0, words[0], n, ts)}
    if lengths:
        x["src_lengths"] = np.array(lengths, np.int32)
    if tt:
        x["tgt"] = r.ints(0, words[1], n, tt)
    return x, weights(r, words, widths, a["hidden_size"], a["num_layers"])


def cases(rng):
    def greedy_for(steps, **more):
        return {"mode": "greedy", "max_len": steps, **more}
    table = [  # attributes, sequences, source steps, target steps, lengths
        ("defaults", {"hidden_size": 5}, (2, 5, 3), {}),
        ("all_given", {"num_layers": 1, "hidden_size": 4, "reverse_source": True,
                       "mode": "teacher", "eos": 0, "bos": 0}, (1, 4, 5), {}),
        ("one_of_everything", {"hidden_size": 1}, (1, 1, 1), {"words": (1, 1), "widths": (1, 1)}),
        ("lengths", {"hidden_size": 5}, (4, 6, 3, [6, 1, 3, 5]), {}),
        ("not_reversed", {"hidden_size": 5, "reverse_source": False}, (3, 5, 2, [2, 5, 3]), {}),
        ("three_layers", {"hidden_size": 4, "num_layers": 3}, (2, 5, 4, [3, 5]), {}),
        ("one_target_step", {"hidden_size": 7}, (3, 3, 1), {"widths": (5, 1)}),
        ("teacher_ignores_greedy", {"hidden_size": 3, "eos": 3, "bos": 5, "max_len": 9},
         (2, 3, 4), {}),
        ("greedy", {"hidden_size": 5, **greedy_for(7)}, (2, 5, None), {}),
        ("greedy_all_given", {"num_layers": 1, "hidden_size": 5, "reverse_source": True, "eos": 2,
                              **greedy_for(6, bos=1)}, (2, 3, None), {}),
        ("greedy_one_of_everything", {"hidden_size": 1, **greedy_for(1)}, (1, 1, None),
         {"words": (1, 1), "widths": (1, 1)}),
        ("greedy_lengths", {"hidden_size": 6, **greedy_for(5, eos=3, bos=0)},
         (4, 6, None, [2, 6, 1, 5]), {}),
        ("greedy_ends", {"hidden_size": 6, **greedy_for(9, eos=6, bos=4)}, (3, 5, None,
                                                                            [5, 3, 1]), {}),
        ("greedy_not_reversed", {"hidden_size": 5, "num_layers": 2, "reverse_source": False,
                                 **greedy_for(5, eos=1, bos=4)}, (2, 4, None, [2, 4]), {}),
        ("greedy_long", {"hidden_size": 7, **greedy_for(61, eos=5, bos=2)}, (1, 3, None), {}),
        ("greedy_ignores_target", {"hidden_size": 4, **greedy_for(4)}, (2, 3, 6), {}),
        ("many_words", {"hidden_size": 3, **greedy_for(3)}, (2, 4, None), {"words": (67, 131)}),
    ]
    for name, attrs, sizes, more in table:
        yield (name, *build(rng(name), attrs, *sizes, **more), attrs)

    for name, more in (("ties", {}), ("greedy_ties", greedy_for(3))):
        r, attrs = rng(name), {"hidden_size": 3, "eos": 1, **more}
        x, w = build(r, attrs, 2, 3, 3)
        best = [4, 6, 10]  # nothing but the bias tells
        w["fc.weight"][best], w["fc.bias"][best] = 0, 50
        yield name, x, w, attrs
    r, attrs = rng("i64_bf16"), {"hidden_size": 5}
    x, w = build(r, attrs, 2, 4, 3, [4, 2])
    yield "i64_bf16", {name: i64(t) for name, t in x.items()}, \
        {name: bf16(t) for name, t in w.items()}, attrs
    r, attrs = rng("greedy_y_only"), {"hidden_size": 5, **greedy_for(4)}
    yield ("greedy_y_only", *build(r, attrs, 1, 4), attrs, ["y"])
