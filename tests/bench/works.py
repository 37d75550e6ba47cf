# SPDX-License-Identifier: MIT
"""The workloads of tests/bench: a block at a size that its paper's networks have, as a PyTorch
module, as a vkattn model, and what it must cost.

`flop` counts 2 for each multiply-add of products, convolutions and reductions, nothing for
element-wise work; it is the same for all contestants, whatever they really do. The bytes that must
move are the inputs and weights read once and the output written once."""
import glob
import json
import os
import re

import numpy as np
import torch
from torch import nn

import modules as m

X56, X28 = 256 * 56 * 56, 256 * 28 * 28
PLANE, CC = 56 * 56, 97 * 97


class Work:
    def __init__(self, name, block, module, inputs, flop, attrs=None, wires=None):
        self.name, self.block, self.module, self.inputs = name, block, module, inputs
        self.flop, self.attrs = flop, attrs or {}
        self.wires = wires or {i: i for i in inputs}  # the block's inputs: the graph's

    def make(self):
        """(module in eval mode, inputs by name), the same numbers each time."""
        torch.manual_seed(1)
        module = self.module().eval()
        for part in module.modules():
            if isinstance(part, nn.modules.batchnorm._BatchNorm):
                part.running_mean.normal_(0, 0.1)
                part.running_var.uniform_(0.5, 1.5)
        return module, {name: torch.randn(shape) for name, shape in self.inputs.items()}

    def weights(self, module):
        return {name.removeprefix("cell."): t.contiguous() for name, t in
                module.state_dict().items() if not name.endswith("num_batches_tracked")}

    def model(self):
        """The vkattn model: the weights are called `b.NAME`."""
        node = {"name": "b", "block": self.block, "in": self.wires, "attrs": self.attrs}
        return json.dumps({"vkattn": 1, "inputs": {k: list(v) for k, v in self.inputs.items()},
                           "nodes": [node], "outputs": {"y": "b"}})

    def prepare(self, folder):
        """Writes inputs, weights, the model and the expected output (by float64) to a folder, for
        contestants in whatever language."""
        module, inputs = self.make()
        weights = self.weights(module)
        with torch.no_grad():
            want = module.double()(*(t.double() for t in inputs.values())).float()
        for kind, tensors in (("in", inputs), ("w", weights), ("out", {"y": want})):
            for name, t in tensors.items():
                np.save(os.path.join(folder, f"{kind}.{name}.npy"), t.numpy())
        with open(os.path.join(folder, "model.json"), "w", encoding="utf-8") as f:
            f.write(self.model())
        with open(os.path.join(folder, "inputs.json"), "w", encoding="utf-8") as f:
            json.dump(list(inputs), f)


def bytes_moved(folder):
    """Of inputs, weights and output, in a folder that was prepared."""
    paths = [path for kind in ("in", "w", "out")
             for path in glob.glob(os.path.join(glob.escape(folder), kind + ".*.npy"))]
    return sum(np.load(path, mmap_mode="r").nbytes for path in paths)


def attention(heads, t, d):
    return 4 * heads * t * t * d


