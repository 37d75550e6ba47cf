// SPDX-License-Identifier: MIT
#include "support/op_test.h"

#include <math.h>
#include <string.h>

// i: stride, dilation, before, after of all axes; groups; activation. Of single axes: see `uneven`.
enum { STRIDE, DILATION, BEFORE, AFTER, GROUPS, ACT, UNEVEN };

static struct vka_conv conv_of(const struct op_case *c)
{
    struct vka_conv p = {.groups = c->i[GROUPS], .act = {(int)c->i[ACT], 0, 0}};
    for (int i = 0; i < 3; i++) {
        // Axes that differ: the later one strides less, dilates more, is padded less.
        int64_t less = c->i[UNEVEN] ? i : 0;
        p.stride[i] = c->i[STRIDE] > less ? c->i[STRIDE] - less : c->i[STRIDE];
        p.dilation[i] = c->i[DILATION] ? c->i[DILATION] + less : 0;
        p.before[i] = c->i[BEFORE] > less ? c->i[BEFORE] - less : c->i[BEFORE];
        p.after[i] = c->i[AFTER];
    }
    return p;
}

static void build(vka_graph *g, const struct op_case *c, const vka_tensor *in, vka_tensor *out)
{
    struct vka_conv p = conv_of(c);
    p.bias = in[2];
    p.residual = in[3];
    out[0] = vka_conv(g, in[0], in[1], &p);
}

// The place of x under a tap; false outside.
static bool under(const struct vka_conv *p, const vka_shape *x, const int64_t *out,
                  const int64_t *tap, int64_t *at)
{
    for (int i = 0; i + 2 < x->rank; i++) {
        int64_t stride = p->stride[i] ? p->stride[i] : 1;
        int64_t dilation = p->dilation[i] ? p->dilation[i] : 1;
        at[2 + i] = out[2 + i] * stride + tap[2 + i] * dilation - p->before[i];
        if (at[2 + i] < 0 || at[2 + i] >= x->dim[2 + i])
            return false;
    }
    return true;
}

static void define(const struct op_case *c, const struct op_tensor *in, struct op_tensor *out)
{
    struct vka_conv p = conv_of(c);
    const vka_shape *x = &in[0].shape, *w = &in[1].shape;
    vka_shape one = *w; // the weight of one output channel
    one.dim[0] = 1;
    int64_t terms = in[1].count / w->dim[0], groups = p.groups ? p.groups : 1;
    for (int64_t i = 0; i < out->count; i++) {
        int64_t to[VKA_MAX_RANK], tap[VKA_MAX_RANK], at[VKA_MAX_RANK];
        op_coords(&out->shape, i, to);
        double sum = in[2].v ? in[2].v[to[1]] : 0;
        for (int64_t k = 0; k < terms; k++) {
            op_coords(&one, k, tap);
            at[0] = to[0];
            at[1] = to[1] / (w->dim[0] / groups) * w->dim[1] + tap[1];
            if (under(&p, x, to, tap, at))
                sum += in[0].v[op_index(x, at)] * in[1].v[to[1] * terms + k];
        }
        sum += in[3].v ? in[3].v[i] : 0;
        out->v[i] = p.act.kind == VKA_ACT_RELU ? fmax(sum, 0) : sum;
    }
}

#define DEFINED .build = build, .define = define, .bound = 2e-6, .bound16 = 1e-3
#define F(...)  OP_F32(OP_NORMAL, __VA_ARGS__)
#define O(...)  .out = OP_SHAPE(__VA_ARGS__)

