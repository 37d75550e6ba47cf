# SPDX-License-Identifier: MIT
"""Trains the network on scenes made as it goes; writes spotlight.safetensors and spotlight.json.

    nice python3 samples/spotlight/train.py [--steps N] [--folder DIR]

One thread and a fixed seed: the same machine and PyTorch give the same weights. The loss is
that of the classes plus, for each level of attention, the negative logarithm of the share of
attention that falls into the target's box: without it, nothing tells attention to lie on the
target.
"""
import argparse
import math
import os
import time

import numpy as np
import torch
from torch.nn import functional as F

import network
import scene

HERE = os.path.dirname(os.path.abspath(__file__))
BATCH, FRESH = 32, 4       # pictures a step, and how many of them are newly drawn
START, KEEP = 1024, 24576  # pictures drawn before the first step, and how many are kept at most
LOOK = (0.5, 0.2)          # how much the two levels of attention count


class Scenes:
    """A store of drawn scenes, the oldest replaced by new ones; seeds count up from 0."""

    def __init__(self, size):
        self.pictures = np.empty((KEEP, size, size, 3), np.uint8)
        self.labels = np.empty(KEEP, np.int64)
        self.boxes = np.empty((KEEP, 4), np.float32)
        self.size, self.drawn = size, 0
        self.draw(START)

    def draw(self, count):
        for _ in range(count):
            at = self.drawn % KEEP
            made = scene.scene(self.drawn, self.size)
            self.pictures[at], self.labels[at], self.boxes[at] = made
            self.drawn += 1

    def batch(self, rng):
        """A random batch, mirrored and turned alike; light and colour balance vary a little."""
        chosen = rng.integers(min(self.drawn, KEEP), size=BATCH)
        x, boxes = network.prepare(self.pictures[chosen]), self.boxes[chosen]
        if rng.random() < 0.5:
            x, boxes = x.transpose(2, 3), boxes[:, (1, 0, 3, 2)]
        for axis in (0, 1):
            if rng.random() < 0.5:
                x, boxes = x.flip(2 + axis), boxes.copy()
                boxes[:, (axis, axis + 2)] = self.size - boxes[:, (axis + 2, axis)]
        gain = torch.from_numpy(rng.uniform(0.9, 1.1, (BATCH, 3, 1, 1)).astype(np.float32))
        return x.contiguous() * gain, torch.from_numpy(self.labels[chosen]), torch.from_numpy(boxes)


def covered(boxes, size, cells):
    """[N, 1, cells, cells]: the share of each cell of the grid that lies inside the box."""
    edges = torch.arange(cells + 1) * (size / cells)

    def along(first, last):
        inside = (torch.minimum(edges[1:], last[:, None])
                  - torch.maximum(edges[:-1], first[:, None]))
        return inside.clamp(min=0) * (cells / size)
    return (along(boxes[:, 0], boxes[:, 2])[:, :, None]
            * along(boxes[:, 1], boxes[:, 3])[:, None, :]).unsqueeze(1)


def loss_of(out, labels, boxes, size):
    loss = F.cross_entropy(out["logits"], labels)
    for weight, name in zip(LOOK, ("map", "map_coarse")):
        share = (out[name] * covered(boxes, size, out[name].shape[2])).sum((1, 2, 3))
        loss = loss - weight * torch.log(share + 1e-6).mean()
    return loss


def train(steps, size=128):
    torch.manual_seed(1)
    rng = np.random.default_rng(1)
    net = network.Network().train()
    scenes = Scenes(size)
    best = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0.02)
    rate = torch.optim.lr_scheduler.LambdaLR(best, lambda i: min(1, (i + 1) / 200) * 2.5 * (
        0.5 + 0.5 * math.cos(math.pi * i / steps)))
    begun, seen = time.time(), [0.0, 0.0]
    for step in range(1, steps + 1):
        scenes.draw(FRESH)
        x, labels, boxes = scenes.batch(rng)
        out = net(x)
        loss = loss_of(out, labels, boxes, size)
        best.zero_grad()
        loss.backward()
        best.step()
        rate.step()
        seen[0] += loss.item()
        seen[1] += (out["logits"].argmax(1) == labels).float().mean().item()
        if step % 200 == 0 or step == steps:
            count = (step - 1) % 200 + 1
            print(f"step {step} of {steps}: loss {seen[0] / count:.3f}, accuracy "
                  f"{seen[1] / count:.3f}, {time.time() - begun:.0f} s", flush=True)
            seen = [0.0, 0.0]
    return net.eval()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=9000)
    parser.add_argument("--folder", default=HERE, help="where the two files go")
    args = parser.parse_args()
    torch.set_num_threads(1)
    net = train(args.steps)
    network.files.write_safetensors(os.path.join(args.folder, "spotlight.safetensors"),
                                    net.weights())
    network.write_model(os.path.join(args.folder, "spotlight.json"))


if __name__ == "__main__":
    main()
