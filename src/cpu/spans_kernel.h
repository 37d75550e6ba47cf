// SPDX-License-Identifier: MIT
//
// Sums and extremes of contiguous floats (cpu/spans.h), for the instruction set of the file that
// includes this. Whatever the set, SPAN_LANES sums take turns and are added as a tree: all give the
// same bits.
#include "cpu/kernels.h"
#include "cpu/vector.h"

enum { SPAN_LANES = 32, SPAN_VECTORS = SPAN_LANES / LANES };

INLINE float span_tree(vec *lane)
{
    UNROLL for (int n = SPAN_VECTORS / 2; n > 0; n /= 2)
    {
        UNROLL for (int k = 0; k < n; k++)
        {
            lane[k] += lane[k + n];
        }
    }
    return v_sum(lane[0]);
}

// How many of vector k's elements are among the `left` ones of the span's end.
INLINE int64_t span_some(int64_t left, int k)
{
    int64_t some = left - (int64_t)k * LANES;
    return some < 0 ? 0 : some < LANES ? some : LANES;
}

// Vector k of the span's last elements x[0] .. x[left - 1]; what is past them is 0.
INLINE vec span_end(const float *x, int64_t left, int k)
{
    int64_t some = span_some(left, k);
    return v_load_some(some > 0 ? x + k * LANES : x, v_first(some));
}

INLINE vec span_part(vec v, bool squares)
{
    if (squares)
        return v * v;
    return v;
}

INLINE float span_of_sums(const float *x, int64_t count, bool squares)
{
    vec lane[SPAN_VECTORS];
    UNROLL for (int k = 0; k < SPAN_VECTORS; k++)
    {
        lane[k] = v_zero();
    }
    int64_t i = 0;
    for (; i + SPAN_LANES <= count; i += SPAN_LANES) {
        UNROLL for (int k = 0; k < SPAN_VECTORS; k++)
        {
            vec v = v_load(x + i + k * LANES);
            lane[k] += span_part(v, squares);
        }
    }
    UNROLL for (int k = 0; k < SPAN_VECTORS; k++)
    {
        vec v = span_end(x + i, count - i, k);
        lane[k] += span_part(v, squares);
    }
    return span_tree(lane);
}

KERNEL static float span_sum(const float *x, int64_t count)
{
    return span_of_sums(x, count, false);
}

KERNEL static float span_squares(const float *x, int64_t count)
{
    return span_of_sums(x, count, true);
}

KERNEL static void span_deviations(const float *x, int64_t count, float shift, float *sum,
                                   float *squares)
{
    const vec from = v_set(shift);
    vec lane[SPAN_VECTORS], square[SPAN_VECTORS];
    UNROLL for (int k = 0; k < SPAN_VECTORS; k++)
    {
        lane[k] = square[k] = v_zero();
    }
    int64_t i = 0;
    for (; i + SPAN_LANES <= count; i += SPAN_LANES) {
        UNROLL for (int k = 0; k < SPAN_VECTORS; k++)
        {
            vec v = v_load(x + i + k * LANES) - from;
            lane[k] += v;
            square[k] += v * v;
        }
    }
    UNROLL for (int k = 0; k < SPAN_VECTORS; k++)
    {
        lanes_t some = v_first(span_some(count - i, k));
        vec v = v_select(some, span_end(x + i, count - i, k) - from, v_zero());
        lane[k] += v;
        square[k] += v * v;
    }
    *sum = span_tree(lane);
    *squares = span_tree(square);
}

KERNEL static void span_sum_max(const float *x, int64_t count, float scale, float *sum, float *max)
{
    const vec times = v_set(scale), first = v_set(x[0]);
    vec lane[SPAN_VECTORS], top[SPAN_VECTORS];
    UNROLL for (int k = 0; k < SPAN_VECTORS; k++)
    {
        lane[k] = v_zero();
        top[k] = first * times;
    }
    int64_t i = 0;
    for (; i + SPAN_LANES <= count; i += SPAN_LANES) {
        UNROLL for (int k = 0; k < SPAN_VECTORS; k++)
        {
            vec v = v_load(x + i + k * LANES) * times;
            lane[k] += v;
            top[k] = v_max_or_nan(top[k], v);
        }
    }
    UNROLL for (int k = 0; k < SPAN_VECTORS; k++)
    {
        lanes_t some = v_first(span_some(count - i, k));
        vec v = span_end(x + i, count - i, k);
        lane[k] += v_select(some, v * times, v_zero());
        top[k] = v_max_or_nan(top[k], v_select(some, v, first) * times);
    }
    UNROLL for (int k = 1; k < SPAN_VECTORS; k++)
    {
        top[0] = v_max_or_nan(top[0], top[k]);
    }
    *max = v_any(v_nan(top[0])) ? __builtin_nanf("") : v_most(top[0]);
    *sum = span_tree(lane);
}