static const struct op_case cases[] = {
    {.name = "1 axis", .in = {F(2, 3, 19), F(5, 3, 3)}, DEFINED, O(2, 5, 17)},
    {.name = "2 axes", .in = {F(2, 3, 9, 11), F(5, 3, 3, 3)}, DEFINED, O(2, 5, 7, 9)},
    {.name = "3 axes", .in = {F(2, 3, 5, 6, 7), F(4, 3, 3, 2, 3)}, DEFINED, O(2, 4, 3, 5, 5)},
    {.name = "one of everything", .in = {F(1, 1, 1), F(1, 1, 1)}, DEFINED, O(1, 1, 1)},
    {.name = "sums made in halves",
     .in = {F(1, 30000, 5), F(5, 30000, 3), F(5), F(1, 5, 3)},
     DEFINED,
     .i = {0},
     .dense_only = true,
     O(1, 5, 3)},
    {.name = "one place, padded",
     .in = {F(1, 3, 1, 1), F(4, 3, 3, 3)},
     DEFINED,
     .i = {1, 1, 1, 1},
     O(1, 4, 1, 1)},
    {.name = "same size",
     .in = {F(2, 17, 14, 14), F(33, 17, 3, 3)},
     DEFINED,
     .i = {1, 1, 1, 1},
     O(2, 33, 14, 14)},
    {.name = "padded on one side",
     .in = {F(1, 3, 8, 9), F(4, 3, 2, 2)},
     DEFINED,
     .i = {1, 1, 0, 1},
     O(1, 4, 8, 9)},
    {.name = "padded more than the kernel",
     .in = {F(1, 3, 4, 5), F(4, 3, 3, 3)},
     DEFINED,
     .i = {1, 1, 5, 4},
     O(1, 4, 11, 12)},
    {.name = "stride 2",
     .in = {F(1, 5, 15, 16), F(7, 5, 3, 3)},
     DEFINED,
     .i = {2, 1, 1, 1},
     O(1, 7, 8, 8)},
    {.name = "stride 3, dilation 2",
     .in = {F(1, 5, 21, 20), F(7, 5, 4, 4)},
     DEFINED,
     .i = {3, 2, 2, 2},
     O(1, 7, 7, 6)},
    {.name = "stride 4, dilation 2",
     .in = {F(1, 2, 41), F(3, 2, 5)},
     DEFINED,
     .i = {4, 2, 3, 0},
     O(1, 3, 9)},
    {.name = "stride larger than the kernel",
     .in = {F(1, 3, 17, 17), F(4, 3, 2, 2)},
     DEFINED,
     .i = {5, 1, 0, 0},
     O(1, 4, 4, 4)},
    {.name = "dilation 3",
     .in = {F(1, 3, 13, 14), F(4, 3, 3, 3)},
     DEFINED,
     .i = {1, 3, 3, 3},
     O(1, 4, 13, 14)},
    {.name = "rows in parts, dilation 4",
     .in = {F(1, 4, 7, 29), F(6, 2, 2, 3), F(6), F(1, 6, 9, 27)},
     DEFINED,
     .i = {1, 4, 2, 4, 2},
     O(1, 6, 9, 27)},
    {.name = "rows, taps that share places",
     .in = {F(1, 3, 9, 16), F(4, 3, 3, 3)},
     DEFINED,
     .i = {1, 2, 2, 2},
     O(1, 4, 9, 16)},
    {.name = "rows, taps far apart",
     .in = {F(1, 2, 40), F(3, 2, 3)},
     DEFINED,
     .i = {1, 16, 16, 16},
     O(1, 3, 40)},
    {.name = "rows, too many taps far apart",
     .in = {F(1, 2, 40), F(3, 2, 5)},
     DEFINED,
     .i = {1, 8, 16, 16},
     O(1, 3, 40)},
    {.name = "axes that differ",
     .in = {F(1, 3, 12, 15, 14), F(4, 3, 3, 3, 3)},
     DEFINED,
     .i = {3, 1, 2, 1, 1, 0, 1},
     O(1, 4, 5, 7, 11)},
    {.name = "7x7 stem",
     .in = {F(1, 3, 33, 35), F(16, 3, 7, 7), F(16)},
     DEFINED,
     .i = {2, 1, 3, 3},
     O(1, 16, 17, 18)},
    {.name = "pointwise", .in = {F(2, 7, 5, 6), F(9, 7, 1, 1), F(9)}, DEFINED, O(2, 9, 5, 6)},
    {.name = "pointwise, stride 2",
     .in = {F(2, 7, 5, 6), F(9, 7, 1, 1)},
     DEFINED,
     .i = {2},
     O(2, 9, 3, 3)},
    {.name = "pointwise, relu and residual",
     .in = {F(2, 7, 5, 6), F(9, 7, 1, 1), F(9), F(2, 9, 5, 6)},
     DEFINED,
     .i = {1, 1, 0, 0, 1, VKA_ACT_RELU},
     O(2, 9, 5, 6)},
    {.name = "the whole map", .in = {F(3, 4, 5, 6), F(7, 4, 5, 6), F(7)}, DEFINED, O(3, 7, 1, 1)},
    {.name = "the whole map, relu and residual",
     .in = {F(3, 4, 5, 6), F(7, 4, 5, 6), F(7), F(3, 7, 1, 1)},
     DEFINED,
     .i = {1, 1, 0, 0, 1, VKA_ACT_RELU},
     O(3, 7, 1, 1)},
    {.name = "bias, residual, relu",
     .in = {F(2, 5, 9, 8), F(6, 5, 3, 3), F(6), F(2, 6, 9, 8)},
     DEFINED,
     .i = {1, 1, 1, 1, 1, VKA_ACT_RELU},
     O(2, 6, 9, 8)},
    {.name = "residual alone",
     .in = {F(2, 5, 9), F(6, 5, 3), {0}, F(2, 6, 9)},
     DEFINED,
     .i = {1, 1, 1, 1},
     O(2, 6, 9)},
    {.name = "2 groups",
     .in = {F(2, 6, 9, 8), F(10, 3, 3, 3), F(10)},
     DEFINED,
     .i = {1, 1, 1, 1, 2},
     O(2, 10, 9, 8)},
    {.name = "groups of two channels",
     .in = {F(1, 16, 12, 13), F(16, 2, 3, 3), F(16)},
     DEFINED,
     .i = {1, 2, 2, 2, 8, VKA_ACT_RELU},
     O(1, 16, 12, 13)},
    {.name = "depthwise",
     .in = {F(2, 9, 14, 15), F(9, 1, 3, 3), F(9)},
     DEFINED,
     .i = {1, 1, 1, 1, 9},
     O(2, 9, 14, 15)},
    {.name = "depthwise, residual",
     .in = {F(2, 9, 6, 7), F(9, 1, 3, 3), F(9), F(2, 9, 6, 7)},
     DEFINED,
     .i = {1, 1, 1, 1, 9},
     O(2, 9, 6, 7)},
    {.name = "depthwise, twice as many, stride 2",
     .in = {F(1, 5, 11, 200), F(10, 1, 5, 5)},
     DEFINED,
     .i = {2, 1, 2, 2, 5},
     O(1, 10, 6, 100)},
    {.name = "depthwise on 3 axes",
     .in = {F(1, 4, 5, 6, 7), F(4, 1, 3, 3, 3)},
     DEFINED,
     .i = {1, 1, 1, 1, 4},
     O(1, 4, 5, 6, 7)},
    {.name = "many channels",
     .in = {F(1, 200, 7, 7), F(70, 200, 3, 3), F(70)},
     DEFINED,
     .i = {1, 1, 1, 1},
     O(1, 70, 7, 7)},
    {.name = "a long line",
     .in = {F(1, 2, 5000), F(3, 2, 9)},
     DEFINED,
     .i = {1, 1, 4, 4},
     O(1, 3, 5000)},
};

