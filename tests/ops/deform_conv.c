// SPDX-License-Identifier: MIT
#include "support/op_test.h"

#include <math.h>

enum { X, OFFSET, WEIGHT, MASK, BIAS };

// The cases' arguments, by number: i[0]. i[1]: bits of MASK and BIAS where these are there.
static const struct vka_deform_conv convs[] = {
    {.padding = {1, 1}},
    {.stride = {2, 3}, .padding = {2, 0}, .dilation = {1, 2}},
    {.padding = {1, 1}, .groups = 2, .offset_groups = 3},
    {.padding = {1, 1}, .groups = 4, .offset_groups = 1},
    {.padding = {0, 0}, .offset_groups = 5},
    {.padding = {3, 0}, .groups = 5, .offset_groups = 5},
    {.padding = {1 << 20, 0}, .dilation = {1 << 20, 1}},
    {.groups = 0},
};
enum { NONE = 0, WITH_MASK = 1 << MASK, WITH_BIAS = 1 << BIAS };

static void deform(vka_graph *g, const struct op_case *c, const vka_tensor *in, vka_tensor *out)
{
    struct vka_deform_conv p = convs[c->i[0]];
    p.mask = c->i[1] & WITH_MASK ? in[MASK] : 0;
    p.bias = c->i[1] & WITH_BIAS ? in[BIAS] : 0;
    out[0] = vka_deform_conv(g, in[X], in[OFFSET], in[WEIGHT], &p);
}

static int64_t or_one(int64_t x)
{
    return x ? x : 1;
}

static double bilinear(const struct op_tensor *x, int64_t item, int64_t channel, double y, double z)
{
    const int64_t rows = x->shape.dim[2], columns = x->shape.dim[3];
    if (!(y > -1 && y < (double)rows && z > -1 && z < (double)columns))
        return 0;
    double sum = 0;
    for (int k = 0; k < 4; k++) {
        int64_t from[VKA_MAX_RANK] = {item, channel, (int64_t)floor(y) + (k >> 1),
                                      (int64_t)floor(z) + (k & 1)};
        double b = y - floor(y), d = z - floor(z);
        bool inside = from[2] >= 0 && from[2] < rows && from[3] >= 0 && from[3] < columns;
        if (inside)
            sum += (k >> 1 ? b : 1 - b) * (k & 1 ? d : 1 - d) * x->v[op_index(&x->shape, from)];
    }
    return sum;
}

// The sample of channel `channel` at a tap, with its mask.
static double tap_value(const struct op_case *c, const struct op_tensor *in, const int64_t *at,
                        int64_t channel, const int64_t *tap)
{
    const struct vka_deform_conv *p = &convs[c->i[0]];
    const int64_t *kernel = in[WEIGHT].shape.dim + 2;
    int64_t q = channel / (in[X].shape.dim[1] / or_one(p->offset_groups));
    int64_t t = (q * kernel[0] + tap[0]) * kernel[1] + tap[1];
    float where[2];
    for (int i = 0; i < 2; i++) {
        int64_t own =
            at[2 + i] * or_one(p->stride[i]) - p->padding[i] + tap[i] * or_one(p->dilation[i]);
        int64_t from[VKA_MAX_RANK] = {at[0], 2 * t + i, at[2], at[3]};
        where[i] = (float)own + (float)in[OFFSET].v[op_index(&in[OFFSET].shape, from)];
    }
    int64_t from[VKA_MAX_RANK] = {at[0], t, at[2], at[3]};
    double mask = c->i[1] & WITH_MASK ? in[MASK].v[op_index(&in[MASK].shape, from)] : 1;
    return mask * bilinear(&in[X], at[0], channel, (double)where[0], (double)where[1]);
}

static void define(const struct op_case *c, const struct op_tensor *in, struct op_tensor *out)
{
    const vka_shape *w = &in[WEIGHT].shape;
    int64_t channels = w->dim[1], rows = w->dim[0] / or_one(convs[c->i[0]].groups);
    for (int64_t i = 0; i < out->count; i++) {
        int64_t at[VKA_MAX_RANK], k[VKA_MAX_RANK];
        op_coords(&out->shape, i, at);
        double sum = c->i[1] & WITH_BIAS ? in[BIAS].v[at[1]] : 0;
        for (int64_t j = 0; j < channels * w->dim[2] * w->dim[3]; j++) {
            op_coords(w, at[1] * channels * w->dim[2] * w->dim[3] + j, k);
            sum += in[WEIGHT].v[op_index(w, k)] *
                   tap_value(c, in, at, at[1] / rows * channels + k[1], k + 2);
        }
        out->v[i] = sum;
    }
}

