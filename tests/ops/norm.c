// SPDX-License-Identifier: MIT
#include "support/op_test.h"

#include <math.h>
#include <stdlib.h>

// i: axes. d: eps. Operands: x, scale, shift.
static void build(vka_graph *g, const struct op_case *c, const vka_tensor *in, vka_tensor *out)
{
    out[0] = vka_norm(g, in[0], (unsigned)c->i[0], c->d[0], in[1], in[2]);
}

// Which row an element is in, among `*rows`.
static int64_t row_of(const struct op_case *c, const vka_shape *shape, int64_t i, int64_t *rows)
{
    int64_t coords[VKA_MAX_RANK], row = 0;
    op_coords(shape, i, coords);
    *rows = 1;
    for (int a = 0; a < shape->rank; a++) {
        if (c->i[0] >> a & 1)
            continue;
        row = row * shape->dim[a] + coords[a];
        *rows *= shape->dim[a];
    }
    return row;
}

static void define(const struct op_case *c, const struct op_tensor *in, struct op_tensor *out)
{
    const vka_shape *shape = &out->shape;
    int64_t rows;
    row_of(c, shape, 0, &rows);
    double columns = (double)(out->count / rows);
    double *mean = calloc((size_t)rows, sizeof *mean), *var = calloc((size_t)rows, sizeof *var);
    for (int64_t i = 0; i < out->count; i++)
        mean[row_of(c, shape, i, &rows)] += in->v[i] / columns;
    for (int64_t i = 0; i < out->count; i++) {
        int64_t row = row_of(c, shape, i, &rows);
        var[row] += (in->v[i] - mean[row]) * (in->v[i] - mean[row]) / columns;
    }
    for (int64_t i = 0; i < out->count; i++) {
        int64_t row = row_of(c, shape, i, &rows);
        double y = (in->v[i] - mean[row]) / sqrt(var[row] + c->d[0]);
        if (in[1].v)
            y *= op_at(&in[1], shape, i);
        if (in[2].v)
            y += op_at(&in[2], shape, i);
        out->v[i] = y;
    }
    free(mean);
    free(var);
}

#define DEFINED(axes) .build = build, .define = define, .i = {axes}, .d = {1e-5}, .bound = 1e-6
#define OFFSET(lo, hi, ...)                                                                        \
    {                                                                                              \
        VKA_F32, OP_RANGE, lo, hi, OP_SHAPE(__VA_ARGS__), true                                     \
    }

