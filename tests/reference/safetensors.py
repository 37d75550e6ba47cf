# SPDX-License-Identifier: MIT
"""Reads and writes safetensors files with NumPy alone, so that the case files need no package.

Tensors lie one after the other in the order of their names, without padding: a mask of odd
length leaves the next tensor at an odd byte, which readers have to bear.
"""
import json
import os
import struct
from collections import namedtuple

import numpy as np

# data holds plain values (BF16: as float32); dtype is what the file says.
Tensor = namedtuple("Tensor", "dtype data")

STORED = {"F32": "<f4", "F16": "<f2", "BF16": "<u2", "I32": "<i4", "I64": "<i8", "U8": "u1",
          "BOOL": "?"}
BY_KIND = {"f4": "F32", "f8": "F32", "f2": "F16", "i4": "I32", "i8": "I64", "u1": "U8",
           "b1": "BOOL"}


def tensor(values):
    """Gives an array the file type that goes with its NumPy type (float64 becomes F32)."""
    if isinstance(values, Tensor):
        return values
    values = np.asarray(values)
    return Tensor(BY_KIND[values.dtype.str[1:]], values)


def _bf16_bits(values):
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    nearest = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16  # ties to even
    return np.where(np.isnan(values), (bits >> 16) | 0x40, nearest).astype("<u2")


def encode(t):
    if t.dtype == "BF16":
        return _bf16_bits(t.data).tobytes()
    return np.ascontiguousarray(t.data).astype(STORED[t.dtype]).tobytes()


def decode(dtype, shape, raw):
    data = np.frombuffer(raw, STORED[dtype]).reshape(shape)
    if dtype == "BF16":
        data = (data.astype(np.uint32) << 16).view(np.float32)
    return Tensor(dtype, data)


def rounded(t):
    """The tensor as a reader of the file will see it."""
    t = tensor(t)
    return decode(t.dtype, np.shape(t.data), encode(t))


def write(path, tensors, metadata):
    header, parts, at = {"__metadata__": metadata}, [], 0
    for name in sorted(tensors):
        t = tensor(tensors[name])
        raw = encode(t)
        header[name] = {"dtype": t.dtype, "shape": list(np.shape(t.data)),
                        "data_offsets": [at, at + len(raw)]}
        parts.append(raw)
        at += len(raw)
    text = json.dumps(header, separators=(",", ":")).encode()
    part = f"{path}.part"
    with open(part, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(parts))
    os.replace(part, path)


def read(path):
    """Returns (tensors by name, metadata)."""
    with open(path, "rb") as f:
        blob = f.read()
    size = struct.unpack("<Q", blob[:8])[0] if len(blob) >= 8 else len(blob)
    if 8 + size > len(blob):
        raise ValueError(f"{path}: the header is cut off")
    header, data, tensors = json.loads(blob[8:8 + size]), blob[8 + size:], {}
    metadata = header.pop("__metadata__", {})
    for name, entry in header.items():
        if entry["dtype"] not in STORED:
            raise ValueError(f"{path}: {name} has type {entry['dtype']}")
        begin, end = entry["data_offsets"]
        width = np.dtype(STORED[entry["dtype"]]).itemsize
        count = int(np.prod(entry["shape"], dtype=np.int64))
        if not 0 <= begin <= end <= len(data) or end - begin != count * width:
            raise ValueError(f"{path}: {name} has bytes {begin}..{end} for shape {entry['shape']}")
        tensors[name] = decode(entry["dtype"], entry["shape"], data[begin:end])
    return tensors, metadata
