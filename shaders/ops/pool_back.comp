#version 450
// SPDX-License-Identifier: MIT
//
// pool_back: one invocation an element of x. It adds up the windows that lie over it and whose
// first maximum it is, the same order in each run; most comparisons end at the first neighbour.
#extension GL_GOOGLE_include_directive : require
#include "types.glsl"
#include "pool_back.h"

BUFFER_IN(0, x);
BUFFER_IN(1, d);
BUFFER_OUT(2, y);

uint plane; // where the plane of x begins

// The place under tap t of window `at` along an axis; past the end (also where below 0): outside.
uint place(uint at, uint t, uint axis)
{
    return at * p.stride[axis] + t * p.dilation[axis] - p.before[axis];
}

// Whether `v`, under tap `own` (row-major) of the window, is its first maximum; NaN is the largest.
bool is_first(uvec3 window, uint own, float v)
{
    uint tap = 0;
    for (uint a = 0; a < p.kernel[0]; a++) {
        uint i = place(window.x, a, 0);
        for (uint b = 0; b < p.kernel[1]; b++) {
            uint j = place(window.y, b, 1);
            for (uint c = 0; c < p.kernel[2]; c++, tap++) {
                uint k = place(window.z, c, 2);
                if (tap == own || i >= p.in_size[0] || j >= p.in_size[1] || k >= p.in_size[2])
                    continue;
                float u = LOAD(x, plane + (i * p.in_size[1] + j) * p.in_size[2] + k);
                bool below = !is_nan(u) && (is_nan(v) || u < v);
                bool level = is_nan(v) || u == v;
                if (!below && (tap < own || !level))
                    return false;
            }
        }
    }
    return true;
}

// Whether a window has the place under its tap t along an axis; which one.
bool window_of(uint at, uint t, uint axis, out uint window)
{
    uint end = at + p.before[axis], reach = t * p.dilation[axis];
    window = (end - reach) / p.stride[axis];
    return end >= reach && window * p.stride[axis] == end - reach && window < p.out_size[axis];
}

void main()
{
    uint i = global_index();
    if (i >= p.count)
        return;
    uint row = i / p.in_size[2], plane_row = row / p.in_size[1];
    uvec3 at = uvec3(plane_row % p.in_size[0], row % p.in_size[1], i % p.in_size[2]);
    uint index = plane_row / p.in_size[0];
    plane = p.x + index * p.in_size[0] * p.in_size[1] * p.in_size[2];
    uint from = p.d + index * p.out_size[0] * p.out_size[1] * p.out_size[2];
    float v = LOAD(x, p.x + i), sum = 0.0;
    uvec3 w;
    for (uint a = p.kernel[0]; a-- > 0;) {
        if (!window_of(at.x, a, 0, w.x))
            continue;
        for (uint b = p.kernel[1]; b-- > 0;) {
            if (!window_of(at.y, b, 1, w.y))
                continue;
            for (uint c = p.kernel[2]; c-- > 0;) {
                uint tap = (a * p.kernel[1] + b) * p.kernel[2] + c;
                if (window_of(at.z, c, 2, w.z) && is_first(w, tap, v))
                    sum += LOAD(d, from + (w.x * p.out_size[1] + w.y) * p.out_size[2] + w.z);
            }
        }
    }
    STORE(y, p.y + i, sum);
}
