// SPDX-License-Identifier: MIT
#include "support/op_test.h"

#include <math.h>
#include <stdlib.h>

// Operands: x, the query, and a layer's weight and bias, if there is one.
enum { X, QUERY, WEIGHT, BIAS };

static void build(vka_graph *g, const struct op_case *c, const vka_tensor *in, vka_tensor *out)
{
    (void)c;
    out[0] = vka_focus(g, in[X], in[QUERY], in[WEIGHT], in[BIAS]);
}

// One image's mean, by channel.
static void find_mean(const struct op_tensor *in, int64_t image, double *mean)
{
    int64_t channels = in[X].shape.dim[1], positions = in[X].shape.dim[2];
    const double *x = in[X].v + image * channels * positions;
    double most = -INFINITY, total = 0;
    for (int64_t c = 0; c < channels; c++)
        mean[c] = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (int64_t p = 0; p < positions; p++) {
            double logit = 0;
            for (int64_t c = 0; c < channels; c++)
                logit += in[QUERY].v[c] * x[c * positions + p];
            most = pass == 0 && logit > most ? logit : most;
            double weight = exp(logit - most);
            total += pass ? weight : 0; // at first it may be NaN, of a logit of -Inf
            for (int64_t c = 0; c < channels && pass; c++)
                mean[c] += weight * x[c * positions + p];
        }
    }
    for (int64_t c = 0; c < channels; c++)
        mean[c] /= total;
}

static void define(const struct op_case *c, const struct op_tensor *in, struct op_tensor *out)
{
    int64_t images = in[X].shape.dim[0], channels = in[X].shape.dim[1];
    int64_t outputs = out->count / images;
    double *mean = malloc((size_t)channels * sizeof *mean);
    (void)c;
    for (int64_t i = 0; i < images && mean; i++) {
        find_mean(in, i, mean);
        for (int64_t k = 0; k < outputs; k++) {
            double sum = in[BIAS].v ? in[BIAS].v[k] : 0;
            for (int64_t j = 0; j < channels && in[WEIGHT].v; j++)
                sum += in[WEIGHT].v[k * channels + j] * mean[j];
            out->v[i * outputs + k] = in[WEIGHT].v ? sum : mean[k];
        }
    }
    free(mean);
}

#define DEFINED .build = build, .define = define, .bound = 6e-6, .bound16 = 2e-2
#define F(...)  OP_F32(OP_NORMAL, __VA_ARGS__)
#define S(...)  OP_F32(OP_SPECIAL, __VA_ARGS__)
#define W(...)  OP_F32(OP_WIDE, __VA_ARGS__)
#define O(...)  .out = OP_SHAPE(__VA_ARGS__)

static const struct op_case cases[] = {
    {.name = "one position", .in = {F(2, 5, 1), F(5)}, DEFINED, O(2, 5)},
    {.name = "one channel", .in = {F(3, 1, 70), F(1)}, DEFINED, O(3, 1)},
    {.name = "odd sizes", .in = {F(2, 37, 131), F(37)}, DEFINED, O(2, 37)},
    {.name = "fours", .in = {F(2, 24, 196), F(24)}, DEFINED, O(2, 24)},
    {.name = "a layer", .in = {F(2, 24, 196), F(24), F(5, 24)}, DEFINED, O(2, 5)},
    {.name = "a layer with a bias",
     .in = {F(1, 64, 784), F(64), F(16, 64), F(16)},
     DEFINED,
     O(1, 16)},
    {.name = "a layer, odd sizes",
     .in = {F(3, 33, 59), F(33), F(35, 33), F(35)},
     DEFINED,
     O(3, 35)},
    {.name = "many parts", .in = {F(1, 9, 4801), F(9), F(7, 9)}, DEFINED, O(1, 7)},
    {.name = "many parts of fours", .in = {F(1, 10, 6000), F(10), F(3, 10)}, DEFINED, O(1, 3)},
    {.name = "more channels than lanes",
     .in = {F(2, 300, 49), F(300), F(7, 300)},
     DEFINED,
     O(2, 7)},
    {.name = "more channels than tiles take",
     .in = {F(2, 530, 2), F(530), F(3, 530)},
     DEFINED,
     O(2, 3)},
    {.name = "special", .in = {S(67, 2, 5), F(2)}, DEFINED, O(67, 2)},
    {.name = "special, fours", .in = {S(67, 2, 8), F(2)}, DEFINED, O(67, 2)},
    {.name = "special, several parts", .in = {S(5, 1, 200), F(1), F(2, 1), F(2)}, DEFINED, O(5, 2)},
    {.name = "large logits", .in = {W(2, 40, 200), F(40)}, DEFINED, O(2, 40)},
};

static void call(vka_graph *g, const vka_tensor *in)
{
    vka_focus(g, in[X], in[QUERY], in[WEIGHT], in[BIAS]);
}

static void call_without(vka_graph *g, const vka_tensor *in)
{
    vka_focus(g, in[X], in[QUERY], 0, in[BIAS]);
}

static const struct op_error errors[] = {
    {"no query", {F(2, 3, 4)}, call, "focus"},
    {"integers", {F(2, 3, 4), OP_I32(3)}, call, "I32"},
    {"axes of x", {F(2, 3, 4, 5), F(3)}, call, "[2, 3, 4, 5]"},
    {"another query", {F(2, 3, 4), F(4)}, call, "the query [4]"},
    {"another weight", {F(2, 3, 4), F(3), F(3, 4)}, call, "the weight [3, 4]"},
    {"another bias", {F(2, 3, 4), F(3), F(2, 3), F(3)}, call, "the bias is [3]"},
    {"a bias without a weight", {F(2, 3, 4), F(3), F(2, 3), F(2)}, call_without, "a bias"},
};

int main(void)
{
    return OP_TEST_RUN("focus", cases, errors);
}
