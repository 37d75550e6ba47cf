// SPDX-License-Identifier: MIT
#include "support/op_test.h"

#include <math.h>

static double lesser(double a, double b)
{
    return isnan(a) || isnan(b) ? NAN : a < b ? a : b;
}

static double combine(int kind, double a, double b)
{
    switch (kind) {
    case VKA_ADD:
        return a + b;
    case VKA_SUB:
        return a - b;
    case VKA_MUL:
        return a * b;
    case VKA_DIV:
        return a / b;
    case VKA_MIN:
        return lesser(a, b);
    case VKA_MAX:
        return -lesser(-a, -b);
    case VKA_POW:
        return pow(a, b);
    case VKA_PASS:
        return a > 0 ? b : 0;
    case VKA_LT:
        return a < b;
    case VKA_LE:
        return a <= b;
    case VKA_GT:
        return a > b;
    case VKA_GE:
        return a >= b;
    case VKA_EQ:
        return a == b;
    case VKA_NE:
        return a != b;
    case VKA_AND:
        return a != 0 && b != 0;
    case VKA_OR:
        return a != 0 || b != 0;
    default:
        return (a != 0) != (b != 0);
    }
}

static void build(vka_graph *g, const struct op_case *c, const vka_tensor *in, vka_tensor *out)
{
    struct vka_activation act = {(int)c->i[1], 0, 0};
    out[0] = vka_binary_act(g, (enum vka_binary_kind)c->i[0], in[0], in[1], act);
}

static void define(const struct op_case *c, const struct op_tensor *in, struct op_tensor *out)
{
    for (int64_t i = 0; i < out->count; i++) {
        double v =
            combine((int)c->i[0], op_at(&in[0], &out->shape, i), op_at(&in[1], &out->shape, i));
        if (c->i[1] == VKA_ACT_SIGMOID)
            v = 1 / (1 + exp(-v));
        out->v[i] = out->dtype == VKA_I32 ? (double)(int32_t)(uint32_t)(int64_t)v : v;
    }
}

// Two operands alike; broadcast ones are written out.
#define ALIKE(name_, type, fill, kind, bound_)                                                     \
    {                                                                                              \
        .name = name_,                                                                             \
        .in = {{type, fill, 0, 0, OP_SHAPE(5, 41), true},                                          \
               {type, fill, 0, 0, OP_SHAPE(5, 41), true}},                                         \
        .build = build, .define = define, .i = {kind}, .out = OP_SHAPE(5, 41), .bound = bound_     \
    }
#define FLOATS(name, fill, kind, bound) ALIKE(name, VKA_F32, fill, VKA_##kind, bound)
#define INTS(name, kind)                ALIKE(name, VKA_I32, OP_NORMAL, VKA_##kind, 0)
#define BOOLS(name, kind)               ALIKE(name, VKA_BOOL, OP_NORMAL, VKA_##kind, 0)
#define DEFINED                         .build = build, .define = define

