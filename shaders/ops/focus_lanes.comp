#version 450
// SPDX-License-Identifier: MIT
//
// focus where the device is a program: a lane takes EACH fours of positions, for itself, so that
// nothing is shared and each load is one of four for all lanes.
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "types.glsl"
#include "focus.h"

layout(constant_id = 3) const uint EACH = 1;

BUFFER_VEC4_IN(0, x4);
BUFFER_IN(1, query);
layout(std430, binding = 2) buffer sums_buffer { float v[]; } sums;

uint at[EACH]; // of the fours

float largest(vec4 v)
{
    return max(max(v.x, v.y), max(v.z, v.w));
}

float sum_of(vec4 v)
{
    return (v.x + v.y) + (v.z + v.w);
}

void main()
{
    uint group = group_index(), lanes = gl_WorkGroupSize.x;
    if (group >= p.groups)
        return;
    uint image = group / p.parts, first = (group - image * p.parts) * p.part;
    uint base = p.x / 4 + image * p.channels * p.positions, own = first + gl_LocalInvocationID.x;
    vec4 logit[EACH];
    [[unroll]] for (uint e = 0; e < EACH; e++) {
        at[e] = base + min(own + e * lanes, p.positions - 1);
        logit[e] = vec4(0.0);
    }
    for (uint c = 0, row = 0; c < p.channels; c++, row += p.positions) {
        float q = LOAD(query, p.query + c);
        [[unroll]] for (uint e = 0; e < EACH; e++)
            logit[e] = fma(vec4(q), LOAD4(x4, at[e] + row), logit[e]);
    }
    float most = NEG_HUGE, total = 0.0;
    [[unroll]] for (uint e = 0; e < EACH; e++)
        most = max(most, own + e * lanes < p.positions ? largest(logit[e]) : NEG_HUGE);
    [[unroll]] for (uint e = 0; e < EACH; e++) {
        logit[e] = own + e * lanes < p.positions ? exp(logit[e] - most) : vec4(0.0);
        total += sum_of(logit[e]);
    }
    uint to = p.sums + group * (p.channels + 2) * lanes + gl_LocalInvocationID.x;
    for (uint c = 0, row = 0; c < p.channels; c++, row += p.positions) {
        vec4 sum = vec4(0.0);
        [[unroll]] for (uint e = 0; e < EACH; e++)
            sum = fma(logit[e], LOAD4(x4, at[e] + row), sum);
        sums.v[to + c * lanes] = sum_of(sum);
    }
    sums.v[to + p.channels * lanes] = most;
    sums.v[to + (p.channels + 1) * lanes] = total;
}
