# SPDX-License-Identifier: MIT
"""The network: its graph, in the form of a vkattn model file, and the same graph in PyTorch.

The graph is written down once, in `model()`; `Network` builds PyTorch modules from that,
so that what is trained and what the model file says cannot differ. Module names are node names:
the weights are therefore called `<node>.<weight>`, as the model file wants them.
"""
import json
import os
import sys

import torch
from torch import nn
from torch.nn import functional as F

import files
import scene

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests",
                                "reference"))
import safetensors  # noqa: E402 (the tests' own reader and writer)

MEAN, STD = (0.40, 0.38, 0.36), (0.20, 0.18, 0.18)
LOCAL, DEEP = 64, 96  # channels of the two levels that attention looks at


def _conv(name, source, channels, stride=1):
    """Convolution, batch norm and ReLU. A 4x4 kernel halves the picture and keeps cells centred."""
    size = 4 if stride == 2 else 3
    return [{"name": name, "block": "conv2d", "in": {"x": source},
             "attrs": {"stride": stride, "padding": 1}, "channels": channels, "size": size},
            {"name": name + "_bn", "block": "batch_norm", "in": {"x": name}},
            {"name": name + "_relu", "block": "relu", "in": {"x": name + "_bn"}}]


def _sum(name, a, b):
    return {"name": name, "block": "add", "in": {"a": a, "b": b}}


def _nodes():
    return [
        *_conv("stem", "image", 16, stride=2),
        *_conv("down1", "stem_relu", 32, stride=2),
        *_conv("conv1", "down1_relu", 32),
        _sum("sum1", "down1_relu", "conv1_relu"),
        *_conv("down2", "sum1", LOCAL, stride=2),
        *_conv("conv2", "down2_relu", LOCAL),
        _sum("sum2", "down2_relu", "conv2_relu"),
        *_conv("conv3", "sum2", LOCAL),
        _sum("sum3", "sum2", "conv3_relu"),
        {"name": "gate", "block": "cbam", "in": {"x": "sum3"},
         "attrs": {"part": "both", "reduction": 8, "kernel_size": 7}},
        *_conv("down3", "gate.y", DEEP, stride=2),
        *_conv("conv4", "down3_relu", DEEP),
        _sum("sum4", "down3_relu", "conv4_relu"),
        {"name": "pool", "block": "global_avg_pool", "in": {"x": "sum4"}},
        {"name": "look", "block": "learn_to_pay_attention",
         "in": {"l1": "gate.y", "l2": "sum4", "g": "pool"},
         "attrs": {"levels": 2, "compat": "pc", "normalize": "softmax", "classify": True}},
        {"name": "probability", "block": "softmax", "in": {"x": "look.y"}, "attrs": {"dim": 1}},
    ]


def model():
    """The model file as a Python value, with the channel counts that only training needs."""
    return {
        "vkattn": 1,
        "classes": list(scene.CLASSES),
        "image": {"mean": list(MEAN), "std": list(STD)},
        "inputs": {"image": [1, 3, "H", "W"]},
        "nodes": _nodes(),
        "outputs": {"y": "probability", "logits": "look.y", "map": "look.attn1",
                    "map_coarse": "look.attn2", "scores": "look.c1", "scores_coarse": "look.c2",
                    "gate": "gate.attn_spatial", "gate_channel": "gate.attn_channel"},
    }


def write_model(path):
    """Writes the model file, one node a line."""
    value = model()
    nodes = [{k: v for k, v in n.items() if k not in ("channels", "size")} for n in value["nodes"]]
    lines = []
    for key, entry in value.items():
        text = json.dumps(entry)
        if key == "nodes":
            text = "[\n    " + ",\n    ".join(json.dumps(n) for n in nodes) + "]"
        lines.append(f'  {json.dumps(key)}: {text}')
    files.write_bytes(path, ("{\n" + ",\n".join(lines) + "\n}\n").encode())


