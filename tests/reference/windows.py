# SPDX-License-Identifier: MIT
"""Windows of a map: the pixels that each output looks at, at whole or at fractional positions.
Taps are numbered row by row. What lies outside the map reads as 0."""
import numpy as np


def steps(size, k, stride=1, dilation=1, padding=0):
    """[k, size]: the row (or column) that tap i of output h reads; it may lie outside the map."""
    return np.arange(size) * stride + np.arange(k)[:, None] * dilation - padding


def centred(length, k, stride=1, dilation=1):
    """The steps of windows around each stride-th pixel."""
    return steps((length - 1) // stride + 1, k, stride, dilation, dilation * (k // 2))


def reflected(at, length):
    """Mirrors at the ends, which are not repeated."""
    return length - 1 - np.abs(length - 1 - np.abs(at))


def inside(rows, cols, shape):
    """[taps, Ho, Wo]: which taps lie in the map."""
    rows, cols = ((at >= 0) & (at < length) for at, length in zip((rows, cols), shape))
    both = rows[:, None, :, None] & cols[None, :, None, :]
    return both.reshape((-1,) + both.shape[2:])


def windows(x, rows, cols):
    """[N, C, H, W] to [N, C, taps, Ho, Wo]."""
    ok = inside(rows, cols, x.shape[2:])
    rows, cols = (np.clip(at, 0, n - 1) for at, n in zip((rows, cols), x.shape[2:]))
    part = x[:, :, rows[:, None, :, None], cols[None, :, None, :]]
    return part.reshape(x.shape[:2] + ok.shape) * ok


def pixels(x, rows, cols):
    """[N, C, H, W] at whole positions [N, ...], each sample at its own: [N, C, ...]."""
    ok = (rows >= 0) & (rows < x.shape[2]) & (cols >= 0) & (cols < x.shape[3])
    sample = np.arange(len(x)).reshape((-1,) + (1,) * (rows.ndim - 1))
    part = x[sample, :, np.clip(rows, 0, x.shape[2] - 1), np.clip(cols, 0, x.shape[3] - 1)]
    return np.moveaxis(part, -1, 1) * ok[:, None]


def bilinear(x, rows, cols):
    """[N, C, H, W] at fractional positions [N, ...]: [N, C, ...]. Values fade to 0 within one
    pixel outside the map. Infinite positions read 0."""
    ok = (rows > -1) & (rows < x.shape[2]) & (cols > -1) & (cols < x.shape[3])
    rows, cols = np.where(ok, rows, 0), np.where(ok, cols, 0)
    top, left = np.floor(rows), np.floor(cols)
    low, right = rows - top, cols - left
    top, left = top.astype(int), left.astype(int)
    value = 0
    for down, part in ((0, 1 - low), (1, low)):
        for along, share in ((0, 1 - right), (1, right)):
            value = value + pixels(x, top + down, left + along) * (part * share)[:, None]
    return value * ok[:, None]
