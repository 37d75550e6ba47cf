// SPDX-License-Identifier: MIT
#include "support/op_test.h"

#include <math.h>

enum { X, AT, WEIGHT };

// The cases' arguments, by number: i[0]. i[1]: axes of taps.
static const struct vka_sample samples[] = {
    {.clamp = false},
    {.clamp = true},
    {.start = {-2, -2}, .step = {{2, 0, 1, 0}, {0, 2, 0, 1}}},
    {.start = {-(1 << 29), -(1 << 29)}, .step = {{1 << 29, 0, 1, 0}, {0, 1 << 29, 0, 1}}},
};

static void sum(vka_graph *g, const struct op_case *c, const vka_tensor *in, vka_tensor *out)
{
    out[0] = vka_sample_sum(g, in[X], in[AT], in[WEIGHT], (int)c->i[1], &samples[c->i[0]]);
}

static double bilinear(const struct op_tensor *x, const int64_t *at, const double where[2])
{
    double total = 0;
    for (int i = 0; i < 2; i++) {
        if (!(where[i] > -1 && where[i] < (double)x->shape.dim[2 + i]))
            return 0;
    }
    for (int k = 0; k < 4; k++) {
        int64_t from[VKA_MAX_RANK] = {at[0], at[1]};
        double part = 1;
        bool inside = true;
        for (int i = 0; i < 2; i++) {
            int next = k >> (1 - i) & 1;
            double low = floor(where[i]), rest = where[i] - low;
            from[2 + i] = (int64_t)low + next;
            part *= next ? rest : 1 - rest;
            inside = inside && from[2 + i] >= 0 && from[2 + i] < x->shape.dim[2 + i];
        }
        total += inside ? part * x->v[op_index(&x->shape, from)] : 0;
    }
    return total;
}

// The sample of x at place `place` (its axes those of taps, then of y), unweighted.
static double sample_at(const struct vka_sample *p, const struct op_tensor *in, const int64_t *at,
                        int64_t part, const int64_t *place)
{
    const vka_shape *positions = &in[AT].shape;
    int64_t from[VKA_MAX_RANK] = {positions->dim[0] == 1 ? 0 : at[0],
                                  positions->dim[1] == 1 ? 0 : part};
    double where[2];
    for (int i = 0; i < 2; i++) {
        int64_t own = p->start[i];
        from[2] = i;
        for (int k = 0; k < positions->rank - 3; k++) {
            own += p->step[i][k] * place[k];
            from[3 + k] = place[k];
        }
        float moved = (float)own + (float)in[AT].v[op_index(positions, from)];
        double last = (double)(in[X].shape.dim[2 + i] - 1);
        where[i] = (double)moved;
        if (p->clamp)
            where[i] = where[i] < 0 ? 0 : where[i] > last ? last : where[i];
    }
    return bilinear(&in[X], at, where);
}

static void define(const struct op_case *c, const struct op_tensor *in, struct op_tensor *out)
{
    const vka_shape *w = &in[WEIGHT].shape;
    int axes = (int)c->i[1];
    vka_shape taps = {axes, {0}};
    int64_t count = 1;
    for (int i = 0; i < axes; i++)
        count *= taps.dim[i] = w->dim[2 + i];
    for (int64_t i = 0; i < out->count; i++) {
        int64_t at[VKA_MAX_RANK], from[VKA_MAX_RANK];
        op_coords(&out->shape, i, at);
        from[0] = at[0];
        from[1] = at[1] / (in[X].shape.dim[1] / w->dim[1]);
        for (int k = 2; k < out->shape.rank; k++)
            from[axes + k] = at[k];
        out->v[i] = 0;
        for (int64_t tap = 0; tap < count; tap++) {
            int64_t of_tap[VKA_MAX_RANK];
            op_coords(&taps, tap, of_tap);
            for (int k = 0; k < axes; k++)
                from[2 + k] = of_tap[k];
            out->v[i] += in[WEIGHT].v[op_index(w, from)] *
                         sample_at(&samples[c->i[0]], in, at, from[1], from + 2);
        }
    }
}

#define PLACES(fill, lo, hi, ...)                                                                  \
    {                                                                                              \
        VKA_F32, fill, lo, hi, OP_SHAPE(__VA_ARGS__), true                                         \
    }
#define SUM(name_, number, taps, shape, ...)                                                       \
    {                                                                                              \
        .name = name_, .in = {__VA_ARGS__}, .build = sum, .define = define, .i = {number, taps},   \
        .bound = 4e-6, .bound16 = 2e-2, .out = shape                                               \
    }
