// SPDX-License-Identifier: MIT
//
// x [N, C, rows, columns], positions [N, D, 2, four axes of places], y dense. Strides in elements,
// wrapping round where negative.
#ifndef VKA_PUSH_SAMPLE_H
#define VKA_PUSH_SAMPLE_H

#include "push.h"

PUSH(sample)
{
    uint count;           // elements of y
    uint channels, share; // C; channels that share positions: C / D
    uint size[2];
    uint places[4];
    uint x_stride[4];
    uint at_stride[7];
    uint start;    // lower halves of the row and the column, see places.glsl
    uint steps[4]; // of the axes, two a word: rows, then columns
    uint x, at, y; // offsets
}
PUSH_END;

#endif
