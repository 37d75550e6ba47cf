# SPDX-License-Identifier: MIT
"""The workloads as files for the contestants that don't take PyTorch's modules: model.onnx, and
model.param and model.bin for ncnn (by its converter pnnx). Where that can't be done, a file with
`.why` behind the name tells the reason."""
import contextlib
import os
import subprocess
import tempfile

import torch

CONVERTER_S = 300


def to_onnx(work, folder):
    module, inputs = work.make()
    torch.onnx.export(module, tuple(inputs.values()), os.path.join(folder, "model.onnx"),
                      opset_version=18, dynamo=False, input_names=list(inputs))


def deform_by_hand(work, folder):
    """pnnx knows the layer only where it is in torchvision's own module."""
    module, _ = work.make()
    weight = module.weight.detach()
    out, _, height, width = weight.shape
    with open(os.path.join(folder, "model.param"), "w", encoding="utf-8") as f:
        f.write("7767517\n3 3\nInput in0 0 1 in0\nInput in1 0 1 in1\n"
                f"DeformableConv2D d 2 1 in0 in1 out0 0={out} 1={width} 11={height} 4=1 "
                f"6={weight.numel()}\n")
    with open(os.path.join(folder, "model.bin"), "wb") as f:
        f.write(bytes(4) + weight.numpy().tobytes())


def to_ncnn(work, folder, pnnx):
    if work.block == "deform_conv":
        return deform_by_hand(work, folder)
    module, inputs = work.make()
    with tempfile.TemporaryDirectory() as place:
        traced = os.path.join(place, "model.pt")
        torch.jit.trace(module, tuple(inputs.values()), check_trace=False).save(traced)
        shapes = ",".join("[" + ",".join(map(str, t.shape)) + "]f32" for t in inputs.values())
        done = subprocess.run([pnnx, traced, "inputshape=" + shapes, "fp16=0"], timeout=CONVERTER_S,
                              capture_output=True, text=True, check=False)
        for ending in ("param", "bin"):
            made = os.path.join(place, "model.ncnn." + ending)
            if not os.path.exists(made):
                raise RuntimeError(f"pnnx made no model, status {done.returncode}")
            with open(made, "rb") as source, \
                    open(os.path.join(folder, "model." + ending), "wb") as f:
                f.write(source.read())
    return None


def export(convert, work, folder, name, *more):
    """Fills the folder once. What converters print goes to a file there."""
    why = os.path.join(folder, name + ".why")
    if os.path.exists(os.path.join(folder, name)) or os.path.exists(why):
        return
    try:
        with torch.no_grad(), open(os.path.join(folder, "log"), "a", encoding="utf-8") as log, \
                contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
            convert(work, folder, *more)
    except Exception as error:
        with open(why, "w", encoding="utf-8") as f:
            f.write((str(error).strip() or type(error).__name__).splitlines()[0][:120])
