#version 450
// SPDX-License-Identifier: MIT
//
// mean_max, an element at a time: a group takes some rows, some lanes each, as in reduce.
#extension GL_GOOGLE_include_directive : require
#include "mean_max.glsl"

BUFFER_IN(0, x);

void main()
{
    uint lanes = gl_WorkGroupSize.y, lane = gl_LocalInvocationID.y;
    uint row = group_index() * gl_WorkGroupSize.x + gl_LocalInvocationID.x;
    // Rows past the end go along: the group's barriers need everyone.
    uvec2 at = row_start(min(row, p.rows - 1)) + lane * uvec2(p.step, p.factor_step);
    float total = 0.0, lost = 0.0, largest = NEG_INF;
    for (uint c = lane; c < p.columns;) {
        float part = 0.0;
        for (uint k = 0; k < BLOCK && c < p.columns; k++, c += lanes) {
            float v = LOAD(x, at.x);
            if (FACTOR != FACTOR_NONE)
                v *= LOAD(factor, at.y);
            part += v;
            largest = max_nan(largest, v);
            at += lanes * uvec2(p.step, p.factor_step);
        }
        add_to_sum(total, lost, part);
    }
    float sum = group_sum(total + lost);
    largest = group_max(largest);
    if (lane == 0 && row < p.rows)
        put(row, sum, largest);
}
