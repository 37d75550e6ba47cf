# SPDX-License-Identifier: MIT
"""Maths that several definitions share. Plain loops and einsum, no speed wanted: these lines are
what the library is measured against, so they follow the specifications word by word. Every
function keeps its input's precision; the definitions are run in float64."""
import math

import numpy as np

REQUIRED = object()  # stands in DEFAULTS for an attribute that has no default


def pick(value, allowed, name):
    if value not in allowed:
        raise ValueError(f"{name} is {value!r}, not one of {', '.join(allowed)}")
    return value


def key(name, part):
    """The name of a weight of layer `name`; the plain blocks' own weights have no prefix."""
    return f"{name}.{part}" if name else part


def per_axis(value, axes):
    """An int stands for all axes; a list has one entry each."""
    return list(value) if isinstance(value, (list, tuple)) else [value] * axes


# Elementwise

def sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


def relu(x):
    return np.maximum(x, 0)


def hard_sigmoid(x):
    return np.clip(x + 3, 0, 6) / 6


def silu(x):
    return x * sigmoid(x)


def softplus(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def leaky_relu(x, slope):
    return np.where(x > 0, x, slope * x)


def erf(x):
    return np.vectorize(math.erf, otypes=[np.float64])(x).astype(x.dtype)


def gelu(x):
    return x * 0.5 * (1 + erf(x / math.sqrt(2)))


# Softmax

def softmax(x, axis=-1):
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def masked_softmax(x, axis=-1):
    """A row that is -inf throughout becomes zeros."""
    top = x.max(axis=axis, keepdims=True)
    e = np.exp(x - np.where(np.isneginf(top), 0, top))
    total = e.sum(axis=axis, keepdims=True)
    return e / np.where(total == 0, 1, total)


def forbid(shape, allowed):
    """A term for logits: 0 where a pair is allowed, -inf where not."""
    return np.where(np.broadcast_to(allowed, shape), 0.0, -np.inf)


def causal(queries, keys, offset=0):
    """Which keys a query may see: j <= i + offset."""
    return np.arange(keys)[None, :] <= np.arange(queries)[:, None] + offset


def attend(q, k, v, scale, term):
    """[..., Tq, D] over [..., Tk, D]; term is added to the scaled logits."""
    s = scale * np.einsum("...id,...jd->...ij", q, k) + term.astype(q.dtype)
    p = masked_softmax(s)
    return np.einsum("...ij,...jd->...id", p, v), p


# Linear layers and convolutions

def linear(x, weight, bias=None):
    y = np.einsum("...i,oi->...o", x, weight)
    return y if bias is None else y + bias


def layer(w, name, x):
    """Linear layer `name` of the weights w; the bias may be absent."""
    return linear(x, w[f"{name}.weight"], w.get(f"{name}.bias"))


def pointwise(w, name, x):
    """1x1 convolution over [N, C, ...], whatever trailing ones the weight has."""
    weight, bias = w[f"{name}.weight"], w.get(f"{name}.bias")
    y = np.einsum("nc...,oc->no...", x, weight.reshape(weight.shape[:2]))
    return y if bias is None else y + along(bias, y)


def along(vector, like):
    """A vector over axis 1, shaped so that it broadcasts against `like`."""
    return vector.reshape((1, -1) + (1,) * (like.ndim - 2))


def spread(gate, like):
    """[N, C] shaped so that it broadcasts against [N, C, ...]."""
    return gate.reshape(gate.shape + (1,) * (like.ndim - gate.ndim))


def conv(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """Cross-correlation of [N, C, ...] with [O, C/groups, k...]; zero padding."""
    axes = x.ndim - 2
    stride, padding, dilation = (per_axis(v, axes) for v in (stride, padding, dilation))
    x = np.pad(x, [(0, 0), (0, 0)] + [(p, p) for p in padding])
    size = [(x.shape[2 + i] - dilation[i] * (weight.shape[2 + i] - 1) - 1) // stride[i] + 1
            for i in range(axes)]
    if min(size) < 1:
        raise ValueError(f"kernel {weight.shape[2:]} is larger than the padded {x.shape[2:]}")
    n, o = x.shape[0], weight.shape[0]
    y = np.zeros((n, groups, o // groups, int(np.prod(size))), x.dtype)
    for tap in np.ndindex(*weight.shape[2:]):
        window = tuple(slice(t * d, t * d + (l - 1) * s + 1, s)
                       for t, d, l, s in zip(tap, dilation, size, stride))
        part = x[(slice(None), slice(None)) + window].reshape(n, groups, weight.shape[1], -1)
        rows = weight[(slice(None), slice(None)) + tap].reshape(groups, o // groups, -1)
        y += np.einsum("ngcp,goc->ngop", part, rows)
    y = y.reshape([n, o] + size)
    return y if bias is None else y + along(bias, y)


# Norms

def batch_norm(w, name, x, eps):
    """Inference form over axis 1; weight and bias may be absent."""
    mean, var = w[key(name, "running_mean")], w[key(name, "running_var")]
    y = (x - along(mean, x)) / np.sqrt(along(var, x) + eps)
    if key(name, "weight") in w:
        y = y * along(w[key(name, "weight")], x)
    return y + along(w[key(name, "bias")], x) if key(name, "bias") in w else y


def standardize(x, axes, eps):
    """Zero mean, unit variance over the axes; biased variance."""
    mean = x.mean(axis=axes, keepdims=True)
    var = ((x - mean) ** 2).mean(axis=axes, keepdims=True)
    return (x - mean) / np.sqrt(var + eps)


def layer_norm(w, name, x, eps):
    """Over the last axis; the bias may be absent."""
    y = standardize(x, -1, eps) * w[f"{name}.weight"]
    return y + w[f"{name}.bias"] if f"{name}.bias" in w else y


def l2_normalize(x, axis):
    """A zero vector stays zero."""
    length = np.sqrt((x * x).sum(axis=axis, keepdims=True))
    return x / np.where(length == 0, 1, length)


# Pools

def max_pool(x, kernel, stride):
    """Windows of [N, C, ...] without padding; incomplete windows are dropped."""
    axes = x.ndim - 2
    kernel, stride = per_axis(kernel, axes), per_axis(stride, axes)
    size = [(x.shape[2 + i] - kernel[i]) // stride[i] + 1 for i in range(axes)]
    if min(size) < 1:
        raise ValueError(f"pool {kernel} is larger than {x.shape[2:]}")
    y = np.empty(x.shape[:2] + tuple(size), x.dtype)
    for at in np.ndindex(*size):
        window = tuple(slice(p * s, p * s + k) for p, s, k in zip(at, stride, kernel))
        part = x[(slice(None), slice(None)) + window]
        y[(slice(None), slice(None)) + at] = part.max(axis=tuple(range(2, x.ndim)))
    return y


def positions(x):
    """[N, C, ...] with its positions flattened, last axis fastest."""
    return x.reshape(x.shape[0], x.shape[1], -1)


def part_of(w, name):
    """The weights of sub-block `name`, under their own names."""
    return {k[len(name) + 1:]: t for k, t in w.items() if k.startswith(name + ".")}
