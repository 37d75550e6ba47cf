// SPDX-License-Identifier: MIT
//
// The loops of cpu/winograd.c for the instruction set of the file that includes this. Channels are
// lanes: a place is LANES floats, so that nothing is moved between lanes but where maps are read
// and written. Sizes of products and how vectors change places are those of gemm_kernel.h, which
// comes first.
#include "cpu/kernels.h"
#include "cpu/vector.h"

enum { POINTS = VKA_WINO_IN * VKA_WINO_IN };

// Points +-a and +-b with a * b = 1.
#define POINT_A (2.0f / 3)
#define POINT_B 1.5f

// From each line's 6 numbers the values at its 6 points, but for a factor that the weight has.
INLINE void wino_enter_line(const vec d[VKA_WINO_IN], vec t[VKA_WINO_IN])
{
    const vec a = v_set(POINT_A), b = v_set(POINT_B);
    const vec a2 = v_set(-POINT_A * POINT_A), b2 = v_set(-POINT_B * POINT_B);
    const vec both = a2 + b2;
    vec even_a = v_fma(b2, d[2], d[4]), odd_a = v_fma(b2, d[1], d[3]) * a;
    vec even_b = v_fma(a2, d[2], d[4]), odd_b = v_fma(a2, d[1], d[3]) * b;
    t[0] = v_fma(both, d[2], d[0] + d[4]);
    t[1] = even_a + odd_a;
    t[2] = even_a - odd_a;
    t[3] = even_b + odd_b;
    t[4] = even_b - odd_b;
    t[5] = v_fma(both, d[3], d[1] + d[5]);
}

// From the sums at 6 points the 4 places.
INLINE void wino_leave_line(const vec m[VKA_WINO_IN], vec y[VKA_WINO_OUT])
{
    const vec a = v_set(POINT_A), a2 = v_set(POINT_A * POINT_A);
    const vec a3 = v_set(POINT_A * POINT_A * POINT_A);
    const vec b = v_set(POINT_B), b2 = v_set(POINT_B * POINT_B);
    const vec b3 = v_set(POINT_B * POINT_B * POINT_B);
    vec even_a = m[1] + m[2], odd_a = m[1] - m[2];
    vec even_b = m[3] + m[4], odd_b = m[3] - m[4];
    y[0] = m[0] + even_a + even_b;
    y[1] = v_fma(a, odd_a, b * odd_b);
    y[2] = v_fma(a2, even_a, b2 * even_b);
    y[3] = v_fma(a3, odd_a, v_fma(b3, odd_b, m[5]));
}

KERNEL static void wino_enter(const struct vka_wino_tiles *t, int64_t count)
{
    for (int64_t n = 0; n < count; n++) {
        const float *from = t->places + n * VKA_WINO_OUT * t->step;
        float *to = t->points + n * LANES;
        vec half[VKA_WINO_IN][VKA_WINO_IN], line[VKA_WINO_IN];
        for (int j = 0; j < VKA_WINO_IN; j++) {
            UNROLL for (int i = 0; i < VKA_WINO_IN; i++)
            {
                line[i] = v_load(from + i * t->line + j * t->step);
            }
            wino_enter_line(line, half[j]);
        }
        for (int i = 0; i < VKA_WINO_IN; i++) {
            vec point[VKA_WINO_IN];
            UNROLL for (int j = 0; j < VKA_WINO_IN; j++)
            {
                line[j] = half[j][i];
            }
            wino_enter_line(line, point);
            UNROLL for (int j = 0; j < VKA_WINO_IN; j++, to += t->point)
            {
                v_store(to, point[j]);
            }
        }
    }
}

KERNEL static void wino_leave(const struct vka_wino_tiles *t, int64_t count, const float *bias)
{
    const vec added = v_load(bias);
    for (int64_t n = 0; n < count; n++) {
        const float *from = t->points + n * LANES;
        float *to = t->places + n * VKA_WINO_OUT * t->step;
        vec half[VKA_WINO_IN][VKA_WINO_OUT], line[VKA_WINO_IN];
        for (int i = 0; i < VKA_WINO_IN; i++) {
            UNROLL for (int j = 0; j < VKA_WINO_IN; j++, from += t->point)
            {
                line[j] = v_load(from);
            }
            wino_leave_line(line, half[i]);
        }
        for (int j = 0; j < VKA_WINO_OUT; j++, to += t->step) {
            vec y[VKA_WINO_OUT];
            UNROLL for (int i = 0; i < VKA_WINO_IN; i++)
            {
                line[i] = half[i][j];
            }
            wino_leave_line(line, y);
            UNROLL for (int i = 0; i < VKA_WINO_OUT; i++)
            {
                v_store(to + i * t->line, y[i] + added);
            }
        }
    }
}
