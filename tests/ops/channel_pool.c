// SPDX-License-Identifier: MIT
#include "support/op_test.h"

#include <math.h>
#include <stdlib.h>

// Operands: x, v, the layers' weights, their biases one after the other, if there are any.
// i: results: 1 the pooled channels, 2 the gate, 3 both.
enum { X, V, FIRST, LAST, BIASES };

static void build(vka_graph *g, const struct op_case *c, const vka_tensor *in, vka_tensor *out)
{
    struct vka_perceptron p = {.v = in[V], .first = in[FIRST], .last = in[LAST]};
    int64_t hidden = vka_dim(g, in[FIRST], 0);
    if (in[BIASES]) {
        p.first_bias = vka_slice(g, in[BIASES], 0, 0, hidden);
        p.last_bias = vka_slice(g, in[BIASES], 0, hidden, vka_dim(g, in[LAST], 0));
    }
    vka_tensor made, pooled = vka_channel_pool(g, in[X], &p, &made);
    out[0] = c->i[0] == 2 ? made : pooled;
    if (c->i[0] == 3)
        out[1] = made;
}

// One image's gate, by channel.
static void find_gate(const struct op_tensor *in, int64_t image, double *gate)
{
    int64_t times = in[V].shape.dim[1], channels = in[V].shape.dim[2];
    int64_t hidden = in[FIRST].shape.dim[0];
    for (int64_t c = 0; c < channels; c++)
        gate[c] = in[BIASES].v ? (double)times * in[BIASES].v[hidden + c] : 0;
    for (int64_t u = 0; u < times * hidden; u++) {
        int64_t k = u % hidden;
        const double *v = in[V].v + (image * times + u / hidden) * channels;
        double unit = in[BIASES].v ? in[BIASES].v[k] : 0;
        for (int64_t c = 0; c < channels; c++)
            unit += in[FIRST].v[k * channels + c] * v[c];
        for (int64_t c = 0; c < channels; c++)
            gate[c] += in[LAST].v[c * hidden + k] * (unit < 0 ? 0 : unit);
    }
    for (int64_t c = 0; c < channels; c++)
        gate[c] = 1 / (1 + exp(-gate[c]));
}

static void define(const struct op_case *c, const struct op_tensor *in, struct op_tensor *out)
{
    int64_t images = in[X].shape.dim[0], channels = in[X].shape.dim[1];
    int64_t positions = in[X].shape.dim[2] * in[X].shape.dim[3];
    double *gate = malloc((size_t)channels * sizeof *gate);
    for (int64_t n = 0; n < images && gate; n++) {
        find_gate(in, n, gate);
        for (int64_t k = 0; k < channels && c->i[0] != 1; k++)
            out[c->i[0] == 3].v[n * channels + k] = gate[k];
        for (int64_t p = 0; p < positions && c->i[0] != 2; p++) {
            double most = -INFINITY, sum = 0;
            for (int64_t k = 0; k < channels; k++) {
                double v = in[X].v[(n * channels + k) * positions + p] * gate[k];
                most = v > most || isnan(v) ? v : most;
                sum += v;
            }
            out[0].v[2 * n * positions + p] = most;
            out[0].v[(2 * n + 1) * positions + p] = sum / (double)channels;
        }
    }
    free(gate);
}

#define DEFINED .build = build, .define = define, .bound = 2e-6, .bound16 = 5e-3
#define F(...)  OP_F32(OP_NORMAL, __VA_ARGS__)
#define W(...)                                                                                     \
    {                                                                                              \
        VKA_F32, OP_RANGE, -0.25, 0.25, OP_SHAPE(__VA_ARGS__), true                                \
    }
#define P(...) OP_F32(OP_POSITIVE, __VA_ARGS__)
#define S(...) OP_F32(OP_SPECIAL, __VA_ARGS__)
#define O(...) .out = OP_SHAPE(__VA_ARGS__)
#define I(...) .i = {__VA_ARGS__}

