// SPDX-License-Identifier: MIT
//
// What the shaders of norm share: constants, where a row lies, what becomes of its elements.
#include "norm.h"

layout(constant_id = 3) const uint KEPT = 1; // axes
layout(constant_id = 4) const uint REDUCED = 1;
layout(constant_id = 5) const bool HAS_SCALE = false;
layout(constant_id = 6) const bool HAS_SHIFT = false;

// What element i lies further on along the axes from .. from + count - 1, by operand.
uvec4 along(uint from, uint count, uint i)
{
    uvec4 at = uvec4(0);
    for (uint a = from; a < from + count; a++) {
        uint rest = a + 1 < from + count ? i / p.dim[a] : 0;
        uint coord = i - rest * p.dim[a];
        at += coord * uvec4(p.stride[a], p.stride[4 + a], p.stride[8 + a], p.stride[12 + a]);
        i = rest;
    }
    return at;
}

// The first of a row's, by operand.
uvec4 row_start(uint row)
{
    return uvec4(p.offset[0], p.offset[1], p.offset[2], p.offset[3]) + along(0, KEPT, row);
}

// The mean as it was found first, what it lacked, and 1 / the standard deviation.
struct Row {
    float mean, rest, factor;
};

// Of the sums of the deviations from `mean` and of their squares.
Row row_of(float mean, float deviations, float squares)
{
    float n = float(p.columns), rest = deviations / n;
    float variance = squares / n - rest * rest;
    return Row(mean, rest, 1.0 / sqrt((variance < 0.0 ? 0.0 : variance) + p.eps));
}

#define NORMALIZED(v, row) ((((v) - row.mean) - row.rest) * row.factor)
