// SPDX-License-Identifier: MIT
#include "support/op_test.h"

#include <math.h>

// Operands: x, the factor. i: axes, keep, which of the results: 1 the mean, 2 the max, 3 both; 4
// both in one, the mean first, 5 the max first.
static void build(vka_graph *g, const struct op_case *c, const vka_tensor *in, vka_tensor *out)
{
    vka_tensor both[VKA_MAX_OUT];
    if (c->i[2] > 3) {
        out[0] = vka_mean_max_stacked(g, in[0], in[1], (unsigned)c->i[0],
                                      c->i[2] == 4 ? VKA_STACK_MEAN_MAX : VKA_STACK_MAX_MEAN);
        return;
    }
    vka_mean_max(g, in[0], in[1], (unsigned)c->i[0], c->i[1] != 0, both);
    out[0] = both[c->i[2] == 2];
    if (c->i[2] == 3)
        out[1] = both[1];
}

// Where an element of x goes in the results.
static int64_t row_of(const struct op_case *c, const vka_shape *shape, int64_t i)
{
    int64_t coords[VKA_MAX_RANK], row = 0;
    op_coords(shape, i, coords);
    for (int a = 0; a < shape->rank; a++) {
        if (!(c->i[0] >> a & 1))
            row = row * shape->dim[a] + coords[a];
    }
    return row;
}

static double value(const struct op_tensor *in, int64_t i)
{
    return in[1].v ? in[0].v[i] * op_at(&in[1], &in[0].shape, i) : in[0].v[i];
}

static void define_stacked(const struct op_case *c, const struct op_tensor *in,
                           struct op_tensor *out)
{
    int64_t images = in->shape.dim[0], inner = out->count / images / 2, first = c->i[2] == 4;
    for (int64_t i = 0; i < out->count; i++)
        out->v[i] = i / inner % 2 == (first ? 0 : 1) ? 0 : -INFINITY;
    for (int64_t i = 0; i < in->count; i++) {
        int64_t row = row_of(c, &in->shape, i), start = row + row / inner * inner;
        double v = value(in, i), *most = &out->v[start + (first ? inner : 0)];
        out->v[start + (first ? 0 : inner)] += v * (double)out->count / 2 / (double)in->count;
        if (isnan(v) || v > *most)
            *most = v;
    }
}

static void define(const struct op_case *c, const struct op_tensor *in, struct op_tensor *out)
{
    if (c->i[2] > 3) {
        define_stacked(c, in, out);
        return;
    }
    struct op_tensor *max = c->i[2] == 2 ? &out[0] : c->i[2] == 3 ? &out[1] : NULL;
    struct op_tensor *mean = c->i[2] != 2 ? &out[0] : NULL;
    for (int64_t i = 0; i < out->count; i++) {
        if (mean)
            mean->v[i] = 0;
        if (max)
            max->v[i] = -INFINITY;
    }
    for (int64_t i = 0; i < in->count; i++) {
        int64_t row = row_of(c, &in->shape, i);
        double v = value(in, i);
        if (mean)
            mean->v[row] += v * (double)out->count / (double)in->count;
        if (max && (isnan(v) || v > max->v[row]))
            max->v[row] = v;
    }
}

#define DEFINED .build = build, .define = define, .bound = 4e-7, .bound16 = 3e-3
#define F(...)  OP_F32(OP_POSITIVE, __VA_ARGS__)
#define N(...)  OP_F32(OP_NORMAL, __VA_ARGS__)
#define S(...)  OP_F32(OP_SPECIAL, __VA_ARGS__)
#define O(...)  .out = OP_SHAPE(__VA_ARGS__)
#define I(...)  .i = {__VA_ARGS__}

