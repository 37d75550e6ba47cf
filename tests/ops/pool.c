// SPDX-License-Identifier: MIT
#include "support/op_test.h"

#include <math.h>

static struct vka_pool pool_of(const struct op_case *c);

static void pool(vka_graph *g, const struct op_case *c, const vka_tensor *in, vka_tensor *out)
{
    struct vka_pool p = pool_of(c);
    out[0] = vka_pool(g, in[0], &p);
}

// The cases' windows, by number: i[0].
static const struct vka_pool pools[] = {
    {.max = true, .kernel = {3, 3}, .stride = {2, 2}, .before = {1, 1}, .after = {1, 1}},
    {.max = true, .kernel = {2, 3}, .dilation = {3, 2}, .stride = {1, 1}},
    {.max = true, .kernel = {3}, .stride = {2}, .ceil_mode = true},
    {.max = true, .kernel = {1, 2, 2}},
    {.kernel = {3, 2}, .stride = {2, 1}, .before = {1, 1}, .after = {1, 1}},
    {.kernel = {3, 3},
     .stride = {2, 2},
     .before = {1, 1},
     .after = {1, 1},
     .exclude_padding = true},
    {.kernel = {4}, .stride = {3}, .before = {2}, .after = {2}, .ceil_mode = true},
    {.kernel = {2, 2, 3}, .stride = {1, 2, 2}, .divisor = 5},
    {.kernel = {5, 5}, .stride = {3, 3}, .before = {0, 2}, .after = {2, 1}},
    {.max = true, .kernel = {1, 1}},
    {.max = true, .kernel = {3, 2}, .dilation = {2, 1}, .stride = {1, 2}, .before = {2, 0}},
    {.kernel = {2, 3}, .dilation = {3, 1}, .stride = {2, 1}, .before = {1, 1}, .divisor = 7},
    {.kernel = {3, 3}, .stride = {2, 2}, .before = {1, 1}, .after = {1, 1}, .ceil_mode = true},
};

static struct vka_pool pool_of(const struct op_case *c)
{
    return pools[c->i[0]];
}

static double one(const struct vka_pool *p, const struct op_tensor *in, const int64_t *at)
{
    int axes = in->shape.rank - 2;
    double best = -INFINITY, sum = 0;
    int64_t inside = 0, counted = 0, taps = 1, from[VKA_MAX_RANK] = {at[0], at[1]};
    for (int i = 0; i < axes; i++)
        taps *= p->kernel[i];
    for (int64_t tap = 0; tap < taps; tap++) {
        bool in_x = true, in_padding = true;
        int64_t rest = tap;
        for (int i = axes - 1; i >= 0; i--) {
            int64_t stride = p->stride[i] ? p->stride[i] : p->kernel[i];
            int64_t step = p->dilation[i] ? p->dilation[i] : 1;
            int64_t place = at[2 + i] * stride - p->before[i] + rest % p->kernel[i] * step;
            rest /= p->kernel[i];
            in_x = in_x && place >= 0 && place < in->shape.dim[2 + i];
            in_padding = in_padding && place < in->shape.dim[2 + i] + p->after[i];
            from[2 + i] = place;
        }
        counted += in_padding;
        if (!in_x)
            continue;
        double v = in->v[op_index(&in->shape, from)];
        inside++;
        sum += v;
        best = isnan(best) ? best : isnan(v) || v > best ? v : best;
    }
    int64_t divisor = p->divisor ? p->divisor : p->exclude_padding ? inside : counted;
    return p->max ? best : sum / (double)divisor;
}

static void define(const struct op_case *c, const struct op_tensor *in, struct op_tensor *out)
{
    struct vka_pool p = pool_of(c);
    for (int64_t i = 0; i < out->count; i++) {
        int64_t at[VKA_MAX_RANK];
        op_coords(&out->shape, i, at);
        out->v[i] = one(&p, in, at);
    }
}

#define POOL(name_, number, bound_, shape, ...)                                                    \
    {                                                                                              \
        .name = name_, .in = {__VA_ARGS__}, .build = pool, .define = define, .i = {number},        \
        .bound = bound_, .out = shape                                                              \
    }
