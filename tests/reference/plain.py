# SPDX-License-Identifier: MIT
"""Shared parts of the plain blocks' definitions: convolutions, pools, resampling, activations.
The plain blocks mean what torch.nn's modules of the same name mean."""
import math

import numpy as np

from common import conv, per_axis, pick
from draw import bf16, f16

# Convolutions

CONV_DEFAULTS = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "padding_mode": "zeros"}
PAD_MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def conv_pads(padding, kernel, stride, dilation):
    """(before, after) an axis; "same" puts an odd one's larger half behind."""
    if padding == "valid":
        return [(0, 0)] * len(kernel)
    if padding == "same":
        if max(stride) > 1:
            raise ValueError("padding 'same' with a stride")
        total = [d * (k - 1) for k, d in zip(kernel, dilation)]
        return [(t // 2, t - t // 2) for t in total]
    return [(p, p) for p in per_axis(padding, len(kernel))]


def run_conv(x, w, a):
    kernel = w["weight"].shape[2:]
    stride, dilation = per_axis(a["stride"], len(kernel)), per_axis(a["dilation"], len(kernel))
    pads = conv_pads(a["padding"], kernel, stride, dilation)
    mode = PAD_MODES[pick(a["padding_mode"], PAD_MODES, "padding_mode")]
    padded = np.pad(x["x"], [(0, 0), (0, 0)] + pads, mode)
    return {"y": conv(padded, w["weight"], w.get("bias"), stride, 0, dilation, a["groups"])}


def conv_cases(rng, table):
    """Rows: name, shape of x, shape of the weight, attributes; *_no_bias have none."""
    for name, shape, weight, attrs in table:
        r = rng(name)
        yield name, {"x": r.normal(*shape)}, \
            r.layer("", *weight, bias=not name.endswith("no_bias")), attrs
    r, (_, shape, weight, attrs) = rng("f16_bf16"), table[0]
    w = {name: bf16(t) for name, t in r.layer("", *weight).items()}
    yield "f16_bf16", {"x": f16(r.normal(*shape))}, w, attrs


# Pools

def pool_size(length, k, s, p, d, ceil):
    """No window starts in the padding behind."""
    room = length + 2 * p - d * (k - 1) - 1
    size = (room + (s - 1 if ceil else 0)) // s + 1
    if ceil and (size - 1) * s >= length + p:
        size -= 1
    if size < 1:
        raise ValueError(f"window {k} is larger than {length} with padding {p}")
    return size


def pool(x, a, reduce):
    """reduce(values, padded count) of each window; the values are those inside the map."""
    axes = x.ndim - 2
    kernel, padding = per_axis(a["kernel_size"], axes), per_axis(a["padding"], axes)
    stride = per_axis(a["kernel_size"] if a["stride"] is None else a["stride"], axes)
    dilation = per_axis(a.get("dilation", 1), axes)
    for k, p in zip(kernel, padding):
        if 2 * p > k:
            raise ValueError(f"padding {p} is more than half the window {k}")
    size = [pool_size(*v, a["ceil_mode"]) for v in zip(x.shape[2:], kernel, stride, padding,
                                                       dilation)]
    y = np.empty(x.shape[:2] + tuple(size), x.dtype)
    for at in np.ndindex(*size):
        part, count = x, 1
        for i in range(axes):
            start = at[i] * stride[i] - padding[i]
            taps = [start + t * dilation[i] for t in range(kernel[i])]
            count *= sum(t < x.shape[2 + i] + padding[i] for t in taps)
            part = part.take([t for t in taps if 0 <= t < x.shape[2 + i]], axis=2 + i)
        y[(slice(None), slice(None)) + at] = reduce(part.reshape(x.shape[:2] + (-1,)), count)
    return y


def x_cases(rng, table):
    """Rows: name, shape of x, attributes; no weights."""
    for name, shape, attrs in table:
        yield name, {"x": rng(name).normal(*shape)}, {}, attrs


def global_pool_cases(rng):
    yield from x_cases(rng, [
        ("defaults_2d", (2, 7, 5, 3), {}),
        ("keepdim_2d", (2, 3, 3, 4), {"keepdim": True}),
        ("given_1d", (3, 5, 13), {"keepdim": False}),
        ("keepdim_3d", (1, 3, 2, 3, 5), {"keepdim": True}),
        ("one_position", (2, 3, 1, 1), {}),
        ("one_channel_many_positions", (1, 1, 61, 67), {}),
    ])
    yield "x_f16", {"x": f16(rng("x_f16").normal(2, 3, 5, 5))}, {}, {}


# Resampling

def resize_size(shape, a):
    axes = len(shape) - 2
    if (a["size"] is None) == (a["scale_factor"] is None):
        raise ValueError("resize takes either size or scale_factor")
    if a["size"] is not None:
        return per_axis(a["size"], axes), [None] * axes
    factors = per_axis(a["scale_factor"], axes)
    return [math.floor(n * f) for n, f in zip(shape[2:], factors)], factors


def resize_nearest(x, axis, size, factor):
    """The step is a single-precision number, which decides where it falls on a boundary."""
    step = np.float32(1 / factor) if factor else np.float32(x.shape[axis]) / np.float32(size)
    at = np.floor(np.arange(size, dtype=np.float32) * step).astype(int)
    return x.take(np.minimum(at, x.shape[axis] - 1), axis=axis)


def resize_linear(x, axis, size, factor, align_corners):
    last = x.shape[axis] - 1
    if align_corners:
        at = np.arange(size) * (last / (size - 1) if size > 1 else 0.0)
    else:
        step = 1 / factor if factor else x.shape[axis] / size
        at = np.maximum((np.arange(size) + 0.5) * step - 0.5, 0)
    low = np.minimum(np.floor(at).astype(int), last)
    part = (at - low).reshape((-1,) + (1,) * (x.ndim - 1 - axis)).astype(x.dtype)
    return x.take(low, axis=axis) * (1 - part) + x.take(np.minimum(low + 1, last), axis=axis) * part


# Activations

def activation_cases(rng, variants):
    """Rows of variants: name, attributes. Ends of the range and other types come on top."""
    shapes = [(2, 3, 5, 7), (5,), (13,), (3, 1, 11), (2, 2, 3, 1, 5)]
    for i, (name, attrs) in enumerate(variants):
        yield name, {"x": rng(name).normal(*shapes[i % len(shapes)], scale=3.0)}, {}, attrs
    small = [0.0, -0.0, 1e-30, -1e-30, 1e-6, -1e-6, 3.0, -3.0, 6.0, -6.0, 1.0, -1.0, 0.5, -0.5]
    large = [9.0, 20.0, 21.0, 45.0, 88.0, 89.0, 104.0, 710.0, 1e4]
    rng("small_values"), rng("large_values"), rng("infinite"), rng("nan")
    yield "small_values", {"x": np.array(small)}, {}, {}
    yield "large_values", {"x": np.array(large + [-v for v in large])}, {}, {}
    yield "infinite", {"x": np.array([[1.0, np.inf, -2.0], [-np.inf, 0.0, 3.0]])}, {}, {}
    yield "nan", {"x": np.array([[1.0, np.nan, -2.0], [0.5, -3.0, np.nan]])}, {}, {}
    yield "one_value", {"x": rng("one_value").normal(1, 1, 1)}, {}, {}
    yield "x_f16", {"x": f16(rng("x_f16").normal(3, 5, scale=3.0))}, {}, {}
    yield "x_bf16", {"x": bf16(rng("x_bf16").normal(7, 3, scale=3.0))}, {}, {}


# Two inputs

def binary_cases(rng):
    table = [
        ("alike", (2, 3, 5, 7), (2, 3, 5, 7)), ("one_of_everything", (1,), (1,)),
        ("scalar_b", (2, 3, 5), (1,)), ("scalar_a", (1,), (3, 7)), ("rank_0", (2, 3), ()),
        ("vector_b", (2, 3, 7), (7,)), ("gate", (2, 5, 3, 4), (2, 5, 1, 1)),
        ("map", (2, 5, 3, 4), (2, 1, 3, 4)), ("both_ways", (2, 1, 5, 1), (3, 1, 4)),
        ("lower_rank_a", (5, 1), (2, 3, 1, 7)), ("rank_5", (1, 2, 3, 1, 5), (2, 1, 3, 2, 1)),
    ]
    for name, a, b in table:
        r = rng(name)
        yield name, {"a": r.normal(*a), "b": r.normal(*b)}, {}, {}
    rng("infinite_and_nan")
    values = np.array([1.0, np.inf, -np.inf, np.nan, -2.0])
    yield "infinite_and_nan", {"a": values[:, None], "b": np.roll(values, 1)}, {}, {}
    r = rng("f16_bf16")
    yield "f16_bf16", {"a": f16(r.normal(3, 5)), "b": bf16(r.normal(5))}, {}, {}
