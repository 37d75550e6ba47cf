// SPDX-License-Identifier: MIT
#include "support/op_test.h"

#include <math.h>
#include <stdlib.h>

// i: kind, axes, keep.
static void build(vka_graph *g, const struct op_case *c, const vka_tensor *in, vka_tensor *out)
{
    out[0] = vka_reduce(g, (enum vka_reduce_kind)c->i[0], in[0], (unsigned)c->i[1], c->i[2] != 0);
}

static double larger(double a, double b)
{
    return isnan(a) ? a : isnan(b) ? b : a > b ? a : b;
}

static void take(int kind, double *total, double v, double most)
{
    switch (kind) {
    case VKA_REDUCE_MAX:
        *total = larger(*total, v);
        break;
    case VKA_REDUCE_MIN:
        *total = -larger(-*total, -v);
        break;
    case VKA_REDUCE_PROD:
        *total *= v;
        break;
    case VKA_REDUCE_SUM_SQUARES:
    case VKA_REDUCE_L2:
        *total += v * v;
        break;
    case VKA_REDUCE_LOGSUMEXP:
        *total += exp(v - most);
        break;
    case VKA_REDUCE_ANY:
        *total = *total != 0 || v != 0;
        break;
    case VKA_REDUCE_ALL:
        *total = *total != 0 && v != 0;
        break;
    default:
        *total += v;
    }
}

static double start(int kind)
{
    if (kind == VKA_REDUCE_MAX)
        return -INFINITY;
    if (kind == VKA_REDUCE_MIN)
        return INFINITY;
    return kind == VKA_REDUCE_PROD || kind == VKA_REDUCE_ALL;
}

static double finish(int kind, double total, double most, double columns)
{
    if (kind == VKA_REDUCE_MEAN)
        return total / columns;
    if (kind == VKA_REDUCE_L2)
        return sqrt(total);
    if (kind == VKA_REDUCE_LOGSUMEXP)
        return isfinite(most) ? most + log(total) : most;
    return total;
}

// Where an element of the operand goes in the result.
static int64_t row_of(const struct op_case *c, const vka_shape *shape, int64_t i)
{
    int64_t coords[VKA_MAX_RANK], row = 0;
    op_coords(shape, i, coords);
    for (int a = 0; a < shape->rank; a++) {
        if (!(c->i[1] >> a & 1))
            row = row * shape->dim[a] + coords[a];
    }
    return row;
}

static void define(const struct op_case *c, const struct op_tensor *in, struct op_tensor *out)
{
    int kind = (int)c->i[0];
    double *most = calloc((size_t)out->count, sizeof *most);
    for (int64_t i = 0; i < out->count; i++) {
        most[i] = -INFINITY;
        out->v[i] = start(kind);
    }
    for (int64_t i = 0; i < in->count; i++) {
        int64_t row = row_of(c, &in->shape, i);
        most[row] = larger(most[row], in->v[i]);
    }
    for (int64_t i = 0; i < in->count; i++) {
        int64_t row = row_of(c, &in->shape, i);
        take(kind, &out->v[row], in->v[i], most[row]);
    }
    for (int64_t i = 0; i < out->count; i++)
        out->v[i] = finish(kind, out->v[i], most[i], (double)in->count / (double)out->count);
    free(most);
}

#define FOURS(fill)                                                                                \
    {                                                                                              \
        VKA_F32, fill, 0, 0, OP_SHAPE(3, 5, 4, 45), true                                           \
    }
