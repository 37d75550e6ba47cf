// SPDX-License-Identifier: MIT
#include "support/op_test.h"

// Operands: x [N, V, C], y [N, Q, C], factors [G, C], bias [G] or none.

static void build(vka_graph *g, const struct op_case *c, const vka_tensor *in, vka_tensor *out)
{
    (void)c;
    out[0] = vka_bilinear_logits(g, in[0], in[1], in[2], in[3]);
}

static void define(const struct op_case *c, const struct op_tensor *in, struct op_tensor *out)
{
    int64_t channels = in[0].shape.dim[2];
    (void)c;
    for (int64_t i = 0; i < out[0].count; i++) {
        int64_t at[VKA_MAX_RANK]; // n, g, v, q
        op_coords(&out[0].shape, i, at);
        const double *x = in[0].v + (at[0] * in[0].shape.dim[1] + at[2]) * channels;
        const double *y = in[1].v + (at[0] * in[1].shape.dim[1] + at[3]) * channels;
        const double *factor = in[2].v + at[1] * channels;
        out[0].v[i] = in[3].v ? in[3].v[at[1]] : 0;
        for (int64_t k = 0; k < channels; k++)
            out[0].v[i] += factor[k] * x[k] * y[k];
    }
}

#define DEFINED .build = build, .define = define, .bound = 2e-6, .bound16 = 2e-3
#define F(...)  OP_F32(OP_NORMAL, __VA_ARGS__)
#define O(...)  .out = OP_SHAPE(__VA_ARGS__)

static const struct op_case cases[] = {
    {.name = "plain", .in = {F(2, 5, 8), F(2, 3, 8), F(2, 8), F(2)}, DEFINED, O(2, 2, 5, 3)},
    {.name = "one of everything",
     .in = {F(1, 1, 1), F(1, 1, 1), F(1, 1), F(1)},
     DEFINED,
     O(1, 1, 1, 1)},
    {.name = "no bias", .in = {F(2, 5, 8), F(2, 3, 8), F(2, 8)}, DEFINED, O(2, 2, 5, 3)},
    {.name = "one channel", .in = {F(3, 7, 1), F(3, 9, 1), F(5, 1), F(5)}, DEFINED, O(3, 5, 7, 9)},
    {.name = "primes",
     .in = {F(3, 37, 67), F(3, 41, 67), F(3, 67), F(3)},
     DEFINED,
     O(3, 3, 37, 41)},
    {.name = "several blocks",
     .in = {F(1, 119, 531), F(1, 139, 531), F(2, 531), F(2)},
     DEFINED,
     O(1, 2, 119, 139)},
    {.name = "32 glimpses",
     .in = {F(2, 36, 48), F(2, 14, 48), F(32, 48), F(32)},
     DEFINED,
     O(2, 32, 36, 14)},
};

static void make(vka_graph *g, const vka_tensor *in)
{
    vka_bilinear_logits(g, in[0], in[1], in[2], in[3]);
}

#define V F(2, 5, 8)
static const struct op_error errors[] = {
    {"axes", {F(5, 8), F(2, 3, 8), F(2, 8)}, make, "x is [5, 8], y [2, 3, 8]"},
    {"batch", {V, F(3, 3, 8), F(2, 8)}, make, "y [3, 3, 8]"},
    {"channels", {V, F(2, 3, 7), F(2, 8)}, make, "y [2, 3, 7]"},
    {"factors", {V, F(2, 3, 8), F(2, 7)}, make, "factors and bias [2, 8]"},
    {"bias", {V, F(2, 3, 8), F(2, 8), F(3)}, make, "concat"},
    {"integers", {V, OP_I32(2, 3, 8), F(2, 8)}, make, "F32"},
};

int main(void)
{
    return OP_TEST_RUN("bilinear_logits", cases, errors);
}
