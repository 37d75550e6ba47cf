// SPDX-License-Identifier: MIT
#include "support/op_test.h"

#include <math.h>
#include <stdlib.h>

// i: activation, order (TA: a is given as [..., K, M], TB: b as [..., N, K]), sizes of b where it
// is no operand but a weight, as products know them when the plan is made; d: alpha.
enum { TA = 1, TB = 2 };

static vka_tensor turned(vka_graph *g, vka_tensor t, bool turn)
{
    return turn ? vka_transpose(g, t, -1, -2) : t;
}

// The weight [.., i[2], i[3]] of the case, exact in 16 bits; malloc'd.
static float *weight_of(const struct op_case *c)
{
    int64_t count = c->i[2] * c->i[3];
    float *w = malloc((size_t)count * sizeof *w);
    for (int64_t i = 0; w && i < count; i++)
        w[i] = (float)(i * 7 % 17 + i / c->i[3] * 5 % 13 - 14) / 8;
    return w;
}

static vka_tensor b_of(vka_graph *g, const struct op_case *c, vka_tensor given)
{
    if (given)
        return given;
    float *w = weight_of(c);
    vka_shape shape = VKA_SHAPE(c->i[2], c->i[3]);
    vka_tensor b = vka_constant(g, VKA_F32, &shape, w);
    free(w);
    return b;
}

static void build(vka_graph *g, const struct op_case *c, const vka_tensor *in, vka_tensor *out)
{
    struct vka_matmul p = {
        .alpha = (float)c->d[0], .bias = in[2], .residual = in[3], .act = {(int)c->i[0], 0, 0}};
    out[0] = vka_matmul(g, turned(g, in[0], c->i[1] & TA),
                        turned(g, b_of(g, c, in[1]), c->i[1] & TB), &p);
}

// A row or column of a matrix.
struct line {
    const double *v;
    int64_t step;
};

// Row `at` of the matrix of `t` that belongs to the output's matrix; or column.
static struct line line_of(const struct op_tensor *t, const vka_shape *out, const int64_t *coords,
                           bool is_row, int64_t at)
{
    int64_t own[VKA_MAX_RANK];
    for (int i = 0; i < t->shape.rank; i++) {
        int64_t coord = coords[out->rank - t->shape.rank + i];
        own[i] = t->shape.dim[i] == 1 ? 0 : coord;
    }
    own[t->shape.rank - 2] = is_row ? at : 0;
    own[t->shape.rank - 1] = is_row ? 0 : at;
    int64_t step = is_row ? 1 : t->shape.dim[t->shape.rank - 1];
    return (struct line){t->v + op_index(&t->shape, own), step};
}

// b as a tensor of doubles; its values are to be freed where they aren't the operand's.
static struct op_tensor defined_b(const struct op_case *c, const struct op_tensor *given)
{
    struct op_tensor b = *given;
    if (b.v)
        return b;
    b.shape = VKA_SHAPE(c->i[2], c->i[3]);
    float *w = weight_of(c);
    b.v = malloc((size_t)(c->i[2] * c->i[3]) * sizeof *b.v);
    for (int64_t i = 0; w && b.v && i < c->i[2] * c->i[3]; i++)
        b.v[i] = (double)w[i];
    free(w);
    return b;
}

static void define(const struct op_case *c, const struct op_tensor *in, struct op_tensor *out)
{
    struct op_tensor b = defined_b(c, &in[1]);
    bool ta = c->i[1] & TA, tb = c->i[1] & TB;
    int64_t depth = in[0].shape.dim[in[0].shape.rank - (ta ? 2 : 1)];
    for (int64_t i = 0; i < out->count; i++) {
        int64_t at[VKA_MAX_RANK];
        op_coords(&out->shape, i, at);
        struct line row = line_of(&in[0], &out->shape, at, !ta, at[out->shape.rank - 2]);
        struct line col = line_of(&b, &out->shape, at, tb, at[out->shape.rank - 1]);
        double sum = 0;
        for (int64_t k = 0; k < depth; k++)
            sum += row.v[k * row.step] * col.v[k * col.step];
        sum *= c->d[0] == 0 ? 1 : c->d[0];
        sum += in[2].v ? op_at(&in[2], &out->shape, i) : 0;
        sum += in[3].v ? op_at(&in[3], &out->shape, i) : 0;
        out->v[i] = c->i[0] == VKA_ACT_RELU      ? fmax(sum, 0)
                    : c->i[0] == VKA_ACT_SIGMOID ? 1 / (1 + exp(-sum))
                                                 : sum;
    }
    if (b.v != in[1].v)
        free(b.v);
}

#define BOUND(most) .build = build, .define = define, .bound = most, .bound16 = 1e-3
#define DEFINED     BOUND(2e-6)
#define DEFINED_LONG                                                                               \
    .build = build, .define = define, .bound = 2e-6, .bound16 = 2e-3, .dense_only = true
#define F(...) OP_F32(OP_NORMAL, __VA_ARGS__)
#define O(...) .out = OP_SHAPE(__VA_ARGS__)