static const struct op_case cases[] = {
    {.name = "maps", .in = {F(2, 5, 7, 9)}, DEFINED, I(12, 0, 3), O(2, 5)},
    {.name = "maps, a gate a channel",
     .in = {F(2, 5, 7, 90), F(2, 5, 1, 1)},
     DEFINED,
     I(12, 1, 3),
     O(2, 5, 1, 1)},
    {.name = "maps, a gate a place",
     .in = {F(2, 5, 7, 9), F(2, 1, 7, 9)},
     DEFINED,
     I(12, 0, 3),
     O(2, 5)},
    {.name = "channels", .in = {F(2, 29, 17, 19)}, DEFINED, I(2, 1, 3), O(2, 1, 17, 19)},
    {.name = "channels, a gate a channel",
     .in = {F(2, 29, 17, 19), F(2, 29, 1, 1)},
     DEFINED,
     I(2, 1, 3),
     O(2, 1, 17, 19)},
    {.name = "channels, a gate a place",
     .in = {F(2, 13, 5, 9), F(2, 1, 5, 9)},
     DEFINED,
     I(2, 0, 3),
     O(2, 5, 9)},
    {.name = "channels, a factor", .in = {F(2, 13, 5, 9), F(1)}, DEFINED, I(2, 0, 3), O(2, 5, 9)},
    {.name = "channels, signed",
     .in = {N(2, 29, 7, 9), N(2, 29, 1, 1)},
     DEFINED,
     I(2, 0, 2),
     O(2, 7, 9)},
    {.name = "maps, signed", .in = {N(2, 5, 7, 9), N(2, 5, 1, 1)}, DEFINED, I(12, 0, 2), O(2, 5)},
    {.name = "channels, the mean",
     .in = {F(1, 8, 1, 8), F(8, 1, 1)},
     DEFINED,
     I(2, 0, 1),
     O(1, 1, 8)},
    {.name = "maps, special", .in = {S(2, 5, 7, 9)}, DEFINED, I(12, 0, 3), O(2, 5)},
    {.name = "maps, special, a gate",
     .in = {S(2, 5, 7, 9), F(5, 1, 1)},
     DEFINED,
     I(12, 0, 3),
     O(2, 5)},
    {.name = "channels, special",
     .in = {S(2, 13, 5, 9), F(13, 1, 1)},
     DEFINED,
     I(2, 0, 3),
     O(2, 5, 9)},
    {.name = "long rows", .in = {F(3, 33001), F(33001)}, DEFINED, I(2, 0, 3), O(3)},
    {.name = "long rows, special", .in = {S(3, 70001), F(3, 1)}, DEFINED, I(2, 0, 2), O(3)},
    {.name = "fours, maps", .in = {F(2, 5, 4, 39)}, DEFINED, I(12, 0, 3), O(2, 5)},
    {.name = "fours, maps, a gate a channel",
     .in = {N(2, 5, 4, 85), N(2, 5, 1, 1)},
     DEFINED,
     I(12, 1, 2),
     O(2, 5, 1, 1)},
    {.name = "fours, maps, a gate a place",
     .in = {F(2, 5, 4, 85), F(2, 1, 4, 85)},
     DEFINED,
     I(12, 0, 1),
     O(2, 5)},
    {.name = "fours, maps, special",
     .in = {S(2, 5, 4, 85), F(5, 1, 1)},
     DEFINED,
     I(12, 0, 3),
     O(2, 5)},
    {.name = "fours, channels", .in = {F(2, 29, 4, 12)}, DEFINED, I(2, 1, 3), O(2, 1, 4, 12)},
    {.name = "fours, channels, a gate a channel",
     .in = {F(2, 29, 8, 45), F(2, 29, 1, 1)},
     DEFINED,
     I(2, 0, 3),
     O(2, 8, 45)},
    {.name = "fours, channels, a gate a place",
     .in = {N(2, 8, 4, 13), N(2, 1, 4, 13)},
     DEFINED,
     I(2, 0, 2),
     O(2, 4, 13)},
    {.name = "fours, channels, special",
     .in = {S(2, 13, 4, 18), F(13, 1, 1)},
     DEFINED,
     I(2, 0, 3),
     O(2, 4, 18)},
    {.name = "stacked, maps", .in = {F(2, 5, 7, 9)}, DEFINED, I(12, 0, 4), O(2, 2, 5)},
    {.name = "stacked, maps, fours",
     .in = {F(3, 6, 4, 12), F(6, 1, 1)},
     DEFINED,
     I(12, 0, 5),
     O(3, 2, 6)},
    {.name = "stacked, channels",
     .in = {F(3, 11, 5, 9), F(3, 11, 1, 1)},
     DEFINED,
     I(2, 0, 5),
     O(3, 2, 5, 9)},
    {.name = "stacked, channels, fours",
     .in = {F(3, 11, 8, 12), F(3, 11, 1, 1)},
     DEFINED,
     I(2, 0, 4),
     O(3, 2, 8, 12)},
    // Images whose results end inside of what a lane could take.
    {.name = "stacked, small maps", .in = {F(2, 24, 1, 1)}, DEFINED, I(12, 0, 4), O(2, 2, 24)},
    {.name = "stacked, one channel", .in = {F(2, 1, 4, 5)}, DEFINED, I(2, 0, 4), O(2, 2, 4, 5)},
    {.name = "stacked, special", .in = {S(2, 5, 7, 9)}, DEFINED, I(12, 0, 5), O(2, 2, 5)},
    {.name = "all axes", .in = {F(2, 3, 5, 7), F(5, 1)}, DEFINED, I(15, 0, 3), .out = {0, {0}}},
    {.name = "one element", .in = {F(1), F(1)}, DEFINED, I(1, 1, 3), O(1)},
};

static void call(vka_graph *g, const vka_tensor *in)
{
    vka_tensor out[VKA_MAX_OUT];
    vka_mean_max(g, in[0], in[1], 2, false, out);
}

static void call_stacked(vka_graph *g, const vka_tensor *in)
{
    vka_mean_max_stacked(g, in[0], in[1], 1, VKA_STACK_MEAN_MAX);
}

static const struct op_error errors[] = {
    {"no operand", {{0}}, call, "mean_max"},
    {"integers", {OP_I32(2, 3)}, call, "I32"},
    {"a factor of integers", {F(2, 3), OP_I32(2, 3)}, call, "I32"},
    {"a larger factor", {F(2, 1), F(2, 3)}, call, "[2, 3]"},
    {"no such axis", {F(2)}, call, "axes"},
    {"the first axis, stacked", {F(2, 3)}, call_stacked, "where the first axis stays"},
};

int main(void)
{
    return OP_TEST_RUN("mean_max", cases, errors);
}
