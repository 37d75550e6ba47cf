// SPDX-License-Identifier: MIT
//
// x [N, C, rows, columns], positions [N, D, 2, four axes of places]: the first of these are taps,
// summed over; weight [N, D, taps, places] and y [N, C, places] dense. Strides in elements,
// wrapping round where negative.
#ifndef VKA_PUSH_SAMPLE_SUM_H
#define VKA_PUSH_SAMPLE_SUM_H

#include "push.h"

PUSH(sample_sum)
{
    uint count;           // invocations that have something to do
    uint taps, left;      // taps, and places of each
    uint channels, share; // C; channels that share positions and weights: C / D
    uint size[2];
    uint places[4];
    uint x_stride[4];
    uint at_stride[7];
    uint start;            // lower halves of the row and the column, see places.glsl
    uint steps[4];         // of the axes, two a word: rows, then columns
    uint x, at, weight, y; // offsets
}
PUSH_END;

#endif
