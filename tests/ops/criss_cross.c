// SPDX-License-Identifier: MIT
#include "support/op_test.h"

#include <math.h>

// Operands: z, qkv. MAP: the weights are the result, of q and k instead.
enum { DEPTH, MAP };

static void build(vka_graph *g, const struct op_case *c, const vka_tensor *in, vka_tensor *out)
{
    out[0] = c->i[MAP] ? vka_criss_cross_map(g, in[0], in[1])
                       : vka_criss_cross(g, in[0], in[1], c->i[DEPTH]);
}

// The place that entry `key` of column and row stands for.
static void place_of(const int64_t *pixel, int64_t height, int64_t key, int64_t *at)
{
    bool in_column = key < height;
    at[0] = pixel[0];
    at[2] = in_column ? key : pixel[1];
    at[3] = in_column ? pixel[2] : key - height;
}

static double logit(const struct op_tensor *q, const struct op_tensor *k, int64_t k_first,
                    int64_t depth, const int64_t *pixel, int64_t key)
{
    int64_t height = q->shape.dim[2], at[VKA_MAX_RANK];
    if (key == pixel[1])
        return -INFINITY;
    double sum = 0;
    for (int64_t c = 0; c < depth; c++) {
        place_of(pixel, height, key, at);
        at[1] = k_first + c;
        sum += q->v[op_index(&q->shape, (int64_t[VKA_MAX_RANK]){pixel[0], c, pixel[1], pixel[2]})] *
               k->v[op_index(&k->shape, at)];
    }
    return sum;
}

static void define_pixel(const struct op_case *c, const struct op_tensor *in, struct op_tensor *out,
                         const int64_t *pixel)
{
    const struct op_tensor *q = &in[c->i[MAP] ? 0 : 1], *k = &in[1];
    int64_t depth = c->i[DEPTH], first = c->i[MAP] ? 0 : depth, at[VKA_MAX_RANK];
    int64_t height = q->shape.dim[2], keys = height + q->shape.dim[3];
    double most = -INFINITY, sum = 0;
    for (int64_t j = 0; j < keys; j++)
        most = fmax(most, logit(q, k, first, depth, pixel, j));
    for (int64_t j = 0; j < keys; j++)
        sum += exp(logit(q, k, first, depth, pixel, j) - most);
    for (int64_t j = 0; j < keys && c->i[MAP]; j++) {
        int64_t to[VKA_MAX_RANK] = {pixel[0], pixel[1], pixel[2], j};
        out->v[op_index(&out->shape, to)] = exp(logit(q, k, first, depth, pixel, j) - most) / sum;
    }
    for (int64_t i = 0; i < out->shape.dim[1] && !c->i[MAP]; i++) {
        int64_t to =
            op_index(&out->shape, (int64_t[VKA_MAX_RANK]){pixel[0], i, pixel[1], pixel[2]});
        double mixed = 0;
        for (int64_t j = 0; j < keys; j++) {
            place_of(pixel, height, j, at);
            at[1] = 2 * depth + i;
            mixed +=
                exp(logit(q, k, first, depth, pixel, j) - most) * k->v[op_index(&k->shape, at)];
        }
        out->v[to] = in[0].v[to] + mixed / sum;
    }
}

static void define(const struct op_case *c, const struct op_tensor *in, struct op_tensor *out)
{
    const vka_shape *s = &in[0].shape;
    vka_shape pixels = {3, {s->dim[0], s->dim[2], s->dim[3]}};
    for (int64_t i = 0; i < s->dim[0] * s->dim[2] * s->dim[3]; i++) {
        int64_t pixel[VKA_MAX_RANK];
        op_coords(&pixels, i, pixel);
        define_pixel(c, in, out, pixel);
    }
}

#define DEFINED .build = build, .define = define, .bound = 2e-6, .bound16 = 3e-3
#define F(...)  OP_F32(OP_NORMAL, __VA_ARGS__)
#define O(...)  .out = OP_SHAPE(__VA_ARGS__)

static const struct op_case cases[] = {
    {.name = "plain", .in = {F(2, 8, 9, 11), F(2, 12, 9, 11)}, DEFINED, .i = {2}, O(2, 8, 9, 11)},
    {.name = "one of everything",
     .in = {F(1, 1, 1, 1), F(1, 3, 1, 1)},
     DEFINED,
     .i = {1},
     O(1, 1, 1, 1)},
    {.name = "one row", .in = {F(1, 3, 1, 7), F(1, 7, 1, 7)}, DEFINED, .i = {2}, O(1, 3, 1, 7)},
    {.name = "one column", .in = {F(1, 3, 7, 1), F(1, 7, 7, 1)}, DEFINED, .i = {2}, O(1, 3, 7, 1)},
    {.name = "whole vectors and some more",
     .in = {F(1, 13, 18, 49), F(1, 19, 18, 49)},
     DEFINED,
     .i = {3},
     O(1, 13, 18, 49)},
    {.name = "several blocks of a row",
     .in = {F(1, 3, 3, 300), F(1, 5, 3, 300)},
     DEFINED,
     .i = {1},
     O(1, 3, 3, 300)},
    {.name = "several blocks of a column",
     .in = {F(1, 3, 300, 3), F(1, 5, 300, 3)},
     DEFINED,
     .i = {1},
     O(1, 3, 300, 3)},
    {.name = "several blocks of many columns",
     .in = {F(1, 3, 150, 15), F(1, 5, 150, 15)},
     DEFINED,
     .i = {1},
     O(1, 3, 150, 15)},
    {.name = "many channels",
     .in = {F(1, 150, 5, 6), F(1, 184, 5, 6)},
     DEFINED,
     .i = {17},
     O(1, 150, 5, 6)},
    {.name = "logits of any size",
     .in = {F(1, 4, 12, 20), OP_F32(OP_WIDE, 1, 8, 12, 20)},
     .build = build,
     .define = define,
     .bound = 1e-3,
     .bound16 = 1,
     .i = {2},
     O(1, 4, 12, 20)},
    {.name = "the map", .in = {F(2, 3, 5, 7), F(2, 3, 5, 7)}, DEFINED, .i = {3, 1}, O(2, 5, 7, 12)},
};

static void call(vka_graph *g, const vka_tensor *in)
{
    vka_criss_cross(g, in[0], in[1], 2);
}
static void call_deep(vka_graph *g, const vka_tensor *in)
{
    vka_criss_cross(g, in[0], in[1], INT64_MAX);
}

static const struct op_error errors[] = {
    {"too few channels", {F(1, 4, 3, 3), F(1, 7, 3, 3)}, call, "2 * 2 channels more"},
    {"another size", {F(1, 4, 3, 3), F(1, 8, 3, 4)}, call, "[1, 8, 3, 4]"},
    {"another batch", {F(1, 4, 3, 3), F(2, 8, 3, 3)}, call, "[2, 8, 3, 3]"},
    {"another rank", {F(1, 4, 3), F(1, 8, 3)}, call, "[1, 4, 3]"},
    {"a depth that is too large", {F(1, 4, 3, 3), F(1, 8, 3, 3)}, call_deep, "channels more"},
    {"integers", {F(1, 4, 3, 3), OP_I32(1, 8, 3, 3)}, call, "F32"},
};

int main(void)
{
    return OP_TEST_RUN("criss_cross", cases, errors);
}
