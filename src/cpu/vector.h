// SPDX-License-Identifier: MIT
//
// Vectors of LANES floats for the kernels that are compiled once per instruction set: the file that
// includes this has defined VKA_ISA as VKA_ISA_AVX512, VKA_ISA_AVX2 or VKA_ISA_PLAIN. Every
// function that uses vectors is marked KERNEL, the small ones INLINE; neither needs compiler flags.
#ifndef VKA_CPU_VECTOR_H
#define VKA_CPU_VECTOR_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define VKA_ISA_PLAIN  0
#define VKA_ISA_AVX2   1
#define VKA_ISA_AVX512 2

#if VKA_ISA == VKA_ISA_AVX512
#include <immintrin.h>
#define KERNEL __attribute__((target("avx512f,avx512dq,avx2,fma")))
enum { LANES = 16, WIDE_VECTORS = 4 };
typedef __m512 vec;
typedef __m512i ivec;
typedef __mmask16 lanes_t; // which lanes
#elif VKA_ISA == VKA_ISA_AVX2
#include <immintrin.h>
#define KERNEL __attribute__((target("avx2,fma")))
enum { LANES = 8, WIDE_VECTORS = 2 };
typedef __m256 vec;
typedef __m256i lanes_t;
#else
#define KERNEL
enum { LANES = 4, WIDE_VECTORS = 2 };
typedef float vec __attribute__((vector_size(16)));
typedef int32_t lanes_t __attribute__((vector_size(16)));
#endif

#define INLINE KERNEL static inline __attribute__((always_inline, unused))

// Whole, so that arrays indexed there can be registers; clang's plain `unroll` stops half-way.
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 32")
#endif

// --- each instruction set's own ---

