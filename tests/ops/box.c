// SPDX-License-Identifier: MIT
#include "support/op_test.h"

#include <math.h>

// i[0]: size, d[0]: least half side
static void box(vka_graph *g, const struct op_case *c, const vka_tensor *in, vka_tensor *out)
{
    out[0] = vka_box(g, in[0], c->i[0], (float)c->d[0]);
}

// Sums of floats of like size are exact in double.
static void define(const struct op_case *c, const struct op_tensor *in, struct op_tensor *out)
{
    double size = (double)c->i[0];
    for (int64_t i = 0; i < out->count / 2; i++) {
        double middle = in[0].v[i / 2 * 3 + i % 2];
        double half = fmin(fmax(in[0].v[i / 2 * 3 + 2], (double)(float)c->d[0]), size);
        middle = fmin(fmin(fmax(middle, half), size), size - half);
        out->v[2 * i] = floor(fmax(middle - half, 0));
        out->v[2 * i + 1] = fmin(floor(middle + half), size);
    }
}

#define LOC(fill, low, high, count)                                                                \
    {                                                                                              \
        VKA_F32, fill, low, high, OP_SHAPE(count, 3), true                                         \
    }
#define BOX(name_, size_, least_, count, ...)                                                      \
    {                                                                                              \
        .name = name_, .in = {__VA_ARGS__}, .build = box, .define = define, .i = {size_},          \
        .d = {least_}, .out = OP_SHAPE(count, 4)                                                   \
    }
static const struct op_case cases[] = {
    BOX("inside", 13, 2.25, 70, LOC(OP_RANGE, 0, 13, 70)),
    BOX("any places", 11, 11 / 3.0, 300, LOC(OP_RANGE, -8, 20, 300)),
    BOX("small", 224, 0.5, 300, LOC(OP_RANGE, 0, 8, 300)),
    BOX("whole numbers and halves", 5, 0.5, 200, LOC(OP_TIES, 0, 0, 200)),
    BOX("far out", 9, 3, 40, LOC(OP_WIDE, 0, 0, 40)),
    BOX("least above all", 9, 20, 5, LOC(OP_RANGE, 0, 9, 5)),
    BOX("one element", 1, 0.5, 3, LOC(OP_RANGE, 0, 1, 3)),
    BOX("many", 448, 448 / 3.0, 70000, LOC(OP_RANGE, 0, 448, 70000)),
};

static void of_9(vka_graph *g, const vka_tensor *in)
{
    vka_box(g, in[0], 9, 3);
}

static void empty(vka_graph *g, const vka_tensor *in)
{
    vka_box(g, in[0], 9, 0.25f);
}

static const struct op_error errors[] = {
    {"a column too many", {OP_F32(OP_NORMAL, 2, 4)}, of_9, "[2, 4], they must be [N, 3]"},
    {"boxes that may be empty", {OP_F32(OP_NORMAL, 2, 3)}, empty, "at least 0.25"},
    {"integers", {OP_I32(2, 3)}, of_9, "I32, not F32"},
};

int main(void)
{
    return OP_TEST_RUN("box", cases, errors);
}