static const struct op_case cases[] = {
    {.name = "last axis", .in = {OP_F32(OP_NORMAL, 7, 67)}, DEFINED(2), .out = OP_SHAPE(7, 67)},
    {.name = "layer norm",
     .in = {OP_F32(OP_NORMAL, 3, 5, 33), OP_F32(OP_NORMAL, 33), OP_F32(OP_NORMAL, 33)},
     DEFINED(4),
     .out = OP_SHAPE(3, 5, 33)},
    {.name = "layer norm over three axes",
     .in = {OP_F32(OP_NORMAL, 3, 5, 7, 9), OP_F32(OP_NORMAL, 5, 7, 9), OP_F32(OP_NORMAL, 5, 1, 1)},
     DEFINED(14),
     .out = OP_SHAPE(3, 5, 7, 9)},
    {.name = "channels of a map",
     .in = {OP_F32(OP_NORMAL, 2, 19, 9, 13), OP_F32(OP_NORMAL, 19, 1, 1),
            OP_F32(OP_NORMAL, 19, 1, 1)},
     DEFINED(2),
     .out = OP_SHAPE(2, 19, 9, 13)},
    {.name = "groups of channels",
     .in = {OP_F32(OP_NORMAL, 2, 3, 4, 25), OP_F32(OP_NORMAL, 3, 4, 1), OP_F32(OP_NORMAL, 3, 4, 1)},
     DEFINED(12),
     .out = OP_SHAPE(2, 3, 4, 25)},
    {.name = "each channel",
     .in = {OP_F32(OP_NORMAL, 2, 5, 7, 9), OP_F32(OP_NORMAL, 5, 1, 1)},
     DEFINED(12),
     .out = OP_SHAPE(2, 5, 7, 9)},
    {.name = "shift alone",
     .in = {OP_F32(OP_NORMAL, 5, 31), {0}, OP_F32(OP_NORMAL, 5, 1)},
     DEFINED(2),
     .out = OP_SHAPE(5, 31)},
    {.name = "over batch and places",
     .in = {OP_F32(OP_NORMAL, 3, 5, 7, 9), OP_F32(OP_NORMAL, 5, 1, 1), OP_F32(OP_NORMAL, 5, 1, 1)},
     DEFINED(13),
     .out = OP_SHAPE(3, 5, 7, 9)},
    {.name = "far from zero",
     .in = {OFFSET(1000, 1001, 7, 301)},
     DEFINED(2),
     .bound16 = 2,
     .out = OP_SHAPE(7, 301)},
    {.name = "rows by fours",
     .in = {OP_F32(OP_NORMAL, 5, 512), OP_F32(OP_NORMAL, 512), OP_F32(OP_NORMAL, 512)},
     DEFINED(2),
     .out = OP_SHAPE(5, 512)},
    {.name = "rows by fours, scale by image, shift by channel",
     .in = {OP_F32(OP_NORMAL, 2, 3, 5, 516), OP_F32(OP_NORMAL, 2, 1, 1, 516),
            OP_F32(OP_NORMAL, 3, 1, 516)},
     DEFINED(8),
     .out = OP_SHAPE(2, 3, 5, 516)},
    {.name = "rows by fours, shift alone, long",
     .in = {OP_F32(OP_NORMAL, 3, 6004), {0}, OP_F32(OP_NORMAL, 6004)},
     DEFINED(2),
     .out = OP_SHAPE(3, 6004)},
    {.name = "rows by fours, special",
     .in = {OP_F32(OP_SPECIAL, 41, 260)},
     DEFINED(2),
     .out = OP_SHAPE(41, 260)},
    {.name = "rows by fours, far from zero",
     .in = {OFFSET(1000, 1001, 7, 1024)},
     DEFINED(2),
     .bound16 = 2,
     .out = OP_SHAPE(7, 1024)},
    {.name = "special", .in = {OP_F32(OP_SPECIAL, 61, 3)}, DEFINED(2), .out = OP_SHAPE(61, 3)},
    {.name = "special, first axis",
     .in = {OP_F32(OP_SPECIAL, 3, 61)},
     DEFINED(1),
     .out = OP_SHAPE(3, 61)},
    {.name = "one element", .in = {OP_F32(OP_NORMAL, 1)}, DEFINED(1), .out = OP_SHAPE(1)},
    {.name = "size 1", .in = {OP_F32(OP_NORMAL, 5, 1, 3)}, DEFINED(2), .out = OP_SHAPE(5, 1, 3)},
    {.name = "rows that no lane holds",
     .in = {OP_F32(OP_NORMAL, 2, 2503), OP_F32(OP_NORMAL, 2503)},
     DEFINED(2),
     .out = OP_SHAPE(2, 2503)},
    {.name = "long rows",
     .in = {OP_F32(OP_NORMAL, 2, 20011)},
     DEFINED(2),
     .out = OP_SHAPE(2, 20011)},
    {.name = "huge",
     .in = {OP_F32(OP_NORMAL, 75017, 2), OP_F32(OP_NORMAL, 2)},
     DEFINED(1),
     .bound16 = 5e-3,
     .dense_only = true,
     .turns = 400,
     .out = OP_SHAPE(75017, 2)},
    {.name = "every second axis of 8, in primitives",
     .in = {OP_F32(OP_NORMAL, 2, 3, 2, 2, 3, 2, 2, 3), OP_F32(OP_NORMAL, 3, 1, 2, 1)},
     DEFINED(0xaa),
     .bound16 = 5e-3,
     .out = OP_SHAPE(2, 3, 2, 2, 3, 2, 2, 3)},
    {.name = "five axes",
     .in = {OP_F32(OP_NORMAL, 2, 3, 2, 5, 3), OP_F32(OP_NORMAL, 3, 1, 5, 3)},
     DEFINED(8),
     .out = OP_SHAPE(2, 3, 2, 5, 3)},
};

static void no_axes(vka_graph *g, const vka_tensor *in)
{
    vka_norm(g, in[0], 0, 1e-5, 0, 0);
}

static void scaled(vka_graph *g, const vka_tensor *in)
{
    vka_norm(g, in[0], 2, 1e-5, in[1], 0);
}

static const struct op_error errors[] = {
    {"no axes", {OP_F32(OP_NORMAL, 2, 3)}, no_axes, "norm: the axes 0x0"},
    {"type", {OP_I32(2, 3)}, no_axes, "norm: operand 0 is I32, not F32"},
    {"scale",
     {OP_F32(OP_NORMAL, 2, 3), OP_F32(OP_NORMAL, 4)},
     scaled,
     "norm: the scale of shape [4] doesn't broadcast to [2, 3]"},
};

int main(void)
{
    return OP_TEST_RUN("norm", cases, errors);
}
