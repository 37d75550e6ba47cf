#version 450
// SPDX-License-Identifier: MIT
//
// regions: the maximum or the mean over each box of a map: a group takes some elements of the
// result, some lanes each.
#extension GL_GOOGLE_include_directive : require
#include "types.glsl"
#include "regions.h"
#include "reduce.glsl"

layout(constant_id = 3) const bool MAX = true;

BUFFER_IN(0, x);
BUFFER_INT_IN(1, box);
BUFFER_OUT(2, y);

GROUP_REDUCE(group_max, max_nan)
GROUP_REDUCE(group_sum, plus)

uint corner(uint region, uint i, uint size)
{
    return uint(clamp(box.v[p.box + region * 4 + i], 0, int(size)));
}

void main()
{
    uint i = group_index() * gl_WorkGroupSize.x + gl_LocalInvocationID.x;
    // Elements past the end go along: the group's barriers need everyone.
    uint at = min(i, p.count - 1), row = at / p.channels, region = row % p.boxes;
    uint plane = row / p.boxes * p.channels + (at - row * p.channels);
    uint x0 = corner(region, 0, p.width), x1 = corner(region, 2, p.width);
    uint y0 = corner(region, 1, p.height), y1 = corner(region, 3, p.height);
    uint width = max(x1, x0) - x0, area = width * (max(y1, y0) - y0);
    uint start = p.x + (plane * p.height + y0) * p.width + x0;
    float best = NEG_INF, sum = 0.0, lost = 0.0;
    for (uint cell = gl_LocalInvocationID.y; cell < area; cell += gl_WorkGroupSize.y) {
        uint h = cell / width;
        float v = LOAD(x, start + h * p.width + (cell - h * width));
        if (MAX)
            best = max_nan(best, v);
        else
            add_to_sum(sum, lost, v);
    }
    float value = MAX ? group_max(best) : group_sum(sum + lost) / float(area);
    if (i < p.count && gl_LocalInvocationID.y == 0)
        STORE(y, p.y + i, area == 0 ? 0.0 : value);
}
