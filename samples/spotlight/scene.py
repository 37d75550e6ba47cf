# SPDX-License-Identifier: MIT
"""Cluttered pictures with one target each, drawn from a seed.

The target is the only complete outline of the eight classes that is painted in a warm colour (red
to yellow). Round it lie things that share one half of that: complete outlines of the classes in
other colours, other outlines in warm colours, and warm outlines of the classes with a part missing.
So neither colour nor outline alone tells where to look.

    python3 scene.py SEED OUT.png [--size 128]   draws one and prints its class and box
"""
import argparse
import colorsys
from typing import NamedTuple

import numpy as np

import files
import shapes

CLASSES = tuple(shapes.CLASSES)


class Scene(NamedTuple):
    picture: np.ndarray  # u8 [H, W, 3], RGB
    label: int           # index into CLASSES
    box: tuple           # y0, x0, y1, x1 of the target in pixels; y1 and x1 lie just outside


class Item(NamedTuple):
    y: float
    x: float
    radius: float
    role: str            # target, twin, stranger, broken or other


# What lies round the target, and how often.
ROLES = ("twin", "stranger", "broken", "other")
SHARES = (0.34, 0.26, 0.22, 0.18)


def _rgb(hue, saturation, value):
    return np.array(colorsys.hsv_to_rgb(hue / 360 % 1, saturation, value))


def _warm(rng):
    """Two neighbouring warm colours, for a gradient."""
    hue = rng.uniform(-10, 50)
    other = np.clip(hue + rng.uniform(-14, 14), -12, 52)
    saturation = rng.uniform(0.74, 1.0)
    return (_rgb(hue, saturation, rng.uniform(0.86, 1)),
            _rgb(other, saturation, rng.uniform(0.72, 1)))


def _cold(rng):
    """Two neighbouring colours that are not warm: green to violet, or grey."""
    hue = rng.uniform(100, 275)
    saturation = rng.uniform(0.5, 0.95) if rng.random() < 0.8 else rng.uniform(0, 0.07)
    value = rng.uniform(0.5, 1.0)
    other = np.clip(hue + rng.uniform(-20, 20), 95, 280)
    return _rgb(hue, saturation, value), _rgb(other, saturation, value * rng.uniform(0.7, 1))


def _upsample(length, count):
    """[length, count] weights that interpolate `count` samples smoothly over `length` pixels."""
    at = np.linspace(0, count - 1, length)
    low = np.minimum(at.astype(int), count - 2)
    part = at - low
    part = part * part * (3 - 2 * part)
    weights = np.zeros((length, count))
    rows = np.arange(length)
    weights[rows, low] = 1 - part
    weights[rows, low + 1] += part
    return weights


def _noise(rng, height, width, cell):
    """Smooth noise between 0 and 1 whose blotches are about `cell` pixels wide."""
    rows, columns = int(height / cell) + 2, int(width / cell) + 2
    grid = rng.random((rows, columns))
    return _upsample(height, rows) @ grid @ _upsample(width, columns).T


def _pattern(rng, y, x, warp):
    """A regular texture between 0 and 1, bent by `warp`."""
    angle, period = rng.uniform(0, np.pi), rng.uniform(5, 22)
    u = (x * np.cos(angle) + y * np.sin(angle) + warp) * (2 * np.pi / period)
    v = (y * np.cos(angle) - x * np.sin(angle) + warp) * (2 * np.pi / period)
    kind = rng.integers(4)
    if kind == 0:
        wave = np.sin(u)
    elif kind == 1:
        wave = 2.5 * np.sin(u / 2) * np.sin(v / 2)
    elif kind == 2:
        wave = 2.5 * (np.cos(u) + np.cos(v) - 1)
    else:
        wave = np.sin(np.hypot(u, v))
    return 1 / (1 + np.exp(-rng.uniform(1.5, 6) * wave))


