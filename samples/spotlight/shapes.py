# SPDX-License-Identifier: MIT
"""The outlines that scenes are made of, as signed distances in units of the shape's radius.

A distance is negative inside and positive outside. Exact distances matter near the edge only, where
they give antialiasing; further out any smooth growth will do for shadows and bevels. Every shape
fits the unit circle, nearly, so that one radius says how large it is drawn.
"""
import numpy as np


def _box(x, y, half_width, half_height):
    return np.maximum(np.abs(x) - half_width, np.abs(y) - half_height)


def _disc(x, y, radius=1.0):
    return np.hypot(x, y) - radius


def _fold(x, y, count):
    """Folds the plane onto half a sector of a figure with `count` equal sectors."""
    half = np.pi / count
    angle = np.abs((np.arctan2(y, x) + half) % (2 * half) - half)
    radius = np.hypot(x, y)
    return radius * np.cos(angle), radius * np.sin(angle)


def _line(x, y, start, end):
    """Distance to the straight line through two points, positive on its right-hand side."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    return ((x - start[0]) * dy - (y - start[1]) * dx) / np.hypot(dx, dy)


def _convex(x, y, *corners):
    """A convex polygon from its corners, counter-clockwise."""
    sides = zip(corners, corners[1:] + corners[:1])
    return np.maximum.reduce([_line(x, y, a, b) for a, b in sides])


def star(x, y):
    x, y = _fold(x, y, 5)
    notch = 0.46 * np.cos(np.pi / 5), 0.46 * np.sin(np.pi / 5)
    return _line(x, y, (1.08, 0.0), notch)


def cross(x, y):
    return np.minimum(_box(x, y, 0.98, 0.29), _box(x, y, 0.29, 0.98))


def ring(x, y):
    return np.abs(np.hypot(x, y) - 0.72) - 0.24


def heart(x, y):
    x, y = np.abs(x), y - 0.02
    side = 0.868, -0.064
    point = np.maximum(_line(x, y, (0.0, -0.5), side), _line(x, y, side, (0.0, 1.0)))
    return np.minimum(point, _disc(x - 0.48, y + 0.38, 0.5))


def arrow(x, y):
    head = _convex(x, y, (1.0, 0.0), (0.02, 0.82), (0.02, -0.82))
    return np.minimum(head, _box(x + 0.45, y, 0.53, 0.27))


def crescent(x, y):
    return np.maximum(_disc(x, y), 0.88 - np.hypot(x - 0.52, y))


def spiral(x, y):
    turns, first, last, half = 1.9, 0.06, 0.86, 0.125
    pitch = (last - first) / turns
    radius, part = np.hypot(x, y), np.arctan2(y, x) / (2 * np.pi)
    best = np.full(np.shape(x), 9.0)
    for k in range(3):
        turn = np.clip(part + k, 0.0, turns)
        along = first + pitch * turn
        best = np.minimum(best, np.hypot(x - along * np.cos(2 * np.pi * turn),
                                         y - along * np.sin(2 * np.pi * turn)))
        inside = (part + k >= 0) & (part + k <= turns)
        best = np.where(inside, np.minimum(best, np.abs(radius - first - pitch * (part + k))), best)
    return best - half


def hourglass(x, y):
    side = (np.abs(x) - 0.1 - 0.72 * np.abs(y)) / np.hypot(1.0, 0.72)
    return np.maximum(side, np.abs(y) - 0.93)


def _polygon(count):
    def outline(x, y):
        return _fold(x, y, count)[0] - 0.98 * np.cos(np.pi / count)
    return outline


def _ellipse(x, y):
    return _disc(x, y * 1.9) / 1.45


def _half_disc(x, y):
    return np.maximum(_disc(x, y + 0.35), -y - 0.35)


def _pill(x, y):
    return np.hypot(np.maximum(np.abs(x) - 0.66, 0.0), y) - 0.33


def _stick(x, y):
    return _box(x, y, 1.3, 0.11)


def _clover(x, y):
    x, y = _fold(x, y, 3)
    return _disc(x - 0.5, y, 0.47)


def _frame(x, y):
    return np.abs(_box(x, y, 0.64, 0.64)) - 0.17


def _tee(x, y):
    return np.minimum(_box(x, y + 0.62, 0.9, 0.28), _box(x, y - 0.2, 0.28, 0.75))


def _corner(x, y):
    return np.minimum(_box(x + 0.55, y, 0.26, 0.85), _box(x, y - 0.58, 0.82, 0.26))


def _chevron(x, y):
    y = np.abs(y)
    return np.maximum(np.abs(x + y - 0.35) / np.sqrt(2) - 0.27, y - 0.9)


def _bolt(x, y):
    upper = _convex(x, y, (0.1, -0.98), (0.28, 0.12), (-0.6, 0.12))
    lower = _convex(x, y, (-0.1, 0.98), (-0.28, -0.12), (0.6, -0.12))
    return np.minimum(upper, lower)


CLASSES = {f.__name__: f for f in (star, cross, ring, heart, arrow, crescent, spiral, hourglass)}
STRANGERS = (_disc, _polygon(3), _polygon(4), _polygon(5), _polygon(6), _ellipse, _half_disc, _pill,
             _stick, _clover, _frame, _tee, _corner, _chevron, _bolt)


def _cut(rng, x, y):
    """What is taken away from a broken shape: a half, a wedge or a band; negative where cut."""
    angle = rng.uniform(0, 2 * np.pi)
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    kind = rng.integers(3)
    if kind == 0:
        return u - rng.uniform(-0.2, 0.15)
    if kind == 1:
        opening = rng.uniform(0.9, 1.3)
        return np.abs(v) * np.cos(opening) - u * np.sin(opening)
    return np.abs(u) - rng.uniform(0.24, 0.34)


def broken(rng, outline, x, y):
    """`outline` with a good part of it missing: between a quarter and two thirds of its area."""
    whole = outline(x, y)
    area = np.count_nonzero(whole < 0)
    for _ in range(20):
        left = np.maximum(whole, -_cut(rng, x, y))
        if 0.33 * area < np.count_nonzero(left < 0) < 0.75 * area:
            return left
    return np.maximum(whole, x)
