// SPDX-License-Identifier: MIT
#include "support/op_test.h"

#include <math.h>

// i[0]: the maximum. Boxes lie across all borders; some are empty.
static void build(vka_graph *g, const struct op_case *c, const vka_tensor *in, vka_tensor *out)
{
    out[0] = vka_regions(g, in[0], in[1], c->i[0] != 0);
}

static int64_t clamped(double v, int64_t size)
{
    return v < 0 ? 0 : v > (double)size ? size : (int64_t)v;
}

static double of_box(const struct op_tensor *x, const double *plane, const double *box, bool max)
{
    int64_t height = x->shape.dim[2], width = x->shape.dim[3];
    int64_t x0 = clamped(box[0], width), y0 = clamped(box[1], height);
    int64_t x1 = clamped(box[2], width), y1 = clamped(box[3], height);
    double best = -INFINITY, sum = 0;
    if (x0 >= x1 || y0 >= y1)
        return 0;
    for (int64_t h = y0; h < y1; h++) {
        for (int64_t w = x0; w < x1; w++) {
            double v = plane[h * width + w];
            best = isnan(best) ? best : isnan(v) || v > best ? v : best;
            sum += v;
        }
    }
    return max ? best : sum / (double)((x1 - x0) * (y1 - y0));
}

static void define(const struct op_case *c, const struct op_tensor *in, struct op_tensor *out)
{
    int64_t channels = in[0].shape.dim[1], boxes = in[1].shape.dim[0];
    int64_t area = in[0].shape.dim[2] * in[0].shape.dim[3];
    for (int64_t i = 0; i < out->count; i++) {
        int64_t row = i / channels, plane = row / boxes * channels + i % channels;
        out->v[i] = of_box(&in[0], in[0].v + plane * area, in[1].v + row % boxes * 4, c->i[0] != 0);
    }
}

#define CASE(name_, max, bound_, x, boxes, ...)                                                    \
    {                                                                                              \
        .name = name_, .in = {x, boxes}, .build = build, .define = define, .i = {max},             \
        .bound = bound_, .out = OP_SHAPE(__VA_ARGS__)                                              \
    }

static const struct op_case cases[] = {
    CASE("max", 1, 0, OP_F32(OP_NORMAL, 2, 19, 7, 11), OP_IDS(-2, 13, 23, 4), 2, 23, 19),
    CASE("max of any floats", 1, 0, OP_F32(OP_SPECIAL, 2, 5, 7, 11), OP_IDS(-2, 13, 23, 4), 2, 23,
         5),
    CASE("max of -inf", 1, 0, OP_F32(OP_INFINITE, 1, 16, 3, 3), OP_IDS(0, 3, 41, 4), 1, 41, 16),
    CASE("mean", 0, 1e-6, OP_F32(OP_POSITIVE, 3, 17, 9, 5), OP_IDS(-1, 10, 29, 4), 3, 29, 17),
    CASE("mean of a row", 0, 1e-6, OP_F32(OP_POSITIVE, 1, 33, 1, 131), OP_IDS(-9, 140, 31, 4), 1,
         31, 33),
    CASE("one", 0, 0, OP_F32(OP_NORMAL, 1, 1, 1, 1), OP_IDS(0, 1, 16, 4), 1, 16, 1),
    CASE("very large", 0, 1e-6, OP_F32(OP_POSITIVE, 1, 1, 311, 613), OP_IDS(-9, 600, 3, 4), 1, 3,
         1),
    CASE("large", 0, 1e-6, OP_F32(OP_POSITIVE, 1, 3, 127, 131), OP_IDS(-9, 140, 5, 4), 1, 5, 3),
};

static void of_map(vka_graph *g, const vka_tensor *in)
{
    vka_regions(g, in[0], in[1], true);
}

static const struct op_error errors[] = {
    {"rank", {OP_F32(OP_NORMAL, 3, 4, 5), OP_I32(2, 4)}, of_map, "shapes [3, 4, 5] and [2, 4]"},
    {"boxes", {OP_F32(OP_NORMAL, 1, 3, 4, 5), OP_I32(2, 5)}, of_map, "[2, 5]"},
    {"floats", {OP_F32(OP_NORMAL, 1, 3, 4, 5), OP_F32(OP_NORMAL, 2, 4)}, of_map, "F32, not I32"},
};

int main(void)
{
    return OP_TEST_RUN("regions", cases, errors);
}
