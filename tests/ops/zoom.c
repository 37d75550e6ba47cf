// SPDX-License-Identifier: MIT
#include "support/op_test.h"

#include <math.h>

// i[0]: size
static void zoom(vka_graph *g, const struct op_case *c, const vka_tensor *in, vka_tensor *out)
{
    out[0] = vka_zoom(g, in[0], in[1], in[2], c->i[0]);
}

enum { X, BOX, FACTOR };

// Element of a map, times its factors.
static double element(const struct op_tensor *in, const int64_t *at, int64_t row, int64_t column)
{
    int64_t side = in[X].shape.dim[2], factors = at[0] * 2 * side;
    const double *map = in[X].v + (at[0] * in[X].shape.dim[1] + at[1]) * side * side;
    return map[row * side + column] * in[FACTOR].v[factors + row] *
           in[FACTOR].v[factors + side + column];
}

static double one(const struct op_tensor *in, const int64_t *at, int64_t size)
{
    int64_t low[2], high[2], side = in[X].shape.dim[2];
    double rest[2];
    for (int i = 0; i < 2; i++) {
        const double *box = in[BOX].v + 4 * at[0] + 2 * i;
        double begin = fmin(fmax(box[0], 0), (double)side - 1);
        double last = fmin(fmax(box[1] - 1, begin), (double)side - 1);
        double place = size > 1 ? (double)at[2 + i] * (last - begin) / (double)(size - 1) : 0;
        rest[i] = place - floor(place);
        low[i] = (int64_t)(begin + floor(place));
        high[i] = low[i] < (int64_t)last ? low[i] + 1 : low[i];
    }
    double upper = (1 - rest[1]) * element(in, at, low[0], low[1]) +
                   rest[1] * element(in, at, low[0], high[1]);
    double lower = (1 - rest[1]) * element(in, at, high[0], low[1]) +
                   rest[1] * element(in, at, high[0], high[1]);
    return (1 - rest[0]) * upper + rest[0] * lower;
}

static void define(const struct op_case *c, const struct op_tensor *in, struct op_tensor *out)
{
    for (int64_t i = 0; i < out->count; i++) {
        int64_t at[VKA_MAX_RANK];
        op_coords(&out->shape, i, at);
        out->v[i] = one(in, at, c->i[0]);
    }
}

#define ZOOM(name_, n, c, side, size_, low, high)                                                  \
    {                                                                                              \
        .name = name_,                                                                             \
        .in = {OP_F32(OP_NORMAL, n, c, side, side), OP_IDS(low, high, n, 4),                       \
               OP_F32(OP_POSITIVE, n, 2, side)},                                                   \
        .build = zoom, .define = define, .i = {size_}, .bound = 1e-6, .bound16 = 2e-3,             \
        .out = OP_SHAPE(n, c, size_, size_)                                                        \
    }
static const struct op_case cases[] = {
    ZOOM("enlarged", 5, 3, 7, 11, 0, 7),       ZOOM("reduced", 5, 2, 17, 4, 0, 17),
    ZOOM("over the ends", 9, 1, 7, 5, -9, 16), ZOOM("to one", 4, 3, 7, 1, 0, 7),
    ZOOM("of one", 4, 3, 1, 6, 0, 1),          ZOOM("one", 1, 1, 1, 1, 0, 1),
    ZOOM("many", 3, 3, 60, 131, 0, 60),
};

static void to_5(vka_graph *g, const vka_tensor *in)
{
    vka_zoom(g, in[0], in[1], in[2], 5);
}

static void to_0(vka_graph *g, const vka_tensor *in)
{
    vka_zoom(g, in[0], in[1], in[2], 0);
}

#define OPERANDS(height, ...)                                                                      \
    {                                                                                              \
        OP_F32(OP_NORMAL, 2, 3, height, 7), OP_IDS(0, 7, 2, 4), OP_F32(OP_NORMAL, __VA_ARGS__)     \
    }
static const struct op_error errors[] = {
    {"an oblong map", OPERANDS(6, 2, 2, 6), to_5, "x is [2, 3, 6, 7]"},
    {"factors of another size", OPERANDS(7, 2, 2, 6), to_5, "the factors [2, 2, 6]"},
    {"to nothing", OPERANDS(7, 2, 2, 7), to_0, "a size of 0"},
};

int main(void)
{
    return OP_TEST_RUN("zoom", cases, errors);
}
