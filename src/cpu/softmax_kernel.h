// SPDX-License-Identifier: MIT
//
// Kernels of softmax, for the instruction set of the file that includes this: exp of differences
// from a maximum, and their sums.
#include "cpu/kernels.h"
#include "cpu/vector.h"

// The sum of exp(x - shift), which goes into y as well where y isn't NULL. y may be x.
KERNEL static float sum_exp(float *y, const float *x, int64_t count, float shift)
{
    const vec from = v_set(shift);
    vec total[2] = {v_zero(), v_zero()};
    for (int64_t i = 0; i < count; i += LANES) {
        lanes_t some = v_first(count - i < LANES ? count - i : LANES);
        vec e = v_select(some, v_exp(v_load_some(x + i, some) - from), v_zero());
        if (y)
            v_store_some(y + i, e, some);
        total[i / LANES % 2] += e;
    }
    return v_sum(total[0] + total[1]);
}

// Columns: most[i] becomes the largest of itself and x[row][i]; NaN is passed over.
KERNEL static void max_columns(const struct vka_columns *c, float *most)
{
    const float *x = c->x;
    for (int64_t r = 0; r < c->rows; r++, x += c->x_row) {
        for (int i = 0; i < c->count; i += LANES) {
            lanes_t some = v_first(c->count - i < LANES ? c->count - i : LANES);
            vec now = v_load(most + i);
            v_store(most + i, v_select(some, v_max(v_load_some(x + i, some), now), now));
        }
    }
}

// sum and lost: a sum and what rounding took from it.
INLINE void add_exactly(vec *sum, vec *lost, vec part)
{
    vec s = *sum + part, was = s - *sum;
    *lost = *lost + ((*sum - (s - was)) + (part - was));
    *sum = s;
}

// y[row][i] = exp(x[row][i] - most[i]) where y isn't NULL, and sum[i] of them. Columns that are
// -inf throughout have 0 taken off.
KERNEL static void exp_columns(const struct vka_columns *c, const float *most, double *sum)
{
    enum { ROWS = 8, VECTORS = VKA_SOFTMAX_COLS / LANES };
    vec from[VECTORS], total[VECTORS], lost[VECTORS];
    int vectors = (c->count + LANES - 1) / LANES;
    lanes_t last = v_first(c->count - (vectors - 1) * LANES);
    for (int w = 0; w < vectors; w++) {
        vec m = v_load(most + w * LANES);
        from[w] = v_select(v_less(v_set(-__builtin_inff()), m), m, v_zero());
        total[w] = lost[w] = v_zero();
    }
    for (int64_t begin = 0; begin < c->rows; begin += ROWS) {
        int64_t rows = c->rows - begin < ROWS ? c->rows - begin : ROWS;
        for (int w = 0; w < vectors; w++) {
            const float *x = c->x + begin * c->x_row + w * LANES;
            float *y = c->y ? c->y + begin * c->y_row + w * LANES : NULL;
            lanes_t some = w < vectors - 1 ? v_first(LANES) : last;
            vec part = v_zero();
            for (int64_t r = 0; r < rows; r++) {
                vec e = v_exp(v_load_some(x + r * c->x_row, some) - from[w]);
                if (y)
                    v_store_some(y + r * c->y_row, e, some);
                part += e;
            }
            add_exactly(&total[w], &lost[w], part);
        }
    }
    for (int i = 0; i < c->count; i++)
        sum[i] = (double)total[i / LANES][i % LANES] + (double)lost[i / LANES][i % LANES];
}
