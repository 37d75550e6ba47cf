// SPDX-License-Identifier: MIT
//
// The kernels of softmax of the set of instructions that is asked for, against exp in double
// precision: small weights are as right as large ones.
#include "cpu_set.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 37, COLS = VKA_SOFTMAX_COLS, ROW = COLS + 5, ROOM = ROWS * ROW };

static uint64_t numbers = 1;

// Half a unit in the last place is 6e-8.
static void near(double want, double got, double bound)
{
    if (!(fabs(got - want) <= bound * want))
        fail_msg("%.9g, should be %.9g", got, want);
}

// From -100 to 0.
static float *differences(void)
{
    float *x = unit_floats(&numbers, ROOM, -1);
    for (int i = 0; i < ROOM; i++)
        x[i] = 50 * (x[i] - 1);
    return x;
}

static double power(float x)
{
    return x < -87.33654f ? 0 : exp((double)x);
}

static void test_rows(void **unused)
{
    (void)unused;
    skip_without_set();
    float *x = differences(), *before = unit_floats(&numbers, ROOM, -1),
          *y = unit_floats(&numbers, ROOM, -1);
    for (int count = 1; count < 200; count++) {
        double sum = 0;
        memcpy(y, before, ROOM * sizeof *y);
        float got = vka_kernels()->sum_exp(y, x, count, 0.0f);
        for (int i = 0; i < count; i++) {
            near(power(x[i]), (double)y[i], 2.4e-7);
            sum += power(x[i]);
        }
        near(sum, (double)got, 1e-6);
        assert_true(y[count] == before[count]); // nothing else is written
        assert_true(vka_kernels()->sum_exp(NULL, x, count, 0.0f) == got);
    }
    x[1] = -INFINITY;
    assert_true(vka_kernels()->sum_exp(y, x, 2, 0.0f) == y[0] && y[1] == 0);
    x[1] = NAN;
    assert_true(isnan(vka_kernels()->sum_exp(y, x, 2, 0.0f)) && isnan(y[1]) && !isnan(y[0]));
    free(x);
    free(y);
    free(before);
}

static void columns_of(const struct vka_columns *c, const float *before)
{
    float most[COLS];
    double sum[COLS];
    for (int i = 0; i < COLS; i++)
        most[i] = -INFINITY;
    vka_kernels()->max_columns(c, most);
    vka_kernels()->exp_columns(c, most, sum);
    for (int i = 0; i < c->count; i++) {
        double all = 0;
        float largest = -INFINITY;
        for (int64_t r = 0; r < c->rows; r++)
            largest = fmaxf(largest, c->x[r * c->x_row + i]);
        for (int64_t r = 0; r < c->rows; r++) {
            double e = power(c->x[r * c->x_row + i] - largest);
            near(e, (double)c->y[r * c->y_row + i], 2.4e-7);
            all += e;
        }
        assert_true(most[i] == largest);
        near(all, sum[i], 5e-7);
    }
    for (int64_t i = 0; i < ROOM; i++) {
        if (i % ROW >= c->count || i / ROW >= c->rows)
            assert_true(c->y[i] == before[i]); // nothing else is written
    }
}

static void test_columns(void **unused)
{
    (void)unused;
    skip_without_set();
    float *x = differences(), *before = unit_floats(&numbers, ROOM, -1),
          *y = unit_floats(&numbers, ROOM, -1);
    for (int count = 1; count <= COLS; count++) {
        for (int64_t rows = 1; rows <= ROWS; rows += 9) {
            struct vka_columns c = {
                .rows = rows, .count = count, .x = x, .y = y, .x_row = ROW, .y_row = ROW};
            memcpy(y, before, ROOM * sizeof *y);
            columns_of(&c, before);
        }
    }
    free(x);
    free(y);
    free(before);
}

// A column that is -inf throughout has no weight anywhere; NaN stays in its column.
static void test_no_numbers(void **unused)
{
    (void)unused;
    skip_without_set();
    float x[4] = {-INFINITY, NAN, -INFINITY, 1}, y[4], most[COLS];
    double sum[COLS];
    struct vka_columns c = {.rows = 2, .count = 2, .x = x, .y = y, .x_row = 2, .y_row = 2};
    for (int i = 0; i < COLS; i++)
        most[i] = -INFINITY;
    vka_kernels()->max_columns(&c, most);
    vka_kernels()->exp_columns(&c, most, sum);
    assert_true(most[0] == -INFINITY && most[1] == 1);
    assert_true(y[0] == 0 && y[2] == 0 && sum[0] == 0);
    assert_true(isnan(y[1]) && y[3] == 1 && isnan(sum[1]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_columns),
        cmocka_unit_test(test_no_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
