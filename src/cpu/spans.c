// SPDX-License-Identifier: MIT
//
// Lanes take turns; then they are added as a tree.
#include "cpu/spans.h"

#include "cpu/activation.h"
#include "cpu/kernels.h"
#include "cpu/simd.h"

enum { LANES = 32 }; // 16 would be unrolled before they are vectorised

// Runs `statement` with v = x[i] for each element, k its lane.
#define LANE_LOOP(statement)                                                                       \
    for (; i + LANES <= count; i += LANES) {                                                       \
        for (int k = 0; k < LANES; k++) {                                                          \
            float v = x[i + k];                                                                    \
            statement;                                                                             \
        }                                                                                          \
    }                                                                                              \
    for (int k = 0; i + k < count; k++) {                                                          \
        float v = x[i + k];                                                                        \
        statement;                                                                                 \
    }

static inline float tree(float *lane)
{
    for (int n = LANES / 2; n > 0; n /= 2) {
        for (int k = 0; k < n; k++)
            lane[k] += lane[k + n];
    }
    return lane[0];
}

VKA_CLONES float vka_span_sum(const float *x, int64_t count)
{
    float lane[LANES] = {0};
    int64_t i = 0;
    LANE_LOOP(lane[k] += v)
    return tree(lane);
}

VKA_CLONES float vka_span_squares(const float *x, int64_t count)
{
    float lane[LANES] = {0};
    int64_t i = 0;
    LANE_LOOP(lane[k] += v * v)
    return tree(lane);
}

VKA_CLONES void vka_span_deviations(const float *x, int64_t count, float shift, float *sum,
                                    float *squares)
{
    float lane[LANES] = {0}, square[LANES] = {0};
    int64_t i = 0;
    LANE_LOOP(v -= shift; lane[k] += v; square[k] += v * v)
    *sum = tree(lane);
    *squares = tree(square);
}

// Plain selects, and NaN counted beside them: together they wouldn't vectorise.
#define EXTREME(name, compare)                                                                     \
    VKA_CLONES float name(const float *x, int64_t count)                                           \
    {                                                                                              \
        float lane[LANES];                                                                         \
        int32_t bad[LANES] = {0};                                                                  \
        int64_t i = 0;                                                                             \
        for (int k = 0; k < LANES; k++)                                                            \
            lane[k] = x[0];                                                                        \
        LANE_LOOP(lane[k] = v compare lane[k] ? v : lane[k]; bad[k] |= v != v)                     \
        for (int k = 1; k < LANES; k++) {                                                          \
            lane[0] = lane[k] compare lane[0] ? lane[k] : lane[0];                                 \
            bad[0] |= bad[k];                                                                      \
        }                                                                                          \
        return bad[0] ? VKA_NAN : lane[0];                                                         \
    }

EXTREME(vka_span_max, >)
EXTREME(vka_span_min, <)

VKA_CLONES void vka_span_sum_max(const float *x, int64_t count, float scale, float *sum, float *max)
{
    float lane[LANES] = {0}, top[LANES];
    int32_t bad[LANES] = {0};
    int64_t i = 0;
    for (int k = 0; k < LANES; k++)
        top[k] = x[0] * scale;
    LANE_LOOP(v *= scale; lane[k] += v; top[k] = v > top[k] ? v : top[k]; bad[k] |= v != v)
    for (int k = 1; k < LANES; k++) {
        top[0] = top[k] > top[0] ? top[k] : top[0];
        bad[0] |= bad[k];
    }
    *max = bad[0] ? VKA_NAN : top[0];
    *sum = tree(lane);
}

float vka_span_exp(float *y, const float *x, int64_t count, float shift)
{
    return vka_kernels()->sum_exp(y, x, count, shift);
}