class Cbam(nn.Module):
    """Channel gate from mean and maximum, then spatial gate from maximum and mean."""

    def __init__(self, channels, reduction, kernel_size):
        super().__init__()
        hidden = channels // reduction
        self.channel = nn.ModuleDict({"fc1": nn.Linear(channels, hidden),
                                      "fc2": nn.Linear(hidden, channels)})
        self.spatial = nn.ModuleDict({
            "conv": nn.Conv2d(2, 1, kernel_size, padding=kernel_size // 2, bias=False),
            "bn": nn.BatchNorm2d(1)})

    def forward(self, x):
        def perceptron(d):
            return self.channel["fc2"](F.relu(self.channel["fc1"](d)))
        by_channel = torch.sigmoid(perceptron(x.mean((2, 3))) + perceptron(x.amax((2, 3))))
        x = x * by_channel[:, :, None, None]
        maps = torch.cat([x.amax(1, keepdim=True), x.mean(1, keepdim=True)], 1)
        spatial = torch.sigmoid(self.spatial["bn"](self.spatial["conv"](maps)))
        return {"y": x * spatial, "attn_channel": by_channel, "attn_spatial": spatial}


class LearnToPayAttention(nn.Module):
    """Two levels, compared by a learned vector, weighted by a softmax over all places."""

    def __init__(self, local, deep, classes):
        super().__init__()
        self.proj_l1 = nn.Conv2d(local, deep, 1, bias=False)
        self.attn1 = nn.Conv2d(deep, 1, 1, bias=False)
        self.attn2 = nn.Conv2d(deep, 1, 1, bias=False)
        self.classify = nn.Linear(2 * deep, classes)

    def forward(self, l1, l2, g):
        out, pooled = {}, []
        levels = (self.proj_l1(l1), self.attn1), (l2, self.attn2)
        for s, (local, compare) in enumerate(levels, 1):
            score = compare(local + g[:, :, None, None])
            weight = F.softmax(score.flatten(1), 1).view_as(score)
            pooled.append((local * weight).sum((2, 3)))
            out[f"c{s}"], out[f"attn{s}"] = score, weight
        out["g_cat"] = torch.cat(pooled, 1)
        out["y"] = self.classify(out["g_cat"])
        return out


class Network(nn.Module):
    """The graph of `model()` in PyTorch; `forward` returns its outputs by name."""

    def __init__(self):
        super().__init__()
        self.graph = model()
        channels = {"image": 3}
        for node in self.graph["nodes"]:
            inputs = [r.split(".")[0] for r in node["in"].values()]
            wide = channels[inputs[0]]
            if node["block"] == "conv2d":
                wide = node["channels"]
                module = nn.Conv2d(channels[inputs[0]], wide, node["size"], **node["attrs"],
                                   bias=False)
            elif node["block"] == "batch_norm":
                module = nn.BatchNorm2d(wide)
            elif node["block"] == "cbam":
                module = Cbam(wide, node["attrs"]["reduction"], node["attrs"]["kernel_size"])
            elif node["block"] == "learn_to_pay_attention":
                module = LearnToPayAttention(wide, channels[inputs[1]], len(scene.CLASSES))
            else:
                mean = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
                module = {"relu": nn.ReLU(), "add": None, "global_avg_pool": mean,
                          "softmax": nn.Softmax(1)}[node["block"]]
            channels[node["name"]] = wide
            if module is not None:
                self.add_module(node["name"], module)

    def forward(self, image):
        values = {"image": image}
        for node in self.graph["nodes"]:
            inputs = {name: values[source] for name, source in node["in"].items()}
            if node["block"] == "add":
                made = inputs["a"] + inputs["b"]
            elif "l1" in inputs:
                made = getattr(self, node["name"])(**inputs)
            else:
                made = getattr(self, node["name"])(inputs["x"])
            named = made if isinstance(made, dict) else {"y": made}
            values.update({f"{node['name']}.{name}": value for name, value in named.items()})
            values[node["name"]] = named["y"]
        return {name: values[source] for name, source in self.graph["outputs"].items()}

    def write(self, path):
        """Writes all weights as f32, by the names that the model file implies."""
        tensors = {name: value.detach().numpy() for name, value in self.state_dict().items()
                   if not name.endswith("num_batches_tracked")}
        safetensors.write(path, tensors, {"source": "samples/spotlight/train.py"})

    def read(self, path):
        tensors = {name: torch.from_numpy(t.data.copy())
                   for name, t in safetensors.read(path)[0].items()}
        lost = self.load_state_dict(tensors, strict=False)
        missing = [n for n in lost.missing_keys if not n.endswith("num_batches_tracked")]
        if missing or lost.unexpected_keys:
            raise ValueError(f"{path}: missing {missing}, not known {lost.unexpected_keys}")
        return self


def prepare(pictures):
    """u8 [N, H, W, 3] to what the network takes: divided by 255, then mean and std, all in f32."""
    x = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
    return (x - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)


def peaks(attention, height, width):
    """The centres, in pixels [N, 2] (y, x), of the cells where maps [N, 1, h, w] are largest."""
    rows, columns = attention.shape[2:]
    cell = attention.flatten(1).argmax(1)
    y = (torch.div(cell, columns, rounding_mode="floor") + 0.5) * height / rows
    x = (cell % columns + 0.5) * width / columns
    return torch.stack([y, x], 1)
