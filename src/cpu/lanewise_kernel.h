// SPDX-License-Identifier: MIT
//
// Many small products at once, a lane each, for the instruction set of the file that includes this:
// what lies side by side in memory never has to be gathered.
#include "cpu/kernels.h"
#include "cpu/vector.h"

#if VKA_ISA == VKA_ISA_AVX512
#define EACH_LANEWISE(X) X(1) X(2) X(3) X(4) X(5) X(6)
enum { LANEWISE_ROWS = 6 };
#else
#define EACH_LANEWISE(X) X(1) X(2) X(3)
enum { LANEWISE_ROWS = 3 };
#endif

// Rows first .. first + rows - 1; `rows` is a constant where this is called.
INLINE void lanewise_body(int rows, int64_t first, const struct vka_lanewise *t)
{
    vec sum[LANEWISE_ROWS][VKA_LANEWISE_COLS];
    UNROLL for (int i = 0; i < rows; i++)
    {
        UNROLL for (int j = 0; j < VKA_LANEWISE_COLS; j++)
        {
            sum[i][j] = v_zero();
        }
    }
    const float *a = t->a + first * t->a_row, *b = t->b;
    for (int64_t kk = t->k; kk > 0; kk--, a += t->a_step, b += t->b_step) {
        vec av[LANEWISE_ROWS];
        UNROLL for (int i = 0; i < rows; i++)
        {
            av[i] = v_load(a + i * t->a_row);
        }
        UNROLL for (int j = 0; j < VKA_LANEWISE_COLS; j++)
        {
            vec bv = v_load(b + j * LANES);
            UNROLL for (int i = 0; i < rows; i++)
            {
                sum[i][j] = v_fma(av[i], bv, sum[i][j]);
            }
        }
    }
    float *c = t->c + first * t->c_row;
    lanes_t some = v_first(t->lanes);
    UNROLL for (int i = 0; i < rows; i++, c += t->c_row)
    {
        UNROLL for (int j = 0; j < VKA_LANEWISE_COLS; j++)
        {
            float *at = c + j * t->c_col;
            if (j >= t->cols)
                continue;
            if (t->add)
                sum[i][j] += v_load_some(at, some);
            v_store_some(at, sum[i][j], some);
        }
    }
}

#define LANEWISE(rows)                                                                             \
    KERNEL static void lanewise_##rows(int64_t first, const struct vka_lanewise *t)                \
    {                                                                                              \
        lanewise_body(rows, first, t);                                                             \
    }
#define LANEWISE_NAME(rows) lanewise_##rows,
EACH_LANEWISE(LANEWISE)
static void (*const lanewise_rows[LANEWISE_ROWS])(int64_t first, const struct vka_lanewise *t) = {
    EACH_LANEWISE(LANEWISE_NAME)};

KERNEL static void lanewise(const struct vka_lanewise *t)
{
    for (int64_t i = 0; i < t->rows; i += LANEWISE_ROWS) {
        int64_t left = t->rows - i < LANEWISE_ROWS ? t->rows - i : LANEWISE_ROWS;
        lanewise_rows[left - 1](i, t);
    }
}