static const struct op_case cases[] = {
    FLOATS("add", OP_NORMAL, ADD, 1e-7),
    FLOATS("add, special", OP_SPECIAL, ADD, 1e-7),
    FLOATS("sub", OP_NORMAL, SUB, 1e-7),
    FLOATS("mul", OP_NORMAL, MUL, 1e-7),
    FLOATS("mul, special", OP_SPECIAL, MUL, 1e-7),
    FLOATS("div", OP_POSITIVE, DIV, 3e-7),
    FLOATS("div, special", OP_SPECIAL, DIV, 3e-7),
    FLOATS("min", OP_NORMAL, MIN, 0),
    FLOATS("min, special", OP_SPECIAL, MIN, 1e-7),
    FLOATS("max", OP_NORMAL, MAX, 0),
    FLOATS("max, special", OP_SPECIAL, MAX, 1e-7),
    FLOATS("pow", OP_POSITIVE, POW, 1e-6),
    FLOATS("pass", OP_TIES, PASS, 0),
    FLOATS("pass, special", OP_SPECIAL, PASS, 0),
    FLOATS("less", OP_TIES, LT, 0),
    FLOATS("less, special", OP_SPECIAL, LT, 0),
    FLOATS("less or equal", OP_TIES, LE, 0),
    FLOATS("less or equal, special", OP_SPECIAL, LE, 0),
    FLOATS("greater", OP_TIES, GT, 0),
    FLOATS("greater, special", OP_SPECIAL, GT, 0),
    FLOATS("greater or equal", OP_TIES, GE, 0),
    FLOATS("greater or equal, special", OP_SPECIAL, GE, 0),
    FLOATS("equal", OP_TIES, EQ, 0),
    FLOATS("equal, special", OP_SPECIAL, EQ, 0),
    FLOATS("not equal", OP_TIES, NE, 0),
    FLOATS("not equal, special", OP_SPECIAL, NE, 0),
    INTS("int add", ADD),
    INTS("int sub", SUB),
    INTS("int mul", MUL),
    ALIKE("int sub, wrapping", VKA_I32, OP_BITS, VKA_SUB, 0),
    INTS("int min", MIN),
    INTS("int max", MAX),
    INTS("int less", LT),
    INTS("int less or equal", LE),
    INTS("int greater", GT),
    INTS("int greater or equal", GE),
    INTS("int equal", EQ),
    INTS("int not equal", NE),
    BOOLS("and", AND),
    BOOLS("or", OR),
    BOOLS("xor", XOR),
    {.name = "gate",
     .in = {OP_F32(OP_NORMAL, 2, 5, 7, 9), OP_F32(OP_NORMAL, 2, 5, 1, 1)},
     DEFINED,
     .i = {VKA_MUL},
     .out = OP_SHAPE(2, 5, 7, 9),
     .bound = 1e-7},
    {.name = "row",
     .in = {OP_F32(OP_NORMAL, 3, 17), OP_F32(OP_NORMAL, 17)},
     DEFINED,
     .i = {VKA_ADD},
     .out = OP_SHAPE(3, 17),
     .bound = 1e-7},
    {.name = "column",
     .in = {OP_F32(OP_NORMAL, 31, 1), OP_F32(OP_NORMAL, 31, 700)},
     DEFINED,
     .i = {VKA_SUB},
     .out = OP_SHAPE(31, 700),
     .bound = 1e-7},
    {.name = "both ways",
     .in = {OP_F32(OP_NORMAL, 2, 1, 5, 1), OP_F32(OP_NORMAL, 3, 1, 4)},
     DEFINED,
     .i = {VKA_ADD},
     .out = OP_SHAPE(2, 3, 5, 4),
     .bound = 1e-7},
    {.name = "scalar",
     .in = {OP_F32(OP_NORMAL, 2, 3), OP_SCALAR(VKA_F32)},
     DEFINED,
     .i = {VKA_MUL},
     .out = OP_SHAPE(2, 3),
     .bound = 1e-7},
    {.name = "scalars",
     .in = {OP_SCALAR(VKA_F32), OP_SCALAR(VKA_F32)},
     DEFINED,
     .i = {VKA_SUB},
     .bound = 1e-7},
    {.name = "six axes, none of which merge",
     .in = {OP_F32(OP_NORMAL, 2, 1, 3, 1, 2, 1), OP_F32(OP_NORMAL, 1, 3, 1, 5, 1, 3)},
     DEFINED,
     .i = {VKA_ADD},
     .out = OP_SHAPE(2, 3, 3, 5, 2, 3),
     .bound = 1e-7},
    {.name = "fours, special",
     .in = {OP_F32(OP_SPECIAL, 2, 3, 4, 35), OP_F32(OP_SPECIAL, 3, 1, 1)},
     DEFINED,
     .i = {VKA_MUL},
     .out = OP_SHAPE(2, 3, 4, 35),
     .bound = 1e-7},
    {.name = "fours, too long for one part",
     .in = {OP_F32(OP_NORMAL, 2, 1, 8204), OP_F32(OP_NORMAL, 3, 1)},
     DEFINED,
     .i = {VKA_SUB},
     .out = OP_SHAPE(2, 3, 8204),
     .bound = 1e-7},
    {.name = "with a function",
     .in = {OP_F32(OP_NORMAL, 3, 300), OP_F32(OP_NORMAL, 300)},
     DEFINED,
     .i = {VKA_ADD, VKA_ACT_SIGMOID},
     .out = OP_SHAPE(3, 300),
     .bound = 3e-7},
    {.name = "long",
     .in = {OP_F32(OP_NORMAL, 100003), OP_F32(OP_NORMAL, 100003)},
     DEFINED,
     .i = {VKA_MUL},
     .out = OP_SHAPE(100003),
     .bound = 1e-7},
};

static void add(vka_graph *g, const vka_tensor *in)
{
    vka_add(g, in[0], in[1]);
}

static void both_true(vka_graph *g, const vka_tensor *in)
{
    vka_binary(g, VKA_AND, in[0], in[1]);
}

static void function_of_bool(vka_graph *g, const vka_tensor *in)
{
    struct vka_activation relu = {VKA_ACT_RELU, 0, 0};
    vka_binary_act(g, VKA_LT, in[0], in[1], relu);
}

static const struct op_error errors[] = {
    {"shapes",
     {OP_F32(OP_NORMAL, 2, 3), OP_F32(OP_NORMAL, 2, 4)},
     add,
     "add: the shapes [2, 3] and [2, 4] don't broadcast"},
    {"types", {OP_F32(OP_NORMAL, 3), OP_I32(3)}, add, "binary: add doesn't take F32 with I32"},
    {"and of floats",
     {OP_F32(OP_NORMAL, 3), OP_F32(OP_NORMAL, 3)},
     both_true,
     "binary: and doesn't take F32 with F32"},
    {"a function of a comparison",
     {OP_F32(OP_NORMAL, 3), OP_F32(OP_NORMAL, 3)},
     function_of_bool,
     "binary: a function of less's result"},
    {"an absent operand", {OP_F32(OP_NORMAL, 3)}, add, "binary: operand 1 is absent"},
};

int main(void)
{
    return OP_TEST_RUN("binary", cases, errors);
}
