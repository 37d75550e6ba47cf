// SPDX-License-Identifier: MIT
#include "support/op_test.h"

#include <math.h>

// The cases' windows, by number: i[0].
static const struct vka_pool pools[] = {
    {.max = true, .kernel = {2, 2}},
    {.max = true, .kernel = {3, 2}, .stride = {1, 1}},
    {.max = true, .kernel = {2, 1}, .stride = {3, 2}},
    {.max = true, .kernel = {3, 3}, .stride = {2, 2}, .before = {1, 1}, .after = {1, 2}},
    {.max = true, .kernel = {2, 3}, .stride = {1, 2}, .dilation = {3, 2}},
    {.max = true, .kernel = {3}, .stride = {2}, .before = {2}},
    {.max = true, .kernel = {2, 1, 2}, .stride = {1, 2, 2}},
    {.max = true, .kernel = {2}, .stride = {2}, .before = {3}, .after = {3}},
    {.max = true, .kernel = {1, 1}},
};

static void pool_back(vka_graph *g, const struct op_case *c, const vka_tensor *in, vka_tensor *out)
{
    out[0] = vka_pool_back(g, in[0], in[1], &pools[c->i[0]]);
}

// Index of a window's first maximum, -1 where it lies in the padding alone.
static int64_t first_maximum(const struct vka_pool *p, const struct op_tensor *x, const int64_t *at)
{
    int axes = x->shape.rank - 2;
    int64_t taps = 1, best = -1, from[VKA_MAX_RANK] = {at[0], at[1]};
    for (int i = 0; i < axes; i++)
        taps *= p->kernel[i];
    for (int64_t tap = 0; tap < taps; tap++) {
        bool inside = true;
        int64_t rest = tap;
        for (int i = axes - 1; i >= 0; i--) {
            int64_t stride = p->stride[i] ? p->stride[i] : p->kernel[i];
            int64_t step = p->dilation[i] ? p->dilation[i] : 1;
            from[2 + i] = at[2 + i] * stride - p->before[i] + rest % p->kernel[i] * step;
            inside = inside && from[2 + i] >= 0 && from[2 + i] < x->shape.dim[2 + i];
            rest /= p->kernel[i];
        }
        if (!inside)
            continue;
        int64_t index = op_index(&x->shape, from);
        double top = best < 0 ? -INFINITY : x->v[best];
        if (best < 0 || x->v[index] > top || (isnan(x->v[index]) && !isnan(top)))
            best = index;
    }
    return best;
}

static void define(const struct op_case *c, const struct op_tensor *in, struct op_tensor *out)
{
    for (int64_t i = 0; i < out->count; i++)
        out->v[i] = 0;
    for (int64_t i = 0; i < in[1].count; i++) {
        int64_t at[VKA_MAX_RANK];
        op_coords(&in[1].shape, i, at);
        int64_t to = first_maximum(&pools[c->i[0]], &in[0], at);
        if (to >= 0)
            out->v[to] += in[1].v[i];
    }
}

#define BACK(name_, number, bound_, shape, ...)                                                    \
    {                                                                                              \
        .name = name_, .in = {__VA_ARGS__}, .build = pool_back, .define = define, .i = {number},   \
        .bound = bound_, .out = shape                                                              \
    }