static const struct op_case cases[] = {
    POOL("max 3x3", 0, 0, OP_SHAPE(2, 3, 4, 6), OP_F32(OP_NORMAL, 2, 3, 7, 11)),
    POOL("max of any floats", 0, 0, OP_SHAPE(2, 3, 4, 6), OP_F32(OP_SPECIAL, 2, 3, 7, 11)),
    POOL("max dilated", 1, 0, OP_SHAPE(1, 3, 4, 3), OP_F32(OP_NORMAL, 1, 3, 7, 7)),
    POOL("max 1-D, ceil", 2, 0, OP_SHAPE(2, 3, 4), OP_F32(OP_NORMAL, 2, 3, 8)),
    POOL("max 3-D", 3, 0, OP_SHAPE(1, 2, 3, 2, 3), OP_F32(OP_NORMAL, 1, 2, 3, 5, 7)),
    POOL("mean", 4, 1e-6, OP_SHAPE(2, 3, 4, 7), OP_F32(OP_NORMAL, 2, 3, 7, 6)),
    POOL("mean without padding", 5, 1e-6, OP_SHAPE(1, 2, 3, 4), OP_F32(OP_NORMAL, 1, 2, 5, 7)),
    POOL("mean 1-D, ceil", 6, 1e-6, OP_SHAPE(1, 2, 4), OP_F32(OP_NORMAL, 1, 2, 9)),
    POOL("mean 3-D with a divisor", 7, 1e-6, OP_SHAPE(1, 2, 2, 2, 3),
         OP_F32(OP_NORMAL, 1, 2, 3, 5, 7)),
    POOL("uneven padding", 8, 1e-6, OP_SHAPE(1, 2, 2, 2), OP_F32(OP_NORMAL, 1, 2, 6, 5)),
    POOL("one", 9, 0, OP_SHAPE(1, 1, 1, 1), OP_F32(OP_NORMAL, 1, 1, 1, 1)),
    POOL("planes", 0, 0, OP_SHAPE(3, 7, 4, 6), OP_F32(OP_SPECIAL, 3, 7, 7, 11)),
    POOL("planes, mean", 4, 1e-6, OP_SHAPE(2, 9, 4, 7), OP_F32(OP_NORMAL, 2, 9, 7, 6)),
    POOL("planes, mean without padding", 5, 1e-6, OP_SHAPE(1, 17, 3, 4),
         OP_F32(OP_NORMAL, 1, 17, 5, 7)),
    POOL("planes 1-D, ceil", 2, 0, OP_SHAPE(2, 16, 4), OP_F32(OP_NORMAL, 2, 16, 8)),
    POOL("planes, uneven padding", 8, 1e-6, OP_SHAPE(1, 9, 2, 2), OP_F32(OP_NORMAL, 1, 9, 6, 5)),
    POOL("planes, rows dilated", 10, 0, OP_SHAPE(1, 18, 5, 3), OP_F32(OP_SPECIAL, 1, 18, 7, 6)),
    POOL("planes, rows dilated, a divisor", 11, 1e-6, OP_SHAPE(2, 9, 3, 7),
         OP_F32(OP_NORMAL, 2, 9, 7, 8)),
    POOL("planes, ceil", 12, 1e-6, OP_SHAPE(1, 19, 4, 5), OP_F32(OP_NORMAL, 1, 19, 6, 8)),
    POOL("planes, mean of any floats", 4, 1e-6, OP_SHAPE(2, 9, 4, 7),
         OP_F32(OP_SPECIAL, 2, 9, 7, 6)),
    POOL("planes of one place", 5, 1e-6, OP_SHAPE(3, 17, 1, 1), OP_F32(OP_NORMAL, 3, 17, 1, 1)),
    POOL("planes in bands", 0, 0, OP_SHAPE(1, 8, 51, 101), OP_F32(OP_NORMAL, 1, 8, 101, 201)),
    POOL("many", 0, 0, OP_SHAPE(1, 16, 28, 29), OP_F32(OP_NORMAL, 1, 16, 56, 57)),
};

static void of_2d(vka_graph *g, const vka_tensor *in)
{
    vka_pool(g, in[0], &pools[0]);
}

static const struct op_error errors[] = {
    {"rank 2", {OP_F32(OP_NORMAL, 3, 4)}, of_2d, "shape [3, 4]"},
    {"integers", {OP_I32(1, 1, 5, 5)}, of_2d, "I32, not F32"},
};

int main(void)
{
    return OP_TEST_RUN("pool", cases, errors);
}
