// SPDX-License-Identifier: MIT
#include "support/op_test.h"

#include <math.h>

// The cases' arguments, by number: i[0].
static const struct vka_resize resizes[] = {
    {.size = {7, 11}},
    {.size = {3, 2}},
    {.size = {9, 10}, .linear = true},
    {.size = {9, 10}, .linear = true, .align_corners = true},
    {.size = {3, 4}, .linear = true},
    {.size = {13}, .linear = true},
    {.size = {4, 5, 6}, .linear = true},
    {.size = {8}, .scale = {1.7}},
    {.size = {8, 8}, .scale = {1.7, 1.7}, .linear = true},
    {.size = {1, 1}, .linear = true, .align_corners = true},
    {.size = {5, 1, 7}},
};

static void resize(vka_graph *g, const struct op_case *c, const vka_tensor *in, vka_tensor *out)
{
    out[0] = vka_resize(g, in[0], &resizes[c->i[0]]);
}

// The coordinate of output place i along an axis.
static double coordinate(const struct vka_resize *p, int axis, int64_t in, int64_t out, int64_t i)
{
    double step = p->scale[axis] > 0 ? 1 / p->scale[axis] : (double)in / (double)out;
    if (!p->linear)
        return fmin(floor((double)i * step), (double)(in - 1));
    if (p->align_corners)
        return out > 1 ? (double)i * (double)(in - 1) / (double)(out - 1) : 0;
    return fmin(fmax(((double)i + 0.5) * step - 0.5, 0), (double)(in - 1));
}

static double at_place(const struct vka_resize *p, const struct op_tensor *in,
                       const struct op_tensor *out, const int64_t *at)
{
    int axes = in->shape.rank - 2;
    double sum = 0;
    for (int corner = 0; corner < 1 << axes; corner++) {
        double weight = 1;
        int64_t from[VKA_MAX_RANK] = {at[0], at[1]};
        for (int i = 0; i < axes; i++) {
            int64_t size = in->shape.dim[2 + i];
            double x = coordinate(p, i, size, out->shape.dim[2 + i], at[2 + i]);
            double low = floor(x), part = x - low;
            weight *= corner >> i & 1 ? part : 1 - part;
            from[2 + i] = (int64_t)fmin(low + (corner >> i & 1), (double)(size - 1));
        }
        if (weight != 0)
            sum += weight * in->v[op_index(&in->shape, from)];
    }
    return sum;
}

static void define(const struct op_case *c, const struct op_tensor *in, struct op_tensor *out)
{
    for (int64_t i = 0; i < out->count; i++) {
        int64_t at[VKA_MAX_RANK];
        op_coords(&out->shape, i, at);
        out->v[i] = at_place(&resizes[c->i[0]], in, out, at);
    }
}

#define RESIZE(name_, number, bound_, shape, ...)                                                  \
    {                                                                                              \
        .name = name_, .in = {__VA_ARGS__}, .build = resize, .define = define, .i = {number},      \
        .bound = bound_, .bound16 = 2e-3, .out = shape                                             \
    }
static const struct op_case cases[] = {
    RESIZE("nearest, larger", 0, 0, OP_SHAPE(2, 3, 7, 11), OP_F32(OP_NORMAL, 2, 3, 4, 5)),
    RESIZE("nearest, smaller", 1, 0, OP_SHAPE(1, 2, 3, 2), OP_F32(OP_NORMAL, 1, 2, 7, 5)),
    RESIZE("linear, larger", 2, 1e-6, OP_SHAPE(2, 3, 9, 10), OP_F32(OP_NORMAL, 2, 3, 4, 5)),
    RESIZE("linear, corners", 3, 1e-6, OP_SHAPE(2, 3, 9, 10), OP_F32(OP_NORMAL, 2, 3, 4, 5)),
    RESIZE("linear, smaller", 4, 1e-6, OP_SHAPE(1, 3, 3, 4), OP_F32(OP_NORMAL, 1, 3, 7, 13)),
    RESIZE("linear 1-D", 5, 1e-6, OP_SHAPE(2, 3, 13), OP_F32(OP_NORMAL, 2, 3, 5)),
    RESIZE("linear 3-D", 6, 1e-6, OP_SHAPE(1, 2, 4, 5, 6), OP_F32(OP_NORMAL, 1, 2, 3, 7, 2)),
    RESIZE("nearest by a factor", 7, 0, OP_SHAPE(1, 2, 8), OP_F32(OP_NORMAL, 1, 2, 5)),
    RESIZE("linear by a factor", 8, 1e-6, OP_SHAPE(1, 2, 8, 8), OP_F32(OP_NORMAL, 1, 2, 5, 5)),
    RESIZE("to one", 9, 0, OP_SHAPE(1, 2, 1, 1), OP_F32(OP_NORMAL, 1, 2, 5, 7)),
    RESIZE("from one", 2, 1e-6, OP_SHAPE(1, 2, 9, 10), OP_F32(OP_NORMAL, 1, 2, 1, 1)),
    RESIZE("nearest 3-D", 10, 0, OP_SHAPE(1, 2, 5, 1, 7), OP_F32(OP_NORMAL, 1, 2, 3, 4, 5)),
};

static void to_2d(vka_graph *g, const vka_tensor *in)
{
    vka_resize(g, in[0], &resizes[0]);
}

static void to_nothing(vka_graph *g, const vka_tensor *in)
{
    vka_resize(g, in[0], &(struct vka_resize){.size = {3, 0}});
}

static const struct op_error errors[] = {
    {"rank 2", {OP_F32(OP_NORMAL, 3, 4)}, to_2d, "shape [3, 4]"},
    {"integers", {OP_I32(1, 1, 5, 5)}, to_2d, "I32, not F32"},
    {"a size of 0", {OP_F32(OP_NORMAL, 1, 1, 5, 5)}, to_nothing, "becomes 0; both go from 1"},
};

int main(void)
{
    return OP_TEST_RUN("resize", cases, errors);
}
