#version 450
// SPDX-License-Identifier: MIT
//
// pool: the maximum or the mean of a window, one invocation an element of the output.
#extension GL_GOOGLE_include_directive : require
#include "types.glsl"
#include "pool.h"

layout(constant_id = 3) const bool MAX = true;
layout(constant_id = 4) const bool EXCLUDE_PADDING = false;

BUFFER_IN(0, x);
BUFFER_OUT(1, y);

// The place under tap t along an axis; past the end (also where below 0) it is outside.
uint place(uint at, uint t, uint axis)
{
    return at * p.stride[axis] + t * p.dilation[axis] - p.before[axis];
}

// Taps that the divisor counts: those inside x and its padding.
uint counted(uint at, uint axis)
{
    uint n = 0;
    for (uint t = 0; t < p.kernel[axis]; t++)
        n += uint(int(place(at, t, axis)) < int(p.padded[axis]));
    return n;
}

void main()
{
    uint i = global_index();
    if (i >= p.count)
        return;
    uint row = i / p.out_size[2], plane_row = row / p.out_size[1];
    uvec3 at = uvec3(plane_row % p.out_size[0], row % p.out_size[1], i % p.out_size[2]);
    uint start = p.x + plane_row / p.out_size[0] * p.in_size[0] * p.in_size[1] * p.in_size[2];
    float best = NEG_INF, sum = 0.0;
    uint inside = 0;
    for (uint a = 0; a < p.kernel[0]; a++) {
        uint d = place(at.x, a, 0);
        if (d >= p.in_size[0])
            continue;
        for (uint b = 0; b < p.kernel[1]; b++) {
            uint h = place(at.y, b, 1);
            if (h >= p.in_size[1])
                continue;
            for (uint c = 0; c < p.kernel[2]; c++) {
                uint w = place(at.z, c, 2);
                if (w >= p.in_size[2])
                    continue;
                float v = LOAD(x, start + (d * p.in_size[1] + h) * p.in_size[2] + w);
                if (MAX)
                    best = !is_nan(best) && (v > best || is_nan(v)) ? v : best; // NaN stays
                sum += v;
                inside++;
            }
        }
    }
    float divisor = float(inside);
    if (p.divisor != 0.0)
        divisor = p.divisor;
    else if (!EXCLUDE_PADDING)
        divisor = float(counted(at.x, 0) * counted(at.y, 1) * counted(at.z, 2));
    STORE(y, p.y + i, MAX ? best : sum / divisor);
}