#define AWAY(lo, hi, ...)                                                                          \
    {                                                                                              \
        VKA_F32, OP_RANGE, lo, hi, OP_SHAPE(__VA_ARGS__), true                                     \
    }
#define DEFORM(name_, number, with, shape, ...)                                                    \
    {                                                                                              \
        .name = name_, .in = {__VA_ARGS__}, .build = deform, .define = define,                     \
        .i = {number, with}, .bound = 5e-6, .bound16 = 2e-2, .out = shape                          \
    }
#define BOTH (WITH_MASK | WITH_BIAS)
static const struct op_case cases[] = {
    DEFORM("3x3", 0, NONE, OP_SHAPE(2, 4, 7, 5), OP_F32(OP_NORMAL, 2, 3, 7, 5),
           OP_F32(OP_NORMAL, 2, 18, 7, 5), OP_F32(OP_NORMAL, 4, 3, 3, 3)),
    DEFORM("with a mask and a bias", 0, BOTH, OP_SHAPE(2, 17, 7, 5), OP_F32(OP_NORMAL, 2, 3, 7, 5),
           OP_F32(OP_NORMAL, 2, 18, 7, 5), OP_F32(OP_NORMAL, 17, 3, 3, 3),
           OP_F32(OP_NORMAL, 2, 9, 7, 5), OP_F32(OP_NORMAL, 17)),
    DEFORM("with a bias, uneven", 1, WITH_BIAS, OP_SHAPE(1, 5, 6, 2), OP_F32(OP_NORMAL, 1, 4, 9, 8),
           AWAY(-4, 4, 1, 12, 6, 2), OP_F32(OP_NORMAL, 5, 4, 3, 2), {0}, OP_F32(OP_NORMAL, 5)),
    DEFORM("groups of both kinds", 2, WITH_MASK, OP_SHAPE(1, 4, 5, 4),
           OP_F32(OP_NORMAL, 1, 6, 5, 4), AWAY(-2, 2, 1, 54, 5, 4), OP_F32(OP_NORMAL, 4, 3, 3, 3),
           OP_F32(OP_NORMAL, 1, 27, 5, 4)),
    DEFORM("groups", 3, BOTH, OP_SHAPE(1, 8, 5, 4), OP_F32(OP_NORMAL, 1, 8, 5, 4),
           AWAY(-2, 2, 1, 18, 5, 4), OP_F32(OP_NORMAL, 8, 2, 3, 3), OP_F32(OP_NORMAL, 1, 9, 5, 4),
           OP_F32(OP_NORMAL, 8)),
    DEFORM("pointwise", 4, WITH_MASK, OP_SHAPE(2, 7, 3, 3), OP_F32(OP_NORMAL, 2, 5, 3, 3),
           AWAY(-2, 2, 2, 10, 3, 3), OP_F32(OP_NORMAL, 7, 5, 1, 1), OP_F32(OP_NORMAL, 2, 5, 3, 3)),
    DEFORM("depthwise, 41 taps", 5, NONE, OP_SHAPE(1, 5, 5, 4), OP_F32(OP_NORMAL, 1, 5, 39, 4),
           AWAY(-2, 2, 1, 410, 5, 4), OP_F32(OP_NORMAL, 5, 1, 41, 1)),
    DEFORM("many terms", 0, BOTH, OP_SHAPE(1, 35, 11, 9), OP_F32(OP_NORMAL, 1, 67, 11, 9),
           AWAY(-2, 2, 1, 18, 11, 9), OP_F32(OP_NORMAL, 35, 67, 3, 3),
           OP_F32(OP_NORMAL, 1, 9, 11, 9), OP_F32(OP_NORMAL, 35)),
    DEFORM("68 channels", 0, BOTH, OP_SHAPE(2, 68, 3, 2), OP_F32(OP_NORMAL, 2, 5, 3, 2),
           AWAY(-2, 2, 2, 18, 3, 2), OP_F32(OP_NORMAL, 68, 5, 3, 3), OP_F32(OP_NORMAL, 2, 9, 3, 2),
           OP_F32(OP_NORMAL, 68)),
    DEFORM("groups and parts of many channels", 2, BOTH, OP_SHAPE(2, 40, 5, 4),
           OP_F32(OP_NORMAL, 2, 96, 5, 4), AWAY(-2, 2, 2, 54, 5, 4),
           OP_F32(OP_NORMAL, 40, 48, 3, 3), OP_F32(OP_NORMAL, 2, 27, 5, 4), OP_F32(OP_NORMAL, 40)),
    DEFORM("infinite offsets of many channels", 0, NONE, OP_SHAPE(1, 36, 7, 5),
           OP_F32(OP_NORMAL, 1, 32, 7, 5), OP_F32(OP_SPECIAL, 1, 18, 7, 5),
           OP_F32(OP_NORMAL, 36, 32, 3, 3)),
    DEFORM("any offsets", 0, WITH_MASK, OP_SHAPE(2, 3, 7, 5), OP_F32(OP_NORMAL, 2, 3, 7, 5),
           OP_F32(OP_BITS, 2, 18, 7, 5), OP_F32(OP_NORMAL, 3, 3, 3, 3),
           OP_F32(OP_NORMAL, 2, 9, 7, 5)),
    DEFORM("infinite offsets and NaN", 0, BOTH, OP_SHAPE(2, 3, 7, 5), OP_F32(OP_NORMAL, 2, 3, 7, 5),
           OP_F32(OP_SPECIAL, 2, 18, 7, 5), OP_F32(OP_NORMAL, 3, 3, 3, 3),
           OP_F32(OP_NORMAL, 2, 9, 7, 5), OP_F32(OP_NORMAL, 3)),
    DEFORM("offsets past 2^31", 0, NONE, OP_SHAPE(1, 2, 5, 5), OP_F32(OP_NORMAL, 1, 2, 5, 5),
           AWAY(-4294967296.0, 4294967296.0, 1, 18, 5, 5), OP_F32(OP_NORMAL, 2, 2, 3, 3)),
    DEFORM("taps far beyond the map", 6, NONE, OP_SHAPE(1, 2, 5, 3), OP_F32(OP_NORMAL, 1, 2, 5, 5),
           OP_F32(OP_NORMAL, 1, 18, 5, 3), OP_F32(OP_NORMAL, 2, 2, 3, 3)),
    DEFORM("one", 4, NONE, OP_SHAPE(1, 1, 1, 1), OP_F32(OP_NORMAL, 1, 5, 1, 1),
           AWAY(-1, 1, 1, 10, 1, 1), OP_F32(OP_NORMAL, 1, 5, 1, 1)),
    DEFORM("many items", 7, NONE, OP_SHAPE(65536, 1, 1, 1), OP_F32(OP_NORMAL, 65536, 1, 1, 1),
           AWAY(-1, 1, 65536, 2, 1, 1), OP_F32(OP_NORMAL, 1, 1, 1, 1)),
};

