// SPDX-License-Identifier: MIT
#include "support/op_test.h"

#include <math.h>

// The cases' arguments, by number: i[0].
static const struct vka_sample samples[] = {
    {.clamp = false},
    {.clamp = true},
    {.start = {-1, -2}, .step = {{2, 0, 1, 0}, {0, 3, 0, 1}}},
    {.start = {3, 0}, .step = {{-1}, {1}}},
    {.clamp = true, .start = {-4, 9}, .step = {{0, 1}, {-2, 0}}},
    {.start = {-(1 << 30), 0}, .step = {{1 << 30, 1}, {0, 0}}},
};

static void sample(vka_graph *g, const struct op_case *c, const vka_tensor *in, vka_tensor *out)
{
    out[0] = vka_sample(g, in[0], in[1], &samples[c->i[0]]);
}

// Where the sample of output place `at` lies along an axis: 0 rows, 1 columns.
static float position(const struct vka_sample *p, const struct op_tensor *in,
                      const struct op_tensor *out, const int64_t *at, int axis)
{
    int64_t own = p->start[axis], from[VKA_MAX_RANK] = {at[0]};
    from[0] = in[1].shape.dim[0] == 1 ? 0 : at[0];
    from[1] = at[1] / (in[0].shape.dim[1] / in[1].shape.dim[1]);
    from[2] = axis;
    for (int k = 0; k < out->shape.rank - 2; k++) {
        own += p->step[axis][k] * at[2 + k];
        from[3 + k] = at[2 + k];
    }
    return (float)own + (float)in[1].v[op_index(&in[1].shape, from)];
}

static double at_place(const struct vka_sample *p, const struct op_tensor *in,
                       const struct op_tensor *out, const int64_t *at)
{
    const vka_shape *x = &in[0].shape;
    double where[2], sum = 0;
    for (int i = 0; i < 2; i++) {
        double size = (double)x->dim[2 + i];
        where[i] = (double)position(p, in, out, at, i);
        if (p->clamp)
            where[i] = where[i] < 0 ? 0 : where[i] > size - 1 ? size - 1 : where[i];
        if (!(where[i] > -1 && where[i] < size))
            return 0;
    }
    for (int k = 0; k < 4; k++) {
        double low[2] = {floor(where[0]), floor(where[1])}, part = 1;
        int64_t from[VKA_MAX_RANK] = {at[0], at[1]};
        bool inside = true;
        for (int i = 0; i < 2; i++) {
            int next = k >> (1 - i) & 1;
            from[2 + i] = (int64_t)low[i] + next;
            part *= next ? where[i] - low[i] : 1 - (where[i] - low[i]);
            inside = inside && from[2 + i] >= 0 && from[2 + i] < x->dim[2 + i];
        }
        sum += inside ? part * in[0].v[op_index(x, from)] : 0;
    }
    return sum;
}

static void define(const struct op_case *c, const struct op_tensor *in, struct op_tensor *out)
{
    for (int64_t i = 0; i < out->count; i++) {
        int64_t at[VKA_MAX_RANK];
        op_coords(&out->shape, i, at);
        out->v[i] = at_place(&samples[c->i[0]], in, out, at);
    }
}

#define AT(fill, lo, hi, ...)                                                                      \
    {                                                                                              \
        VKA_F32, fill, lo, hi, OP_SHAPE(__VA_ARGS__), true                                         \
    }
#define SAMPLE(name_, number, shape, ...)                                                          \
    {                                                                                              \
        .name = name_, .in = {__VA_ARGS__}, .build = sample, .define = define, .i = {number},      \
        .bound = 2e-6, .bound16 = 2e-2, .out = shape                                               \
    }
