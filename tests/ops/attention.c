// SPDX-License-Identifier: MIT
#include "support/op_test.h"

#include <math.h>

// Operands: q, k, v, bias, mask. d: scale. LSE: the second result is wanted, too; MAP: the map is
// the result. WINDOW: a mask is made of which a query sees so many keys before and after it (whole
// tiles of keys aren't seen); LENGTH: of which all see so many. JOINED: the result lies so that its
// heads can be joined.
enum { CAUSAL, OFFSET, REMOVES, LSE, MAP, WINDOW, LENGTH, JOINED };

static bool sees(const struct op_case *c, int64_t query, int64_t key)
{
    int64_t window = c->i[WINDOW], length = c->i[LENGTH];
    return (window == 0 || (key >= query - window && key <= query + window)) &&
           (length == 0 || key < length);
}

static vka_tensor made_mask(vka_graph *g, const struct op_case *c)
{
    int64_t queries = c->i[WINDOW] ? c->in[0].shape.dim[2] : 1, keys = c->in[1].shape.dim[2];
    static int32_t v[1 << 14];
    for (int64_t i = 0; i < queries * keys; i++)
        v[i] = sees(c, i / keys, i % keys) != (c->i[REMOVES] != 0);
    return vka_constant(g, VKA_BOOL, &(vka_shape){2, {queries, keys}}, v);
}

static struct vka_attention attention_of(const struct op_case *c)
{
    return (struct vka_attention){.scale = c->d[0],
                                  .causal = c->i[CAUSAL] != 0,
                                  .causal_offset = c->i[OFFSET],
                                  .mask_removes = c->i[REMOVES] != 0,
                                  .joined = c->i[JOINED] != 0};
}

static void build(vka_graph *g, const struct op_case *c, const vka_tensor *in, vka_tensor *out)
{
    struct vka_attention p = attention_of(c);
    p.bias = in[3];
    p.mask = c->i[WINDOW] || c->i[LENGTH] ? made_mask(g, c) : in[4];
    if (c->i[MAP])
        out[0] = vka_attention_map(g, in[0], in[1], &p);
    else
        out[0] = vka_attention(g, in[0], in[1], in[2], &p, c->i[LSE] ? &out[1] : NULL);
    // Whoever joins the heads needs no copy for it.
    if (c->i[JOINED] && !vka_is_dense(g, vka_permute(g, out[0], (const int[]){0, 2, 1, 3})))
        vka_fail(g, "the heads don't lie together");
}

static double logit(const struct op_case *c, const struct op_tensor *in, const int64_t *at,
                    int64_t key)
{
    const vka_shape *q = &in[0].shape, *k = &in[1].shape;
    vka_shape logits = {4, {q->dim[0], q->dim[1], q->dim[2], k->dim[2]}};
    int64_t place = op_index(&logits, (int64_t[VKA_MAX_RANK]){at[0], at[1], at[2], key});
    int64_t head = at[1] / (q->dim[1] / k->dim[1]);
    double sum = 0;
    for (int64_t d = 0; d < q->dim[3]; d++)
        sum += in[0].v[op_index(q, (int64_t[VKA_MAX_RANK]){at[0], at[1], at[2], d})] *
               in[1].v[op_index(k, (int64_t[VKA_MAX_RANK]){at[0], head, key, d})];
    sum *= c->d[0];
    sum += in[3].v ? op_at(&in[3], &logits, place) : 0;
    bool gone = in[4].v && (op_at(&in[4], &logits, place) != 0) == (c->i[REMOVES] != 0);
    if ((c->i[CAUSAL] && key > at[2] + c->i[OFFSET]) || !sees(c, at[2], key))
        gone = true;
    return gone ? -INFINITY : sum;
}

static void define_row(const struct op_case *c, const struct op_tensor *in, struct op_tensor *out,
                       const int64_t *at)
{
    const vka_shape *k = &in[1].shape;
    int64_t keys = k->dim[2], width = out[0].shape.dim[3];
    int64_t row = op_index(&out[0].shape, (int64_t[VKA_MAX_RANK]){at[0], at[1], at[2], 0});
    int64_t head = at[1] / (in[0].shape.dim[1] / k->dim[1]);
    double most = -INFINITY, sum = 0;
    for (int64_t j = 0; j < keys; j++)
        most = fmax(most, logit(c, in, at, j));
    for (int64_t i = 0; i < width; i++)
        out[0].v[row + i] = 0;
    for (int64_t j = 0; j < keys && most > -INFINITY; j++) {
        double weight = exp(logit(c, in, at, j) - most);
        sum += weight;
        for (int64_t i = 0; i < width && !c->i[MAP]; i++) {
            int64_t from[VKA_MAX_RANK] = {at[0], head, j, i};
            out[0].v[row + i] += weight * in[2].v[op_index(&in[2].shape, from)];
        }
        if (c->i[MAP])
            out[0].v[row + j] = weight;
    }
    for (int64_t i = 0; i < width && sum > 0; i++)
        out[0].v[row + i] /= sum;
    if (c->i[LSE])
        out[1].v[row / width] = sum > 0 ? most + log(sum) : -INFINITY;
}

