#version 450
// SPDX-License-Identifier: MIT
//
// norm: a group takes some rows, some lanes each. Short rows stay in registers between the passes
// (the mean, the squared deviations, the result); long ones are read three times.
#extension GL_GOOGLE_include_directive : require
#include "types.glsl"
#include "norm.glsl"
#include "reduce.glsl"

layout(constant_id = 7) const uint HELD = 0; // elements of a row that a lane keeps; 0: none

BUFFER_IN(0, x);
BUFFER_IN(1, scale);
BUFFER_IN(2, shift);
BUFFER_OUT(3, y);

GROUP_REDUCE(group_sum, plus)

uvec4 first; // of the row, by operand

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
    Row r = row_of(mean, group_sum(deviations), group_sum(squares));
    for (uint k = 0; k < HELD; k++) {
        uint c = lane + k * lanes;
        if (inside && c < p.columns)
            put(c, NORMALIZED(held[k], r));
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
    Row r = row_of(mean, group_sum(deviations), group_sum(squares + lost));
    for (uint c = lane; c < p.columns && inside; c += lanes)
        put(c, NORMALIZED(value(c), r));
}

void main()
{
    uint row = group_index() * gl_WorkGroupSize.x + gl_LocalInvocationID.x;
    // Rows past the end go along: the group's barriers need everyone.
    first = row_start(min(row, p.rows - 1));
    if (HELD > 0)
        run_held(row < p.rows);
    else
        run_long(row < p.rows);
}
