# SPDX-License-Identifier: MIT
"""sasa: Stand-Alone Self-Attention layer and stem (Ramachandran et al., NeurIPS 2019)."""
import numpy as np

from common import REQUIRED, conv, pick, softmax
from draw import bf16, f16
from windows import steps, windows

DEFAULTS = {"mode": "layer", "out_channels": REQUIRED, "kernel_size": 7, "stride": 1, "padding": 3,
            "groups": 1, "proj_groups": None, "bias": False, "logits": "head",
            "rel_split": "head", "mix": 4}


def projection(w, a):
    """project(name, x): a 1x1 convolution."""
    groups = a["groups"] if a["proj_groups"] is None else a["proj_groups"]

    def project(name, x):
        bias = w[f"{name}.bias"] if a["bias"] else None
        return conv(x, w[f"{name}.weight"], bias, groups=groups)
    return project


def relative(w, a):
    """[O, taps]: rows' part first, then columns'."""
    k, o, head = a["kernel_size"], a["out_channels"], a["out_channels"] // a["groups"]
    shared = pick(a["rel_split"], ("head", "all"), "rel_split") == "head"
    depth = head if shared else o
    table = np.repeat(w["rel_h"], k, axis=1) if depth > 1 else np.zeros((0, k * k))
    table = np.concatenate([table.astype(w["rel_w"].dtype), np.tile(w["rel_w"], (1, k))])
    return np.tile(table, (a["groups"], 1)) if shared else table


def mixture(w):
    """[m, taps]: what share each value projection has in each tap."""
    place = w["emb_row"][:, :, None] + w["emb_col"][:, None, :]
    return softmax(np.einsum("mj,jab->mab", w["emb_mix"], place), axis=0).reshape(
        len(w["emb_mix"]), -1)


