# SPDX-License-Identifier: MIT
"""Random test data. Each case draws from a generator seeded with its own name, so that adding a
case leaves every other file as it was; RandomState's streams are frozen for good by NumPy."""
import zlib

import numpy as np

from common import key
from safetensors import Tensor


class Draw:
    def __init__(self, key):
        self.state = np.random.RandomState(zlib.crc32(key.encode()))

    def normal(self, *shape, scale=1.0, shift=0.0):
        return shift + scale * self.state.standard_normal(shape)

    def uniform(self, *shape, lo=0.0, hi=1.0):
        return self.state.uniform(lo, hi, shape)

    def true(self, *shape, p=0.5):
        return self.state.uniform(size=shape) < p

    def ints(self, lo, hi, *shape):
        """Whole numbers from lo to hi - 1."""
        return self.state.randint(lo, hi, shape).astype(np.int32)

    def layer(self, name, out, *inner, bias=True):
        """weight [out, inner...] and bias [out] of a linear layer or convolution."""
        fan = int(np.prod(inner)) if inner else 1
        made = {key(name, "weight"): self.normal(out, *inner, scale=1.2 / np.sqrt(fan))}
        if bias:
            made[key(name, "bias")] = self.normal(out, scale=0.3)
        return made

    def norm(self, name, channels):
        """weight and bias of a layer or group norm."""
        return {key(name, "weight"): self.normal(channels, scale=0.3, shift=1.0),
                key(name, "bias"): self.normal(channels, scale=0.3)}

    def bn(self, name, channels):
        """The four vectors of a batch norm."""
        return {**self.norm(name, channels),
                key(name, "running_mean"): self.normal(channels, scale=0.3),
                key(name, "running_var"): self.uniform(channels, lo=0.5, hi=2.0)}


class Rng:
    """rng(name) gives the generator of the case of that name in block `block`."""

    def __init__(self, block):
        self.block, self.names = block, []

    def __call__(self, name):
        self.names.append(name)
        return Draw(f"{self.block}/{name}")


def f16(values):
    return Tensor("F16", np.asarray(values))


def bf16(values):
    return Tensor("BF16", np.asarray(values))


def u8(values):
    return Tensor("U8", np.asarray(values).astype(np.uint8))


def i64(values):
    return Tensor("I64", np.asarray(values).astype(np.int64))


def under(name, w):
    """Weights under the name of the sub-block that has them."""
    return {f"{name}.{k}": t for k, t in w.items()}