static const struct op_case cases[] = {
    {.name = "plain", .in = {F(7, 11), F(11, 5)}, DEFINED, O(7, 5)},
    {.name = "one of everything", .in = {F(1, 1), F(1, 1)}, DEFINED, O(1, 1)},
    {.name = "tiles with rests", .in = {F(67, 35), F(35, 131)}, DEFINED, O(67, 131)},
    {.name = "deep", .in = {F(19, 1031), F(1031, 37)}, DEFINED, O(19, 37)},
    // Sums so long that they are made in blocks and halves.
    {.name = "very deep", .in = {F(3, 200003), F(200003, 5)}, DEFINED_LONG, O(3, 5)},
    {.name = "very deep, positive",
     .in = {OP_F32(OP_POSITIVE, 2, 1, 60000), OP_F32(OP_POSITIVE, 60000, 8)},
     DEFINED_LONG,
     O(2, 1, 8)},
    {.name = "too deep for one lane",
     .in = {F(1, 400016), F(400016, 4), F(4), F(1, 4)},
     DEFINED_LONG,
     O(1, 4)},
    {.name = "whole tiles", .in = {F(128, 64), F(64, 128)}, DEFINED, O(128, 128)},
    // Products of some size are cut into larger tiles on CPU devices.
    {.name = "large", .in = {F(70, 500), F(500, 132)}, DEFINED_LONG, O(70, 132)},
    {.name = "large, a turned",
     .in = {F(501, 70), F(501, 132)},
     DEFINED_LONG,
     .i = {0, TA},
     O(70, 132)},
    {.name = "large, rests", .in = {F(67, 501), F(501, 131)}, DEFINED_LONG, O(67, 131)},
    {.name = "large and deep",
     .in = {F(19, 2051), F(2051, 132), F(132), F(19, 132)},
     DEFINED_LONG,
     O(19, 132)},
    {.name = "a turned", .in = {F(33, 70), F(33, 45)}, DEFINED, .i = {0, TA}, O(70, 45)},
    {.name = "b turned", .in = {F(70, 33), F(45, 33)}, DEFINED, .i = {0, TB}, O(70, 45)},
    {.name = "both turned", .in = {F(33, 70), F(45, 33)}, DEFINED, .i = {0, TA | TB}, O(70, 45)},
    {.name = "one row", .in = {F(1, 77), F(77, 203)}, DEFINED, O(1, 203)},
    {.name = "one row, b turned", .in = {F(1, 77), F(203, 77)}, DEFINED, .i = {0, TB}, O(1, 203)},
    {.name = "one column", .in = {F(203, 77), F(77, 1)}, DEFINED, O(203, 1)},
    {.name = "one column, a turned",
     .in = {F(77, 203), F(77, 1)},
     DEFINED,
     .i = {0, TA},
     O(203, 1)},
    {.name = "few rows", .in = {F(3, 600), F(600, 210)}, DEFINED, O(3, 210)},
    {.name = "few rows, b turned", .in = {F(7, 600), F(90, 600)}, DEFINED, .i = {0, TB}, O(7, 90)},
    {.name = "few columns", .in = {F(210, 300), F(300, 6)}, DEFINED, O(210, 6)},
    {.name = "few columns, a turned",
     .in = {F(300, 210), F(300, 3)},
     BOUND(4e-6),
     .i = {0, TA},
     O(210, 3)},
    {.name = "a dozen columns", .in = {F(50, 40), F(40, 12)}, DEFINED, O(50, 12)},
    {.name = "fours of columns, not all", .in = {F(19, 40), F(40, 44)}, DEFINED, O(19, 44)},
    {.name = "depth 1", .in = {F(40, 1), F(1, 50)}, DEFINED, O(40, 50)},
    {.name = "batch", .in = {F(5, 9, 17), F(5, 17, 21)}, DEFINED, O(5, 9, 21)},
    {.name = "batch, one b", .in = {F(5, 9, 17), F(17, 21)}, DEFINED, O(5, 9, 21)},
    {.name = "batch, one a", .in = {F(9, 17), F(5, 17, 21)}, DEFINED, O(5, 9, 21)},
    {.name = "batch, one row each", .in = {F(6, 1, 17), F(17, 21)}, DEFINED, O(6, 1, 21)},
    {.name = "two batch axes", .in = {F(2, 3, 9, 17), F(2, 3, 17, 21)}, DEFINED, O(2, 3, 9, 21)},
    {.name = "batch axes repeated in turn",
     .in = {F(2, 1, 4, 5), F(3, 5, 6)},
     DEFINED,
     O(2, 3, 4, 6)},
    {.name = "five batch axes that lie apart",
     .in = {F(2, 1, 2, 1, 2, 3, 4), F(1, 3, 1, 2, 1, 4, 5)},
     DEFINED,
     O(2, 3, 2, 2, 2, 3, 5)},
    {.name = "scaled", .in = {F(9, 20), F(20, 30)}, DEFINED, .d = {-0.25}, O(9, 30)},
    {.name = "bias of a row",
     .in = {F(4, 9, 20), F(20, 30), F(30)},
     DEFINED,
     .d = {0.5},
     O(4, 9, 30)},
    {.name = "bias of a column", .in = {F(9, 20), F(4, 20, 30), F(9, 1)}, DEFINED, O(4, 9, 30)},
    {.name = "bias of one", .in = {F(9, 20), F(20, 30), F(1)}, DEFINED, O(9, 30)},
    {.name = "bias of a matrix", .in = {F(3, 9, 20), F(20, 30), F(9, 30)}, DEFINED, O(3, 9, 30)},
    {.name = "bias and few columns", .in = {F(90, 20), F(20, 3), F(3)}, DEFINED, O(90, 3)},
    {.name = "bias and one column", .in = {F(90, 20), F(20, 1), F(90, 1)}, DEFINED, O(90, 1)},
    {.name = "residual alone",
     .in = {F(9, 20), F(20, 30), {0}, F(9, 30)},
     DEFINED,
     .i = {VKA_ACT_RELU},
     O(9, 30)},
    {.name = "bias, residual, relu",
     .in = {F(2, 9, 20), F(20, 30), F(30), F(2, 9, 30)},
     DEFINED,
     .i = {VKA_ACT_RELU},
     O(2, 9, 30)},
    {.name = "bias, residual of a matrix, sigmoid",
     .in = {F(2, 9, 20), F(2, 20, 30), F(2, 1, 30), F(9, 30)},
     DEFINED,
     .i = {VKA_ACT_SIGMOID},
     .d = {0.3},
     O(2, 9, 30)},
    {.name = "a weight", .in = {F(35, 64)}, DEFINED, .i = {0, 0, 64, 96}, O(35, 96)},
    // From 2^22 products on in larger tiles, from 2^24 on eight terms a turn.
    {.name = "a weight, larger tiles",
     .in = {F(35, 1040)},
     DEFINED_LONG,
     .i = {0, 0, 1040, 132},
     O(35, 132)},
    {.name = "a weight, eight terms a turn",
     .in = {F(130, 1040)},
     DEFINED_LONG,
     .i = {0, 0, 1040, 132},
     O(130, 132)},
    {.name = "a weight, turned", .in = {F(35, 24)}, DEFINED, .i = {0, TB, 68, 24}, O(35, 68)},
    {.name = "a weight, odd sizes", .in = {F(35, 21)}, DEFINED, .i = {0, 0, 21, 37}, O(35, 37)},
    {.name = "a weight, terms by fours", .in = {F(9, 20)}, DEFINED, .i = {0, 0, 20, 44}, O(9, 44)},
    {.name = "a weight, deep", .in = {F(8, 1040)}, DEFINED, .i = {0, 0, 1040, 36}, O(8, 36)},
    {.name = "a weight, batch, bias, residual, relu",
     .in = {F(2, 9, 40), {0}, F(100), F(2, 9, 100)},
     DEFINED,
     .i = {VKA_ACT_RELU, TB, 100, 40},
     .d = {0.5},
     O(2, 9, 100)},
    // From 2^27 products on a weight is read sixteen terms a turn.
    {.name = "a weight, large",
     .in = {F(530, 512)},
     DEFINED,
     .i = {0, TB, 500, 512},
     .dense_only = true,
     O(530, 500)},
    {.name = "infinities and NaN by a weight",
     .in = {OP_F32(OP_SPECIAL, 40, 16)},
     DEFINED,
     .i = {0, 0, 16, 60},
     .dense_only = true,
     O(40, 60)},
    {.name = "infinities and NaN",
     .in = {OP_F32(OP_SPECIAL, 40, 3), F(3, 35)},
     DEFINED,
     .dense_only = true,
     O(40, 35)},
};

