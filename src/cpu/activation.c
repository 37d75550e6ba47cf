// SPDX-License-Identifier: MIT
//
// One loop a function: with the kind known, vka_activate is straight code that vectorises.
#include "cpu/activation.h"

#include "cpu/simd.h"

#define SPAN(kind)                                                                                 \
    case VKA_ACT_##kind:                                                                           \
        VKA_INDEPENDENT for (int64_t i = 0; i < count; i++) y[i] =                                 \
            vka_activate(VKA_ACT_##kind, x[i], a, b);                                              \
        break;

VKA_CLONES void vka_activate_span(struct vka_activation f, float *y, const float *x, int64_t count)
{
    const float a = f.a, b = f.b;
    switch (f.kind) {
        SPAN(RELU)
        SPAN(RELU6)
        SPAN(LEAKY_RELU)
        SPAN(ELU)
        SPAN(GELU)
        SPAN(GELU_TANH)
        SPAN(SIGMOID)
        SPAN(HARD_SIGMOID)
        SPAN(HARD_SWISH)
        SPAN(SILU)
        SPAN(TANH)
        SPAN(SOFTPLUS)
        SPAN(EXP)
        SPAN(LOG)
        SPAN(SQRT)
        SPAN(RSQRT)
        SPAN(SQUARE)
        SPAN(ABS)
        SPAN(NEG)
        SPAN(RECIPROCAL)
        SPAN(AFFINE)
        SPAN(CLAMP)
        SPAN(FLOOR)
        SPAN(CEIL)
        SPAN(ROUND)
        SPAN(SIGN)
    default:
        if (y != x)
            memmove(y, x, (size_t)count * sizeof *y);
    }
}