#define CASE(name_, kind, axes, keep, operand, bound_, ...)                                        \
    {                                                                                              \
        .name = name_, .in = {operand}, .build = build, .define = define,                          \
        .i = {VKA_REDUCE_##kind, axes, keep}, .bound = bound_, .out = OP_SHAPE(__VA_ARGS__)        \
    }
#define MAPS(fill)                                                                                 \
    {                                                                                              \
        VKA_F32, fill, 0, 0, OP_SHAPE(2, 5, 7, 9), true                                            \
    }
#define MATRIX(fill)                                                                               \
    {                                                                                              \
        VKA_F32, fill, 0, 0, OP_SHAPE(37, 131), true                                               \
    }
#define WORDS(type)                                                                                \
    {                                                                                              \
        type, OP_NORMAL, 0, 0, OP_SHAPE(5, 3, 11), true                                            \
    }
#define LONG(fill)                                                                                 \
    {                                                                                              \
        VKA_F32, fill, 0, 0, OP_SHAPE(3, 33001), true                                              \
    }
#define COLUMNS(fill)                                                                              \
    {                                                                                              \
        VKA_F32, fill, 0, 0, OP_SHAPE(301, 517), true                                              \
    }
#define HUGE_CASE(name_, kind, fill, bound_, rows, columns)                                        \
    {                                                                                              \
        .name = name_, .in = {OP_F32(fill, rows, columns)}, .build = build, .define = define,      \
        .i = {VKA_REDUCE_##kind, (rows) > (columns) ? 1 : 2}, .bound = bound_, .out = OP_SHAPE(2), \
        .bound16 = 2e-3, .dense_only = true, .turns = 400                                          \
    }
#define FLOATS(name, kind, fill, bound)                                                            \
    CASE(name, kind, 2, 0, MATRIX(fill), bound, 37),                                               \
        CASE(name " of columns", kind, 1, 0, MATRIX(fill), bound, 131),                            \
        CASE(name ", special", kind, 2, 0, MATRIX(OP_SPECIAL), bound, 37),                         \
        CASE(name " of columns, special", kind, 1, 0, MATRIX(OP_SPECIAL), bound, 131)

static const struct op_case cases[] = {
    FLOATS("sum", SUM, OP_POSITIVE, 3e-7),
    FLOATS("mean", MEAN, OP_POSITIVE, 3e-7),
    FLOATS("max", MAX, OP_NORMAL, 0),
    FLOATS("min", MIN, OP_NORMAL, 0),
    FLOATS("sum of squares", SUM_SQUARES, OP_NORMAL, 3e-7),
    FLOATS("l2", L2, OP_NORMAL, 3e-7),
    FLOATS("logsumexp", LOGSUMEXP, OP_NORMAL, 3e-7),
    CASE("fours, maps", MEAN, 12, 0, FOURS(OP_POSITIVE), 3e-7, 3, 5),
    CASE("fours, maps, special", MAX, 12, 0, FOURS(OP_SPECIAL), 0, 3, 5),
    CASE("fours, maps, l2", L2, 12, 1, FOURS(OP_NORMAL), 3e-7, 3, 5, 1, 1),
    CASE("fours, channels", MEAN, 2, 1, FOURS(OP_POSITIVE), 3e-7, 3, 1, 4, 45),
    CASE("fours, channels, special", MIN, 2, 0, FOURS(OP_SPECIAL), 0, 3, 4, 45),
    CASE("fours, many channels", SUM, 2, 0, OP_F32(OP_POSITIVE, 2, 261, 44), 3e-7, 2, 44),
    CASE("fours, rows", SUM, 2, 0, OP_F32(OP_POSITIVE, 3, 1500), 3e-7, 3),
    CASE("prod", PROD, 1, 0, OP_F32(OP_POSITIVE, 7, 13), 1e-6, 13),
    CASE("prod of rows", PROD, 2, 0, OP_F32(OP_NORMAL, 13, 7), 1e-6, 13),
    CASE("logsumexp, wide", LOGSUMEXP, 2, 0, MATRIX(OP_WIDE), 3e-7, 37),
    CASE("logsumexp, some -inf", LOGSUMEXP, 2, 0, OP_F32(OP_INFINITE, 301, 3), 3e-7, 301),
    CASE("the map of each channel", MEAN, 12, 1, MAPS(OP_POSITIVE), 3e-7, 2, 5, 1, 1),
    CASE("the channels of each place", MAX, 2, 1, MAPS(OP_NORMAL), 0, 2, 1, 7, 9),
    CASE("first and last axis", SUM, 9, 0, MAPS(OP_NORMAL), 3e-7, 5, 7),
    CASE("every second axis", SUM, 10, 0, MAPS(OP_NORMAL), 3e-7, 2, 7),
    CASE("all axes", SUM, 15, 0, MAPS(OP_POSITIVE), 3e-7),
    CASE("all axes, kept", MEAN, 15, 1, MAPS(OP_POSITIVE), 3e-7, 1, 1, 1, 1),
    CASE("one element", SUM, 1, 1, OP_F32(OP_NORMAL, 1), 0, 1),
    CASE("size 1", SUM, 2, 0, OP_F32(OP_NORMAL, 17, 1, 3), 0, 17, 3),
    CASE("rank 8", SUM, 0xaa, 0, OP_F32(OP_NORMAL, 2, 3, 2, 2, 3, 2, 2, 3), 3e-7, 2, 2, 3, 2),
    CASE("rank 8, all", SUM, 0xff, 0, OP_F32(OP_POSITIVE, 2, 3, 2, 2, 3, 2, 2, 3), 3e-7),
    CASE("long rows", SUM, 2, 0, LONG(OP_POSITIVE), 3e-7, 3),
    CASE("long rows, mean", MEAN, 2, 0, LONG(OP_POSITIVE), 3e-7, 3),
    CASE("long rows, l2", L2, 2, 0, LONG(OP_NORMAL), 3e-7, 3),
    CASE("long rows, max", MAX, 2, 0, LONG(OP_NORMAL), 0, 3),
    CASE("long rows, logsumexp", LOGSUMEXP, 2, 0, LONG(OP_NORMAL), 3e-7, 3),
    {.name = "half a million, mean",
     .in = {OP_F32(OP_POSITIVE, 509, 1031)},
     .build = build,
     .define = define,
     .i = {VKA_REDUCE_MEAN, 3},
     .bound = 3e-7,
     .dense_only = true},
    // Two rows that are cut, with a tail and without, as ones of millions are.
    HUGE_CASE("huge, mean", MEAN, OP_POSITIVE, 3e-7, 190009, 2),
    HUGE_CASE("huge, max", MAX, OP_NORMAL, 0, 70001, 2),
    HUGE_CASE("huge, sum of squares", SUM_SQUARES, OP_NORMAL, 3e-7, 70001, 2),
    HUGE_CASE("huge, l2", L2, OP_NORMAL, 3e-7, 70001, 2),
    HUGE_CASE("huge, logsumexp", LOGSUMEXP, OP_SPECIAL, 3e-7, 2, 70001),
    HUGE_CASE("huge, logsumexp, wide", LOGSUMEXP, OP_WIDE, 3e-7, 70001, 2),
    {.name = "huge, int sum of three axes",
     .in = {OP_I32(11, 2, 31, 211)},
     .build = build,
     .define = define,
     .i = {VKA_REDUCE_SUM, 13, 1},
     .out = OP_SHAPE(1, 2, 1, 1),
     .dense_only = true,
     .turns = 400},
    {.name = "huge, rank 8",
     .in = {OP_F32(OP_POSITIVE, 2, 1, 3, 30011, 1, 1, 1, 2)},
     .build = build,
     .define = define,
     .i = {VKA_REDUCE_MEAN, 0x8c},
     .bound = 3e-7,
     .bound16 = 2e-3,
     .out = OP_SHAPE(2, 1, 1, 1, 1),
     .dense_only = true,
     .turns = 400},
    CASE("many columns", SUM, 1, 0, COLUMNS(OP_POSITIVE), 3e-7, 517),
    CASE("many columns, min", MIN, 1, 0, COLUMNS(OP_NORMAL), 0, 517),
    CASE("int sum", SUM, 2, 0, WORDS(VKA_I32), 0, 5, 11),
    CASE("int max", MAX, 5, 0, WORDS(VKA_I32), 0, 3),
    CASE("int min", MIN, 1, 1, WORDS(VKA_I32), 0, 1, 3, 11),
    CASE("any", ANY, 2, 0, WORDS(VKA_BOOL), 0, 5, 11),
    CASE("all", ALL, 2, 0, WORDS(VKA_BOOL), 0, 5, 11),
};

static void no_axes(vka_graph *g, const vka_tensor *in)
{
    vka_reduce(g, VKA_REDUCE_SUM, in[0], 0, false);
}

static void axis_2(vka_graph *g, const vka_tensor *in)
{
    vka_reduce(g, VKA_REDUCE_SUM, in[0], 4, false);
}

static void mean(vka_graph *g, const vka_tensor *in)
{
    vka_reduce(g, VKA_REDUCE_MEAN, in[0], 1, false);
}

static const struct op_error errors[] = {
    {"no axes", {OP_F32(OP_NORMAL, 2, 3)}, no_axes, "reduce: the axes 0x0"},
    {"an axis too many", {OP_F32(OP_NORMAL, 2, 3)}, axis_2, "none of the shape [2, 3]"},
    {"mean of integers", {OP_I32(3)}, mean, "reduce: mean doesn't take I32"},
};

int main(void)
{
    return OP_TEST_RUN("reduce", cases, errors);
}