static void shapes(vka_graph *g, const vka_tensor *in)
{
    struct vka_matmul p = {.bias = in[2], .residual = in[3]};
    vka_matmul(g, in[0], in[1], &p);
}

static const struct op_error errors[] = {
    {"inner sizes", {F(3, 4), F(5, 6)}, shapes, "columns of a must be as many as the rows of b"},
    {"inner sizes, shapes told", {F(3, 4), F(5, 6)}, shapes, "a is [3, 4], b is [5, 6]"},
    {"one axis", {F(4), F(4, 6)}, shapes, "at least two axes"},
    {"batch sizes", {F(2, 3, 4), F(3, 4, 6)}, shapes, "leading axes don't broadcast"},
    {"bias too long", {F(3, 4), F(4, 6), F(5)}, shapes, "bias is [5], which doesn't broadcast"},
    {"bias of more axes", {F(3, 4), F(4, 6), F(2, 3, 6)}, shapes, "output [3, 6]"},
    {"residual", {F(3, 4), F(4, 6), F(6), F(3, 5)}, shapes, "residual is [3, 5]"},
    {"integers", {OP_I32(3, 4), F(4, 6)}, shapes, "must be F32"},
};

int main(void)
{
    return OP_TEST_RUN("matmul", cases, errors);
}
