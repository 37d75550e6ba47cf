// SPDX-License-Identifier: MIT
#include "support/op_test.h"

#include <math.h>

// Operands: q, k, v, bias. i: the function.
static void build(vka_graph *g, const struct op_case *c, const vka_tensor *in, vka_tensor *out)
{
    struct vka_activation act = {(int)c->i[0], (float)c->d[0], (float)c->d[1]};
    out[0] = vka_additive(g, in[0], in[1], in[2], in[3], act);
}

static double activated(const struct op_case *c, double x)
{
    switch (c->i[0]) {
    case VKA_ACT_TANH:
        return tanh(x);
    case VKA_ACT_RELU:
        return x > 0 ? x : 0;
    case VKA_ACT_LEAKY_RELU:
        return x > 0 ? x : c->d[0] * x;
    default:
        return x;
    }
}

static void define(const struct op_case *c, const struct op_tensor *in, struct op_tensor *out)
{
    int64_t queries = in[0].shape.dim[1], keys = in[1].shape.dim[1], width = in[0].shape.dim[2];
    for (int64_t i = 0; i < out[0].count; i++) {
        int64_t row = i / keys, key = row / queries * keys + i % keys;
        double sum = in[3].v ? in[3].v[0] : 0;
        for (int64_t a = 0; a < width; a++)
            sum += in[2].v[a] * activated(c, in[0].v[row * width + a] + in[1].v[key * width + a]);
        out[0].v[i] = sum;
    }
}

#define DEFINED .build = build, .define = define, .bound = 2e-6, .bound16 = 2e-3
#define TANH    DEFINED, .i = {VKA_ACT_TANH}
#define F(...)  OP_F32(OP_NORMAL, __VA_ARGS__)
#define O(...)  .out = OP_SHAPE(__VA_ARGS__)

static const struct op_case cases[] = {
    {.name = "tanh", .in = {F(2, 3, 16), F(2, 5, 16), F(16)}, TANH, O(2, 3, 5)},
    {.name = "one of everything", .in = {F(1, 1, 1), F(1, 1, 1), F(1)}, TANH, O(1, 1, 1)},
    {.name = "narrow", .in = {F(2, 3, 7), F(2, 5, 7), F(7)}, TANH, O(2, 3, 5)},
    {.name = "odd sizes", .in = {F(3, 7, 37), F(3, 11, 37), F(37)}, TANH, O(3, 7, 11)},
    {.name = "wide", .in = {F(1, 2, 1031), F(1, 3, 1031), F(1031)}, TANH, O(1, 2, 3)},
    {.name = "many scores", .in = {F(2, 70, 19), F(2, 90, 19), F(19)}, TANH, O(2, 70, 90)},
    {.name = "bias", .in = {F(2, 3, 17), F(2, 5, 17), F(17), F(1)}, TANH, O(2, 3, 5)},
    {.name = "relu and bias",
     .in = {F(2, 3, 33), F(2, 5, 33), F(33), F(1)},
     DEFINED,
     .i = {VKA_ACT_RELU},
     O(2, 3, 5)},
    {.name = "leaky relu",
     .in = {F(2, 3, 33), F(2, 5, 33), F(33)},
     DEFINED,
     .i = {VKA_ACT_LEAKY_RELU},
     .d = {0.25},
     O(2, 3, 5)},
    {.name = "none", .in = {F(2, 1, 20), F(2, 9, 20), F(20)}, DEFINED, O(2, 1, 9)},
};

static void shapes(vka_graph *g, const vka_tensor *in)
{
    vka_additive(g, in[0], in[1], in[2], in[3], (struct vka_activation){VKA_ACT_TANH, 0, 0});
}

static const struct op_error errors[] = {
    {"batch", {F(2, 3, 16), F(1, 5, 16), F(16)}, shapes, "q is [2, 3, 16], k [1, 5, 16], v [16]"},
    {"width", {F(2, 3, 16), F(2, 5, 15), F(16)}, shapes, "k [2, 5, 15]"},
    {"v", {F(2, 3, 16), F(2, 5, 16), F(15)}, shapes, "v [15]"},
    {"bias", {F(2, 3, 16), F(2, 5, 16), F(16), F(2)}, shapes, "v [18] with its bias"},
    {"axes", {F(3, 16), F(2, 5, 16), F(16)}, shapes, "q is [3, 16]"},
    {"integers", {F(2, 3, 16), OP_I32(2, 5, 16), F(16)}, shapes, "additive"},
};

int main(void)
{
    return OP_TEST_RUN("additive", cases, errors);
}
