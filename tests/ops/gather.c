// SPDX-License-Identifier: MIT
#include "support/op_test.h"

static void gather(vka_graph *g, const struct op_case *c, const vka_tensor *in, vka_tensor *out)
{
    (void)c;
    out[0] = vka_gather(g, in[0], in[1]);
}

static void define(const struct op_case *c, const struct op_tensor *in, struct op_tensor *out)
{
    int64_t width = in[0].shape.dim[1];
    (void)c;
    for (int64_t i = 0; i < out->count; i++)
        out->v[i] = in[0].v[(int64_t)in[1].v[i / width] * width + i % width];
}

static const struct op_case cases[] = {
    {.name = "rows",
     .in = {OP_F32(OP_BITS, 11, 7), OP_IDS(0, 10, 5)},
     .build = gather,
     .define = define,
     .out = OP_SHAPE(5, 7)},
    {.name = "two axes",
     .in = {OP_F32(OP_NORMAL, 3, 13), OP_IDS(0, 2, 4, 5)},
     .build = gather,
     .define = define,
     .out = OP_SHAPE(4, 5, 13)},
    {.name = "one row",
     .in = {OP_F32(OP_NORMAL, 1, 1), OP_IDS(0, 0, 3)},
     .build = gather,
     .define = define,
     .out = OP_SHAPE(3, 1)},
    {.name = "integers",
     .in = {OP_I32(6, 3), OP_IDS(0, 5, 7)},
     .build = gather,
     .define = define,
     .out = OP_SHAPE(7, 3)},
    {.name = "many",
     .in = {OP_F32(OP_NORMAL, 101, 17), OP_IDS(0, 100, 1009)},
     .build = gather,
     .define = define,
     .out = OP_SHAPE(1009, 17)},
};

static void build(vka_graph *g, const vka_tensor *in)
{
    vka_gather(g, in[0], in[1]);
}

static const struct op_error errors[] = {
    {"float ids", {OP_F32(OP_NORMAL, 3, 4), OP_F32(OP_NORMAL, 2)}, build, "F32, not I32"},
    {"a table of rank 1", {OP_F32(OP_NORMAL, 3), OP_I32(2)}, build, "table of shape [3]"},
};

int main(void)
{
    return OP_TEST_RUN("gather", cases, errors);
}