static void plain(vka_graph *g, const vka_tensor *in)
{
    struct vka_conv p = {.bias = in[2], .residual = in[3]};
    vka_conv(g, in[0], in[1], &p);
}

static void grouped(vka_graph *g, const vka_tensor *in)
{
    struct vka_conv p = {.groups = 3};
    vka_conv(g, in[0], in[1], &p);
}

static void padded_below_zero(vka_graph *g, const vka_tensor *in)
{
    struct vka_conv p = {.before = {-1}};
    vka_conv(g, in[0], in[1], &p);
}

static void strided_below_zero(vka_graph *g, const vka_tensor *in)
{
    struct vka_conv p = {.stride = {1, -2}};
    vka_conv(g, in[0], in[1], &p);
}

static const struct op_error errors[] = {
    {"channels",
     {F(1, 4, 8, 8), F(2, 3, 3, 3)},
     plain,
     "x is [1, 4, 8, 8], the weight [2, 3, 3, 3]"},
    {"channels of a pointwise one", {F(1, 4, 8), F(2, 3, 1)}, plain, "channels of a group"},
    {"axes", {F(1, 3, 8, 8), F(2, 3, 3)}, plain, "as many as each other"},
    {"two axes", {F(3, 8), F(2, 3)}, plain, "need 3 to 5 axes"},
    {"groups", {F(1, 4, 8, 8), F(6, 3, 3, 3)}, grouped, "groups must divide"},
    {"window too large", {F(1, 3, 8, 2), F(2, 3, 3, 3)}, plain, "spatial axis 1 of x [1, 3, 8, 2]"},
    {"bias", {F(1, 3, 8), F(2, 3, 3), F(3)}, plain, "the bias is [3], it must be [2]"},
    {"bias of a pointwise one", {F(1, 3, 8), F(2, 3, 1), F(3)}, plain, "the bias is [3]"},
    {"residual",
     {F(1, 3, 8), F(2, 3, 3), F(2), F(1, 2, 8)},
     plain,
     "the residual is [1, 2, 8], it must have the output's shape [1, 2, 6]"},
    {"negative padding", {F(1, 3, 8), F(2, 3, 3)}, padded_below_zero, "padding -1"},
    {"negative stride", {F(1, 3, 8, 8), F(2, 3, 3, 3)}, strided_below_zero, "stride -2"},
    {"integers", {OP_I32(1, 3, 8), F(2, 3, 3)}, plain, "must be F32"},
};

int main(void)
{
    return OP_TEST_RUN("conv", cases, errors);
}