static void define(const struct op_case *c, const struct op_tensor *in, struct op_tensor *out)
{
    const vka_shape *q = &in[0].shape;
    vka_shape rows = {3, {q->dim[0], q->dim[1], q->dim[2]}};
    for (int64_t i = 0; i < q->dim[0] * q->dim[1] * q->dim[2]; i++) {
        int64_t at[VKA_MAX_RANK];
        op_coords(&rows, i, at);
        define_row(c, in, out, at);
    }
}

#define DEFINED .build = build, .define = define, .bound = 2e-6, .bound16 = 2e-3
// Logits so large that their own rounding is what the bound is for.
#define LARGE(bound_, scale_)                                                                      \
    .build = build, .define = define, .bound = bound_, .bound16 = 2e-3, .d = {scale_}
#define F(...) OP_F32(OP_NORMAL, __VA_ARGS__)
#define B(...) OP_BOOL(__VA_ARGS__)
#define O(...) .out = OP_SHAPE(__VA_ARGS__)

static const struct op_case cases[] = {
    {.name = "plain",
     .in = {F(2, 3, 17, 16), F(2, 3, 19, 16), F(2, 3, 19, 16)},
     DEFINED,
     .d = {0.25},
     O(2, 3, 17, 16)},
    {.name = "one of everything",
     .in = {F(1, 1, 1, 1), F(1, 1, 1, 1), F(1, 1, 1, 1)},
     DEFINED,
     .d = {1},
     O(1, 1, 1, 1)},
    {.name = "several blocks",
     .in = {F(1, 2, 70, 64), F(1, 2, 300, 64), F(1, 2, 300, 64)},
     DEFINED,
     .d = {0.125},
     O(1, 2, 70, 64)},
    {.name = "odd sizes",
     .in = {F(1, 3, 37, 13), F(1, 3, 131, 13), F(1, 3, 131, 7)},
     DEFINED,
     .d = {0.3},
     O(1, 3, 37, 7)},
    {.name = "values wider than keys",
     .in = {F(1, 2, 9, 8), F(1, 2, 33, 8), F(1, 2, 33, 100)},
     DEFINED,
     .d = {0.3},
     O(1, 2, 9, 100)},
    {.name = "large heads",
     .in = {F(1, 1, 9, 256), F(1, 1, 40, 256), F(1, 1, 40, 256)},
     DEFINED,
     .d = {0.0625},
     O(1, 1, 9, 256)},
    {.name = "larger heads",
     .in = {F(1, 1, 5, 300), F(1, 1, 40, 300), F(1, 1, 40, 300)},
     DEFINED,
     .d = {0.0577},
     O(1, 1, 5, 300)},
    {.name = "one query",
     .in = {F(2, 4, 1, 32), F(2, 4, 200, 32), F(2, 4, 200, 32)},
     DEFINED,
     .d = {0.17},
     O(2, 4, 1, 32)},
    {.name = "two queries, grouped",
     .in = {F(1, 4, 1, 40), F(1, 2, 300, 40), F(1, 2, 300, 72)},
     DEFINED,
     .d = {0.17},
     O(1, 4, 1, 72)},
    {.name = "few queries, odd sizes, everything",
     .in = {F(2, 4, 3, 13), F(2, 2, 150, 13), F(2, 2, 150, 67), F(4, 3, 150), B(2, 1, 1, 150)},
     DEFINED,
     .d = {0.3},
     .i = {1, 120, 1, 1},
     O(2, 4, 3, 67)},
    {.name = "odd sizes, everything",
     .in = {F(2, 2, 43, 13), F(2, 2, 70, 13), F(2, 2, 70, 7), F(43, 70), B(2, 1, 43, 70)},
     DEFINED,
     .d = {0.3},
     .i = {1, 20, 0, 1},
     O(2, 2, 43, 7)},
    {.name = "one key",
     .in = {F(2, 2, 5, 8), F(2, 2, 1, 8), F(2, 2, 1, 8)},
     DEFINED,
     .d = {0.3},
     O(2, 2, 5, 8)},
    {.name = "grouped",
     .in = {F(2, 6, 11, 16), F(2, 2, 40, 16), F(2, 2, 40, 16)},
     DEFINED,
     .d = {0.25},
     O(2, 6, 11, 16)},
    {.name = "one head of k",
     .in = {F(2, 5, 21, 16), F(2, 1, 40, 16), F(2, 1, 40, 16)},
     DEFINED,
     .d = {0.25},
     O(2, 5, 21, 16)},
    {.name = "scale 0",
     .in = {F(1, 2, 5, 8), F(1, 2, 9, 8), F(1, 2, 9, 8)},
     DEFINED,
     .d = {0},
     O(1, 2, 5, 8)},
    {.name = "negative scale",
     .in = {F(1, 2, 5, 8), F(1, 2, 9, 8), F(1, 2, 9, 8)},
     DEFINED,
     .d = {-0.7},
     O(1, 2, 5, 8)},
    {.name = "large logits",
     .in = {F(1, 2, 33, 16), F(1, 2, 140, 16), F(1, 2, 140, 16)},
     LARGE(1e-4, 25), // logits of 400 have 2e-5 of a unit
     O(1, 2, 33, 16)},
    {.name = "large logits of several queries a lane, causal, lse",
     .in = {F(1, 2, 90, 64), F(1, 2, 140, 64), F(1, 2, 140, 64)},
     LARGE(2e-5, 2), // logits of 80 have 5e-6 of a unit
     .i = {1, 50, 0, 1},
     O(1, 2, 90, 64)},
    {.name = "large logits beside rows that see no key",
     .in = {F(1, 2, 90, 64), F(1, 2, 60, 64), F(1, 2, 60, 64)},
     LARGE(2e-5, 2),
     .i = {0, 0, 0, 1, 0, 5},
     O(1, 2, 90, 64)},
    {.name = "causal",
     .in = {F(1, 2, 150, 16), F(1, 2, 150, 16), F(1, 2, 150, 16)},
     DEFINED,
     .d = {0.25},
     .i = {1},
     O(1, 2, 150, 16)},
    {.name = "causal, more keys, lower right",
     .in = {F(1, 2, 20, 16), F(1, 2, 150, 16), F(1, 2, 150, 16)},
     DEFINED,
     .d = {0.25},
     .i = {1, 130},
     O(1, 2, 20, 16)},
    {.name = "causal, more queries, upper left",
     .in = {F(1, 2, 50, 16), F(1, 2, 20, 16), F(1, 2, 20, 16)},
     DEFINED,
     .d = {0.25},
     .i = {1},
     O(1, 2, 50, 16)},
    {.name = "causal, rows without a key",
     .in = {F(1, 2, 50, 16), F(1, 2, 20, 16), F(1, 2, 20, 16)},
     DEFINED,
     .d = {0.25},
     .i = {1, -30, 0, 1},
     O(1, 2, 50, 16)},
    {.name = "causal, no key at all",
     .in = {F(1, 1, 5, 4), F(1, 1, 5, 4), F(1, 1, 5, 4)},
     DEFINED,
     .d = {0.5},
     .i = {1, -9, 0, 1},
     O(1, 1, 5, 4)},
    {.name = "causal, grouped",
     .in = {F(1, 4, 37, 16), F(1, 2, 37, 16), F(1, 2, 37, 16)},
     DEFINED,
     .d = {0.25},
     .i = {1},
     O(1, 4, 37, 16)},
    {.name = "bias of all",
     .in = {F(2, 2, 33, 8), F(2, 2, 45, 8), F(2, 2, 45, 8), F(2, 2, 33, 45)},
     DEFINED,
     .d = {0.3},
     O(2, 2, 33, 8)},
    {.name = "bias of a matrix",
     .in = {F(2, 2, 33, 8), F(2, 2, 45, 8), F(2, 2, 45, 8), F(33, 45)},
     DEFINED,
     .d = {0.3},
     O(2, 2, 33, 8)},
    {.name = "bias of keys",
     .in = {F(2, 2, 33, 8), F(2, 2, 45, 8), F(2, 2, 45, 8), F(2, 1, 1, 45)},
     DEFINED,
     .d = {0.3},
     O(2, 2, 33, 8)},
    {.name = "bias of a head",
     .in = {F(2, 2, 33, 8), F(2, 2, 45, 8), F(2, 2, 45, 8), F(2, 1, 1)},
     DEFINED,
     .d = {0.3},
     O(2, 2, 33, 8)},
    {.name = "bias with -inf, grouped",
     .in = {F(1, 4, 7, 8), F(1, 2, 10, 8), F(1, 2, 10, 8), OP_F32(OP_INFINITE, 1, 4, 7, 10)},
     DEFINED,
     .d = {0.3},
     .i = {0, 0, 0, 1},
     O(1, 4, 7, 8)},
    {.name = "mask keeps",
     .in = {F(2, 2, 33, 8), F(2, 2, 45, 8), F(2, 2, 45, 8), {0}, B(2, 2, 33, 45)},
     DEFINED,
     .d = {0.3},
     .i = {0, 0, 0, 1},
     O(2, 2, 33, 8)},
    {.name = "mask removes",
     .in = {F(2, 2, 33, 8), F(2, 2, 45, 8), F(2, 2, 45, 8), {0}, B(33, 45)},
     DEFINED,
     .d = {0.3},
     .i = {0, 0, 1},
     O(2, 2, 33, 8)},
    {.name = "mask of few keys",
     .in = {F(3, 2, 9, 8), F(3, 2, 2, 8), F(3, 2, 2, 8), {0}, B(3, 1, 1, 2)},
     DEFINED,
     .d = {0.3},
     .i = {0, 0, 1, 1},
     O(3, 2, 9, 8)},
    {.name = "bias, mask, causal, grouped, lse",
     .in = {F(2, 6, 35, 24), F(2, 3, 140, 24), F(2, 3, 140, 20), F(6, 35, 140), B(2, 1, 35, 140)},
     DEFINED,
     .d = {0.2},
     .i = {1, 60, 1, 1},
     O(2, 6, 35, 20)},
    {.name = "lse",
     .in = {F(2, 3, 40, 16), F(2, 3, 200, 16), F(2, 3, 200, 16)},
     DEFINED,
     .d = {0.25},
     .i = {0, 0, 0, 1},
     O(2, 3, 40, 16)},
    {.name = "one query of many keys, grouped, lse",
     .in = {F(1, 4, 1, 24), F(1, 2, 600, 24), F(1, 2, 600, 24)},
     DEFINED,
     .d = {0.2},
     .i = {0, 0, 0, 1},
     O(1, 4, 1, 24)},
    {.name = "one query, large logits, few turns", // that leave none to take keys twice
     .in = {F(1, 2, 1, 8), F(1, 2, 3000, 8), F(1, 2, 3000, 8)},
     LARGE(1e-5, 2), // logits of 30 have 2e-6 of a unit
     .turns = 1500,
     O(1, 2, 1, 8)},
    {.name = "few queries of many keys, everything",
     .in = {F(1, 4, 3, 13), F(1, 2, 530, 13), F(1, 2, 530, 67), F(4, 3, 1), B(1, 1, 1, 530)},
     DEFINED,
     .d = {0.3},
     .i = {1, 520, 1, 1},
     O(1, 4, 3, 67)},
    {.name = "rows of many keys, causal, some without a key",
     .in = {F(1, 2, 20, 16), F(1, 1, 550, 16), F(1, 1, 550, 20)},
     DEFINED,
     .d = {0.25},
     .i = {1, -3, 0, 1},
     O(1, 2, 20, 20)},
    {.name = "window of a few keys",
     .in = {F(1, 2, 70, 16), F(1, 2, 150, 16), F(1, 2, 150, 16)},
     DEFINED,
     .d = {0.25},
     .i = {0, 0, 0, 1, 0, 8},
     O(1, 2, 70, 16)},
    {.name = "window past the keys, grouped",
     .in = {F(1, 4, 100, 8), F(1, 2, 50, 8), F(1, 2, 50, 8)},
     DEFINED,
     .d = {0.3},
     .i = {0, 0, 1, 1, 0, 5},
     O(1, 4, 100, 8)},
    {.name = "few queries, keys of a length",
     .in = {F(2, 2, 2, 8), F(2, 2, 600, 8), F(2, 2, 600, 8)},
     DEFINED,
     .d = {0.3},
     .i = {0, 0, 0, 1, 0, 0, 130},
     O(2, 2, 2, 8)},
    {.name = "joined",
     .in = {F(2, 3, 17, 16), F(2, 3, 19, 16), F(2, 3, 19, 16)},
     DEFINED,
     .d = {0.25},
     .i = {[JOINED] = 1},
     O(2, 3, 17, 16)},
    {.name = "joined, one query",
     .in = {F(2, 4, 1, 32), F(2, 4, 200, 32), F(2, 4, 200, 32)},
     DEFINED,
     .d = {0.17},
     .i = {[JOINED] = 1},
     O(2, 4, 1, 32)},
    {.name = "joined, several blocks",
     .in = {F(2, 3, 70, 64), F(2, 3, 300, 64), F(2, 3, 300, 64)},
     DEFINED,
     .d = {0.125},
     .i = {[JOINED] = 1},
     O(2, 3, 70, 64)},
    {.name = "joined, few queries of many keys, everything",
     .in = {F(1, 4, 3, 13), F(1, 2, 530, 13), F(1, 2, 530, 67), F(4, 3, 1), B(1, 1, 1, 530)},
     DEFINED,
     .d = {0.3},
     .i = {1, 520, 1, 1, [JOINED] = 1},
     O(1, 4, 3, 67)},
    {.name = "joined, odd sizes, causal, grouped, everything",
     .in = {F(2, 6, 35, 13), F(2, 3, 540, 13), F(2, 3, 540, 19), F(6, 35, 1), B(2, 1, 35, 540)},
     DEFINED,
     .d = {0.2},
     .i = {1, 510, 1, 1, [JOINED] = 1},
     O(2, 6, 35, 19)},
    {.name = "joined, larger heads",
     .in = {F(2, 2, 5, 300), F(2, 2, 40, 300), F(2, 2, 40, 300)},
     DEFINED,
     .d = {0.0577},
     .i = {[JOINED] = 1},
     O(2, 2, 5, 300)},
    {.name = "map",
     .in = {F(2, 4, 9, 8), F(2, 2, 12, 8), {0}, F(9, 12), B(2, 1, 9, 12)},
     DEFINED,
     .d = {0.3},
     .i = {1, 5, 0, 0, 1},
     O(2, 4, 9, 12)},
    {.name = "map, scale 0",
     .in = {F(1, 1, 3, 8), F(1, 1, 5, 8)},
     DEFINED,
     .d = {0},
     .i = {0, 0, 0, 0, 1},
     O(1, 1, 3, 5)},
};

