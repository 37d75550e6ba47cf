// SPDX-License-Identifier: MIT
//
// Kernels of attention, for the instruction set of the file that includes this. Logits lie as
// [key][query]: a lane is a query, so nothing is summed across lanes. They are in units of log 2.
#include "cpu/kernels.h"
#include "cpu/vector.h"

#define MINUS_INFINITY (-__builtin_inff())

// Adds bias[key][query] * unit.
KERNEL static void add_bias(float *s, const float *bias, int64_t count, float unit)
{
    for (int64_t i = 0; i < count; i += LANES)
        v_store(s + i, v_fma(v_load(bias + i), v_set(unit), v_load(s + i)));
}

// -inf where mask[key][query] is true (removes) or false.
KERNEL static void apply_mask(float *s, const int32_t *mask, int64_t count, bool removes)
{
    const vec gone = v_set(MINUS_INFINITY);
    for (int64_t i = 0; i < count; i += LANES) {
        lanes_t on = v_words(mask + i);
        vec old = v_load(s + i);
        v_store(s + i, removes ? v_select(on, gone, old) : v_select(on, old, gone));
    }
}

// -inf for the keys after a query's last one; last[query] counts from the block's first key.
KERNEL static void apply_last(float *s, int width, int64_t keys, const float *last)
{
    const vec gone = v_set(MINUS_INFINITY);
    for (int64_t j = 0; j < keys; j++) {
        const vec key = v_set((float)j);
        for (int w = 0; w < width; w += LANES, s += LANES)
            v_store(s, v_select(v_less(v_load(last + w), key), gone, v_load(s)));
    }
}

INLINE void soften_key(int vectors, float *s, const vec *from, vec *total)
{
    UNROLL for (int w = 0; w < vectors; w++)
    {
        vec p = v_exp2(v_load(s + w * LANES) - from[w]);
        v_store(s + w * LANES, p);
        total[w] = total[w] + p;
    }
}

INLINE bool soften_vectors(int vectors, float *s, int width, int64_t keys, float *max, float *sum,
                           float *factor)
{
    vec now[WIDE_VECTORS], from[WIDE_VECTORS], total[2][WIDE_VECTORS];
    UNROLL for (int w = 0; w < vectors; w++)
    {
        now[w] = v_load(max + w * LANES);
    }
    const float *end = s + keys * width;
    for (const float *at = s; at < end; at += width) {
        UNROLL for (int w = 0; w < vectors; w++)
        {
            now[w] = v_max(v_load(at + w * LANES), now[w]); // passes over NaN
        }
    }
    bool changed = false;
    UNROLL for (int w = 0; w < vectors; w++)
    {
        // All masked so far: any finite number will do.
        from[w] = v_select(v_less(v_set(MINUS_INFINITY), now[w]), now[w], v_zero());
        vec f = v_exp2(v_load(max + w * LANES) - from[w]);
        total[0][w] = total[1][w] = v_zero();
        v_store(max + w * LANES, now[w]);
        v_store(factor + w * LANES, f);
        changed = changed || v_any(v_less(f, v_set(1)));
    }
    // Every second key has a sum of its own, and none is added to what is large already.
    float *at = s;
    for (; at + width < end; at += 2 * width) {
        soften_key(vectors, at, from, total[0]);
        soften_key(vectors, at + width, from, total[1]);
    }
    if (at < end)
        soften_key(vectors, at, from, total[0]);
    UNROLL for (int w = 0; w < vectors; w++)
    {
        vec before = v_load(sum + w * LANES) * v_load(factor + w * LANES);
        v_store(sum + w * LANES, before + (total[0][w] + total[1][w]));
    }
    return changed;
}

// The block's logits become weights 2^(s - max), max and sum go on, factor is what everything
// summed before must be multiplied with. False where all factors are 1.
KERNEL static bool soften(float *s, int width, int64_t keys, float *max, float *sum, float *factor)
{
    bool changed = false;
    int w = 0;
    for (; w + WIDE_VECTORS * LANES <= width; w += WIDE_VECTORS * LANES)
        changed |= soften_vectors(WIDE_VECTORS, s + w, width, keys, max + w, sum + w, factor + w);
    for (; w < width; w += LANES)
        changed |= soften_vectors(1, s + w, width, keys, max + w, sum + w, factor + w);
    return changed;
}

// dst[query * step + column] = src[column][query] * factor[query], queries `width` apart in src.
KERNEL static void give_queries(float *dst, int64_t step, const float *src, int width, int count,
                                int64_t columns, const float *factor)
{
    for (int q = 0; q < count; q += LANES) {
        int have = count - q < LANES ? count - q : LANES;
        lanes_t some = v_first(have);
        const vec f = v_load_some(factor + q, some);
        for (int64_t c = 0; c < columns; c += LANES) {
            lanes_t room = v_first(columns - c < LANES ? columns - c : LANES);
            vec r[LANES];
            UNROLL for (int i = 0; i < LANES; i++)
            {
                vec x = c + i < columns ? v_load_some(src + (c + i) * width + q, some) : v_zero();
                r[i] = x * f;
            }
            transpose(r);
            UNROLL for (int i = 0; i < LANES; i++)
            {
                if (i < have)
                    v_store_some(dst + (q + i) * step + c, r[i], room);
            }
        }
    }
}

// x[row][query] *= factor[query]
KERNEL static void scale_queries(float *x, int width, int64_t rows, const float *factor)
{
    for (int64_t i = 0; i < rows; i++) {
        for (int w = 0; w < width; w += LANES, x += LANES)
            v_store(x, v_load(x) * v_load(factor + w));
    }
}
