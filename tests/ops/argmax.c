// SPDX-License-Identifier: MIT
#include "support/op_test.h"

#include <math.h>

enum { AXIS, KEEP }; // places in i[]

static void argmax(vka_graph *g, const struct op_case *c, const vka_tensor *in, vka_tensor *out)
{
    out[0] = vka_argmax(g, in[0], (int)c->i[AXIS], c->i[KEEP] != 0);
}

static void define(const struct op_case *c, const struct op_tensor *in, struct op_tensor *out)
{
    int axis = (int)(c->i[AXIS] < 0 ? c->i[AXIS] + in->shape.rank : c->i[AXIS]);
    int64_t size = in->shape.dim[axis], inner = 1;
    for (int i = axis + 1; i < in->shape.rank; i++)
        inner *= in->shape.dim[i];
    for (int64_t row = 0; row < out->count; row++) {
        const double *x = in->v + row / inner * size * inner + row % inner;
        int64_t best = 0;
        for (int64_t i = 1; i < size && !isnan(x[best * inner]); i++) {
            if (isnan(x[i * inner]) || x[i * inner] > x[best * inner])
                best = i;
        }
        out->v[row] = (double)best;
    }
}

#define ARGMAX(name_, axis, keep, shape, ...)                                                      \
    {                                                                                              \
        .name = name_, .in = {__VA_ARGS__}, .build = argmax, .define = define, .i = {axis, keep},  \
        .out = shape                                                                               \
    }
static const struct op_case cases[] = {
    ARGMAX("last axis", -1, 0, OP_SHAPE(7), OP_F32(OP_TIES, 7, 13)),
    ARGMAX("first axis", 0, 0, OP_SHAPE(5), OP_F32(OP_TIES, 11, 5)),
    ARGMAX("middle axis, kept", 1, 1, OP_SHAPE(2, 1, 3), OP_F32(OP_TIES, 2, 17, 3)),
    ARGMAX("long rows", 1, 0, OP_SHAPE(5), OP_F32(OP_TIES, 5, 1031)),
    ARGMAX("long columns", 0, 0, OP_SHAPE(3), OP_F32(OP_TIES, 517, 3)),
    ARGMAX("any floats", 1, 0, OP_SHAPE(37), OP_F32(OP_SPECIAL, 37, 29)),
    ARGMAX("any floats in long rows", 1, 0, OP_SHAPE(9), OP_F32(OP_SPECIAL, 9, 300)),
    ARGMAX("one", 0, 0, {0}, OP_F32(OP_NORMAL, 1)),
};

static void of_axis_2(vka_graph *g, const vka_tensor *in)
{
    vka_argmax(g, in[0], 2, false);
}

static const struct op_error errors[] = {
    {"integers", {OP_I32(3, 4)}, of_axis_2, "I32, not F32"},
    {"no such axis", {OP_F32(OP_NORMAL, 3, 4)}, of_axis_2, "axis 2"},
};

int main(void)
{
    return OP_TEST_RUN("argmax", cases, errors);
}
