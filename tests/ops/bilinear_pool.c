// SPDX-License-Identifier: MIT
#include "support/op_test.h"

// Operands: weights [N, V, Q], x [N, V, K], y [N, Q, K].

static void build(vka_graph *g, const struct op_case *c, const vka_tensor *in, vka_tensor *out)
{
    (void)c;
    out[0] = vka_bilinear_pool(g, in[0], in[1], in[2]);
}

static void define(const struct op_case *c, const struct op_tensor *in, struct op_tensor *out)
{
    const int64_t *size = in[0].shape.dim, rows = size[1], cols = size[2];
    int64_t width = in[1].shape.dim[2];
    (void)c;
    for (int64_t i = 0; i < out[0].count; i++) {
        int64_t n = i / width, k = i % width;
        out[0].v[i] = 0;
        for (int64_t pair = 0; pair < rows * cols; pair++) {
            int64_t v = pair / cols, q = pair % cols;
            out[0].v[i] += in[0].v[(n * rows + v) * cols + q] *
                           in[1].v[(n * rows + v) * width + k] *
                           in[2].v[(n * cols + q) * width + k];
        }
    }
}

#define DEFINED .build = build, .define = define, .bound = 2e-6, .bound16 = 2e-3
#define F(...)  OP_F32(OP_NORMAL, __VA_ARGS__)
#define O(...)  .out = OP_SHAPE(__VA_ARGS__)

static const struct op_case cases[] = {
    {.name = "plain", .in = {F(2, 5, 3), F(2, 5, 8), F(2, 3, 8)}, DEFINED, O(2, 8)},
    {.name = "one of everything", .in = {F(1, 1, 1), F(1, 1, 1), F(1, 1, 1)}, DEFINED, O(1, 1)},
    {.name = "one row", .in = {F(3, 1, 7), F(3, 1, 40), F(3, 7, 40)}, DEFINED, O(3, 40)},
    {.name = "one column", .in = {F(3, 17, 1), F(3, 17, 12), F(3, 1, 12)}, DEFINED, O(3, 12)},
    {.name = "one feature", .in = {F(2, 37, 41), F(2, 37, 1), F(2, 41, 1)}, DEFINED, O(2, 1)},
    {.name = "primes", .in = {F(3, 37, 41), F(3, 37, 101), F(3, 41, 101)}, DEFINED, O(3, 101)},
    {.name = "several tiles",
     .in = {F(2, 70, 67), F(2, 70, 300), F(2, 67, 300)},
     DEFINED,
     O(2, 300)},
    {.name = "36 objects, 14 tokens",
     .in = {F(4, 36, 14), F(4, 36, 256), F(4, 14, 256)},
     DEFINED,
     O(4, 256)},
};

static void make(vka_graph *g, const vka_tensor *in)
{
    vka_bilinear_pool(g, in[0], in[1], in[2]);
}

#define W F(2, 5, 3)
static const struct op_error errors[] = {
    {"axes", {F(5, 3), F(2, 5, 8), F(2, 3, 8)}, make, "the weights are [5, 3], x [2, 5, 8]"},
    {"batch of x", {W, F(3, 5, 8), F(2, 3, 8)}, make, "x [3, 5, 8]"},
    {"batch of y", {W, F(2, 5, 8), F(1, 3, 8)}, make, "y [1, 3, 8]"},
    {"rows", {W, F(2, 4, 8), F(2, 3, 8)}, make, "[N, V, K]"},
    {"columns", {W, F(2, 5, 8), F(2, 5, 8)}, make, "[N, Q, K]"},
    {"features", {W, F(2, 5, 8), F(2, 3, 7)}, make, "x [2, 5, 8], y [2, 3, 7]"},
    {"integers", {W, OP_I32(2, 5, 8), F(2, 3, 8)}, make, "F32"},
    {"missing", {W, F(2, 5, 8)}, make, "bilinear_pool"},
};

int main(void)
{
    return OP_TEST_RUN("bilinear_pool", cases, errors);
}
