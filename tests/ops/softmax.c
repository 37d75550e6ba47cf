// SPDX-License-Identifier: MIT
#include "support/op_test.h"

#include <math.h>

// i: axis, bias given, mask given, mask removes, log. d: scale.
static void build(vka_graph *g, const struct op_case *c, const vka_tensor *in, vka_tensor *out)
{
    struct vka_softmax p = {.axis = (int)c->i[0],
                            .scale = (float)c->d[0],
                            .bias = in[1],
                            .mask = in[2],
                            .mask_removes = c->i[3] != 0,
                            .log = c->i[4] != 0};
    out[0] = vka_softmax(g, in[0], &p);
}

static double logit(const struct op_case *c, const struct op_tensor *in, int64_t i)
{
    double v = in[0].v[i] * (c->d[0] == 0 ? 1 : c->d[0]);
    if (in[1].v)
        v += op_at(&in[1], &in[0].shape, i);
    if (in[2].v && (op_at(&in[2], &in[0].shape, i) != 0) == (c->i[3] != 0))
        v = -INFINITY;
    return v;
}

static void define(const struct op_case *c, const struct op_tensor *in, struct op_tensor *out)
{
    int axis = (int)c->i[0] < 0 ? (int)c->i[0] + out->shape.rank : (int)c->i[0];
    int64_t columns = out->shape.dim[axis], step = 1;
    for (int a = axis + 1; a < out->shape.rank; a++)
        step *= out->shape.dim[a];
    for (int64_t row = 0; row < out->count / columns; row++) {
        int64_t first = row / step * step * columns + row % step;
        double most = -INFINITY, sum = 0;
        for (int64_t k = 0; k < columns; k++) {
            double v = logit(c, in, first + k * step);
            most = v > most || isnan(v) ? v : most;
        }
        for (int64_t k = 0; k < columns; k++)
            sum += exp(logit(c, in, first + k * step) - most);
        for (int64_t k = 0; k < columns; k++) {
            double v = logit(c, in, first + k * step) - most;
            double y = c->i[4] ? v - log(sum) : exp(v) / sum;
            if (most == -INFINITY)
                y = c->i[4] ? -INFINITY : 0;
            out->v[first + k * step] = y;
        }
    }
}

#define DEFINED        .build = build, .define = define, .bound = 5e-7
#define F32(fill, ...) OP_F32(fill, __VA_ARGS__)

