// SPDX-License-Identifier: MIT
//
// Functions of one float, once for C (cpu/activation.h) and for GLSL (common/activation.glsl).
// GLSL's own exp, log and tanh may be off by thousands of units in the last place, or NaN for large
// arguments, and C's don't vectorise; these are within a few units everywhere and have no branch.
// Polynomials: minimax fits, relative error below 1e-8. NaN goes in and comes out.
#ifndef VKA_PUSH_SCALAR_H
#define VKA_PUSH_SCALAR_H

#include "activation.h"

// The words that differ between the two languages.
#ifdef VKA_GLSL
#define VKA_FN
#define VKA_PRECISE    precise // no factoring out of what the low part was split from
#define VKA_BITS(x)    floatBitsToInt(x)
#define VKA_FROM(i)    intBitsToFloat(i)
#define VKA_IS_NAN(x)  ((floatBitsToUint(x) & 0x7fffffffu) > 0x7f800000u)
#define VKA_TO_INT(x)  int(x)
#define VKA_TO_REAL(i) float(i)
#define VKA_NEAREST(x) floor((x) + 0.5f)
#define VKA_ABS(x)     abs(x)
#define VKA_SQRT(x)    sqrt(x)
#define VKA_FLOOR(x)   floor(x)
#define VKA_CEIL(x)    ceil(x)
#define VKA_EVEN(x)    roundEven(x)
#define VKA_INF        intBitsToFloat(0x7f800000)
#define VKA_NAN        intBitsToFloat(0x7fc00000)
#else
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#define VKA_FN static inline __attribute__((always_inline, unused))
#define VKA_PRECISE
VKA_FN int32_t vka_float_bits(float x)
{
    int32_t i;
    memcpy(&i, &x, sizeof i);
    return i;
}
VKA_FN float vka_bits_float(int32_t i)
{
    float x;
    memcpy(&x, &i, sizeof x);
    return x;
}
#define VKA_BITS(x)    vka_float_bits(x)
#define VKA_FROM(i)    vka_bits_float(i)
#define VKA_IS_NAN(x)  ((x) != (x))
#define VKA_TO_INT(x)  (int)(x)
#define VKA_TO_REAL(i) (float)(i)
// To the nearest integer by rounding at 2^23, for |x| < 2^22: no call, any instruction set.
#define VKA_NEAREST(x) (((x) + 12582912.0f) - 12582912.0f)
#define VKA_ABS(x)     fabsf(x)
#define VKA_SQRT(x)    sqrtf(x)
#define VKA_FLOOR(x)   floorf(x)
#define VKA_CEIL(x)    ceilf(x)
#define VKA_EVEN(x)    rintf(x)
#define VKA_INF        HUGE_VALF
#define VKA_NAN        vka_bits_float(0x7fc00000)
#endif

#define VKA_LN2_HI 0.693359375f // 10 bits: times a small integer it is exact
#define VKA_LN2_LO -2.12194440e-4f
#define VKA_LOG2E  1.44269504f

// exp(r) - 1 for |r| <= ln(2) / 2.
VKA_FN float vka_expm1_small(float r)
{
    float p = 0.001394121802f;
    p = p * r + 0.008363235036f;
    p = p * r + 0.04166637408f;
    p = p * r + 0.1666657665f;
    p = p * r + 0.5000000027f;
    return r + r * r * p;
}

// 0 below the smallest normal number (-87.3), infinite above the largest (88.7).
VKA_FN float vka_expf(float x)
{
    float t = x > -87.33654f ? x : -87.33654f; // NaN too
    t = t < 88.72283f ? t : 88.72283f;
    float n = VKA_NEAREST(t * VKA_LOG2E);
    VKA_PRECISE float r = (t - n * VKA_LN2_HI) - n * VKA_LN2_LO;
    float y = VKA_FROM(VKA_BITS(1.0f + vka_expm1_small(r)) + VKA_TO_INT(n) * 0x800000);
    y = x < -87.33654f ? 0.0f : y;
    y = x > 88.72283f ? VKA_INF : y;
    return VKA_IS_NAN(x) ? x : y;
}

VKA_FN float vka_expm1f(float x)
{
    float t = x > -30.0f ? x : -30.0f; // -1 from about -17 on
    t = t < 88.0f ? t : 88.0f;
    float n = VKA_NEAREST(t * VKA_LOG2E);
    VKA_PRECISE float r = (t - n * VKA_LN2_HI) - n * VKA_LN2_LO;
    float power = VKA_FROM((VKA_TO_INT(n) + 127) * 0x800000);
    float y = (power - 1.0f) + power * vka_expm1_small(r);
    return VKA_IS_NAN(x) ? x : (x > 88.0f ? vka_expf(x) : y);
}

