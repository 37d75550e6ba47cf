// SPDX-License-Identifier: MIT
#include "support/op_test.h"

#include <math.h>

static double sigmoid(double x)
{
    return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

static double clamp(double x, double lo, double hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}

static double activation(int kind, double x)
{
    switch (kind) {
    case VKA_ACT_RELU:
        return x < 0 ? 0 : x;
    case VKA_ACT_RELU6:
        return clamp(x, 0, 6);
    case VKA_ACT_GELU:
        return 0.5 * x * (1 + erf(x / sqrt(2)));
    case VKA_ACT_GELU_TANH:
        return 0.5 * x * (1 + tanh(sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x)));
    case VKA_ACT_SIGMOID:
        return sigmoid(x);
    case VKA_ACT_HARD_SIGMOID:
        return clamp(x + 3, 0, 6) / 6;
    case VKA_ACT_HARD_SWISH:
        return x * clamp(x + 3, 0, 6) / 6;
    case VKA_ACT_SILU:
        return x * sigmoid(x);
    case VKA_ACT_TANH:
        return tanh(x);
    default:
        return NAN;
    }
}

static double function(int kind, double x, double a, double b)
{
    switch (kind) {
    case VKA_ACT_LEAKY_RELU:
        return x > 0 ? x : a * x;
    case VKA_ACT_ELU:
        return x > 0 ? x : a * expm1(x);
    case VKA_ACT_SOFTPLUS:
        return x * a > b ? x : log1p(exp(x * a)) / a;
    case VKA_ACT_EXP:
        return exp(x);
    case VKA_ACT_LOG:
        return log(x);
    case VKA_ACT_SQRT:
        return sqrt(x);
    case VKA_ACT_RSQRT:
        return 1 / sqrt(x);
    case VKA_ACT_SQUARE:
        return x * x;
    case VKA_ACT_ABS:
        return fabs(x);
    case VKA_ACT_NEG:
        return -x;
    case VKA_ACT_RECIPROCAL:
        return 1 / x;
    case VKA_ACT_AFFINE:
        return a * x + b;
    case VKA_ACT_CLAMP:
        return clamp(x, a, b);
    case VKA_ACT_FLOOR:
        return floor(x);
    case VKA_ACT_CEIL:
        return ceil(x);
    case VKA_ACT_ROUND:
        return rint(x);
    case VKA_ACT_SIGN:
        return x > 0 ? 1 : x < 0 ? -1 : x;
    default:
        return activation(kind, x);
    }
}

static void build(vka_graph *g, const struct op_case *c, const vka_tensor *in, vka_tensor *out)
{
    struct vka_activation f = {(int)c->i[0], (float)c->d[0], (float)c->d[1]};
    out[0] = vka_unary(g, in[0], f);
}

static void define(const struct op_case *c, const struct op_tensor *in, struct op_tensor *out)
{
    for (int64_t i = 0; i < out->count; i++)
        out->v[i] = function((int)c->i[0], in[0].v[i], c->d[0], c->d[1]);
}

#define CASE(name_, kind, a, b, fill, bound_, ...)                                                 \
    {                                                                                              \
        .name = name_, .in = {OP_F32(fill, __VA_ARGS__)}, .build = build, .define = define,        \
        .out = OP_SHAPE(__VA_ARGS__), .bound = bound_, .i = {kind}, .d = {                         \
            a,                                                                                     \
            b                                                                                      \
        }                                                                                          \
    }
// Small numbers; large ones; infinities and NaN.
#define THREE(name, kind, a, b)                                                                    \
    CASE(name, VKA_ACT_##kind, a, b, OP_NORMAL, 3e-7, 5, 37),                                      \
        CASE(name ", wide", VKA_ACT_##kind, a, b, OP_WIDE, 3e-7, 3, 1, 67),                        \
        CASE(name ", special", VKA_ACT_##kind, a, b, OP_SPECIAL, 3e-7, 67)
#define TWO(name, kind, a, b)                                                                      \
    CASE(name, VKA_ACT_##kind, a, b, OP_POSITIVE, 3e-7, 7, 29),                                    \
        CASE(name ", special", VKA_ACT_##kind, a, b, OP_SPECIAL, 3e-7, 67)

static const struct op_case cases[] = {
    THREE("relu", RELU, 0, 0),
    THREE("relu6", RELU6, 0, 0),
    THREE("leaky relu", LEAKY_RELU, 0.01f, 0),
    THREE("elu", ELU, 1.5, 0),
    THREE("gelu", GELU, 0, 0),
    THREE("gelu by tanh", GELU_TANH, 0, 0),
    THREE("sigmoid", SIGMOID, 0, 0),
    THREE("hard sigmoid", HARD_SIGMOID, 0, 0),
    THREE("hard swish", HARD_SWISH, 0, 0),
    THREE("silu", SILU, 0, 0),
    THREE("tanh", TANH, 0, 0),
    THREE("softplus", SOFTPLUS, 2, 20),
    CASE("exp", VKA_ACT_EXP, 0, 0, OP_NORMAL, 3e-7, 5, 37),
    CASE("exp, special", VKA_ACT_EXP, 0, 0, OP_SPECIAL, 3e-7, 67),
    TWO("log", LOG, 0, 0),
    TWO("sqrt", SQRT, 0, 0),
    TWO("rsqrt", RSQRT, 0, 0),
    TWO("reciprocal", RECIPROCAL, 0, 0),
    THREE("square", SQUARE, 0, 0),
    THREE("abs", ABS, 0, 0),
    THREE("neg", NEG, 0, 0),
    THREE("affine", AFFINE, -2.5, 0.75),
    THREE("clamp", CLAMP, -0.5, 1.25),
    THREE("floor", FLOOR, 0, 0),
    THREE("ceil", CEIL, 0, 0),
    CASE("round", VKA_ACT_ROUND, 0, 0, OP_WIDE, 0, 131),
    CASE("round, ties", VKA_ACT_ROUND, 0, 0, OP_TIES, 0, 31),
    THREE("sign", SIGN, 0, 0),
    CASE("one element", VKA_ACT_TANH, 0, 0, OP_NORMAL, 3e-7, 1, 1, 1),
    CASE("rank 8", VKA_ACT_NEG, 0, 0, OP_NORMAL, 0, 2, 3, 2, 2, 3, 2, 2, 3),
    CASE("fours", VKA_ACT_SILU, 0, 0, OP_NORMAL, 3e-7, 3, 44),
    CASE("long, fours", VKA_ACT_SQUARE, 0, 0, OP_NORMAL, 3e-7, 30004),
    CASE("long", VKA_ACT_SILU, 0, 0, OP_NORMAL, 3e-7, 100003),
};

static void integers(vka_graph *g, const vka_tensor *in)
{
    vka_act(g, in[0], VKA_ACT_EXP);
}

static void unknown(vka_graph *g, const vka_tensor *in)
{
    vka_act(g, in[0], VKA_ACT_COUNT);
}

static const struct op_error errors[] = {
    {"integers", {OP_I32(3)}, integers, "unary: operand 0 is I32, not F32"},
    {"no such function", {OP_F32(OP_NORMAL, 3)}, unknown, "unary: there is no function"},
};

int main(void)
{
    return OP_TEST_RUN("unary", cases, errors);
}
