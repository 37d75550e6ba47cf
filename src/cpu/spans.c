// SPDX-License-Identifier: MIT
#include "cpu/spans.h"

#include "cpu/kernels.h"

float vka_span_sum(const float *x, int64_t count)
{
    return vka_kernels()->span_sum(x, count);
}

float vka_span_squares(const float *x, int64_t count)
{
    return vka_kernels()->span_squares(x, count);
}

void vka_span_deviations(const float *x, int64_t count, float shift, float *sum, float *squares)
{
    vka_kernels()->span_deviations(x, count, shift, sum, squares);
}

float vka_span_max(const float *x, int64_t count)
{
    float sum, max;
    vka_kernels()->span_sum_max(x, count, 1, &sum, &max);
    return max;
}

float vka_span_min(const float *x, int64_t count)
{
    float sum, max;
    vka_kernels()->span_sum_max(x, count, -1, &sum, &max);
    return max != max ? max : -max; // the NaN as it is
}

void vka_span_sum_max(const float *x, int64_t count, float scale, float *sum, float *max)
{
    vka_kernels()->span_sum_max(x, count, scale, sum, max);
}

float vka_span_exp(float *y, const float *x, int64_t count, float shift)
{
    return vka_kernels()->sum_exp(y, x, count, shift);
}
