# SPDX-License-Identifier: MIT
"""The two file formats that the scripts here write: PNG pictures and safetensors weights."""
import json
import os
import struct
import zlib

import numpy as np


def write_bytes(path, data):
    """Writes beside the file and renames, so that no half-written file is ever left."""
    beside = f"{path}.part"
    with open(beside, "wb") as file:
        file.write(data)
    os.replace(beside, path)


def _chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def write_png(path, picture):
    """u8 [H, W, 3] as an 8-bit RGB picture; each row is kept as the difference to the one above."""
    height, width, _ = picture.shape
    rows = picture.reshape(height, width * 3)
    rows = np.diff(rows, axis=0, prepend=np.zeros_like(rows[:1]))
    lines = np.concatenate([np.full((height, 1), 2, np.uint8), rows], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    write_bytes(path, b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header)
             + _chunk(b"IDAT", zlib.compress(lines.tobytes(), 9)) + _chunk(b"IEND", b""))


def write_safetensors(path, tensors):
    """A dict of f32 arrays, by name."""
    header, offset, blobs = {}, 0, []
    for name, array in tensors.items():
        blob = np.ascontiguousarray(array, "<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(np.shape(array)),
                        "data_offsets": [offset, offset + len(blob)]}
        offset += len(blob)
        blobs.append(blob)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    write_bytes(path, struct.pack("<Q", len(text)) + text + b"".join(blobs))


def read_safetensors(path):
    """The tensors of a file that `write_safetensors` made, by name."""
    with open(path, "rb") as file:
        data = file.read()
    start = 8 + struct.unpack("<Q", data[:8])[0]
    tensors = {}
    for name, entry in json.loads(data[8:start]).items():
        if name == "__metadata__":
            continue
        if entry["dtype"] != "F32":
            raise ValueError(f"{path}: {name} is {entry['dtype']}, only F32 is read here")
        first, last = entry["data_offsets"]
        values = np.frombuffer(data[start + first:start + last], "<f4")
        tensors[name] = values.reshape(entry["shape"]).copy()
    return tensors
