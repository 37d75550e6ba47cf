// SPDX-License-Identifier: MIT
//
// Whole numbers: what C has no functions for. None of them below 0, sizes all of them.
#ifndef VKA_UTIL_WHOLE_H
#define VKA_UTIL_WHOLE_H

#include <stdint.h>

static inline int64_t vka_smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t vka_larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

// Parts of size `of` that x falls into, the last one perhaps smaller.
static inline int64_t vka_divide_up(int64_t x, int64_t of)
{
    return (x + of - 1) / of;
}

static inline int64_t vka_round_up(int64_t x, int64_t to)
{
    return vka_divide_up(x, to) * to;
}

#endif