// 2 atanh(s) for |s| <= 1/3: log((1 + s) / (1 - s)).
VKA_FN float vka_atanh2(float s)
{
    float z = s * s, p = 0.2412776261f;
    p = p * z + 0.2147722485f;
    p = p * z + 0.2861190111f;
    p = p * z + 0.3999908144f;
    p = p * z + 0.6666667288f;
    return 2.0f * s + s * z * p;
}

// log(1 + x) for 0 <= x <= 1.
VKA_FN float vka_log1p_unit(float x)
{
    return vka_atanh2(x / (2.0f + x));
}

// The bits of x without its exponent, such that sqrt(1/2) <= m < sqrt(2) is VKA_FROM of it.
VKA_FN int vka_mantissa(int bits)
{
    return ((bits - 0x3f3504f3) & 0x7fffff) + 0x3f3504f3;
}

// -inf of 0 (and of what counts as 0 where a device has no denormals), NaN below 0.
VKA_FN float vka_logf(float x)
{
    bool tiny = x < 1.17549435e-38f;
    int bits = VKA_BITS(tiny ? x * 8388608.0f : x);
    float k = VKA_TO_REAL((bits - 0x3f3504f3) >> 23) - (tiny ? 23.0f : 0.0f);
    float m = VKA_FROM(vka_mantissa(bits));
    VKA_PRECISE float y = k * VKA_LN2_LO + vka_atanh2((m - 1.0f) / (m + 1.0f));
    y = k * VKA_LN2_HI + y;
    y = x > 3.40282347e38f ? x : y;
    y = x == 0.0f ? -VKA_INF : y;
    y = x < 0.0f ? VKA_NAN : y;
    return VKA_IS_NAN(x) ? x : y;
}

// log(exp(a) + exp(b)) - max(a, b), of a - b.
VKA_FN float vka_log1p_exp(float difference)
{
    return vka_log1p_unit(vka_expf(-VKA_ABS(difference)));
}

VKA_FN float vka_sigmoid(float x)
{
    float e = vka_expf(-VKA_ABS(x));
    float s = 1.0f / (1.0f + e);
    return x < 0.0f ? e * s : s;
}

VKA_FN float vka_tanhf(float x)
{
    float a = VKA_ABS(x), z = x * x, p = -0.005763206736f;
    p = p * z + 0.02069691586f;
    p = p * z - 0.05375982475f;
    p = p * z + 0.1333172511f;
    p = p * z - 0.3333329495f;
    float e = vka_expf(-2.0f * a);
    float large = (1.0f - e) / (1.0f + e);
    large = x < 0.0f ? -large : large;
    return a < 0.625f ? x + x * z * p : large;
}

VKA_FN float vka_erff(float x)
{
    float a = VKA_ABS(x), z = x * x, p = 7.889122908e-5f;
    p = p * z - 0.0008020842219f;
    p = p * z + 0.005189535434f;
    p = p * z - 0.02685444463f;
    p = p * z + 0.1128360018f;
    p = p * z - 0.3761262714f;
    p = p * z + 1.128379166f;
    float t = a < 4.0f ? a : 4.0f; // 1 from there on
    float q = -1.566245258e-5f;    // log(1 - erf)
    q = q * t + 0.0003572153441f;
    q = q * t - 0.003714329291f;
    q = q * t + 0.02366519457f;
    q = q * t - 0.1055892824f;
    q = q * t - 0.636239223f;
    q = q * t - 1.127842358f;
    q = q * t - 0.0002270645701f;
    float large = 1.0f - vka_expf(q);
    large = x < 0.0f ? -large : large;
    large = VKA_IS_NAN(x) ? x : large;
    return a < 1.0f ? x * p : large;
}

// log1p(exp(beta x)) / beta, x itself where beta x is past the threshold.
VKA_FN float vka_softplus(float x, float beta, float threshold)
{
    float t = x * beta;
    float y = ((t > 0.0f ? t : 0.0f) + vka_log1p_exp(t)) / beta;
    return t > threshold ? x : y;
}

