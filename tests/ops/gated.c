// SPDX-License-Identifier: MIT
#include "support/op_test.h"

#include <math.h>

// Operands: x, v, the weight, the bias, the norm's scale and shift as two rows.
// i: the gate's activation, flags, results: 1 y, 2 the gate, 3 both.
enum { X, V, WEIGHT, BIAS, AFFINE };
enum { SLIDES = 1, NORM = 2, ADDS = 4, SHARED = 8 };
#define EPS 1e-3

static void build(vka_graph *g, const struct op_case *c, const vka_tensor *in, vka_tensor *out)
{
    int64_t flags = c->i[1];
    struct vka_gate gate = {.v = in[V],
                            .weight = in[WEIGHT],
                            .bias = in[BIAS],
                            .act = {(int)c->i[0], 0, 0},
                            .slides = (flags & SLIDES) != 0,
                            .norm = (flags & NORM) != 0,
                            .eps = EPS,
                            .adds = (flags & ADDS) != 0};
    if (flags & SHARED)
        gate.weight = vka_broadcast_to(g, in[WEIGHT],
                                       VKA_SHAPE(vka_dim(g, in[X], 1), vka_dim(g, in[WEIGHT], 1)));
    if (in[AFFINE]) {
        gate.scale = vka_squeeze(g, vka_slice(g, in[AFFINE], 0, 0, 1), 0);
        gate.shift = vka_squeeze(g, vka_slice(g, in[AFFINE], 0, 1, 1), 0);
    }
    vka_tensor made, y = vka_gated(g, in[X], &gate, &made);
    out[0] = c->i[2] == 2 ? made : y;
    if (c->i[2] == 3)
        out[1] = made;
}

// Element k of row `image` of v, as the sum takes it.
static double taken(const struct op_case *c, const struct op_tensor *in, int64_t image, int64_t k)
{
    int64_t count = in[V].shape.dim[1];
    const double *v = in[V].v + image * count, *affine = in[AFFINE].v;
    if (k < 0 || k >= count)
        return 0;
    if (!(c->i[1] & NORM))
        return v[k];
    double mean = 0, var = 0;
    for (int64_t i = 0; i < count; i++)
        mean += v[i] / (double)count;
    for (int64_t i = 0; i < count; i++)
        var += (v[i] - mean) * (v[i] - mean) / (double)count;
    double y = (v[k] - mean) / sqrt(var + EPS);
    if (affine)
        y = y * affine[k] + affine[count + k];
    return y > 0 ? y : 0;
}

static double gate_of(const struct op_case *c, const struct op_tensor *in, int64_t image,
                      int64_t channel)
{
    int64_t taps = in[WEIGHT].shape.dim[1], row = c->i[1] & SHARED ? 0 : channel;
    int64_t first = c->i[1] & SLIDES ? channel - (taps - 1) / 2 : 0;
    double sum = in[BIAS].v ? in[BIAS].v[in[BIAS].count > 1 ? channel : 0] : 0;
    for (int64_t k = 0; k < taps; k++)
        sum += taken(c, in, image, first + k) * in[WEIGHT].v[row * taps + k];
    return c->i[0] == VKA_ACT_SIGMOID ? 1 / (1 + exp(-sum)) : sum;
}

static void define(const struct op_case *c, const struct op_tensor *in, struct op_tensor *out)
{
    int64_t channels = in[X].shape.dim[1], rows = in[X].shape.dim[0] * channels;
    int64_t columns = in[X].count / rows;
    for (int64_t row = 0; row < rows; row++) {
        double g = gate_of(c, in, row / channels, row % channels);
        const double *x = in[X].v + row * columns;
        if (c->i[2] != 1)
            out[c->i[2] == 3].v[row] = g;
        for (int64_t i = row * columns; i < (row + 1) * columns && c->i[2] != 2; i++, x++)
            out[0].v[i] = c->i[1] & ADDS ? *x + g : *x * g;
    }
}

#define DEFINED .build = build, .define = define, .bound = 1e-6, .bound16 = 3e-3
#define F(...)  OP_F32(OP_NORMAL, __VA_ARGS__)
#define P(...)  OP_F32(OP_POSITIVE, __VA_ARGS__)
#define S(...)  OP_F32(OP_SPECIAL, __VA_ARGS__)
#define O(...)  .out = OP_SHAPE(__VA_ARGS__)
#define I(...)  .i = {__VA_ARGS__}

