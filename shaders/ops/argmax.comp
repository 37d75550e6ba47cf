#version 450
// SPDX-License-Identifier: MIT
//
// argmax: a group takes some rows, some lanes each.
#extension GL_GOOGLE_include_directive : require
#define GROUP_TYPE uvec2
#include "types.glsl"
#include "argmax.h"
#include "strided.glsl"
#include "reduce.glsl"
#include "key.glsl"

BUFFER_IN(0, x);
BUFFER_INT_OUT(1, y);

// (key, index): the larger key, then the smaller index.
uvec2 better(uvec2 a, uvec2 b)
{
    return a.x > b.x || (a.x == b.x && a.y < b.y) ? a : b;
}
GROUP_REDUCE(group_better, better)

void main()
{
    uint row = group_index() * gl_WorkGroupSize.x + gl_LocalInvocationID.x;
    // Rows past the end go along: the group's barriers need everyone.
    uvec4 at = strided_coords(min(row, p.count - 1));
    uint first = strided_index(0, at);
    uvec2 best = uvec2(0, 0xffffffffu); // no value has key 0
    for (uint c = gl_LocalInvocationID.y; c < p.columns; c += gl_WorkGroupSize.y)
        best = better(best, uvec2(order_key(LOAD(x, first + c * p.step)), c));
    best = group_better(best);
    if (row < p.count && gl_LocalInvocationID.y == 0)
        y.v[strided_index(1, at)] = int(best.y);
}
