// SPDX-License-Identifier: MIT
#include "support/op_test.h"

#include <math.h>

static void copy(vka_graph *g, const struct op_case *c, const vka_tensor *in, vka_tensor *out)
{
    (void)c;
    out[0] = vka_copy(g, in[0]);
}

static void cast(vka_graph *g, const struct op_case *c, const vka_tensor *in, vka_tensor *out)
{
    out[0] = vka_cast(g, in[0], (vka_dtype)c->i[0]);
}

static double as_int(double v)
{
    if (isnan(v))
        return 0;
    return v >= 2147483647.0 ? 2147483647.0 : v <= -2147483648.0 ? -2147483648.0 : trunc(v);
}

static void define(const struct op_case *c, const struct op_tensor *in, struct op_tensor *out)
{
    (void)c;
    for (int64_t i = 0; i < out->count; i++) {
        double v = in[0].v[i];
        if (out->dtype == VKA_BOOL && in->dtype != VKA_BOOL)
            v = v != 0;
        else if (out->dtype == VKA_I32)
            v = as_int(v);
        out->v[i] = v;
    }
}

#define CAST(name_, to, ...)                                                                       \
    {                                                                                              \
        .name = name_, .in = {__VA_ARGS__}, .build = cast, .define = define, .i = {to},            \
        .out = OP_SHAPE(5, 13)                                                                     \
    }

#define F32_5_13(fill)                                                                             \
    {                                                                                              \
        VKA_F32, fill, 0, 0, OP_SHAPE(5, 13), true                                                 \
    }
#define WORD_5_13(type)                                                                            \
    {                                                                                              \
        type, OP_NORMAL, 0, 0, OP_SHAPE(5, 13), true                                               \
    }

static const struct op_case cases[] = {
    {.name = "bits",
     .in = {OP_F32(OP_BITS, 7, 11)},
     .build = copy,
     .define = define,
     .out = OP_SHAPE(7, 11)},
    {.name = "bits of squares",
     .in = {OP_F32(OP_BITS, 64, 64)},
     .build = copy,
     .define = define,
     .out = OP_SHAPE(64, 64)},
    {.name = "one",
     .in = {OP_F32(OP_NORMAL, 1)},
     .build = copy,
     .define = define,
     .out = OP_SHAPE(1)},
    {.name = "scalar",
     .in = {OP_SCALAR(VKA_F32)},
     .build = copy,
     .define = define,
     .out = {0, {0}}},
    {.name = "planes",
     .in = {OP_F32(OP_NORMAL, 2, 3, 37, 41)},
     .build = copy,
     .define = define,
     .out = OP_SHAPE(2, 3, 37, 41)},
    {.name = "square",
     .in = {OP_F32(OP_NORMAL, 64, 64)},
     .build = copy,
     .define = define,
     .out = OP_SHAPE(64, 64)},
    {.name = "rank 8",
     .in = {OP_F32(OP_NORMAL, 2, 3, 2, 1, 3, 2, 2, 3)},
     .build = copy,
     .define = define,
     .out = OP_SHAPE(2, 3, 2, 1, 3, 2, 2, 3)},
    {.name = "long",
     .in = {OP_F32(OP_NORMAL, 100003)},
     .build = copy,
     .define = define,
     .out = OP_SHAPE(100003)},
    {.name = "integers",
     .in = {{VKA_I32, OP_BITS, 0, 0, OP_SHAPE(17, 19), true}},
     .build = copy,
     .define = define,
     .out = OP_SHAPE(17, 19)},
    {.name = "bools",
     .in = {OP_BOOL(3, 5, 7)},
     .build = copy,
     .define = define,
     .out = OP_SHAPE(3, 5, 7)},
    CAST("float to int", VKA_I32, F32_5_13(OP_WIDE)),
    CAST("any float to int", VKA_I32, F32_5_13(OP_SPECIAL)),
    CAST("float to bool", VKA_BOOL, F32_5_13(OP_TIES)),
    CAST("any float to bool", VKA_BOOL, F32_5_13(OP_SPECIAL)),
    CAST("int to float", VKA_F32, WORD_5_13(VKA_I32)),
    CAST("int to bool", VKA_BOOL, WORD_5_13(VKA_I32)),
    CAST("bool to int", VKA_I32, WORD_5_13(VKA_BOOL)),
    CAST("bool to float", VKA_F32, WORD_5_13(VKA_BOOL)),
};

static void to_f16(vka_graph *g, const vka_tensor *in)
{
    vka_cast(g, in[0], VKA_F16);
}

static void of_nothing(vka_graph *g, const vka_tensor *in)
{
    (void)in;
    vka_copy(g, 0);
}

static const struct op_error errors[] = {
    {"a type that graphs don't have", {OP_F32(OP_NORMAL, 3)}, to_f16, "copy: to F16"},
    {"nothing", {{0}}, of_nothing, "copy: operand 0 is absent"},
};

int main(void)
{
    return OP_TEST_RUN("copy", cases, errors);
}
