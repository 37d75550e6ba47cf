// SPDX-License-Identifier: MIT
#include "support/op_test.h"

static void where(vka_graph *g, const struct op_case *c, const vka_tensor *in, vka_tensor *out)
{
    (void)c;
    out[0] = vka_where(g, in[0], in[1], in[2]);
}

static void define(const struct op_case *c, const struct op_tensor *in, struct op_tensor *out)
{
    (void)c;
    for (int64_t i = 0; i < out->count; i++)
        out->v[i] = op_at(&in[op_at(&in[0], &out->shape, i) != 0 ? 1 : 2], &out->shape, i);
}

#define WHERE(name_, shape, ...)                                                                   \
    {                                                                                              \
        .name = name_, .in = {__VA_ARGS__}, .build = where, .define = define, .out = shape         \
    }
static const struct op_case cases[] = {
    WHERE("bits", OP_SHAPE(7, 13), OP_BOOL(7, 13), OP_F32(OP_BITS, 7, 13), OP_F32(OP_BITS, 7, 13)),
    WHERE("broadcast", OP_SHAPE(2, 3, 5, 7), OP_BOOL(2, 1, 5, 1), OP_F32(OP_NORMAL, 3, 1, 7),
          OP_F32(OP_SPECIAL, 1)),
    WHERE("scalar condition", OP_SHAPE(11), OP_SCALAR(VKA_BOOL), OP_F32(OP_NORMAL, 11),
          OP_F32(OP_NORMAL, 11)),
    WHERE("one", OP_SHAPE(1), OP_BOOL(1), OP_F32(OP_NORMAL, 1), OP_F32(OP_NORMAL, 1)),
    WHERE("integers", OP_SHAPE(5, 4), OP_BOOL(5, 4), OP_I32(5, 4), OP_I32(4)),
    WHERE("bools", OP_SHAPE(5, 4), OP_BOOL(5, 1), OP_BOOL(5, 4), OP_BOOL(4)),
    WHERE("five axes", OP_SHAPE(2, 3, 2, 3, 5), OP_BOOL(2, 1, 2, 1, 5),
          OP_F32(OP_NORMAL, 3, 1, 3, 1), OP_F32(OP_NORMAL, 2, 3, 2, 3, 5)),
    WHERE("long", OP_SHAPE(100003), OP_BOOL(100003), OP_F32(OP_NORMAL, 100003), OP_SCALAR(VKA_F32)),
};

static void build(vka_graph *g, const vka_tensor *in)
{
    vka_where(g, in[0], in[1], in[2]);
}

static const struct op_error errors[] = {
    {"a float condition",
     {OP_F32(OP_NORMAL, 3), OP_F32(OP_NORMAL, 3), OP_F32(OP_NORMAL, 3)},
     build,
     "F32, not BOOL"},
    {"two types", {OP_BOOL(3), OP_F32(OP_NORMAL, 3), OP_I32(3)}, build, "I32, not F32"},
    {"other shapes",
     {OP_BOOL(4), OP_F32(OP_NORMAL, 3), OP_F32(OP_NORMAL, 3)},
     build,
     "[4] and [3]"},
};

int main(void)
{
    return OP_TEST_RUN("where", cases, errors);
}