def sdpa(name, t, causal=False):
    return Work(name, "sdpa", lambda: m.Sdpa(causal), {i: (1, 8, t, 64) for i in "qkv"},
                attention(8, t, 64) // (2 if causal else 1), {"causal": causal})


def tokens(name, block, module, more):
    return Work(name, block, module, {"x": (1, 1024, 512)},
                8 * 1024 * 512 * 512 + attention(8, 1024, 64) + more, {"num_heads": 8},
                {"q": "x", "k": "x", "v": "x"} if block == "mha" else None)


def recurrent(name, block, kind, gates, shape):
    n, t, size = shape
    return Work(name, block, lambda: m.Recurrent(kind, size), {"x": shape},
                n * t * 2 * gates * size * 2 * size, {"input_size": size, "hidden_size": size})


WORKS = [
    Work("W1 se", "se", lambda: m.Se(256, 16), {"x": (1, 256, 56, 56)}, X56 + 4 * 256 * 16),
    Work("W2 cbam", "cbam", lambda: m.Cbam(256, 16, 7), {"x": (1, 256, 56, 56)},
         4 * X56 + 2 * 98 * PLANE),
    Work("W3 eca", "eca", lambda: m.Eca(5), {"x": (1, 256, 56, 56)}, X56, {"kernel_size": 5}),
    Work("W4 gc", "gc", lambda: m.Gc(256, 16), {"x": (1, 256, 56, 56)}, 4 * X56),
    Work("W5 nonlocal", "nonlocal", lambda: m.NonLocal(256, 128), {"x": (1, 256, 28, 28)},
         2 * 784 * 256 * 128 * 4 + 4 * 784 * 784 * 128, {"bn": False}),
    sdpa("W6 sdpa 1k", 1024),
    sdpa("W6 sdpa 1k causal", 1024, True),
    sdpa("W6 sdpa 4k", 4096),
    sdpa("W6 sdpa 4k causal", 4096, True),
    tokens("W7 mha", "mha", lambda: m.Mha(512, 8), 0),
    tokens("W8 encoder", "transformer_encoder_layer", lambda: m.Encoder(512, 8, 2048),
           4 * 1024 * 512 * 2048),
    Work("W9 criss_cross", "criss_cross", lambda: m.CrissCross(64, 8, 97),
         {"x": (1, 64, 97, 97)}, 2 * CC * 64 * 80 + 2 * CC * 194 * (8 + 64), {"recurrence": 1}),
    Work("W10 sasa", "sasa", lambda: m.Sasa(64, 8, 7), {"x": (1, 64, 56, 56)},
         2 * PLANE * 64 * 192 + 4 * PLANE * 49 * 64,
         {"out_channels": 64, "groups": 8, "proj_groups": 1}),
    Work("W11 deform_conv", "deform_conv", lambda: m.Deform(64),
         {"x": (1, 64, 56, 56), "offset": (1, 18, 56, 56)},
         2 * PLANE * 64 * 64 * 9 + 8 * PLANE * 64 * 9, {"padding": 1, "bias": False}),
    recurrent("W12 lstm", "lstm", nn.LSTM, 4, (1, 128, 512)),
    Work("W13 linear 1024", "linear", lambda: nn.Linear(1024, 1024, bias=False),
         {"x": (1024, 1024)}, 2 * 1024 ** 3),
    Work("W14 conv 3x3", "conv2d", lambda: nn.Conv2d(128, 128, 3, padding=1),
         {"x": (1, 128, 28, 28)}, 2 * 784 * 128 * 128 * 9, {"padding": 1}),
    Work("W15 double_attention", "double_attention", lambda: m.DoubleAttention(256, 128, 128),
         {"x": (1, 256, 28, 28)}, 2 * 784 * 256 * 128 * 4 + 4 * 784 * 128 * 128,
         {"reconstruct": True}),
    Work("W16 sk", "sk", lambda: m.Sk(64, 32), {"x": (1, 64, 56, 56)},
         2 * 2 * PLANE * 64 * 2 * 9 + 5 * 64 * PLANE),
    Work("W17 bam", "bam", lambda: m.Bam(256, 16), {"x": (1, 256, 56, 56)},
         X56 + 2 * PLANE * 16 * (256 + 2 * 9 * 16 + 1)),
    Work("W18 cgnl", "cgnl", lambda: m.Cgnl(256, 128, 8), {"x": (1, 256, 28, 28)},
         2 * 784 * 128 * (3 * 256 + 1 + 256 // 8), {"groups": 8}),
    Work("W19 glore", "glore", lambda: m.Glore(512, 128, 64), {"x": (1, 512, 28, 28)},
         2 * 784 * (512 * 320 + 2 * 128 * 64) + 2 * 64 * 128 * (64 + 128)),
    Work("W20 generalized_attention", "generalized_attention",
         lambda: m.GeneralizedAttention(256, 8), {"x": (1, 256, 40, 40)},
         2 * 256 * (256 * (1600 * 2 + 400 * 2) + 1600 * 400 * 2 + 1600 * 40 + 1600 * 256 // 20),
         {"num_heads": 8}),
    Work("W21 dgmn", "dgmn", lambda: m.Dgmn(512, 4), {"x": (1, 512, 14, 14)},
         4 * 196 * 512 * 9 * (2 * (18 + 45) + 8 + 2), {"groups": 4}),
    Work("W22 san_pairwise", "san_pairwise", lambda: m.SanPairwise(256, 16, 64),
         {"x": (1, 256, 28, 28)}, 2 * 784 * (256 * 96 + 49 * (18 * 16 + 16 * 8 + 64)),
         {"rel_channels": 16, "out_channels": 64}),
    recurrent("W23 gru", "gru", nn.GRU, 3, (1, 128, 512)),
]


def chosen(words):
    """The workloads that the words name: `W6`, `sdpa`, `W6-sdpa-4k`; all for none."""
    def named(work, word):
        wanted = re.sub("[-_ ]", "", word.lower())
        number, title = work.name.lower().split(" ", 1)
        title = re.sub("[-_ ]", "", title)
        return wanted in (number, work.block.replace("_", ""), title, number + title)
    for word in words:
        if not any(named(work, word) for work in WORKS):
            raise SystemExit(f"no workload is called '{word}'; there are "
                             + ", ".join(work.name for work in WORKS))
    return [work for work in WORKS if not words or any(named(work, word) for word in words)]