static const struct op_case cases[] = {
    BACK("2x2", 0, 0, OP_SHAPE(2, 3, 6, 8), OP_F32(OP_NORMAL, 2, 3, 6, 8),
         OP_F32(OP_NORMAL, 2, 3, 3, 4)),
    BACK("2x2, an edge left over", 0, 0, OP_SHAPE(2, 3, 5, 7), OP_F32(OP_NORMAL, 2, 3, 5, 7),
         OP_F32(OP_NORMAL, 2, 3, 2, 3)),
    BACK("ties", 0, 0, OP_SHAPE(2, 3, 5, 7), OP_F32(OP_TIES, 2, 3, 5, 7),
         OP_F32(OP_NORMAL, 2, 3, 2, 3)),
    BACK("overlapping", 1, 1e-6, OP_SHAPE(2, 2, 7, 5), OP_F32(OP_NORMAL, 2, 2, 7, 5),
         OP_F32(OP_NORMAL, 2, 2, 5, 4)),
    BACK("overlapping ties", 1, 1e-6, OP_SHAPE(1, 2, 7, 5), OP_F32(OP_TIES, 1, 2, 7, 5),
         OP_F32(OP_NORMAL, 1, 2, 5, 4)),
    BACK("overlapping any floats", 1, 1e-6, OP_SHAPE(1, 2, 7, 5), OP_F32(OP_SPECIAL, 1, 2, 7, 5),
         OP_F32(OP_NORMAL, 1, 2, 5, 4)),
    BACK("gaps", 2, 0, OP_SHAPE(1, 2, 8, 6), OP_F32(OP_NORMAL, 1, 2, 8, 6),
         OP_F32(OP_NORMAL, 1, 2, 3, 3)),
    BACK("padding", 3, 1e-6, OP_SHAPE(2, 3, 7, 6), OP_F32(OP_NORMAL, 2, 3, 7, 6),
         OP_F32(OP_NORMAL, 2, 3, 4, 4)),
    BACK("dilated", 4, 1e-6, OP_SHAPE(1, 3, 8, 9), OP_F32(OP_NORMAL, 1, 3, 8, 9),
         OP_F32(OP_NORMAL, 1, 3, 5, 3)),
    BACK("1-D, padding before", 5, 1e-6, OP_SHAPE(2, 3, 8), OP_F32(OP_NORMAL, 2, 3, 8),
         OP_F32(OP_NORMAL, 2, 3, 4)),
    BACK("3-D", 6, 1e-6, OP_SHAPE(1, 2, 3, 5, 4), OP_F32(OP_NORMAL, 1, 2, 3, 5, 4),
         OP_F32(OP_NORMAL, 1, 2, 2, 3, 2)),
    BACK("windows in the padding", 7, 0, OP_SHAPE(2, 1, 3), OP_F32(OP_NORMAL, 2, 1, 3),
         OP_F32(OP_NORMAL, 2, 1, 4)),
    BACK("one", 8, 0, OP_SHAPE(1, 1, 1, 1), OP_F32(OP_NORMAL, 1, 1, 1, 1),
         OP_F32(OP_NORMAL, 1, 1, 1, 1)),
    BACK("many", 3, 1e-6, OP_SHAPE(1, 16, 57, 56), OP_F32(OP_NORMAL, 1, 16, 57, 56),
         OP_F32(OP_NORMAL, 1, 16, 29, 29)),
};

static void of_2d(vka_graph *g, const vka_tensor *in)
{
    vka_pool_back(g, in[0], in[1], &pools[0]);
}

static const struct op_error errors[] = {
    {"rank 2", {OP_F32(OP_NORMAL, 3, 4), OP_F32(OP_NORMAL, 1, 2)}, of_2d, "shape [3, 4]"},
    {"another pooled shape",
     {OP_F32(OP_NORMAL, 1, 1, 4, 4), OP_F32(OP_NORMAL, 1, 1, 2, 3)},
     of_2d,
     "[1, 1, 2, 3], they must be [1, 1, 2, 2]"},
    {"integers", {OP_I32(1, 1, 4, 4), OP_F32(OP_NORMAL, 1, 1, 2, 2)}, of_2d, "I32, not F32"},
    {"larger than x",
     {OP_F32(OP_NORMAL, 1, 1, 1, 4), OP_F32(OP_NORMAL, 1, 1, 1, 2)},
     of_2d,
     "the window reaches over 2"},
};

int main(void)
{
    return OP_TEST_RUN("pool_back", cases, errors);
}