static void shapes(vka_graph *g, const vka_tensor *in)
{
    struct vka_attention p = {.scale = 1, .bias = in[3], .mask = in[4]};
    vka_attention(g, in[0], in[1], in[2], &p, NULL);
}

static void map(vka_graph *g, const vka_tensor *in)
{
    struct vka_attention p = {.scale = 1};
    vka_attention_map(g, in[0], in[1], &p);
}

#define Q F(2, 4, 5, 8)
static const struct op_error errors[] = {
    {"axes", {F(4, 5, 8), F(2, 4, 6, 8), F(2, 4, 6, 8)}, shapes, "all need 4 axes: q is [4, 5, 8]"},
    {"batch", {Q, F(3, 4, 6, 8), F(3, 4, 6, 8)}, shapes, "batch sizes differ"},
    {"heads", {Q, F(2, 3, 6, 8), F(2, 3, 6, 8)}, shapes, "a divisor of q's"},
    {"heads of v", {Q, F(2, 4, 6, 8), F(2, 2, 6, 8)}, shapes, "as many heads"},
    {"depth", {Q, F(2, 4, 6, 7), F(2, 4, 6, 8)}, shapes, "depths of q and k differ"},
    {"keys", {Q, F(2, 4, 6, 8), F(2, 4, 7, 8)}, shapes, "k [2, 4, 6, 8], v [2, 4, 7, 8]"},
    {"bias", {Q, F(2, 4, 6, 8), F(2, 4, 6, 8), F(5, 5)}, shapes, "the bias is [5, 5]"},
    {"mask", {Q, F(2, 4, 6, 8), F(2, 4, 6, 8), {0}, B(4, 6)}, shapes, "to the logits [2, 4, 5, 6]"},
    {"mask of floats", {Q, F(2, 4, 6, 8), F(2, 4, 6, 8), {0}, F(5, 6)}, shapes, "must be BOOL"},
    {"integers", {Q, F(2, 4, 6, 8), OP_I32(2, 4, 6, 8)}, shapes, "must be F32"},
    {"map", {Q, F(2, 4, 6, 7)}, map, "q is [2, 4, 5, 8], k [2, 4, 6, 7]"},
};

int main(void)
{
    return OP_TEST_RUN("attention", cases, errors);
}
