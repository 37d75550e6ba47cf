// SPDX-License-Identifier: MIT
//
// Sums and extremes of contiguous floats, in lanes that vectorise. Meant for spans of a few hundred
// elements, whose results the caller adds in double: then sums are good for any length, and the
// same whatever the number of threads.
#ifndef VKA_CPU_SPANS_H
#define VKA_CPU_SPANS_H

#include <stdint.h>

float vka_span_sum(const float *x, int64_t count);
float vka_span_squares(const float *x, int64_t count);
// The sums of x - shift and of (x - shift)^2.
void vka_span_deviations(const float *x, int64_t count, float shift, float *sum, float *squares);
// NaN is the largest; count at least 1.
float vka_span_max(const float *x, int64_t count);
float vka_span_min(const float *x, int64_t count); // NaN is the smallest
// The sum and the largest of x * scale; count at least 1.
void vka_span_sum_max(const float *x, int64_t count, float scale, float *sum, float *max);
// The sum of exp(x - shift), x at most shift, which goes into y as well where y isn't NULL; y may
// be x.
float vka_span_exp(float *y, const float *x, int64_t count, float shift);

#endif