static const struct op_case cases[] = {
    SAMPLE("a grid", 0, OP_SHAPE(2, 3, 4, 5), OP_F32(OP_NORMAL, 2, 3, 7, 11),
           AT(OP_RANGE, -2, 9, 2, 1, 2, 4, 5)),
    SAMPLE("a grid at the edge", 1, OP_SHAPE(2, 3, 4, 5), OP_F32(OP_NORMAL, 2, 3, 7, 11),
           AT(OP_RANGE, -5, 15, 2, 1, 2, 4, 5)),
    SAMPLE("parts of channels", 0, OP_SHAPE(2, 6, 70), OP_F32(OP_NORMAL, 2, 6, 5, 3),
           AT(OP_RANGE, -2, 6, 2, 3, 2, 70)),
    SAMPLE("taps of a kernel", 2, OP_SHAPE(1, 4, 2, 3, 5, 4), OP_F32(OP_NORMAL, 1, 4, 8, 9),
           AT(OP_NORMAL, 0, 0, 1, 2, 2, 2, 3, 5, 4)),
    SAMPLE("backwards", 3, OP_SHAPE(3, 2, 6), OP_F32(OP_NORMAL, 3, 2, 4, 4),
           AT(OP_RANGE, -1, 1, 3, 1, 2, 6)),
    SAMPLE("own steps and the edge", 4, OP_SHAPE(2, 2, 5, 13), OP_F32(OP_NORMAL, 2, 2, 4, 6),
           AT(OP_NORMAL, 0, 0, 2, 2, 2, 5, 13)),
    SAMPLE("one grid for all items", 0, OP_SHAPE(3, 2, 3, 3), OP_F32(OP_NORMAL, 3, 2, 5, 5),
           AT(OP_RANGE, -1, 5, 1, 1, 2, 3, 3)),
    SAMPLE("steps past the map", 5, OP_SHAPE(1, 2, 3, 7), OP_F32(OP_NORMAL, 1, 2, 5, 5),
           AT(OP_RANGE, 0, 1, 1, 1, 2, 3, 7)),
    SAMPLE("any floats", 0, OP_SHAPE(2, 3, 40, 5), OP_F32(OP_NORMAL, 2, 3, 7, 11),
           AT(OP_BITS, 0, 0, 2, 1, 2, 40, 5)),
    SAMPLE("infinite and NaN", 0, OP_SHAPE(2, 3, 40, 5), OP_F32(OP_NORMAL, 2, 3, 7, 11),
           AT(OP_SPECIAL, 0, 0, 2, 1, 2, 40, 5)),
    SAMPLE("infinite and NaN at the edge", 1, OP_SHAPE(2, 3, 40, 5), OP_F32(OP_NORMAL, 2, 3, 7, 11),
           AT(OP_SPECIAL, 0, 0, 2, 1, 2, 40, 5)),
    SAMPLE("far away", 0, OP_SHAPE(2, 3, 9, 5), OP_F32(OP_NORMAL, 2, 3, 7, 11),
           AT(OP_RANGE, -4294967296.0, 4294967296.0, 2, 1, 2, 9, 5)),
    SAMPLE("one", 0, OP_SHAPE(1, 1, 1), OP_F32(OP_NORMAL, 1, 1, 1, 1),
           AT(OP_RANGE, -1, 1, 1, 1, 2, 1)),
    SAMPLE("many items", 0, OP_SHAPE(65536, 1, 1), OP_F32(OP_NORMAL, 65536, 1, 2, 1),
           AT(OP_RANGE, -1, 2, 65536, 1, 2, 1)),
    SAMPLE("many places", 0, OP_SHAPE(1, 5, 61, 53), OP_F32(OP_NORMAL, 1, 5, 31, 33),
           AT(OP_RANGE, -2, 34, 1, 1, 2, 61, 53)),
};

static void plain(vka_graph *g, const vka_tensor *in)
{
    vka_sample(g, in[0], in[1], NULL);
}

static void too_far(vka_graph *g, const vka_tensor *in)
{
    vka_sample(g, in[0], in[1], &(struct vka_sample){.step = {{1 << 30}}});
}

#define MAPS OP_F32(OP_NORMAL, 2, 3, 4, 5)
static const struct op_error errors[] = {
    {"rank 3",
     {OP_F32(OP_NORMAL, 3, 4, 5), OP_F32(OP_NORMAL, 3, 1, 2, 4)},
     plain,
     "x is [3, 4, 5]"},
    {"no places", {MAPS, OP_F32(OP_NORMAL, 2, 1, 2)}, plain, "the positions [2, 1, 2]"},
    {"other items", {MAPS, OP_F32(OP_NORMAL, 3, 1, 2, 4)}, plain, "as many items"},
    {"three numbers", {MAPS, OP_F32(OP_NORMAL, 2, 1, 3, 4)}, plain, "two numbers"},
    {"uneven parts", {MAPS, OP_F32(OP_NORMAL, 2, 2, 2, 4)}, plain, "must divide the channels"},
    {"integers", {MAPS, OP_I32(2, 1, 2, 4)}, plain, "operand 1 is I32, not F32"},
    {"too far", {MAPS, OP_F32(OP_NORMAL, 2, 1, 2, 4)}, too_far, "past 2^31"},
};

int main(void)
{
    return OP_TEST_RUN("sample", cases, errors);
}
