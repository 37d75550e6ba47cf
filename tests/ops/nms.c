// SPDX-License-Identifier: MIT
//
// Coordinates are whole numbers: overlaps at the threshold come up often, and are told from those
// over it by the last bit alone.
#include "support/op_test.h"

#include <math.h>

// i[0]: most; d[0]: threshold.
static void build(vka_graph *g, const struct op_case *c, const vka_tensor *in, vka_tensor *out)
{
    vka_tensor whole = vka_cast(g, vka_cast(g, in[0], VKA_I32), VKA_F32);
    out[0] = vka_nms(g, whole, in[1], c->d[0], c->i[0]);
}

static float overlap(const double *a, const double *b)
{
    double height = (a[2] < b[2] ? a[2] : b[2]) - (a[0] > b[0] ? a[0] : b[0]);
    double width = (a[3] < b[3] ? a[3] : b[3]) - (a[1] > b[1] ? a[1] : b[1]);
    double area_a = (a[2] - a[0]) * (a[3] - a[1]), area_b = (b[2] - b[0]) * (b[3] - b[1]);
    double both = height > 0 && width > 0 ? height * width : 0;
    return area_a > 0 && area_b > 0 ? (float)both / (float)(area_a + area_b - both) : 0.0f;
}

static void define(const struct op_case *c, const struct op_tensor *in, struct op_tensor *out)
{
    int64_t took = 0;
    for (int64_t i = 0; i < in[0].count; i++)
        in[0].v[i] = trunc(in[0].v[i]);
    for (int64_t i = 0; i < in[1].count && took < out->count - 1; i++) {
        if (in[1].v[i] < 0)
            continue;
        const double *b = in[0].v + 4 * (int64_t)in[1].v[i];
        bool free = true;
        for (int64_t k = 0; k < took && free; k++)
            free = overlap(in[0].v + 4 * (int64_t)out->v[1 + k], b) <= (float)c->d[0];
        if (free)
            out->v[1 + took++] = in[1].v[i];
    }
    out->v[0] = (double)took;
    for (int64_t i = took; i < out->count - 1; i++)
        out->v[1 + i] = 0;
}

#define BOXES(size, count)                                                                         \
    {                                                                                              \
        VKA_F32, OP_RANGE, 0, size, {2, {count, 4}}, true                                          \
    }
#define CASE(name_, most, threshold, boxes, order, ...)                                            \
    {                                                                                              \
        .name = name_, .in = {boxes, order}, .build = build, .define = define, .i = {most},        \
        .d = {threshold}, .out = OP_SHAPE(__VA_ARGS__)                                             \
    }

static const struct op_case cases[] = {
    CASE("a third", 31, 1.0 / 3, BOXES(6, 97), OP_IDS(0, 96, 211), 32),
    CASE("0.7", 211, 0.7, BOXES(7, 97), OP_IDS(0, 96, 211), 212),
    CASE("a 41st", 97, 1.0 / 41, BOXES(9, 131), OP_IDS(0, 130, 131), 98),
    CASE("any overlap", 50, 0, BOXES(40, 1009), OP_IDS(0, 1008, 1009), 51),
    CASE("nothing too much", 3000, 1, BOXES(20, 300), OP_IDS(0, 299, 2003), 2004),
    CASE("some left out", 77, 0.5, BOXES(30, 300), OP_IDS(-100, 299, 900), 78),
    CASE("none", 3, 0.5, BOXES(9, 3), OP_IDS(-3, -1, 5), 4),
    CASE("one", 1, 0.5, BOXES(9, 1), OP_IDS(0, 0, 1), 2),
    CASE("a batch", 128, 0.25, BOXES(50, 128), OP_IDS(0, 127, 128), 129),
    CASE("a batch and one", 129, 0.2, BOXES(50, 129), OP_IDS(0, 128, 129), 130),
    CASE("many taken", 4001, 0.99, BOXES(1400, 4001), OP_IDS(0, 4000, 4001), 4002),
    CASE("more than batches", 500, 0.6, BOXES(99, 5003), OP_IDS(0, 5002, 5003), 501),
};

static void at_most_none(vka_graph *g, const vka_tensor *in)
{
    vka_nms(g, in[0], in[1], 0.5, 0);
}
static void below_zero(vka_graph *g, const vka_tensor *in)
{
    vka_nms(g, in[0], in[1], -0.5, 1);
}

static const struct op_error errors[] = {
    {"none", {OP_F32(OP_NORMAL, 3, 4), OP_I32(2)}, at_most_none, "at most 0 boxes"},
    {"threshold", {OP_F32(OP_NORMAL, 3, 4), OP_I32(2)}, below_zero, "threshold of -0.5"},
    {"boxes", {OP_F32(OP_NORMAL, 3, 5), OP_I32(2)}, below_zero, "shape [3, 5]"},
    {"order", {OP_F32(OP_NORMAL, 3, 4), OP_F32(OP_NORMAL, 2)}, below_zero, "F32, not I32"},
};

int main(void)
{
    return OP_TEST_RUN("nms", cases, errors);
}
