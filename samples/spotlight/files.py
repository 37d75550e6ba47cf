# SPDX-License-Identifier: MIT
"""Writes files whole or not at all, and PNG pictures without a picture library."""
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
