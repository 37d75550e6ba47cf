// SPDX-License-Identifier: MIT
#include "support/op_test.h"

// Operands: a, b, condition.
static void build(vka_graph *g, const struct op_case *c, const vka_tensor *in, vka_tensor *out)
{
    (void)c;
    out[0] = vka_where(g, in[2], in[0], in[1]);
}

static void define(const struct op_case *c, const struct op_tensor *in, struct op_tensor *out)
{
    (void)c;
    for (int64_t i = 0; i < out->count; i++) {
        bool first = op_at(&in[2], &out->shape, i) != 0;
        out->v[i] = op_at(first ? &in[0] : &in[1], &out->shape, i);
    }
}

#define DEFINED .build = build, .define = define
#define WORDS(type, fill, ...)                                                                     \
    {                                                                                              \
        type, fill, 0, 0, OP_SHAPE(__VA_ARGS__), true                                              \
    }

static const struct op_case cases[] = {
    {.name = "alike",
     .in = {OP_F32(OP_BITS, 5, 41), OP_F32(OP_BITS, 5, 41), OP_BOOL(5, 41)},
     DEFINED,
     .out = OP_SHAPE(5, 41)},
    {.name = "special",
     .in = {OP_F32(OP_SPECIAL, 67), OP_F32(OP_SPECIAL, 67), OP_BOOL(67)},
     DEFINED,
     .out = OP_SHAPE(67)},
    {.name = "mask of a row",
     .in = {OP_F32(OP_NORMAL, 3, 17), OP_SCALAR(VKA_F32), OP_BOOL(3, 1)},
     DEFINED,
     .out = OP_SHAPE(3, 17)},
    {.name = "all broadcast",
     .in = {OP_F32(OP_NORMAL, 2, 1, 5), OP_F32(OP_NORMAL, 3, 1), OP_BOOL(7, 1, 1, 1)},
     DEFINED,
     .out = OP_SHAPE(7, 2, 3, 5)},
    {.name = "scalars",
     .in = {OP_SCALAR(VKA_F32), OP_SCALAR(VKA_F32), OP_SCALAR(VKA_BOOL)},
     DEFINED},
    {.name = "six axes, none of which merge",
     .in = {OP_F32(OP_NORMAL, 2, 1, 3, 1, 2, 1), OP_F32(OP_NORMAL, 1, 3, 1, 5, 1, 3),
            OP_BOOL(2, 1)},
     DEFINED,
     .out = OP_SHAPE(2, 3, 3, 5, 2, 3)},
    {.name = "integers",
     .in = {WORDS(VKA_I32, OP_BITS, 7, 13), WORDS(VKA_I32, OP_BITS, 13), OP_BOOL(7, 13)},
     DEFINED,
     .out = OP_SHAPE(7, 13)},
    {.name = "bools",
     .in = {OP_BOOL(3, 5), OP_BOOL(3, 5), OP_BOOL(3, 1)},
     DEFINED,
     .out = OP_SHAPE(3, 5)},
    {.name = "long",
     .in = {OP_F32(OP_NORMAL, 50021), OP_F32(OP_NORMAL, 50021), OP_BOOL(50021)},
     DEFINED,
     .out = OP_SHAPE(50021)},
};

static void where(vka_graph *g, const vka_tensor *in)
{
    vka_where(g, in[2], in[0], in[1]);
}

static const struct op_error errors[] = {
    {"types",
     {OP_F32(OP_NORMAL, 3), OP_I32(3), OP_BOOL(3)},
     where,
     "where: operand 1 is I32, not F32"},
    {"condition",
     {OP_F32(OP_NORMAL, 3), OP_F32(OP_NORMAL, 3), OP_I32(3)},
     where,
     "where: condition: operand 2 is I32, not BOOL"},
    {"shapes",
     {OP_F32(OP_NORMAL, 3), OP_F32(OP_NORMAL, 4), OP_BOOL(3)},
     where,
     "where: the shapes [3] and [4] don't broadcast"},
    {"condition's shape",
     {OP_F32(OP_NORMAL, 3), OP_F32(OP_NORMAL, 3), OP_BOOL(2)},
     where,
     "where: condition: the shapes [2] and [3] don't broadcast"},
};

int main(void)
{
    return OP_TEST_RUN("where", cases, errors);
}