static const struct op_case cases[] = {
    SUM("a kernel", 2, 2, OP_SHAPE(2, 6, 5, 4), OP_F32(OP_NORMAL, 2, 6, 5, 4),
        OP_F32(OP_NORMAL, 2, 1, 2, 3, 3, 5, 4), OP_F32(OP_NORMAL, 2, 1, 3, 3, 5, 4)),
    SUM("one grid for all parts", 2, 2, OP_SHAPE(2, 6, 5, 4), OP_F32(OP_NORMAL, 2, 6, 5, 4),
        OP_F32(OP_NORMAL, 2, 1, 2, 3, 3, 5, 4), OP_F32(OP_NORMAL, 2, 3, 3, 3, 5, 4)),
    SUM("a grid each", 0, 1, OP_SHAPE(2, 10, 70), OP_F32(OP_NORMAL, 2, 10, 6, 7),
        PLACES(OP_RANGE, -2, 8, 2, 2, 2, 5, 70), OP_F32(OP_NORMAL, 2, 2, 5, 70)),
    SUM("at the edge", 1, 1, OP_SHAPE(1, 3, 5, 4, 2), OP_F32(OP_NORMAL, 1, 3, 6, 7),
        PLACES(OP_RANGE, -9, 15, 1, 1, 2, 3, 5, 4, 2), OP_F32(OP_NORMAL, 1, 1, 3, 5, 4, 2)),
    SUM("no places are left", 0, 1, OP_SHAPE(3, 4), OP_F32(OP_NORMAL, 3, 4, 6, 7),
        PLACES(OP_RANGE, -1, 7, 1, 1, 2, 13), OP_F32(OP_NORMAL, 3, 2, 13)),
    SUM("taps past the map", 3, 2, OP_SHAPE(1, 4, 5, 4), OP_F32(OP_NORMAL, 1, 4, 5, 4),
        PLACES(OP_NORMAL, 0, 0, 1, 1, 2, 3, 3, 5, 4), OP_F32(OP_NORMAL, 1, 4, 3, 3, 5, 4)),
    SUM("any positions", 0, 1, OP_SHAPE(1, 3, 40), OP_F32(OP_NORMAL, 1, 3, 6, 7),
        PLACES(OP_BITS, 0, 0, 1, 1, 2, 5, 40), OP_F32(OP_NORMAL, 1, 1, 5, 40)),
    SUM("infinite and NaN", 0, 1, OP_SHAPE(1, 3, 40), OP_F32(OP_NORMAL, 1, 3, 6, 7),
        PLACES(OP_SPECIAL, 0, 0, 1, 1, 2, 5, 40), OP_F32(OP_NORMAL, 1, 3, 5, 40)),
    SUM("one", 0, 1, OP_SHAPE(1, 1, 1), OP_F32(OP_NORMAL, 1, 1, 1, 1),
        PLACES(OP_RANGE, -1, 1, 1, 1, 2, 1, 1), OP_F32(OP_NORMAL, 1, 1, 1, 1)),
    SUM("many items", 0, 1, OP_SHAPE(65536, 1), OP_F32(OP_NORMAL, 65536, 1, 1, 2),
        PLACES(OP_RANGE, -1, 2, 65536, 1, 2, 2), OP_F32(OP_NORMAL, 65536, 1, 2)),
    SUM("many places", 2, 2, OP_SHAPE(1, 9, 31, 27), OP_F32(OP_NORMAL, 1, 9, 31, 27),
        OP_F32(OP_NORMAL, 1, 1, 2, 3, 3, 31, 27), OP_F32(OP_NORMAL, 1, 1, 3, 3, 31, 27)),
};

static void one_axis(vka_graph *g, const vka_tensor *in)
{
    vka_sample_sum(g, in[X], in[AT], in[WEIGHT], 1, NULL);
}

static void no_axis(vka_graph *g, const vka_tensor *in)
{
    vka_sample_sum(g, in[X], in[AT], in[WEIGHT], 0, NULL);
}

#define MAPS OP_F32(OP_NORMAL, 2, 3, 4, 5)
#define GRID OP_F32(OP_NORMAL, 2, 1, 2, 9, 4)
static const struct op_error errors[] = {
    {"rank 3",
     {OP_F32(OP_NORMAL, 3, 4, 5), GRID, OP_F32(OP_NORMAL, 2, 1, 9, 4)},
     one_axis,
     "x is [3, 4, 5]"},
    {"another weight",
     {MAPS, GRID, OP_F32(OP_NORMAL, 2, 1, 9, 5)},
     one_axis,
     "the weight is [2, 1, 9, 5], it must be [2, 1, 9, 4]"},
    {"uneven parts", {MAPS, GRID, OP_F32(OP_NORMAL, 2, 2, 9, 4)}, one_axis, "must divide"},
    {"no taps", {MAPS, GRID, OP_F32(OP_NORMAL, 2, 1, 9, 4)}, no_axis, "0 axes of taps"},
    {"integers", {MAPS, GRID, OP_I32(2, 1, 9, 4)}, one_axis, "operand 2 is I32"},
};

int main(void)
{
    return OP_TEST_RUN("sample_sum", cases, errors);
}
