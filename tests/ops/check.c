// SPDX-License-Identifier: MIT
//
// The op by itself; that a run fails by what it finds is tests/unit/plan.c's.
#include "support/op_test.h"
#include "ops/op.h"

static void check(vka_graph *g, const struct op_case *c, const vka_tensor *in, vka_tensor *out)
{
    int32_t range[] = {(int32_t)c->i[0], (int32_t)c->i[1]};
    out[0] = vka_add_node(g, vka_op_find("check"), range, 1, in, NULL);
}

static void define(const struct op_case *c, const struct op_tensor *in, struct op_tensor *out)
{
    int64_t i = 0;
    while (i < in->count && in->v[i] >= (double)c->i[0] && in->v[i] <= (double)c->i[1])
        i++;
    out->v[0] = i < in->count ? (double)i : -1;
    out->v[1] = i < in->count ? in->v[i] : 0;
}

#define CHECK(name_, lo, hi, ...)                                                                  \
    {                                                                                              \
        .name = name_, .in = {__VA_ARGS__}, .build = check, .define = define, .i = {lo, hi},       \
        .out = OP_SHAPE(2)                                                                         \
    }
static const struct op_case cases[] = {
    CHECK("all inside", -9, 9, OP_I32(5, 7)),
    CHECK("some outside", -8, 8, OP_I32(31, 17)),
    CHECK("the last outside", 0, 0, OP_IDS(1, 1, 1)),
    CHECK("more than lanes", 1, 1000000, OP_IDS(0, 1000, 1013)),
    CHECK("none in millions outside", 0, 9, OP_IDS(0, 9, 2200003)),
    CHECK("late in millions", 0, 1999999, OP_IDS(0, 2000000, 4300003)),
    CHECK("all outside", 20, 30, OP_I32(200)),
};

static void of_floats(vka_graph *g, const vka_tensor *in)
{
    vka_add_node(g, vka_op_find("check"), (int32_t[]){0, 1}, 1, in, NULL);
}

static const struct op_error errors[] = {
    {"floats", {OP_F32(OP_NORMAL, 3)}, of_floats, "F32, not I32"},
};

int main(void)
{
    return OP_TEST_RUN("check", cases, errors);
}