static void same(vka_graph *g, const vka_tensor *in)
{
    vka_deform_conv(
        g, in[X], in[OFFSET], in[WEIGHT],
        &(struct vka_deform_conv){.padding = {1, 1}, .mask = in[MASK], .bias = in[BIAS]});
}

static void in_three(vka_graph *g, const vka_tensor *in)
{
    vka_deform_conv(g, in[X], in[OFFSET], in[WEIGHT],
                    &(struct vka_deform_conv){.padding = {1, 1}, .offset_groups = 3});
}

#define MAPS    OP_F32(OP_NORMAL, 2, 4, 6, 5)
#define OFFSETS OP_F32(OP_NORMAL, 2, 18, 6, 5)
#define KERNEL  OP_F32(OP_NORMAL, 3, 4, 3, 3)
static const struct op_error errors[] = {
    {"rank 3", {OP_F32(OP_NORMAL, 4, 6, 5), OFFSETS, KERNEL}, same, "x is [4, 6, 5]"},
    {"other channels", {MAPS, OFFSETS, OP_F32(OP_NORMAL, 3, 2, 3, 3)}, same, "[3, 2, 3, 3]"},
    {"other offsets",
     {MAPS, OP_F32(OP_NORMAL, 2, 18, 6, 4), KERNEL},
     same,
     "the offset is [2, 18, 6, 4], it must be [2, 18, 6, 5]"},
    {"another mask",
     {MAPS, OFFSETS, KERNEL, OP_F32(OP_NORMAL, 2, 18, 6, 5)},
     same,
     "the mask is [2, 18, 6, 5], it must be [2, 9, 6, 5]"},
    {"another bias",
     {MAPS, OFFSETS, KERNEL, {0}, OP_F32(OP_NORMAL, 4)},
     same,
     "the bias is [4], it must be [3]"},
    {"uneven offset groups", {MAPS, OFFSETS, KERNEL}, in_three, "offset groups 3"},
    {"a kernel too large",
     {MAPS, OFFSETS, OP_F32(OP_NORMAL, 3, 4, 9, 3)},
     same,
     "the window reaches over 9"},
    {"integers", {MAPS, OP_I32(2, 18, 6, 5), KERNEL}, same, "operand 1 is I32"},
};

int main(void)
{
    return OP_TEST_RUN("deform_conv", cases, errors);
}
