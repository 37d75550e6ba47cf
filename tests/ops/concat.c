// SPDX-License-Identifier: MIT
#include "support/op_test.h"

static void concat(vka_graph *g, const struct op_case *c, const vka_tensor *in, vka_tensor *out)
{
    int count = 0;
    while (count < OP_OPERANDS && in[count])
        count++;
    out[0] = vka_concat(g, (int)c->i[0], count, in);
}

static void define(const struct op_case *c, const struct op_tensor *in, struct op_tensor *out)
{
    int axis = (int)(c->i[0] < 0 ? c->i[0] + out->shape.rank : c->i[0]);
    for (int64_t i = 0; i < out->count; i++) {
        int64_t at[VKA_MAX_RANK];
        int k = 0;
        op_coords(&out->shape, i, at);
        for (; at[axis] >= in[k].shape.dim[axis]; k++)
            at[axis] -= in[k].shape.dim[axis];
        out->v[i] = in[k].v[op_index(&in[k].shape, at)];
    }
}

static const struct op_case cases[] = {
    {.name = "channels",
     .in = {OP_F32(OP_BITS, 2, 3, 5, 7), OP_F32(OP_BITS, 2, 1, 5, 7), OP_F32(OP_BITS, 2, 4, 5, 7)},
     .build = concat,
     .define = define,
     .i = {1},
     .out = OP_SHAPE(2, 8, 5, 7)},
    {.name = "first axis",
     .in = {OP_F32(OP_NORMAL, 3, 5), OP_F32(OP_NORMAL, 2, 5)},
     .build = concat,
     .define = define,
     .i = {0},
     .out = OP_SHAPE(5, 5)},
    {.name = "last axis",
     .in = {OP_F32(OP_NORMAL, 7, 3), OP_F32(OP_NORMAL, 7, 1)},
     .build = concat,
     .define = define,
     .i = {-1},
     .out = OP_SHAPE(7, 4)},
    {.name = "one",
     .in = {OP_F32(OP_NORMAL, 1)},
     .build = concat,
     .define = define,
     .i = {0},
     .out = OP_SHAPE(1)},
    {.name = "integers",
     .in = {OP_I32(3, 1, 2), OP_I32(3, 4, 2), OP_I32(3, 2, 2), OP_I32(3, 1, 2)},
     .build = concat,
     .define = define,
     .i = {1},
     .out = OP_SHAPE(3, 8, 2)},
    {.name = "bools",
     .in = {OP_BOOL(2, 3), OP_BOOL(2, 5)},
     .build = concat,
     .define = define,
     .i = {1},
     .out = OP_SHAPE(2, 8)},
};

static void along_0(vka_graph *g, const vka_tensor *in)
{
    vka_concat(g, 0, 2, in);
}

static void along_5(vka_graph *g, const vka_tensor *in)
{
    vka_concat(g, 5, 2, in);
}

static void nothing(vka_graph *g, const vka_tensor *in)
{
    vka_concat(g, 0, 0, in);
}

static const struct op_error errors[] = {
    {"other sizes",
     {OP_F32(OP_NORMAL, 2, 3), OP_F32(OP_NORMAL, 2, 4)},
     along_0,
     "[2, 3] and [2, 4]"},
    {"other ranks", {OP_F32(OP_NORMAL, 2, 3), OP_F32(OP_NORMAL, 2)}, along_0, "[2, 3] and [2]"},
    {"other types", {OP_F32(OP_NORMAL, 2), OP_I32(2)}, along_0, "I32"},
    {"no such axis", {OP_F32(OP_NORMAL, 2), OP_F32(OP_NORMAL, 2)}, along_5, "axis 5"},
    {"nothing", {{0}}, nothing, "no operand"},
};

int main(void)
{
    return OP_TEST_RUN("concat", cases, errors);
}
