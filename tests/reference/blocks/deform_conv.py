# SPDX-License-Identifier: MIT
"""deform_conv: deformable convolution v1 and v2 (Dai et al., ICCV 2017; Zhu et al., CVPR 2019)."""
import numpy as np

from common import along, conv, per_axis, sigmoid
from draw import bf16, f16
from windows import bilinear, steps

DEFAULTS = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "offset_groups": 1,
            "modulated": False, "bias": True, "pack": False}


def moves(x, w, a):
    """(offset, mask), given or predicted; mask is None where there is none."""
    if not a["pack"]:
        return x["offset"], x["mask"] if a["modulated"] else None
    o = conv(x["x"], w["conv_offset.weight"], w["conv_offset.bias"], a["stride"], a["padding"],
             a["dilation"])
    if not a["modulated"]:
        return o, None
    offset, mask = np.split(o, [o.shape[1] // 3 * 2], axis=1)
    return offset, sigmoid(mask)


def sampled(x, kernel, offset, mask, a):
    """[N, Cin, taps, Ho, Wo]."""
    count, size, parts = kernel[0] * kernel[1], offset.shape[2:], []
    options = [per_axis(a[name], 2) for name in ("stride", "dilation", "padding")]
    rows, cols = (steps(size[i], kernel[i], *(v[i] for v in options)) for i in (0, 1))
    for q, part in enumerate(np.split(x, a["offset_groups"], axis=1)):
        own = offset[:, 2 * q * count:2 * (q + 1) * count]
        down = own[:, 0::2].reshape((len(x),) + kernel + size) + rows[:, None, :, None]
        across = own[:, 1::2].reshape((len(x),) + kernel + size) + cols[:, None, :]
        value = bilinear(part, down, across).reshape(part.shape[:2] + (count,) + size)
        if mask is not None:
            value = value * mask[:, None, q * count:(q + 1) * count]
        parts.append(value)
    return np.concatenate(parts, axis=1)


def run(x, w, a):
    weight, (offset, mask) = w["weight"], moves(x, w, a)
    kernel, groups, count = weight.shape[2:], a["groups"], weight.shape[2] * weight.shape[3]
    for t, each in ((offset, 2), (mask, 1)):
        if t is not None and t.shape[1] != each * a["offset_groups"] * count:
            raise ValueError(f"{t.shape[1]} channels move {count} taps")
    value = sampled(x["x"], kernel, offset, mask, a)
    value = value.reshape((len(value), groups, -1) + value.shape[2:])
    rows = weight.reshape(groups, len(weight) // groups, -1, count)
    y = np.einsum("ngcthw,goct->ngohw", value, rows)
    y = y.reshape((len(y), len(weight)) + y.shape[3:])
    y = y + along(w["bias"], y) if a["bias"] else y
    if not a["pack"]:
        return {"y": y}
    return {"y": y, "offset": offset, **({} if mask is None else {"mask": mask})}


def weights(r, shape, weight, attrs):
    a = {**DEFAULTS, **attrs}
    w = r.layer("", *weight, bias=a["bias"])
    if a["pack"]:
        rows = (3 if a["modulated"] else 2) * a["offset_groups"] * weight[2] * weight[3]
        w.update(r.layer("conv_offset", rows, shape[1], *weight[2:]))
    return w


def given(r, shape, weight, attrs, offset=None):
    """x and, unless predicted, offsets of about a pixel and masks of either sign."""
    a, x = {**DEFAULTS, **attrs}, {"x": r.normal(*shape)}
    if a["pack"]:
        return x
    options = [per_axis(a[name], 2) for name in ("padding", "dilation", "stride")]
    size = [(shape[2 + i] + 2 * p[i] - d[i] * (weight[2 + i] - 1) - 1) // s[i] + 1
            for p, d, s in [options] for i in (0, 1)]
    taps = a["offset_groups"] * weight[2] * weight[3]
    x["offset"] = r.normal(shape[0], 2 * taps, *size, scale=1.5)
    if a["modulated"]:
        x["mask"] = r.normal(shape[0], taps, *size, shift=0.5)
    return x


def table():
    v2, pack, same = {"modulated": True}, {"pack": True}, {"padding": 1}
    return [
        ("defaults", (2, 3, 5, 4), (4, 3, 3, 3), {}),
        ("all_given", (1, 4, 5, 4), (3, 4, 3, 3), dict(DEFAULTS)),
        ("one_of_everything", (1, 1, 1, 1), (1, 1, 1, 1), {}),
        ("v1_same", (2, 5, 4, 5), (3, 5, 3, 3), same),
        ("v1_no_bias", (1, 3, 4, 3), (5, 3, 3, 3), {**same, "bias": False}),
        ("v1_stride_2", (2, 3, 7, 6), (4, 3, 3, 3), {**same, "stride": 2}),
        ("v1_uneven", (1, 3, 9, 8), (2, 3, 3, 2), {"stride": [2, 3], "padding": [2, 0],
                                                   "dilation": [1, 3]}),
        ("v1_groups", (2, 6, 3, 4), (9, 2, 3, 3), {**same, "groups": 3}),
        ("v1_offset_groups", (1, 6, 4, 3), (4, 6, 3, 3), {**same, "offset_groups": 3}),
        ("v1_depthwise", (1, 5, 4, 4), (5, 1, 3, 3), {**same, "groups": 5, "offset_groups": 5}),
        ("v1_row_kernel", (2, 3, 3, 7), (4, 3, 1, 5), {"padding": [0, 2], "dilation": [3, 1]}),
        ("v1_kernel_2", (1, 4, 3, 5), (3, 4, 2, 2), {}),
        ("v1_row", (1, 3, 1, 13), (2, 3, 3, 3), same),
        ("v2", (2, 4, 3, 5), (3, 4, 3, 3), {**v2, **same}),
        ("v2_all_given", (1, 6, 5, 4), (4, 3, 3, 3), {
            "stride": [1, 2], "padding": [1, 1], "dilation": [2, 1], "groups": 2,
            "offset_groups": 3, "modulated": True, "bias": True, "pack": False}),
        ("v2_more_padding", (1, 3, 2, 3), (2, 3, 3, 3), {**v2, "padding": 3, "bias": False}),
        ("v2_pointwise", (2, 5, 3, 3), (7, 5, 1, 1), {**v2, "offset_groups": 5}),
        ("v2_groups_of_both", (1, 12, 3, 3), (8, 3, 3, 3), {**v2, **same, "groups": 4,
                                                            "offset_groups": 6}),
        ("pack_v1", (2, 3, 4, 5), (4, 3, 3, 3), {**pack, **same}),
        ("pack_v1_stride_2", (1, 6, 5, 6), (4, 3, 3, 3), {
            **pack, "stride": 2, "padding": 2, "dilation": 2, "groups": 2, "offset_groups": 2}),
        ("pack_v1_uneven", (1, 2, 6, 5), (3, 2, 2, 3), {**pack, "stride": [1, 2],
                                                        "padding": [0, 1]}),
        ("pack_v2", (2, 3, 4, 5), (4, 3, 3, 3), {**pack, **v2, **same}),
        ("pack_v2_offset_groups", (1, 6, 3, 4), (3, 6, 3, 3), {**pack, **v2, **same,
                                                               "offset_groups": 2}),
        ("pack_v2_pointwise", (2, 4, 3, 3), (6, 2, 1, 1), {**pack, **v2, "groups": 2,
                                                           "bias": False}),
    ]


def cases(rng):
    for name, shape, weight, attrs in table():
        r = rng(name)
        yield name, given(r, shape, weight, attrs), weights(r, shape, weight, attrs), attrs

    one = {"weight": np.ones((1, 1, 1, 1)), "bias": np.zeros(1)}
    r, at = rng("borders"), np.array([-2, -1, -1 + 2 ** -20, -0.75, -0.5, 0, 0.25, 1, 2, 2.5, 3,
                                      3 - 2 ** -20, 4])  # of a map 3 by 3
    down, across = np.meshgrid(at, at, indexing="ij")
    grid = np.mgrid[:13, :13]  # a kernel of one tap, on a map padded to 13 by 13
    offset = np.stack([down, across]) - grid + 5
    yield "borders", {"x": r.normal(1, 1, 3, 3), "offset": offset[None]}, one, {"padding": 5}

    far = np.array([np.inf, -np.inf, 1e30, -1e30, 3e9, -3e9, 5e9, 2.0 ** 31, -2.0 ** 31, 1e6, 0.5])
    for name, attrs in (("far_away", {}), ("far_away_modulated", {"modulated": True})):
        r, attrs = rng(name), {**attrs, "padding": 1, "groups": 2, "offset_groups": 2}
        shape, weight = (1, 4, 4, 3), (2, 2, 3, 3)
        x = given(r, shape, weight, attrs)
        lost = r.true(*x["offset"].shape, p=0.4)
        x["offset"] = np.where(lost, far[r.ints(0, len(far), *lost.shape)], x["offset"])
        yield name, x, weights(r, shape, weight, attrs), attrs

    r, shape, weight = rng("nothing_in_the_map"), (2, 3, 3, 4), (4, 3, 3, 3)  # y is the bias
    x = {"x": r.normal(*shape), "offset": np.full((2, 18, 1, 2), 7.5)}
    yield "nothing_in_the_map", x, weights(r, shape, weight, {}), {}

    r, shape, weight = rng("no_moves"), (2, 3, 5, 5), (4, 3, 3, 3)  # a plain convolution
    attrs = {"padding": 1, "stride": 2, "modulated": True}
    x = given(r, shape, weight, attrs)
    x["offset"], x["mask"] = np.zeros_like(x["offset"]), np.ones_like(x["mask"])
    yield "no_moves", x, weights(r, shape, weight, attrs), attrs

    r, shape, weight = rng("unused_weights"), (1, 3, 4, 3), (2, 3, 3, 3)
    attrs = {"padding": 1, "bias": False}
    yield "unused_weights", given(r, shape, weight, attrs), \
        weights(r, shape, weight, {**attrs, "bias": True, "pack": True}), attrs

    for name, attrs in (("f16_bf16", {}), ("f16_bf16_pack_y_only", {"pack": True})):
        r, shape, weight = rng(name), (1, 4, 5, 3), (3, 4, 3, 3)
        attrs = {**attrs, "modulated": True, "padding": 1}
        x = {key: f16(t) for key, t in given(r, shape, weight, attrs).items()}
        yield name, x, {key: bf16(t) for key, t in weights(r, shape, weight, attrs).items()}, \
            attrs, ["y"]
