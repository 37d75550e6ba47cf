// SPDX-License-Identifier: MIT
#include "support/op_test.h"

#include <math.h>

// i: axis, keep.
static void build(vka_graph *g, const struct op_case *c, const vka_tensor *in, vka_tensor *out)
{
    out[0] = vka_argmax(g, in[0], (int)c->i[0], c->i[1] != 0);
}

static void define(const struct op_case *c, const struct op_tensor *in, struct op_tensor *out)
{
    const vka_shape *x = &in->shape;
    int axis = (int)c->i[0] < 0 ? (int)c->i[0] + x->rank : (int)c->i[0];
    int64_t columns = x->dim[axis], step = 1;
    for (int a = axis + 1; a < x->rank; a++)
        step *= x->dim[a];
    for (int64_t row = 0; row < out->count; row++) {
        const double *v = in->v + row / step * step * columns + row % step;
        int64_t best = 0;
        for (int64_t k = 1; k < columns; k++) {
            double now = v[k * step], most = v[best * step];
            if (now > most || (isnan(now) && !isnan(most)))
                best = k;
        }
        out->v[row] = (double)best;
    }
}

#define CASE(name_, axis, keep, operand, ...)                                                      \
    {                                                                                              \
        .name = name_, .in = {operand}, .build = build, .define = define, .i = {axis, keep},       \
        .out = OP_SHAPE(__VA_ARGS__)                                                               \
    }

// Rows that are cut into parts, as ones of millions are.
#define HUGE_CASE(name_, axis, fill, from, rows, columns)                                          \
    {                                                                                              \
        .name = name_, .in = {{VKA_F32, fill, from, from, OP_SHAPE(rows, columns), true}},         \
        .build = build, .define = define, .i = {axis, 0}, .dense_only = true,                      \
        .out = OP_SHAPE((axis) == 0 ? (columns) : (rows)), .turns = 400                            \
    }

static const struct op_case cases[] = {
    CASE("last axis", -1, 0, OP_F32(OP_NORMAL, 13, 67), 13),
    CASE("first axis", 0, 0, OP_F32(OP_NORMAL, 67, 131), 131),
    CASE("classes of a map", 1, 1, OP_F32(OP_NORMAL, 2, 19, 5, 7), 2, 1, 5, 7),
    CASE("ties", -1, 0, OP_F32(OP_TIES, 31, 11), 31),
    CASE("ties, first axis", 0, 0, OP_F32(OP_TIES, 11, 31), 31),
    CASE("special", -1, 0, OP_F32(OP_SPECIAL, 61, 9), 61),
    CASE("special, first axis", 0, 0, OP_F32(OP_SPECIAL, 9, 61), 61),
    CASE("-inf alone", -1, 0, OP_F32(OP_INFINITE, 127, 2), 127),
    CASE("long rows", -1, 0, OP_F32(OP_NORMAL, 3, 10007), 3),
    CASE("long columns", 0, 1, OP_F32(OP_TIES, 5003, 9), 1, 9),
    HUGE_CASE("huge", 0, OP_NORMAL, 1, 310001, 2),
    HUGE_CASE("huge, ties", 0, OP_TIES, 1, 140009, 2),
    HUGE_CASE("huge, special", 0, OP_SPECIAL, 1, 140009, 2),
    HUGE_CASE("huge, -inf", 0, OP_RANGE, -INFINITY, 140009, 2),
    HUGE_CASE("huge, last axis", 1, OP_NORMAL, 1, 1, 110009),
    CASE("size 1", 1, 0, OP_F32(OP_NORMAL, 5, 1), 5),
    CASE("a vector", 0, 0, OP_F32(OP_NORMAL, 37)),
    CASE("rank 8", 3, 0, OP_F32(OP_NORMAL, 2, 3, 2, 5, 2, 1, 3, 2), 2, 3, 2, 2, 1, 3, 2),
};

static void axis_2(vka_graph *g, const vka_tensor *in)
{
    vka_argmax(g, in[0], 2, false);
}

static const struct op_error errors[] = {
    {"axis", {OP_F32(OP_NORMAL, 2, 3)}, axis_2, "argmax: axis 2 is out of range for rank 2"},
    {"type", {OP_I32(2, 3)}, axis_2, "argmax: operand 0 is I32, not F32"},
};

int main(void)
{
    return OP_TEST_RUN("argmax", cases, errors);
}
