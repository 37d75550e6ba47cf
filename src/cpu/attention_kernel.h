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

// The block's logits become weights 2^(s - max), max and sum go on, factor is what everything
// summed before must be multiplied with. False where all factors are 1.
KERNEL static bool soften(float *s, int width, int64_t keys, float *max, float *sum, float *factor)
{
    bool changed = false;
    for (int w = 0; w < width; w += LANES) {
        float *at = s + w;
        vec old = v_load(max + w), most[4] = {old, old, old, old};
        int64_t j = 0;
        for (; j + 4 <= keys; j += 4, at += 4 * width) {
            UNROLL for (int u = 0; u < 4; u++)
            {
                most[u] = v_max(v_load(at + u * width), most[u]); // passes over NaN
            }
        }
        for (; j < keys; j++, at += width)
            most[0] = v_max(v_load(at), most[0]);
        vec now = v_max(v_max(most[0], most[1]), v_max(most[2], most[3]));
        // All masked so far: any finite number will do.
        vec from = v_select(v_less(v_set(MINUS_INFINITY), now), now, v_zero());
        vec f = v_exp2(old - from), total[4] = {v_load(sum + w) * f, v_zero(), v_zero(), v_zero()};
        at = s + w;
        for (j = 0; j + 4 <= keys; j += 4, at += 4 * width) {
            UNROLL for (int u = 0; u < 4; u++)
            {
                vec p = v_exp2(v_load(at + u * width) - from);
                v_store(at + u * width, p);
                total[u] = total[u] + p;
            }
        }
        for (; j < keys; j++, at += width) {
            vec p = v_exp2(v_load(at) - from);
            v_store(at, p);
            total[0] = total[0] + p;
        }
        v_store(max + w, now);
        v_store(sum + w, (total[0] + total[1]) + (total[2] + total[3]));
        v_store(factor + w, f);
        changed = changed || v_any(v_less(f, v_set(1)));
    }
    return changed;
}

// x[row][query] *= factor[query]
KERNEL static void scale_queries(float *x, int width, int64_t rows, const float *factor)
{
    for (int64_t i = 0; i < rows; i++) {
        for (int w = 0; w < width; w += LANES, x += LANES)
            v_store(x, v_load(x) * v_load(factor + w));
    }
}
