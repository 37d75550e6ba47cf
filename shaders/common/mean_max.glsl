// SPDX-License-Identifier: MIT
//
// What the shaders of mean_max share: rows of x, or of x times a factor, and where results go.
#include "types.glsl"
#include "mean_max.h"
#include "reduce.glsl"

layout(constant_id = 3) const uint KEPT = 1; // axes
layout(constant_id = 4) const int FACTOR = FACTOR_NONE;
layout(constant_id = 5) const bool MEAN = true;
layout(constant_id = 6) const bool MAX = true;

BUFFER_IN(1, factor);
BUFFER_OUT(2, mean);
BUFFER_OUT(3, most);

const uint BLOCK = 8; // elements that are summed by themselves, so that long sums stay good

GROUP_REDUCE(group_sum, plus)
GROUP_REDUCE(group_max, max_nan)

// The first elements of a row: of x, of the factor.
uvec2 row_start(uint row)
{
    uvec2 at = uvec2(p.x, p.factor);
    for (uint a = 0; a + 1 < KEPT; a++) {
        uint rest = row / p.dim[a], i = row - rest * p.dim[a];
        at += i * uvec2(p.stride[a], p.factor_stride[a]);
        row = rest;
    }
    return at + row * uvec2(p.stride[KEPT - 1], p.factor_stride[KEPT - 1]);
}

// Results that are stacked: the other one's lie between those of two images.
uint result_of(uint row)
{
    return row + row / p.inner * p.inner;
}

void put(uint row, float sum, float largest)
{
    row = result_of(row);
    if (MEAN)
        STORE(mean, p.mean + row, sum * p.scale);
    if (MAX)
        STORE(most, p.most + row, largest);
}
