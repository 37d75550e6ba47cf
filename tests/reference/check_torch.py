#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares the stored outputs of the blocks that torch has too with what torch computes.

For those who change the definitions: no test depends on it. Where torch is missing it says so and
ends.

usage: check_torch.py [ID...]
"""
import glob
import json
import os
import sys

import numpy as np

import cases
import safetensors
from check import error
from transformer import MEMORY, SELF

try:
    import torch
    import torch.nn.functional as F
except ImportError:
    print("torch is not installed: nothing compared")
    sys.exit(0)


def given(a, *names):
    return {name: a[name] for name in names}


def module(kind):
    """A torch module with the case's weights, in inference form."""
    def apply(x, w, a):
        m = kind(x, w, a).double().eval()
        missing, surplus = m.load_state_dict(w, strict=False)
        if surplus or [name for name in missing if "num_batches" not in name]:
            raise ValueError(f"weights: missing {missing}, surplus {surplus}")
        return {"y": m(x["x"])}
    return apply


def conv(axes):
    kind = (torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.Conv3d)[axes - 1]
    return module(lambda x, w, a: kind(
        w["weight"].shape[1] * a["groups"], w["weight"].shape[0], tuple(w["weight"].shape[2:]),
        bias="bias" in w, **a))


def max_pool(x, w, a):
    pool = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[x["x"].dim() - 3]
    return {"y": pool(x["x"], **a)}


def avg_pool(x, w, a):
    axes, a = x["x"].dim() - 2, dict(a)
    divisor = a.pop("divisor_override")
    pool = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[axes - 1]
    return {"y": pool(x["x"], **a, **({"divisor_override": divisor} if axes > 1 else {}))}


def global_pool(name):
    def apply(x, w, a):
        axes = tuple(range(2, x["x"].dim()))
        return {"y": getattr(torch, name)(x["x"], dim=axes, keepdim=a["keepdim"])}
    return apply


def layer_norm(x, w, a):
    shape = w["weight"].shape if "weight" in w else a["normalized_shape"]
    return {"y": F.layer_norm(x["x"], shape, w.get("weight"), w.get("bias"), a["eps"])}


def resize(x, w, a):
    corners = None if a["mode"] == "nearest" else a["align_corners"]
    values = x["x"].float() if a["mode"] == "nearest" else x["x"]  # its steps follow the type
    y = F.interpolate(values, a["size"], a["scale_factor"], a["mode"], corners)
    return {"y": y.double()}


def reshape(x, w, a):
    return {"y": x["x"].reshape([x["x"].shape[i] if n == 0 else n
                                 for i, n in enumerate(a["shape"])])}


def transpose(x, w, a):
    if a["dims"] is not None:
        return {"y": x["x"].permute(a["dims"])}
    return {"y": x["x"].transpose(a["dim0"], a["dim1"])}


def concat(x, w, a):
    return {"y": torch.cat([x["x"]] + [x[f"x_{i}"] for i in range(1, len(x))], a["dim"])}


def logit_term(x, names, n, heads, tq, tk, causal):
    """All of an attention's masks as one tensor to add, [N*H, Tq, Tk]."""
    term, (mask, bias, padding) = torch.zeros(n, heads, tq, tk, dtype=torch.float64), names
    if bias in x:
        term += x[bias].reshape((-1, heads, tq, tk) if x[bias].dim() == 3 else (tq, tk))
    if mask in x:
        m = x[mask].reshape((-1, heads, tq, tk) if x[mask].dim() == 3 else (tq, tk))
        term.masked_fill_(m, float("-inf"))
    if padding in x:
        term.masked_fill_(x[padding][:, None, None, :], float("-inf"))
    if causal:
        term.masked_fill_(torch.ones(tq, tk).triu(1).bool(), float("-inf"))
    return term.reshape(n * heads, tq, tk)


def mha(x, w, a):
    (n, tq, e), tk, heads = x["q"].shape, x["k"].shape[1], a["num_heads"]
    q, k, v = (x[name].transpose(0, 1) for name in "qkv")
    packed = "in_proj_weight" in w
    y, attn = F.multi_head_attention_forward(
        q, k, v, e, heads, w.get("in_proj_weight"), w.get("in_proj_bias"), w.get("bias_k"),
        w.get("bias_v"), a["add_zero_attn"], 0.0, w["out_proj.weight"], w.get("out_proj.bias"),
        training=False, need_weights=True, average_attn_weights=a["average_attn_weights"],
        attn_mask=logit_term(x, SELF, n, heads, tq, tk, a["causal"]),
        use_separate_proj_weight=not packed, q_proj_weight=w.get("q_proj_weight"),
        k_proj_weight=w.get("k_proj_weight"), v_proj_weight=w.get("v_proj_weight"))
    return {"y": y.transpose(0, 1), "attn": attn}


def transformer_layer(kind):
    def apply(x, w, a):
        (n, t, e), heads = x["x"].shape, a["num_heads"]
        m = kind(e, heads, len(w["linear1.weight"]), 0.0, a["activation"],
                 a["layer_norm_eps"], True, a["norm_first"]).double()  # training form: no fast path
        zeros = {name: torch.zeros_like(p) for name, p in m.state_dict().items()
                 if name.endswith("bias")}
        m.load_state_dict({**zeros, **w})
        term = logit_term(x, SELF, n, heads, t, t, a["causal"])
        if "memory" not in x:
            return {"y": m(x["x"], term)}
        cross = logit_term(x, MEMORY, n, heads, t, x["memory"].shape[1], False)
        return {"y": m(x["x"], x["memory"], term, cross)}
    return apply


