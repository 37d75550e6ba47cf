#version 450
// SPDX-License-Identifier: MIT
//
// norm: a group takes some rows, some lanes each. Short rows stay in registers between the passes
// (the mean, the squared deviations, the result); long ones are read three times.
#extension GL_GOOGLE_include_directive : require
#include "types.glsl"
#include "norm.h"
#include "reduce.glsl"

layout(constant_id = 3) const uint KEPT = 1; // axes
layout(constant_id = 4) const uint REDUCED = 1;
layout(constant_id = 5) const bool HAS_SCALE = false;
layout(constant_id = 6) const bool HAS_SHIFT = false;
layout(constant_id = 7) const uint HELD = 0; // elements of a row that a lane keeps; 0: none

BUFFER_IN(0, x);
BUFFER_IN(1, scale);
BUFFER_IN(2, shift);
BUFFER_OUT(3, y);

GROUP_REDUCE(group_sum, plus)

uvec4 first; // of the row, by operand

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

float value(uint c)
{
    return LOAD(x, first.x + along(KEPT, REDUCED, c).x);
}

void put(uint c, float v)
{
    uvec4 at = first + along(KEPT, REDUCED, c);
    if (HAS_SCALE)
        v *= LOAD(scale, at.y);
    if (HAS_SHIFT)
        v += LOAD(shift, at.z);
    STORE(y, at.w, v);
}

// The mean as it was found first, what it lacked, and 1 / the standard deviation.
struct Row {
    float mean, rest, factor;
};

Row row_of(float mean, float deviations, float squares)
{
    float n = float(p.columns), rest = group_sum(deviations) / n;
    float variance = group_sum(squares) / n - rest * rest;
    return Row(mean, rest, 1.0 / sqrt((variance < 0.0 ? 0.0 : variance) + p.eps));
}

float normalized(float v, Row r)
{
    return ((v - r.mean) - r.rest) * r.factor;
}

void run_held(bool inside)
{
    uint lane = gl_LocalInvocationID.y, lanes = gl_WorkGroupSize.y;
    float held[HELD > 0 ? HELD : 1];
    float sum = 0.0, deviations = 0.0, squares = 0.0;
    for (uint k = 0; k < HELD; k++) {
        uint c = lane + k * lanes;
        held[k] = c < p.columns ? value(c) : 0.0;
        sum += held[k];
    }
    float mean = group_sum(sum) / float(p.columns);
    for (uint k = 0; k < HELD; k++) {
        float d = lane + k * lanes < p.columns ? held[k] - mean : 0.0;
        deviations += d;
        squares += d * d;
    }
    Row r = row_of(mean, deviations, squares);
    for (uint k = 0; k < HELD; k++) {
        uint c = lane + k * lanes;
        if (inside && c < p.columns)
            put(c, normalized(held[k], r));
    }
}

void run_long(bool inside)
{
    uint lane = gl_LocalInvocationID.y, lanes = gl_WorkGroupSize.y;
    float sum = 0.0, deviations = 0.0, squares = 0.0, lost = 0.0;
    for (uint c = lane; c < p.columns; c += lanes)
        add_to_sum(sum, lost, value(c));
    float mean = group_sum(sum + lost) / float(p.columns);
    lost = 0.0;
    for (uint c = lane; c < p.columns; c += lanes) {
        float d = value(c) - mean;
        deviations += d;
        add_to_sum(squares, lost, d * d);
    }
    Row r = row_of(mean, deviations, squares + lost);
    for (uint c = lane; c < p.columns && inside; c += lanes)
        put(c, normalized(value(c), r));
}

void main()
{
    uint row = group_index() * gl_WorkGroupSize.x + gl_LocalInvocationID.x;
    // Rows past the end go along: the group's barriers need everyone.
    first = uvec4(p.offset[0], p.offset[1], p.offset[2], p.offset[3]) +
            along(0, KEPT, min(row, p.rows - 1));
    if (HELD > 0)
        run_held(row < p.rows);
    else
        run_long(row < p.rows);
}