static const struct op_case cases[] = {
    {.name = "squeezed",
     .in = {F(2, 9, 7, 5), F(2, 6), F(9, 6), F(9)},
     DEFINED,
     I(VKA_ACT_SIGMOID, 0, 3),
     O(2, 9, 7, 5)},
    {.name = "fours",
     .in = {F(2, 9, 6, 22), F(2, 17), F(9, 17), F(9)},
     DEFINED,
     I(VKA_ACT_SIGMOID, 0, 1),
     O(2, 9, 6, 22)},
    {.name = "parts of a row",
     .in = {F(1, 3, 173, 199), F(1, 40), F(3, 40), F(1)},
     DEFINED,
     I(VKA_ACT_NONE, 0, 3),
     O(1, 3, 173, 199)},
    {.name = "parts of fours",
     .in = {F(1, 2, 172, 231), F(1, 5), F(2, 5)},
     DEFINED,
     I(VKA_ACT_SIGMOID, ADDS, 1),
     O(1, 2, 172, 231)},
    {.name = "more terms than places",
     .in = {F(1, 70, 7, 7), F(1, 60), F(70, 60), F(70)},
     DEFINED,
     I(VKA_ACT_SIGMOID, 0, 1),
     O(1, 70, 7, 7)},
    {.name = "one place",
     .in = {F(3, 10, 1), F(3, 4), F(10, 4), F(10)},
     DEFINED,
     I(VKA_ACT_SIGMOID, 0, 1),
     O(3, 10, 1)},
    {.name = "no places",
     .in = {F(3, 10), F(3, 1), F(10, 1)},
     DEFINED,
     I(VKA_ACT_NONE, ADDS, 3),
     O(3, 10)},
    {.name = "the gate alone",
     .in = {F(2, 5, 3), F(2, 6), F(5, 6), F(5)},
     DEFINED,
     I(VKA_ACT_SIGMOID, 0, 2),
     O(2, 5)},
    {.name = "taps slide",
     .in = {F(2, 9, 4, 31), F(2, 9), F(1, 3)},
     DEFINED,
     I(VKA_ACT_SIGMOID, SLIDES | SHARED, 3),
     O(2, 9, 4, 31)},
    {.name = "more taps than channels",
     .in = {F(2, 3, 5, 9), F(2, 3), F(1, 9), F(1)},
     DEFINED,
     I(VKA_ACT_SIGMOID, SLIDES | SHARED, 1),
     O(2, 3, 5, 9)},
    {.name = "taps of each channel's own",
     .in = {F(2, 11, 5, 9), F(2, 11), F(11, 5), F(11)},
     DEFINED,
     I(VKA_ACT_SIGMOID, SLIDES, 3),
     O(2, 11, 5, 9)},
    {.name = "one channel",
     .in = {F(2, 1, 5, 9), F(2, 1), F(1, 3)},
     DEFINED,
     I(VKA_ACT_SIGMOID, SLIDES, 1),
     O(2, 1, 5, 9)},
    {.name = "normalized, added",
     .in = {F(2, 9, 7, 5), P(2, 16), F(9, 16), F(9), F(2, 16)},
     DEFINED,
     I(VKA_ACT_NONE, NORM | ADDS, 3),
     O(2, 9, 7, 5)},
    {.name = "normalized, multiplied, fours",
     .in = {F(3, 5, 8, 40), P(3, 33), F(5, 33), F(5), F(2, 33)},
     DEFINED,
     I(VKA_ACT_SIGMOID, NORM, 1),
     O(3, 5, 8, 40)},
    {.name = "normalized without scale",
     .in = {F(1, 5, 8, 41), P(1, 150), F(5, 150)},
     DEFINED,
     I(VKA_ACT_SIGMOID, NORM, 1),
     O(1, 5, 8, 41)},
    {.name = "special",
     .in = {S(2, 4, 5, 9), F(2, 6), F(4, 6), F(4)},
     DEFINED,
     I(VKA_ACT_SIGMOID, 0, 1),
     O(2, 4, 5, 9)},
};

static void call(vka_graph *g, const vka_tensor *in)
{
    struct vka_gate gate = {.v = in[V], .weight = in[WEIGHT], .bias = in[BIAS]};
    vka_tensor made;
    vka_gated(g, in[X], &gate, &made);
}

static void call_sliding(vka_graph *g, const vka_tensor *in)
{
    struct vka_gate gate = {.v = in[V], .weight = in[WEIGHT], .slides = true};
    gate.norm = in[BIAS] != 0;
    vka_tensor made;
    vka_gated(g, in[X], &gate, &made);
}

static const struct op_error errors[] = {
    {"no weight", {F(2, 3, 4), F(2, 5)}, call, "gated"},
    {"integers", {F(2, 3, 4), OP_I32(2, 5), F(3, 5)}, call, "I32"},
    {"axes of v", {F(2, 3, 4), F(2, 5, 1), F(3, 5)}, call, "[N, C, ...], [N, K] and [C, K] go"},
    {"other images", {F(2, 3, 4), F(1, 5), F(3, 5)}, call, "[1, 5]"},
    {"other channels", {F(2, 3, 4), F(2, 5), F(2, 5)}, call, "[2, 3, 4]"},
    {"other sums", {F(2, 3, 4), F(2, 5), F(3, 4)}, call, "[3, 4]"},
    {"another bias", {F(2, 3, 4), F(2, 5), F(3, 5), F(4)}, call, "[4]"},
    {"even taps", {F(2, 3, 4), F(2, 3), F(3, 2)}, call_sliding, "odd taps"},
    {"taps along less", {F(2, 3, 4), F(2, 2), F(3, 3)}, call_sliding, "odd taps"},
    {"taps on a norm", {F(2, 3, 4), F(2, 3), F(3, 3), F(1)}, call_sliding, "is normalized"},
};

int main(void)
{
    return OP_TEST_RUN("gated", cases, errors);
}