def _ground(rng, height, width):
    """The background: a gradient between muted colours, blotches, a texture and grain."""
    y, x = np.mgrid[0:height, 0:width].astype(float)
    hue = rng.uniform(0, 360)
    colours = [_rgb(hue + rng.normal(0, 40), rng.uniform(0.05, 0.42), rng.uniform(0.15, 0.85))
               for _ in range(4)]
    angle = rng.uniform(0, 2 * np.pi)
    ramp = (x / width - 0.5) * np.cos(angle) + (y / height - 0.5) * np.sin(angle) + 0.5
    blotches = 0.6 * _noise(rng, height, width, 34) + 0.4 * _noise(rng, height, width, 13)
    texture = _pattern(rng, y, x, rng.uniform(0, 26) * (_noise(rng, height, width, 40) - 0.5))
    picture = np.broadcast_to(colours[0], (height, width, 3))
    for amount, colour in ((np.clip(ramp, 0, 1), colours[1]),
                           (np.clip(2.4 * blotches - 0.9, 0, 1) * rng.uniform(0.2, 0.8),
                             colours[2]),
                           (texture * rng.uniform(0.05, 0.5), colours[3])):
        picture = picture + amount[..., None] * (colour - picture)
    grain = _noise(rng, height, width, 2.5) - 0.5
    return picture * (1 + rng.uniform(0.05, 0.35) * grain[..., None])


def _distance(rng, item, outline, y, x):
    """Signed distance in pixels to an item: turned, stretched and mirrored at random."""
    angle = rng.uniform(0, 2 * np.pi)
    stretch = rng.uniform(0.9, 1.1)
    mirror = rng.choice((-1.0, 1.0))
    dx, dy = (x - item.x) / item.radius, (y - item.y) / item.radius
    u = (dx * np.cos(angle) + dy * np.sin(angle)) * stretch
    v = (dy * np.cos(angle) - dx * np.sin(angle)) / stretch * mirror
    if item.role == "broken":
        return shapes.broken(rng, outline, u, v) * item.radius
    return outline(u, v) * item.radius


def _paint(rng, item, distance, light):
    """Colour of an item at every pixel of its window: a gradient, a rim and bevelled edges."""
    warm = item.role in ("target", "stranger", "broken")
    first, second = _warm(rng) if warm else _cold(rng)
    height, width = distance.shape
    angle = rng.uniform(0, 2 * np.pi)
    v, u = np.mgrid[-0.5:0.5:height * 1j, -0.5:0.5:width * 1j]
    ramp = np.clip(0.5 + u * np.cos(angle) + v * np.sin(angle), 0, 1)[..., None]
    colour = first + ramp * (second - first)
    slope_y, slope_x = np.gradient(distance)
    bevel = np.exp(-np.abs(distance + 0.5) / max(1.2, 0.11 * item.radius))
    colour = colour * (1 + 0.55 * (bevel * (slope_x * light[1] + slope_y * light[0]))[..., None])
    if rng.random() < 0.3:
        shade = rng.choice((0.25, 1.25))
        rim = np.clip(distance + 1.6, 0, 1)[..., None]
        colour = colour * (1 - rim) + np.clip(colour * shade, 0, 1) * rim
    return np.clip(colour, 0, 1)


def _draw(rng, picture, item, outline, light):
    """Lays an item and its shadow on the picture. Returns the mask of what it covers."""
    height, width = picture.shape[:2]
    reach = int(1.45 * item.radius) + 5
    top, left = max(int(item.y) - reach, 0), max(int(item.x) - reach, 0)
    bottom, right = min(int(item.y) + reach, height), min(int(item.x) + reach, width)
    y, x = np.mgrid[top:bottom, left:right] + 0.5
    distance = _distance(rng, item, outline, y, x)
    window = picture[top:bottom, left:right]
    shift = np.rint(light * -0.16 * item.radius).astype(int)
    fallen = np.pad(distance, 8, mode="edge")
    fallen = fallen[8 - shift[0]:8 - shift[0] + y.shape[0], 8 - shift[1]:8 - shift[1] + y.shape[1]]
    shadow = 0.45 * np.clip(0.5 - fallen / 3.0, 0, 1)[..., None]
    cover = np.clip(0.5 - distance, 0, 1)[..., None]
    window *= 1 - shadow
    window += cover * (_paint(rng, item, distance, light) - window)
    mask = np.zeros((height, width), bool)
    mask[top:bottom, left:right] = cover[..., 0] > 0.5
    return mask


