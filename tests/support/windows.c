// SPDX-License-Identifier: MIT
#include "support/windows.h"

#include <math.h>

struct vka_windows windows_of(const struct op_case *c)
{
    const int64_t *out = c->out.dim + c->out.rank - 2;
    return (struct vka_windows){.kernel = {c->i[ROWS], c->i[COLUMNS]},
                                .stride = {c->i[STRIDE], c->i[STRIDE]},
                                .dilation = {c->i[DILATION], c->i[DILATION]},
                                .before = {c->i[BEFORE], c->i[BEFORE]},
                                .out = {out[0], out[1]},
                                .reflect = (c->i[FORM] & REFLECT) != 0};
}

static int index_of(const struct op_case *c, int role)
{
    return (c->i[FORM] & 7) == role ? 3 : (c->i[FORM] >> 3 & 7) == role ? 4 : -1;
}

struct vka_window_logits window_logits_of(const struct op_case *c, const vka_tensor *in)
{
    vka_tensor role[SHARES + 1] = {0};
    for (int i = TABLE; i <= SHARES; i++)
        role[i] = index_of(c, i) < 0 ? 0 : in[index_of(c, i)];
    return (struct vka_window_logits){.windows = windows_of(c),
                                      .maps = c->i[MAPS],
                                      .relation = (int)c->i[RELATION],
                                      .scale = c->d[0],
                                      .table = role[TABLE],
                                      .extra = role[EXTRA],
                                      .fixed = (c->i[FORM] & FIXED) != 0,
                                      .outside = c->d[1],
                                      .bias = role[BIAS]};
}

const struct op_tensor *window_operand(const struct op_case *c, const struct op_tensor *in,
                                       int role)
{
    return index_of(c, role) < 0 ? NULL : &in[index_of(c, role)];
}

bool window_pixel(const struct op_case *c, const vka_shape *map, const int64_t at[2], int64_t tap,
                  int64_t pixel[2])
{
    const int64_t place[2] = {tap / c->i[COLUMNS], tap % c->i[COLUMNS]};
    bool inside = true;
    for (int i = 0; i < 2; i++) {
        int64_t x = at[i] * c->i[STRIDE] + place[i] * c->i[DILATION] - c->i[BEFORE];
        if ((c->i[FORM] & REFLECT) && x < 0)
            x = -x;
        if ((c->i[FORM] & REFLECT) && x >= map->dim[2 + i])
            x = 2 * (map->dim[2 + i] - 1) - x;
        pixel[i] = x;
        inside = inside && x >= 0 && x < map->dim[2 + i];
    }
    return inside;
}

double window_value(const struct op_tensor *map, int64_t n, int64_t channel, const int64_t pixel[2])
{
    return map->v[op_index(&map->shape, (int64_t[VKA_MAX_RANK]){n, channel, pixel[0], pixel[1]})];
}

static double likeness(int64_t relation, double a, double b)
{
    switch (relation) {
    case VKA_RELATION_PRODUCT:
        return a * b;
    case VKA_RELATION_KEY:
        return b;
    case VKA_RELATION_ABS_DIFF:
        return -fabs(a - b);
    case VKA_RELATION_SQ_DIFF:
        return -(a - b) * (a - b);
    case VKA_RELATION_NORM_ABS_DIFF:
        return -fabs(a - b) / (fabs(a) + fabs(b) + 1);
    default:
        return -(a - b) * (a - b) / (fabs(a * b) + 1);
    }
}

double window_logit(const struct op_case *c, const struct op_tensor *in, int64_t n, int64_t map,
                    const int64_t at[2], int64_t tap)
{
    const struct op_tensor *table = window_operand(c, in, TABLE);
    const struct op_tensor *extra = window_operand(c, in, EXTRA);
    const struct op_tensor *bias = window_operand(c, in, BIAS);
    int64_t depth = in[1].shape.dim[1] / c->i[MAPS], taps = c->i[ROWS] * c->i[COLUMNS], pixel[2];
    bool inside = window_pixel(c, &in[1].shape, at, tap, pixel);
    bool asks = c->i[RELATION] != VKA_RELATION_KEY;
    double sum = 0, added = bias ? bias->v[map * taps + tap] : 0;
    if (!inside && (c->i[FORM] & FIXED))
        return c->d[1] + added;
    for (int64_t i = map * depth; i < (map + 1) * depth; i++) {
        double b = inside ? window_value(&in[1], n, i, pixel) : 0;
        b += table ? table->v[i * taps + tap] : 0;
        sum += likeness(c->i[RELATION], asks ? window_value(&in[0], n, i, at) : 0, b);
    }
    double more = extra && inside ? window_value(extra, n, map, pixel) : 0;
    return sum * c->d[0] + more + added;
}