static const struct op_case cases[] = {
    {.name = "last axis",
     .in = {F32(OP_NORMAL, 7, 67)},
     DEFINED,
     .i = {-1},
     .out = OP_SHAPE(7, 67)},
    {.name = "first axis",
     .in = {F32(OP_NORMAL, 13, 71)},
     DEFINED,
     .i = {0},
     .out = OP_SHAPE(13, 71)},
    {.name = "middle axis",
     .in = {F32(OP_NORMAL, 3, 11, 5)},
     DEFINED,
     .i = {1},
     .out = OP_SHAPE(3, 11, 5)},
    {.name = "wide", .in = {F32(OP_WIDE, 7, 67)}, DEFINED, .i = {-1}, .out = OP_SHAPE(7, 67)},
    {.name = "wide, first axis",
     .in = {F32(OP_WIDE, 31, 130)},
     DEFINED,
     .i = {0},
     .out = OP_SHAPE(31, 130)},
    {.name = "special", .in = {F32(OP_SPECIAL, 37, 5)}, DEFINED, .i = {-1}, .out = OP_SHAPE(37, 5)},
    {.name = "special, first axis",
     .in = {F32(OP_SPECIAL, 5, 37)},
     DEFINED,
     .i = {0},
     .out = OP_SHAPE(5, 37)},
    {.name = "-inf", .in = {F32(OP_INFINITE, 131, 3)}, DEFINED, .i = {-1}, .out = OP_SHAPE(131, 3)},
    {.name = "log",
     .in = {F32(OP_NORMAL, 7, 67)},
     DEFINED,
     .i = {-1, 0, 0, 0, 1},
     .out = OP_SHAPE(7, 67)},
    {.name = "log, first axis",
     .in = {F32(OP_NORMAL, 13, 71)},
     DEFINED,
     .i = {0, 0, 0, 0, 1},
     .out = OP_SHAPE(13, 71)},
    {.name = "log, -inf",
     .in = {F32(OP_INFINITE, 131, 3)},
     DEFINED,
     .i = {-1, 0, 0, 0, 1},
     .out = OP_SHAPE(131, 3)},
    {.name = "log, special",
     .in = {F32(OP_SPECIAL, 5, 37)},
     DEFINED,
     .i = {0, 0, 0, 0, 1},
     .out = OP_SHAPE(5, 37)},
    {.name = "scale",
     .in = {F32(OP_NORMAL, 5, 31)},
     DEFINED,
     .i = {-1},
     .d = {0.125},
     .out = OP_SHAPE(5, 31)},
    {.name = "bias",
     .in = {F32(OP_NORMAL, 2, 3, 5, 17), F32(OP_INFINITE, 3, 1, 17)},
     DEFINED,
     .i = {-1, 1},
     .d = {0.25},
     .out = OP_SHAPE(2, 3, 5, 17)},
    {.name = "mask keeps",
     .in = {F32(OP_NORMAL, 2, 3, 5, 17), {0}, OP_BOOL(2, 1, 1, 17)},
     DEFINED,
     .i = {-1, 0, 1},
     .out = OP_SHAPE(2, 3, 5, 17)},
    {.name = "mask removes",
     .in = {F32(OP_NORMAL, 2, 3, 5, 17), {0}, OP_BOOL(5, 17)},
     DEFINED,
     .i = {-1, 0, 1, 1},
     .out = OP_SHAPE(2, 3, 5, 17)},
    {.name = "whole rows masked",
     .in = {F32(OP_NORMAL, 61, 3), {0}, OP_BOOL(61, 1)},
     DEFINED,
     .i = {-1, 0, 1},
     .out = OP_SHAPE(61, 3)},
    {.name = "whole rows masked, first axis",
     .in = {F32(OP_NORMAL, 3, 61), {0}, OP_BOOL(61)},
     DEFINED,
     .i = {0, 0, 1},
     .out = OP_SHAPE(3, 61)},
    {.name = "bias and mask",
     .in = {F32(OP_NORMAL, 3, 2, 7, 9), F32(OP_NORMAL, 2, 7, 9), OP_BOOL(3, 1, 7, 1)},
     DEFINED,
     .i = {-1, 1, 1, 1},
     .d = {0.5},
     .out = OP_SHAPE(3, 2, 7, 9)},
    {.name = "bias and mask, first axis",
     .in = {F32(OP_NORMAL, 7, 2, 3), F32(OP_NORMAL, 7, 1, 3), OP_BOOL(7, 2, 1)},
     DEFINED,
     .i = {0, 1, 1},
     .out = OP_SHAPE(7, 2, 3)},
    {.name = "size 1",
     .in = {F32(OP_NORMAL, 5, 1, 3)},
     DEFINED,
     .i = {1},
     .out = OP_SHAPE(5, 1, 3)},
    {.name = "one element", .in = {F32(OP_NORMAL, 1)}, DEFINED, .i = {0}, .out = OP_SHAPE(1)},
    {.name = "rank 8",
     .in = {F32(OP_NORMAL, 2, 3, 2, 2, 3, 2, 2, 3), F32(OP_NORMAL, 2, 3, 1, 2, 1, 2, 1, 3)},
     DEFINED,
     .i = {4, 1},
     .out = OP_SHAPE(2, 3, 2, 2, 3, 2, 2, 3)},
    {.name = "rows that no lane holds",
     .in = {F32(OP_NORMAL, 2, 2503)},
     DEFINED,
     .i = {-1},
     .out = OP_SHAPE(2, 2503)},
    {.name = "long rows",
     .in = {F32(OP_NORMAL, 2, 20011)},
     DEFINED,
     .i = {-1},
     .out = OP_SHAPE(2, 20011)},
    {.name = "long, first axis",
     .in = {F32(OP_NORMAL, 5003, 9)},
     DEFINED,
     .i = {0},
     .out = OP_SHAPE(5003, 9)},
    {.name = "huge",
     .in = {F32(OP_WIDE, 75017, 2)},
     DEFINED,
     .i = {0},
     .d = {4},
     .bound16 = 4e-3,
     .dense_only = true,
     .turns = 400,
     .out = OP_SHAPE(75017, 2)},
    {.name = "huge, log, bias and mask",
     .in = {F32(OP_NORMAL, 50021, 2), F32(OP_INFINITE, 50021, 1), OP_BOOL(50021, 2)},
     DEFINED,
     .i = {0, 1, 1, 1, 1},
     .bound16 = 4e-3,
     .dense_only = true,
     .turns = 400,
     .out = OP_SHAPE(50021, 2)},
    {.name = "huge, whole rows masked",
     .in = {F32(OP_WIDE, 50021, 5), {0}, OP_BOOL(5)},
     DEFINED,
     .i = {0, 0, 1},
     .d = {4},
     .bound16 = 4e-3,
     .dense_only = true,
     .turns = 400,
     .out = OP_SHAPE(50021, 5)},
    {.name = "log, long rows",
     .in = {F32(OP_NORMAL, 2, 5003)},
     DEFINED,
     .i = {-1, 0, 0, 0, 1},
     .out = OP_SHAPE(2, 5003)},
};

static void axis_2(vka_graph *g, const vka_tensor *in)
{
    vka_softmax(g, in[0], &(struct vka_softmax){.axis = 2});
}

static void mask(vka_graph *g, const vka_tensor *in)
{
    vka_softmax(g, in[0], &(struct vka_softmax){.axis = -1, .mask = in[1]});
}

static void bias(vka_graph *g, const vka_tensor *in)
{
    vka_softmax(g, in[0], &(struct vka_softmax){.axis = -1, .bias = in[1]});
}

static const struct op_error errors[] = {
    {"axis", {OP_F32(OP_NORMAL, 2, 3)}, axis_2, "softmax: axis 2 is out of range for rank 2"},
    {"mask",
     {OP_F32(OP_NORMAL, 2, 3), OP_BOOL(2, 4)},
     mask,
     "softmax: the mask of shape [2, 4] doesn't broadcast to [2, 3]"},
    {"mask's type", {OP_F32(OP_NORMAL, 2, 3), OP_I32(2, 3)}, mask, "operand 2 is I32, not BOOL"},
    {"bias",
     {OP_F32(OP_NORMAL, 2, 3), OP_F32(OP_NORMAL, 2, 2, 3)},
     bias,
     "softmax: the bias of shape [2, 2, 3] doesn't broadcast to [2, 3]"},
};

int main(void)
{
    return OP_TEST_RUN("softmax", cases, errors);
}
