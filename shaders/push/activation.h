// SPDX-License-Identifier: MIT
//
// Numbers of the functions of one float, for C (ops/ops.h, cpu/activation.h) and GLSL
// (common/activation.glsl). a and b are parameters.
#ifndef VKA_PUSH_ACTIVATION_H
#define VKA_PUSH_ACTIVATION_H

#define VKA_ACT_NONE         0
#define VKA_ACT_RELU         1
#define VKA_ACT_RELU6        2
#define VKA_ACT_LEAKY_RELU   3 // x > 0 ? x : a * x
#define VKA_ACT_ELU          4 // x > 0 ? x : a * (exp(x) - 1)
#define VKA_ACT_GELU         5 // with erf
#define VKA_ACT_GELU_TANH    6
#define VKA_ACT_SIGMOID      7
#define VKA_ACT_HARD_SIGMOID 8 // min(max(x + 3, 0), 6) / 6
#define VKA_ACT_HARD_SWISH   9
#define VKA_ACT_SILU         10
#define VKA_ACT_TANH         11
#define VKA_ACT_SOFTPLUS     12 // a = beta, b = threshold: x * a > b ? x : log1p(exp(x * a)) / a
#define VKA_ACT_EXP          13
#define VKA_ACT_LOG          14
#define VKA_ACT_SQRT         15
#define VKA_ACT_RSQRT        16 // 1 / sqrt(x)
#define VKA_ACT_SQUARE       17
#define VKA_ACT_ABS          18
#define VKA_ACT_NEG          19
#define VKA_ACT_RECIPROCAL   20
#define VKA_ACT_AFFINE       21 // a * x + b
#define VKA_ACT_CLAMP        22 // min(max(x, a), b)
#define VKA_ACT_FLOOR        23
#define VKA_ACT_CEIL         24
#define VKA_ACT_ROUND        25 // half to even
#define VKA_ACT_SIGN         26
#define VKA_ACT_COUNT        27

#endif