def attend(q, keys, values, a):
    logits = q[:, :, None] * keys
    if pick(a["logits"], ("head", "channel"), "logits") == "head":
        depth = a["out_channels"] // a["groups"]
        logits = logits.reshape((len(q), a["groups"], depth) + keys.shape[2:]).sum(axis=2)
    attn = softmax(logits, axis=2)
    shared = np.repeat(attn, q.shape[1] // attn.shape[1], axis=1)
    return {"y": (shared * values).sum(axis=2), "attn": attn}


def run_layer(x, w, a):
    k, s, p, project = a["kernel_size"], a["stride"], a["padding"], projection(w, a)
    at = [steps((n + 2 * p - k) // s + 1, k, s) for n in x.shape[2:]]
    x = np.pad(x, [(0, 0), (0, 0), (p, p), (p, p)])
    middle = [axis[(k - 1) // 2] for axis in at]
    q = project("query", x)[:, :, middle[0]][:, :, :, middle[1]]
    keys = windows(project("key", x), *at) + relative(w, a)[:, :, None, None]
    return attend(q, keys, windows(project("value", x), *at), a)


def run_stem(x, w, a):
    if a["stride"] != 1:
        raise ValueError(f"stride {a['stride']} in a stem")
    p, q, project = a["padding"], projection(w, a)("query", x), projection(w, a)
    at = [steps(n, a["kernel_size"]) for n in x.shape[2:]]
    x, share, values = np.pad(x, [(0, 0), (0, 0), (p, p), (p, p)]), mixture(w), 0
    for i in range(a["mix"]):
        values = values + share[i][:, None, None] * windows(project(f"value.{i}", x), *at)
    return attend(q, windows(project("key", x), *at), values, a)


def run(x, w, a):
    if a["out_channels"] % a["groups"]:
        raise ValueError(f"groups {a['groups']} does not divide {a['out_channels']}")
    layer = pick(a["mode"], ("layer", "stem"), "mode") == "layer"
    return (run_layer if layer else run_stem)(x["x"], w, a)


def weights(r, c, attrs):
    a = {**DEFAULTS, **attrs}
    o, k, m = a["out_channels"], a["kernel_size"], a["mix"]
    head = o // a["groups"]
    inner = c // (a["groups"] if a["proj_groups"] is None else a["proj_groups"])
    names = ["query", "key"] + (["value"] if a["mode"] == "layer"
                                else [f"value.{i}" for i in range(m)])
    w = {}
    for name in names:
        w.update(r.layer(name, o, inner, 1, 1, bias=a["bias"]))
    if a["mode"] == "stem":
        return {**w, "emb_row": r.normal(head, k), "emb_col": r.normal(head, k),
                "emb_mix": r.normal(m, head)}
    depth = head if a["rel_split"] == "head" else o
    if depth > 1:
        w["rel_h"] = r.normal(depth // 2, k)
    return {**w, "rel_w": r.normal(depth - depth // 2, k)}


def layer_table():
    near = {"kernel_size": 3, "padding": 1}
    channel, whole, bias = {"logits": "channel"}, {"rel_split": "all"}, {"bias": True}
    return [
        ("defaults", (1, 3, 5, 3), {"out_channels": 5}),
        ("all_given", (2, 4, 3, 5), {**DEFAULTS, **near, "out_channels": 6, "groups": 2,
                                     "proj_groups": 2}),
        ("one_of_everything", (1, 1, 1, 1), {"out_channels": 1, "kernel_size": 1, "padding": 0}),
        ("heads", (2, 6, 4, 5), {**near, "out_channels": 9, "groups": 3, **bias}),
        ("heads_of_whole_input", (1, 5, 4, 5), {**near, "out_channels": 8, "groups": 2,
                                                "proj_groups": 1, **bias}),
        ("heads_of_one", (2, 3, 3, 4), {**near, "out_channels": 3, "groups": 3, **bias}),
        ("heads_of_one_tables_of_all", (1, 3, 3, 4), {**near, "out_channels": 3, "groups": 3,
                                                      **whole}),
        ("heads_tables_of_all", (1, 6, 4, 3), {**near, "out_channels": 10, "groups": 2, **whole}),
        ("channel", (2, 4, 3, 5), {**near, "out_channels": 6, "groups": 2, **channel}),
        ("channel_tables_of_all", (1, 6, 3, 4), {**near, "out_channels": 9, "groups": 3,
                                                 "proj_groups": 1, **channel, **whole, **bias}),
        ("even_kernel", (1, 3, 5, 6), {"out_channels": 5, "kernel_size": 4, "padding": 2}),
        ("kernel_2_stride_3", (2, 3, 7, 5), {"out_channels": 4, "kernel_size": 2, "padding": 0,
                                             "stride": 3, **bias}),
        ("stride_2", (2, 4, 6, 7), {**near, "out_channels": 6, "groups": 2, "stride": 2}),
        ("no_padding", (2, 3, 5, 7), {"out_channels": 4, "kernel_size": 5, "padding": 0}),
        ("queries_in_the_padding", (1, 3, 2, 3), {**near, "out_channels": 5, "padding": 4,
                                                  "stride": 2, **bias}),
        ("kernel_1", (2, 5, 3, 4), {"out_channels": 3, "kernel_size": 1, "padding": 1, **bias}),
        ("row", (1, 3, 1, 13), {**near, "out_channels": 5, **bias}),
        ("larger_than_the_map", (1, 3, 2, 3), {"out_channels": 3, "kernel_size": 9,
                                               "padding": 4}),
    ]


def stem_table():
    stem = {"mode": "stem", "kernel_size": 4, "padding": 2}
    return [
        ("stem", (1, 3, 5, 4), {**stem, "out_channels": 5}),
        ("stem_all_given", (2, 3, 3, 5), {**DEFAULTS, **stem, "kernel_size": 3, "padding": 1,
                                          "out_channels": 4, "groups": 1, "proj_groups": 1}),
        ("stem_default_window", (1, 3, 3, 4), {"mode": "stem", "out_channels": 3}),
        ("stem_heads_bias", (2, 4, 4, 3), {**stem, "out_channels": 6, "groups": 2, "bias": True,
                                           "mix": 3}),
        ("stem_channel", (1, 3, 3, 5), {**stem, "out_channels": 6, "groups": 2, "proj_groups": 1,
                                        "logits": "channel", "rel_split": "all", "bias": True}),
        ("stem_one_value", (1, 3, 5, 3), {**stem, "out_channels": 4, "mix": 1}),
        ("stem_more_padding", (2, 3, 3, 4), {**stem, "kernel_size": 3, "out_channels": 5,
                                             "bias": True, "padding": 3}),
        ("stem_kernel_1", (2, 3, 3, 3), {**stem, "kernel_size": 1, "padding": 0, "mix": 5,
                                         "out_channels": 4}),
        ("stem_heads_of_one", (1, 2, 3, 4), {**stem, "kernel_size": 2, "padding": 1,
                                             "out_channels": 2, "groups": 2, "mix": 2}),
    ]


def cases(rng):
    for name, shape, attrs in layer_table() + stem_table():
        r = rng(name)
        yield name, {"x": r.normal(*shape)}, weights(r, shape[1], attrs), attrs

    r, attrs = rng("empty_table"), {"out_channels": 2, "groups": 2, "kernel_size": 3, "padding": 1}
    w = {**weights(r, 4, attrs), "rel_h": np.zeros((0, 3))}  # present, with no rows
    yield "empty_table", {"x": r.normal(1, 4, 3, 4)}, w, attrs

    r, attrs = rng("unused_weights"), {"out_channels": 4, "kernel_size": 3, "padding": 1}
    w = weights(r, 3, {**attrs, "bias": True})
    w.update(weights(r, 3, {**attrs, "mode": "stem", "mix": 2}))
    yield "unused_weights", {"x": r.normal(1, 3, 4, 3)}, w, attrs

    r, attrs = rng("large_logits"), {"out_channels": 5, "kernel_size": 3, "padding": 1,
                                     "bias": True}
    yield "large_logits", {"x": r.normal(1, 3, 4, 5, scale=12.0)}, weights(r, 3, attrs), attrs

    r, attrs = rng("f16_bf16_y_only"), {"out_channels": 6, "groups": 2, "kernel_size": 5,
                                        "padding": 2, "bias": True}
    w = {name: bf16(t) for name, t in weights(r, 4, attrs).items()}
    yield "f16_bf16_y_only", {"x": f16(r.normal(2, 4, 7, 5))}, w, attrs, ["y"]
