// SPDX-License-Identifier: MIT
#include "support/op_test.h"

#include <math.h>

// i: 0 the plain product, else a gate of the other two's product or sum: sigmoid, and d[0] more; or
// scaled and shifted by them, i[1]: the activation.
enum { PLAIN, PRODUCT, SUM, SCALED };

static void build(vka_graph *g, const struct op_case *c, const vka_tensor *in, vka_tensor *out)
{
    const struct vka_mul3 gate = {
        .adds = c->i[0] == SUM, .f = {VKA_ACT_SIGMOID, 0, 0}, .shift = (float)c->d[0]};
    if (c->i[0] == SCALED) {
        out[0] =
            vka_scale_shift(g, in[0], in[1], in[2], (struct vka_activation){(int)c->i[1], 0, 0});
        return;
    }
    out[0] = c->i[0] == PLAIN ? vka_mul3(g, in[0], in[1], in[2])
                              : vka_mul3_gate(g, in[0], in[1], in[2], &gate);
}

static void define(const struct op_case *c, const struct op_tensor *in, struct op_tensor *out)
{
    for (int64_t i = 0; i < out->count; i++) {
        double x = op_at(&in[0], &out->shape, i), a = op_at(&in[1], &out->shape, i);
        double b = op_at(&in[2], &out->shape, i), logit = c->i[0] == SUM ? a + b : a * b;
        double y = x * a + b;
        if (c->i[0] == SCALED)
            out->v[i] = c->i[1] == VKA_ACT_RELU && y < 0 ? 0 : y;
        else
            out->v[i] = c->i[0] == PLAIN ? x * a * b : x * (c->d[0] + 1 / (1 + exp(-logit)));
    }
}

#define DEFINED .build = build, .define = define, .bound = 3e-7, .bound16 = 1e-3
#define F(...)  OP_F32(OP_NORMAL, __VA_ARGS__)
#define O(...)  .out = OP_SHAPE(__VA_ARGS__)

static const struct op_case cases[] = {
    {.name = "one shape", .in = {F(7, 131), F(7, 131), F(7, 131)}, DEFINED, O(7, 131)},
    {.name = "a channel's gate, then a place's",
     .in = {F(2, 5, 7, 90), F(2, 5, 1, 1), F(2, 1, 7, 90)},
     DEFINED,
     O(2, 5, 7, 90)},
    {.name = "a place's gate, then a channel's",
     .in = {F(2, 5, 7, 90), F(2, 1, 7, 90), F(5, 1, 1)},
     DEFINED,
     O(2, 5, 7, 90)},
    {.name = "fours", .in = {F(2, 5, 4, 85), F(5, 1, 1), F(2, 1, 4, 85)}, DEFINED, O(2, 5, 4, 85)},
    {.name = "each broadcast", .in = {F(3, 1, 1), F(5, 1), F(7)}, DEFINED, O(3, 5, 7)},
    {.name = "long", .in = {F(1, 1500), F(1), F(1, 1500)}, DEFINED, O(1, 1500)},
    {.name = "a gate of a product, and 1",
     .in = {F(2, 5, 7, 90), F(2, 5, 1, 1), F(2, 1, 7, 90)},
     DEFINED,
     O(2, 5, 7, 90),
     .i = {PRODUCT},
     .d = {1}},
    {.name = "a gate of a sum, fours",
     .in = {F(2, 5, 4, 85), F(5, 1, 1), F(2, 1, 4, 85)},
     DEFINED,
     O(2, 5, 4, 85),
     .i = {SUM}},
    {.name = "a gate that is as large as the map",
     .in = {F(1500), F(1500), F(1500)},
     DEFINED,
     O(1500),
     .i = {PRODUCT},
     .d = {-0.5}},
    {.name = "scaled and shifted a channel, relu",
     .in = {F(2, 5, 7, 90), F(5, 1, 1), F(5, 1, 1)},
     DEFINED,
     O(2, 5, 7, 90),
     .i = {SCALED, VKA_ACT_RELU}},
    {.name = "scaled and shifted a place, fours",
     .in = {F(2, 5, 4, 85), F(2, 1, 4, 85), F(5, 1, 1)},
     DEFINED,
     O(2, 5, 4, 85),
     .i = {SCALED}},
    {.name = "scaled and shifted, special",
     .in = {OP_F32(OP_SPECIAL, 3, 31), F(3, 1), F(3, 1)},
     DEFINED,
     O(3, 31),
     .i = {SCALED, VKA_ACT_RELU}},
    {.name = "special", .in = {OP_F32(OP_SPECIAL, 3, 31), F(31), F(3, 1)}, DEFINED, O(3, 31)},
};

static void call(vka_graph *g, const vka_tensor *in)
{
    vka_mul3(g, in[0], in[1], in[2]);
}

static const struct op_error errors[] = {
    {"one is absent", {F(2, 3), F(2, 3)}, call, "mul3"},
    {"integers", {F(2), F(2), OP_I32(2)}, call, "I32"},
    {"other sizes", {F(2, 3), F(2, 1), F(2, 4)}, call, "[2, 4]"},
};

int main(void)
{
    return OP_TEST_RUN("mul3", cases, errors);
}