static const struct op_case cases[] = {
    {.name = "two descriptors",
     .in = {P(2, 20, 7, 9), F(2, 2, 20), W(5, 20), W(20, 5), W(25)},
     DEFINED,
     I(3),
     O(2, 2, 7, 9)},
    {.name = "four descriptors, no bias",
     .in = {P(2, 9, 4, 8), F(2, 4, 9), W(3, 9), W(9, 3)},
     DEFINED,
     I(3),
     O(2, 2, 4, 8)},
    {.name = "one of all",
     .in = {P(1, 1, 1, 1), F(1, 1, 1), W(1, 1), W(1, 1), W(2)},
     DEFINED,
     I(3),
     O(1, 2, 1, 1)},
    {.name = "more channels than lanes",
     .in = {P(1, 260, 3, 5), F(1, 2, 260), W(4, 260), W(260, 4), W(264)},
     DEFINED,
     I(3),
     O(1, 2, 3, 5)},
    {.name = "as many hidden units as lanes",
     .in = {P(3, 40, 5, 13), F(3, 1, 40), W(128, 40), W(40, 128), W(168)},
     DEFINED,
     I(3),
     O(3, 2, 5, 13)},
    {.name = "as many hidden units as a large group has lanes",
     .in = {P(2, 40, 5, 13), F(2, 1, 40), W(256, 40), W(40, 256), W(296)},
     DEFINED,
     I(3),
     O(2, 2, 5, 13)},
    {.name = "more sums than are worth it",
     .in = {P(1, 70, 3, 5), F(1, 2, 70), W(160, 70), W(70, 160), W(230)},
     DEFINED,
     I(3),
     O(1, 2, 3, 5)},
    {.name = "more channels than there is room",
     .in = {P(1, 1030, 1, 3), F(1, 1, 1030), W(2, 1030), W(1030, 2)},
     DEFINED,
     I(3),
     O(1, 2, 1, 3)},
    {.name = "the gate alone",
     .in = {P(2, 6, 3, 3), F(2, 2, 6), W(3, 6), W(6, 3), W(9)},
     DEFINED,
     I(2),
     O(2, 6)},
    {.name = "pooled channels alone",
     .in = {P(2, 6, 3, 3), F(2, 2, 6), W(3, 6), W(6, 3), W(9)},
     DEFINED,
     I(1),
     O(2, 2, 3, 3)},
    {.name = "special",
     .in = {S(2, 12, 5, 9), F(2, 2, 12), W(3, 12), W(12, 3), W(15)},
     DEFINED,
     I(1),
     O(2, 2, 5, 9)},
    {.name = "special, both",
     .in = {S(2, 12, 5, 9), F(2, 2, 12), W(3, 12), W(12, 3)},
     DEFINED,
     I(3),
     O(2, 2, 5, 9)},
    {.name = "special descriptors",
     .in = {P(6, 5, 2, 3), S(6, 2, 5), W(3, 5), W(5, 3), W(8)},
     DEFINED,
     I(3),
     O(6, 2, 2, 3)},
};

static void call(vka_graph *g, const vka_tensor *in)
{
    struct vka_perceptron p = {.v = in[V], .first = in[FIRST], .last = in[LAST]};
    vka_tensor made;
    p.first_bias = p.last_bias = in[BIASES];
    vka_channel_pool(g, in[X], &p, &made);
}

static const struct op_error errors[] = {
    {"no layers", {F(2, 3, 4, 4), F(2, 1, 3)}, call, "channel_pool"},
    {"integers", {F(2, 3, 4, 4), OP_I32(2, 1, 3), F(2, 3), F(3, 2)}, call, "I32"},
    {"axes of v", {F(2, 3, 4, 4), F(2, 3), F(2, 3), F(3, 2)}, call, "[N, M, C]"},
    {"other images", {F(2, 3, 4, 4), F(1, 1, 3), F(2, 3), F(3, 2)}, call, "[1, 1, 3]"},
    {"other channels", {F(2, 3, 4, 4), F(2, 1, 5), F(2, 5), F(5, 2)}, call, "[2, 3, 4, 4]"},
    {"other units", {F(2, 3, 4, 4), F(2, 1, 3), F(2, 3), F(3, 4)}, call, "[3, 4]"},
    {"a first layer of others", {F(2, 3, 4, 4), F(2, 1, 3), F(2, 4), F(3, 2)}, call, "[2, 4]"},
    {"a larger bias", {F(2, 3, 4, 4), F(2, 1, 3), F(2, 3), F(3, 2), F(3)}, call, "the first bias"},
    {"a bias for all", {F(2, 3, 4, 4), F(2, 1, 3), F(2, 3), F(3, 2), F(1)}, call, "[1]"},
};

int main(void)
{
    return OP_TEST_RUN("channel_pool", cases, errors);
}