// base^e for base >= 0, to about 1e-7 * (1 + |e|). The parts that cancel against the result's
// integer exponent are short enough that their products are exact, contracted or not.
VKA_FN float vka_powf(float base, float e)
{
    bool tiny = base < 1.17549435e-38f;
    int bits = VKA_BITS(tiny ? base * 8388608.0f : base);
    float k = VKA_TO_REAL((bits - 0x3f3504f3) >> 23) - (tiny ? 23.0f : 0.0f);
    float m = VKA_FROM(vka_mantissa(bits));
    VKA_PRECISE float l = vka_atanh2((m - 1.0f) / (m + 1.0f)) * VKA_LOG2E;
    float e_high = VKA_FROM(VKA_BITS(e) & ~0xfff), l_high = VKA_FROM(VKA_BITS(l) & ~0xfff);
    VKA_PRECISE float e_low = e - e_high;
    VKA_PRECISE float l_low = l - l_high;
    VKA_PRECISE float low = e_low * k + (e_low * l + e_high * l_low);
    float whole = e * (k + l);
    whole = whole < 200.0f ? whole : 200.0f;
    whole = whole > -200.0f ? whole : -200.0f;
    float n = VKA_NEAREST(whole);
    VKA_PRECISE float f = ((e_high * k - n) + e_high * l_high) + low;
    float r = f * 0.693147181f;
    r = r < 1.0f ? r : 1.0f; // where `whole` was cut off
    r = r > -1.0f ? r : -1.0f;
    float y = 1.0f + vka_expm1_small(r);
    int half_n = VKA_TO_INT(n) / 2, rest = VKA_TO_INT(n) - half_n;
    y = y * VKA_FROM((half_n + 127) * 0x800000) * VKA_FROM((rest + 127) * 0x800000);
    bool to_zero = (base == 0.0f) == (e > 0.0f), end = base == 0.0f || base > 3.40282347e38f;
    y = end ? (to_zero ? 0.0f : VKA_INF) : y;
    y = e == 0.0f || base == 1.0f ? 1.0f : y;
    return base < 0.0f || VKA_IS_NAN(base) || VKA_IS_NAN(e) ? VKA_NAN : y;
}

VKA_FN float vka_activate_plain(int kind, float x, float a, float b)
{
    switch (kind) {
    case VKA_ACT_RELU:
        return x < 0.0f ? 0.0f : x;
    case VKA_ACT_RELU6:
        return x < 0.0f ? 0.0f : (x > 6.0f ? 6.0f : x);
    case VKA_ACT_LEAKY_RELU:
        return x > 0.0f ? x : a * x;
    case VKA_ACT_ELU:
        return x > 0.0f ? x : a * vka_expm1f(x);
    case VKA_ACT_GELU:
        return 0.5f * x * (1.0f + vka_erff(x * 0.707106781f));
    case VKA_ACT_GELU_TANH:
        return x * vka_sigmoid(x * (1.59576912f + 0.0713548163f * (x * x)));
    case VKA_ACT_SIGMOID:
        return vka_sigmoid(x);
    case VKA_ACT_HARD_SIGMOID:
        return (x < -3.0f ? 0.0f : (x > 3.0f ? 6.0f : x + 3.0f)) / 6.0f;
    case VKA_ACT_HARD_SWISH:
        return x * ((x < -3.0f ? 0.0f : (x > 3.0f ? 6.0f : x + 3.0f)) / 6.0f);
    case VKA_ACT_SILU:
        return x * vka_sigmoid(x);
    case VKA_ACT_TANH:
        return vka_tanhf(x);
    case VKA_ACT_SOFTPLUS:
        return vka_softplus(x, a, b);
    case VKA_ACT_EXP:
        return vka_expf(x);
    case VKA_ACT_LOG:
        return vka_logf(x);
    case VKA_ACT_SQRT:
        return VKA_SQRT(x);
    case VKA_ACT_RSQRT:
        return 1.0f / VKA_SQRT(x);
    case VKA_ACT_SQUARE:
        return x * x;
    case VKA_ACT_ABS:
        return VKA_ABS(x);
    case VKA_ACT_NEG:
        return -x;
    case VKA_ACT_RECIPROCAL:
        return 1.0f / x;
    case VKA_ACT_AFFINE:
        return a * x + b;
    case VKA_ACT_CLAMP:
        return x < a ? a : (x > b ? b : x);
    case VKA_ACT_FLOOR:
        return VKA_FLOOR(x);
    case VKA_ACT_CEIL:
        return VKA_CEIL(x);
    case VKA_ACT_ROUND:
        return VKA_EVEN(x);
    case VKA_ACT_SIGN:
        return x > 0.0f ? 1.0f : (x < 0.0f ? -1.0f : x);
    default:
        return x;
    }
}

VKA_FN float vka_activate(int kind, float x, float a, float b)
{
    float y = vka_activate_plain(kind, x, a, b);
#ifdef VKA_GLSL
    // A shader compiler may take x < 0 ? 0 : x for a maximum that drops NaN.
    y = VKA_IS_NAN(x) ? x : y;
#endif
    return y;
}

#endif
