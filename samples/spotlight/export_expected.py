# SPDX-License-Identifier: MIT
"""Writes tests/samples/spotlight/: six pictures and what PyTorch makes of them in 64-bit floats.

    python3 samples/spotlight/export_expected.py

The weights are the committed 32-bit ones, the input is divided and normalised in 32 bits, and all
that follows is done in 64, so that a difference of 1e-5 is the other side's. Tensors are named
`<picture>.<output>` and kept as 32-bit floats. Sizes are mixed: the model leaves H and W free.
"""
import os

import numpy as np
import torch

import files
import network
import scene

HERE = os.path.dirname(os.path.abspath(__file__))
TARGET = os.path.join(HERE, "..", "..", "tests", "samples", "spotlight")
SIZES = ((128, 128), (128, 128), (96, 96), (64, 160), (97, 131), (144, 112))
FIRST = 2_000_048  # six classes; seeds that neither training nor evaluate.py uses


def main():
    torch.set_num_threads(1)
    net = network.Network().read(os.path.join(HERE, "spotlight.safetensors")).double().eval()
    os.makedirs(TARGET, exist_ok=True)
    tensors = {}
    for index, (height, width) in enumerate(SIZES):
        made = scene.scene(FIRST + index, height, width)
        name = f"scene{index}"
        files.write_png(os.path.join(TARGET, name + ".png"), made.picture)
        with torch.no_grad():
            out = net(network.prepare(made.picture[None]).double())
        for output in ("y", "logits", "map"):
            tensors[f"{name}.{output}"] = out[output].numpy().astype(np.float32)
        told = scene.CLASSES[int(out["y"].argmax())]
        print(f"{name}: {height}x{width}, {scene.CLASSES[made.label]} told as {told}")
    network.safetensors.write(os.path.join(TARGET, "expected.safetensors"), tensors,
                              {"source": f"PyTorch {torch.__version__}, float64"})


if __name__ == "__main__":
    main()