def _place(rng, height, width, crowd):
    """The target, whole inside the picture and covered by nothing, and what lies round it."""
    radius = rng.uniform(10, 22)
    margin = 1.1 * radius + 2
    items = [Item(rng.uniform(margin, height - margin), rng.uniform(margin, width - margin), radius,
                  "target")]
    wanted = 1 + int(crowd * rng.uniform(8, 16) * height * width / 128**2)
    for _ in range(12 * wanted):
        radius = rng.uniform(8, 22)
        y, x = rng.uniform(0, height), rng.uniform(0, width)
        if all(np.hypot(y - i.y, x - i.x) > (1.1 if i.role == "target" else 0.82)
               * (radius + i.radius) for i in items):
            items.append(Item(y, x, radius, rng.choice(ROLES, p=SHARES)))
        if len(items) == wanted:
            break
    return [items[i] for i in rng.permutation(len(items))]


def _expose(rng, picture, light):
    """Changing light, white balance, contrast and noise; then 8 bits."""
    height, width = picture.shape[:2]
    y, x = np.mgrid[-0.5:0.5:height * 1j, -0.5:0.5:width * 1j]
    fall = 1 + rng.uniform(0, 0.5) * (x * light[1] + y * light[0])
    spot = rng.uniform(-0.5, 0.5, 2)
    glow = np.exp(-((y - spot[0])**2 + (x - spot[1])**2) / rng.uniform(0.05, 0.3))
    strength = (rng.uniform(0.6, 1.05) * fall + rng.uniform(0, 0.45) * glow)[..., None]
    picture = picture * strength * rng.uniform(0.92, 1.08, 3)
    picture = np.clip(picture, 0, 1)**rng.uniform(0.8, 1.25)
    grain = rng.standard_normal(picture.shape) * rng.choice((0.004, 0.015, 0.035))
    return np.rint(np.clip(picture + grain, 0, 1) * 255).astype(np.uint8)


def scene(seed, height=128, width=None, crowd=1.0):
    """The picture of one seed. Height and width are at least 64; `crowd` scales the clutter."""
    width = width or height
    if min(height, width) < 64:
        raise ValueError(f"a scene of {height}x{width} has no room: 64x64 is the least")
    rng = np.random.Generator(np.random.PCG64(seed))
    label = int(rng.integers(len(CLASSES)))
    angle = rng.uniform(0, 2 * np.pi)
    light = np.array([np.sin(angle), np.cos(angle)])
    picture = _ground(rng, height, width)
    for item in _place(rng, height, width, crowd):
        if item.role == "target":
            name = CLASSES[label]
        elif item.role in ("twin", "broken"):
            name = CLASSES[rng.integers(len(CLASSES))]
        outline = (shapes.CLASSES[name] if item.role in ("target", "twin", "broken")
                   else shapes.STRANGERS[rng.integers(len(shapes.STRANGERS))])
        mask = _draw(rng, picture, item, outline, light)
        if item.role == "target":
            rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            box = tuple(int(v) for v in (rows[0], columns[0], rows[-1] + 1, columns[-1] + 1))
    return Scene(_expose(rng, picture, light), label, box)


def main():
    parser = argparse.ArgumentParser(description="Draws one scene.")
    parser.add_argument("seed", type=int)
    parser.add_argument("out")
    parser.add_argument("--size", type=int, default=128)
    args = parser.parse_args()
    made = scene(args.seed, args.size)
    files.write_png(args.out, made.picture)
    print(f"{CLASSES[made.label]} in {list(made.box)}")


if __name__ == "__main__":
    main()