def recurrent(kind):
    def apply(x, w, a):
        a = dict(a)
        if a.pop("variant", "torch") != "torch":
            return {}
        m = kind(**a, batch_first=True).double().eval()
        m.load_state_dict({name: w[name] for name in m.state_dict()})
        steps, sequences = x["x"].shape[1], x["x"]
        if "lengths" in x:
            sequences = torch.nn.utils.rnn.pack_padded_sequence(
                sequences, x["lengths"], batch_first=True, enforce_sorted=False)
        state = x.get("h0") if kind is torch.nn.GRU or "h0" not in x else (x["h0"], x["c0"])
        y, last = m(sequences, state)
        if "lengths" in x:
            y, _ = torch.nn.utils.rnn.pad_packed_sequence(y, True, total_length=steps)
        return {"y": y, "h_n": last} if kind is torch.nn.GRU else \
            {"y": y, "h_n": last[0], "c_n": last[1]}
    return apply


def unary(fn, *names):
    return lambda x, w, a: {"y": fn(x["x"], **given(a, *names))}


TORCH = {
    "conv1d": conv(1), "conv2d": conv(2), "conv3d": conv(3),
    "linear": lambda x, w, a: {"y": F.linear(x["x"], w["weight"], w.get("bias"))},
    "batch_norm": lambda x, w, a: {"y": F.batch_norm(
        x["x"], w["running_mean"], w["running_var"], w.get("weight"), w.get("bias"), eps=a["eps"])},
    "group_norm": lambda x, w, a: {"y": F.group_norm(
        x["x"], a["num_groups"], w.get("weight"), w.get("bias"), a["eps"])},
    "layer_norm": layer_norm, "max_pool": max_pool, "avg_pool": avg_pool,
    "global_avg_pool": global_pool("mean"), "global_max_pool": global_pool("amax"),
    "relu": unary(F.relu), "relu6": unary(F.relu6), "elu": unary(F.elu, "alpha"),
    "leaky_relu": unary(F.leaky_relu, "negative_slope"), "gelu": unary(F.gelu, "approximate"),
    "sigmoid": unary(torch.sigmoid), "hard_sigmoid": unary(F.hardsigmoid),
    "hard_swish": unary(F.hardswish), "silu": unary(F.silu), "tanh": unary(torch.tanh),
    "softplus": unary(F.softplus, "beta", "threshold"),
    "softmax": unary(lambda x, dim: torch.nan_to_num(F.softmax(x, dim)), "dim"),
    "resize": resize, "reshape": reshape, "transpose": transpose, "concat": concat,
    "flatten": unary(torch.flatten, "start_dim", "end_dim"),
    "argmax": unary(torch.argmax, "dim", "keepdim"),
    "add": lambda x, w, a: {"y": x["a"] + x["b"]}, "mul": lambda x, w, a: {"y": x["a"] * x["b"]},
    "mha": mha, "lstm": recurrent(torch.nn.LSTM), "gru": recurrent(torch.nn.GRU),
    "transformer_encoder_layer": transformer_layer(torch.nn.TransformerEncoderLayer),
    "transformer_decoder_layer": transformer_layer(torch.nn.TransformerDecoderLayer),
    "embedding": lambda x, w, a: {"y": F.embedding(x["x"], w["weight"])},
}


def without_empty_rows(block, got, want):
    """Where no key is left this torch gives NaN: those places, and they alone, are not compared."""
    if block != "mha" and not block.startswith("transformer"):
        return got
    return np.where(np.isnan(got), want, got)


def compare(path):
    tensors, metadata = safetensors.read(path)
    block = metadata["block"]
    parts = {"in": {}, "w": {}, "out": {}}
    for name, t in tensors.items():
        kind, rest = name.split(".", 1)
        parts[kind][rest] = t.data if kind == "out" else \
            torch.from_numpy(np.array(cases.plain(t, np.float64)))
    attrs = cases.fill(json.loads(metadata["attrs"]), cases.definition(block).DEFAULTS)
    with torch.no_grad():
        got = TORCH[block](parts["in"], parts["w"], attrs)
    if not got:
        print(f"none {path} torch has no such variant")
        return None
    wanted = {name: cases.stored(parts["out"][name]) for name in got if name in parts["out"]}
    worst = max(error(without_empty_rows(block, cases.stored(got[name].numpy()), want), want)
                for name, want in wanted.items())
    print(f"{'FAIL' if not worst <= 1e-6 else 'ok  '} {path} err={worst:.1e}")
    return worst <= 1e-6


if __name__ == "__main__":
    found = [path for block in sys.argv[1:] or sorted(TORCH)
             for path in sorted(glob.glob(os.path.join(cases.CASES, block, "*.safetensors")))]
    results = [compare(path) for path in found]
    print(f"{results.count(True)} passed, {results.count(False)} failed, "
          f"{results.count(None)} that torch does not have")
    sys.exit(1 if False in results else 0)
