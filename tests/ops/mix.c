// SPDX-License-Identifier: MIT
#include "support/op_test.h"

static void build(vka_graph *g, const struct op_case *c, const vka_tensor *in, vka_tensor *out)
{
    (void)c;
    out[0] = vka_mix(g, in[0], in[1], in[2], in[3]);
}

static void define(const struct op_case *c, const struct op_tensor *in, struct op_tensor *out)
{
    (void)c;
    for (int64_t i = 0; i < out->count; i++)
        out->v[i] = op_at(&in[0], &out->shape, i) * op_at(&in[1], &out->shape, i) +
                    op_at(&in[2], &out->shape, i) * op_at(&in[3], &out->shape, i);
}

#define DEFINED .build = build, .define = define, .bound = 3e-7, .bound16 = 1e-3
#define F(...)  OP_F32(OP_NORMAL, __VA_ARGS__)
#define O(...)  .out = OP_SHAPE(__VA_ARGS__)

static const struct op_case cases[] = {
    {.name = "one shape", .in = {F(7, 131), F(7, 131), F(7, 131), F(7, 131)}, DEFINED, O(7, 131)},
    {.name = "a gate a channel",
     .in = {F(2, 5, 7, 90), F(2, 5, 1, 1), F(2, 5, 7, 90), F(2, 5, 1, 1)},
     DEFINED,
     O(2, 5, 7, 90)},
    {.name = "a gate a channel, a gate a place, fours",
     .in = {F(2, 5, 4, 85), F(5, 1, 1), F(2, 5, 4, 85), F(2, 1, 4, 85)},
     DEFINED,
     O(2, 5, 4, 85)},
    {.name = "fours", .in = {F(2, 3, 900), F(3, 1), F(2, 3, 900), F(3, 1)}, DEFINED, O(2, 3, 900)},
    {.name = "each broadcast", .in = {F(3, 1, 1), F(5, 1), F(7), F(1)}, DEFINED, O(3, 5, 7)},
    {.name = "long", .in = {F(1, 1500), F(1), F(1, 1500), F(1500)}, DEFINED, O(1, 1500)},
    {.name = "special",
     .in = {OP_F32(OP_SPECIAL, 3, 31), F(31), F(3, 1), F(3, 31)},
     DEFINED,
     O(3, 31)},
};

static void call(vka_graph *g, const vka_tensor *in)
{
    vka_mix(g, in[0], in[1], in[2], in[3]);
}

static const struct op_error errors[] = {
    {"one is absent", {F(2, 3), F(2, 3), F(2, 3)}, call, "mix"},
    {"integers", {F(2), F(2), F(2), OP_I32(2)}, call, "I32"},
    {"other sizes", {F(2, 3), F(2, 1), F(2, 4), F(2, 1)}, call, "[2, 4]"},
};

int main(void)
{
    return OP_TEST_RUN("mix", cases, errors);
}
