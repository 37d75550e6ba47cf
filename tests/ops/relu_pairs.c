// SPDX-License-Identifier: MIT
#include "support/op_test.h"

#include <math.h>

// Operands: u, w, v. d: alpha.
static void build(vka_graph *g, const struct op_case *c, const vka_tensor *in, vka_tensor *out)
{
    out[0] = vka_relu_pairs(g, in[0], in[1], in[2], (float)c->d[0]);
}

static void define(const struct op_case *c, const struct op_tensor *in, struct op_tensor *out)
{
    const struct op_tensor *u = &in[0], *w = &in[1], *v = &in[2];
    int64_t others = w->shape.dim[1], channels = v->shape.dim[1], places = u->shape.dim[1];
    for (int64_t i = 0; i < out->count; i++) {
        int64_t place = i % places, channel = i / places % channels, n = i / places / channels;
        double sum = 0;
        for (int64_t j = 0; j < others; j++)
            sum += fmax(u->v[n * places + place] + w->v[n * others + j], 0) *
                   v->v[(n * channels + channel) * others + j];
        out->v[i] = c->d[0] * sum;
    }
}

static void build_map(vka_graph *g, const struct op_case *c, const vka_tensor *in, vka_tensor *out)
{
    (void)c;
    out[0] = vka_relu_pairs_map(g, in[0], in[1]);
}

static void define_map(const struct op_case *c, const struct op_tensor *in, struct op_tensor *out)
{
    (void)c;
    int64_t places = in[0].shape.dim[1], others = in[1].shape.dim[1];
    for (int64_t i = 0; i < out->count; i++) {
        int64_t n = i / others / places;
        out->v[i] = fmax(in[0].v[i / others] + in[1].v[n * others + i % others], 0);
    }
}

#define DEFINED .build = build, .define = define, .bound = 2e-6, .bound16 = 3e-3
#define F(...)  OP_F32(OP_NORMAL, __VA_ARGS__)
#define O(...)  .out = OP_SHAPE(__VA_ARGS__)

static const struct op_case cases[] = {
    {.name = "plain", .in = {F(2, 19), F(2, 23), F(2, 5, 23)}, DEFINED, .d = {0.25}, O(2, 5, 19)},
    {.name = "one of everything",
     .in = {F(1, 1), F(1, 1), F(1, 1, 1)},
     DEFINED,
     .d = {2},
     O(1, 1, 1)},
    {.name = "several blocks",
     .in = {F(1, 300), F(1, 270), F(1, 33, 270)},
     DEFINED,
     .d = {0.01},
     O(1, 33, 300)},
    {.name = "whole blocks",
     .in = {F(1, 256), F(1, 128), F(1, 16, 128)},
     DEFINED,
     .d = {-1},
     O(1, 16, 256)},
    {.name = "no factor at all",
     .in = {F(2, 7), F(2, 9), F(2, 3, 9)},
     DEFINED,
     .d = {0},
     O(2, 3, 7)},
    {.name = "the map",
     .in = {F(2, 7), F(2, 9)},
     .build = build_map,
     .define = define_map,
     .bound = 1e-6,
     O(2, 7, 9)},
};

static void call(vka_graph *g, const vka_tensor *in)
{
    vka_relu_pairs(g, in[0], in[1], in[2], 1);
}

static const struct op_error errors[] = {
    {"other counts", {F(1, 3), F(1, 4), F(1, 2, 5)}, call, "v [1, 2, 5]"},
    {"another batch", {F(2, 3), F(1, 4), F(1, 2, 4)}, call, "u is [2, 3]"},
    {"another rank", {F(3), F(1, 4), F(1, 2, 4)}, call, "u is [3]"},
    {"integers", {OP_I32(1, 3), F(1, 4), F(1, 2, 4)}, call, "F32"},
};

int main(void)
{
    return OP_TEST_RUN("relu_pairs", cases, errors);
}