#if VKA_ISA == VKA_ISA_AVX512
INLINE vec v_set(float x)
{
    return _mm512_set1_ps(x);
}
INLINE vec v_load(const float *p)
{
    return _mm512_loadu_ps(p);
}
INLINE void v_store(float *p, vec v)
{
    _mm512_storeu_ps(p, v);
}
INLINE lanes_t v_first(int64_t n) // the first n lanes, n from 0 to LANES
{
    return (lanes_t)((1u << n) - 1);
}
INLINE vec v_load_some(const float *p, lanes_t some) // 0 in the others
{
    return _mm512_maskz_loadu_ps(some, p);
}
INLINE void v_store_some(float *p, vec v, lanes_t some)
{
    _mm512_mask_storeu_ps(p, some, v);
}
INLINE vec v_fma(vec a, vec b, vec c) // a * b + c
{
    return _mm512_fmadd_ps(a, b, c);
}
INLINE vec v_max(vec a, vec b) // b where one is NaN
{
    return _mm512_max_ps(a, b);
}
INLINE float v_sum(vec a) // halves are added until one is left
{
    return _mm512_reduce_add_ps(a);
}
INLINE float v_most(vec a) // none of them NaN
{
    return _mm512_reduce_max_ps(a);
}
INLINE lanes_t v_words(const int32_t *p) // lanes whose word isn't 0
{
    __m512i w = _mm512_loadu_si512(p);
    return _mm512_test_epi32_mask(w, w);
}
INLINE lanes_t v_less(vec a, vec b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ);
}
INLINE lanes_t v_nan(vec a)
{
    return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q);
}
INLINE bool v_any(lanes_t some)
{
    return some != 0;
}
INLINE vec v_gather(const float *p, const int32_t *at) // p[at[lane]], 0 where that is INT32_MIN
{
    __m512i index = _mm512_loadu_si512(at);
    __mmask16 there = _mm512_cmpgt_epi32_mask(index, _mm512_set1_epi32(INT32_MIN));
    return _mm512_mask_i32gather_ps(_mm512_setzero_ps(), there, index, p, 4);
}
INLINE vec v_select(lanes_t some, vec a, vec b) // a in those lanes, else b
{
    return _mm512_mask_blend_ps(some, b, a);
}
// 2^x is 2^rest, the rest from 0 to 1, times a power of two: here this set knows both from x.
INLINE vec v_rest(vec *x) // leaves in x what v_scale2 needs
{
    return _mm512_reduce_ps(*x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}
INLINE vec v_whole(vec x, vec rest) // what v_rest took the rest from, without it
{
    return x - rest;
}
// a * 2^x, x rounded down and a from 1 to 2; 0 where that is below the normal numbers, which would
// take the processor a hundred times as long, here and in every product with it.
INLINE vec v_scale2(vec a, vec x)
{
    __mmask16 normal = _mm512_cmp_ps_mask(x, _mm512_set1_ps(-126), _CMP_NLT_UQ); // NaN, too
    return _mm512_maskz_scalef_ps(normal, a, x);
}
#elif VKA_ISA == VKA_ISA_AVX2
INLINE vec v_set(float x)
{
    return _mm256_set1_ps(x);
}
INLINE vec v_load(const float *p)
{
    return _mm256_loadu_ps(p);
}
INLINE void v_store(float *p, vec v)
{
    _mm256_storeu_ps(p, v);
}
INLINE lanes_t v_first(int64_t n)
{
    const __m256i index = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), index);
}
INLINE vec v_load_some(const float *p, lanes_t some)
{
    return _mm256_maskload_ps(p, some);
}
INLINE void v_store_some(float *p, vec v, lanes_t some)
{
    _mm256_maskstore_ps(p, some, v);
}
INLINE vec v_fma(vec a, vec b, vec c)
{
    return _mm256_fmadd_ps(a, b, c);
}
INLINE vec v_max(vec a, vec b)
{
    return _mm256_max_ps(a, b);
}
INLINE float v_sum(vec a)
{
    __m128 h = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    h = _mm_add_ps(h, _mm_movehl_ps(h, h));
    return _mm_cvtss_f32(_mm_add_ss(h, _mm_shuffle_ps(h, h, 1)));
}
INLINE float v_most(vec a)
{
    __m128 h = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    h = _mm_max_ps(h, _mm_movehl_ps(h, h));
    return _mm_cvtss_f32(_mm_max_ss(h, _mm_shuffle_ps(h, h, 1)));
}
INLINE lanes_t v_words(const int32_t *p)
{
    __m256i zero = _mm256_cmpeq_epi32(_mm256_loadu_si256((const void *)p), _mm256_setzero_si256());
    return _mm256_xor_si256(zero, _mm256_set1_epi32(-1));
}
INLINE lanes_t v_less(vec a, vec b)
{
    return _mm256_castps_si256(_mm256_cmp_ps(a, b, _CMP_LT_OQ));
}
INLINE lanes_t v_nan(vec a)
{
    return _mm256_castps_si256(_mm256_cmp_ps(a, a, _CMP_UNORD_Q));
}
INLINE bool v_any(lanes_t some)
{
    return _mm256_movemask_epi8(some) != 0;
}
INLINE vec v_gather(const float *p, const int32_t *at)
{
    __m256i index = _mm256_loadu_si256((const void *)at);
    __m256i there = _mm256_cmpgt_epi32(index, _mm256_set1_epi32(INT32_MIN));
    return _mm256_mask_i32gather_ps(_mm256_setzero_ps(), p, index, _mm256_castsi256_ps(there), 4);
}
INLINE vec v_select(lanes_t some, vec a, vec b)
{
    return _mm256_blendv_ps(b, a, _mm256_castsi256_ps(some));
}
INLINE vec v_rest(vec *x)
{
    vec from = v_max(v_set(-160), *x); // keeps NaN: it is the second operand
    *x = _mm256_round_ps(from, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
    return from - *x;
}
INLINE vec v_whole(vec x, vec rest)
{
    (void)rest;
    return x;
}
INLINE vec v_scale2(vec a, vec whole)
{
    __m256i bits = _mm256_add_epi32(_mm256_cvtps_epi32(whole), _mm256_set1_epi32(127));
    bits = _mm256_max_epi32(bits, _mm256_setzero_si256()); // 0 below the normal numbers
    return _mm256_mul_ps(a, _mm256_castsi256_ps(_mm256_slli_epi32(bits, 23)));
}
#else
INLINE vec v_set(float x)
{
    return (vec){x, x, x, x};
}
INLINE vec v_load(const float *p)
{
    vec v;
    memcpy(&v, p, sizeof v);
    return v;
}
INLINE void v_store(float *p, vec v)
{
    memcpy(p, &v, sizeof v);
}
INLINE lanes_t v_first(int64_t n)
{
    return (lanes_t){0, 1, 2, 3} < (int32_t)n;
}
INLINE vec v_load_some(const float *p, lanes_t some)
{
    vec v = v_set(0);
    for (int i = 0; i < LANES; i++) {
        if (some[i])
            v[i] = p[i];
    }
    return v;
}
INLINE void v_store_some(float *p, vec v, lanes_t some)
{
    for (int i = 0; i < LANES; i++) {
        if (some[i])
            p[i] = v[i];
    }
}
INLINE vec v_fma(vec a, vec b, vec c)
{
    return a * b + c;
}
INLINE vec v_select(lanes_t some, vec a, vec b)
{
    return (vec)(((lanes_t)a & some) | ((lanes_t)b & ~some));
}
INLINE lanes_t v_less(vec a, vec b)
{
    return a < b;
}
INLINE lanes_t v_nan(vec a)
{
    return a != a;
}
INLINE bool v_any(lanes_t some)
{
    return (some[0] | some[1] | some[2] | some[3]) != 0;
}
INLINE vec v_max(vec a, vec b)
{
    return v_select(b < a, a, b);
}
INLINE vec v_gather(const float *p, const int32_t *at)
{
    vec v = v_set(0);
    for (int i = 0; i < LANES; i++) {
        if (at[i] != INT32_MIN)
            v[i] = p[at[i]];
    }
    return v;
}
INLINE float v_sum(vec a)
{
    return (a[0] + a[2]) + (a[1] + a[3]);
}
INLINE float v_most(vec a)
{
    float b = a[0] > a[2] ? a[0] : a[2], c = a[1] > a[3] ? a[1] : a[3];
    return b > c ? b : c;
}
INLINE lanes_t v_words(const int32_t *p)
{
    lanes_t w;
    memcpy(&w, p, sizeof w);
    return w != 0;
}
INLINE vec v_rest(vec *x)
{
    const vec magic = {0x1.8p23f, 0x1.8p23f, 0x1.8p23f, 0x1.8p23f}; // |x| is far below 2^22
    vec from = v_max(v_set(-160), *x);
    *x = (from - v_set(0.5f) + magic) - magic;
    return from - *x;
}
INLINE vec v_whole(vec x, vec rest)
{
    (void)rest;
    return x;
}
INLINE vec v_scale2(vec a, vec whole)
{
    lanes_t bits = __builtin_convertvector(whole, lanes_t) + 127;
    return a * (vec)((bits & (bits > 0)) << 23); // 0 below the normal numbers
}
#endif

// --- from those ---

INLINE vec v_zero(void)
{
    return v_set(0);
}

INLINE vec v_max_or_nan(vec most, vec v) // NaN in `most` stays: nothing is larger
{
    return v_select(v_nan(v), v, v_max(v, most));
}

// 2^f = 1 + f P(f) for f from 0 to 1: P fitted for the least relative error. x: what v_rest left.
INLINE vec v_power2(vec f, vec x)
{
    vec y = v_set(0x1.c54178p-13f);
    y = v_fma(y, f, v_set(0x1.46d64cp-10f));
    y = v_fma(y, f, v_set(0x1.3d0b92p-7f));
    y = v_fma(y, f, v_set(0x1.c68912p-5f));
    y = v_fma(y, f, v_set(0x1.ebfd58p-3f));
    y = v_fma(y, f, v_set(0x1.62e42cp-1f));
    y = v_fma(y, f, v_set(1));
    return v_scale2(y, x);
}

// 2^x within 2 units in the last place; 0 below -126, so for -inf, and NaN for NaN. x at most 0 in
// use; up to 127 is right, too.
INLINE vec v_exp2(vec x)
{
    vec f = v_rest(&x);
    return v_power2(f, x);
}

// e^x within 2 units in the last place, x at most 0; 0 below the smallest normal number, so for
// -inf, and NaN for NaN. log 2 is taken off in two parts, of which the first has zeros at its end:
// its products with whole numbers are exact.
INLINE vec v_exp(vec x)
{
    vec y = x * v_set(0x1.715476p+0f);
    vec rest = v_rest(&y), whole = v_whole(y, rest);
    vec r = v_fma(whole, v_set(-0x1.62e4p-1f), x);
    r = v_fma(whole, v_set(-0x1.7f7d1cp-20f), r);
    vec e = v_power2(r * v_set(0x1.715476p+0f), y);
    return v_select(v_less(x, v_set(-87.33654f)), v_zero(), e);
}

#endif
