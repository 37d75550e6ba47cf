#version 450
// SPDX-License-Identifier: MIT
//
// additive: a row of lanes for a score.
#extension GL_GOOGLE_include_directive : require
#include "types.glsl"
#include "additive.h"
#include "activation.glsl"
#include "reduce.glsl"

layout(constant_id = 3) const int ACT = 0;
layout(constant_id = 4) const float ACT_A = 0.0;
layout(constant_id = 5) const float ACT_B = 0.0;
layout(constant_id = 6) const bool HAS_BIAS = false;

BUFFER_IN(0, q);
BUFFER_IN(1, k);
BUFFER_IN(2, v);
BUFFER_OUT(3, dst);

GROUP_REDUCE(group_sum, plus)

void main()
{
    uint score = group_index() * gl_WorkGroupSize.x + gl_LocalInvocationID.x;
    uint lane = gl_LocalInvocationID.y, lanes = gl_WorkGroupSize.y;
    uint at = min(score, p.count - 1), row = at / p.keys;
    uint query = p.q + row * p.width;
    uint key = p.k + (row / p.queries * p.keys + (at - row * p.keys)) * p.width;
    float sum = 0.0;
    for (uint i = lane; i < p.width; i += lanes)
        sum += LOAD(v, p.v + i) *
               vka_activate(ACT, LOAD(q, query + i) + LOAD(k, key + i), ACT_A, ACT_B);
    if (lanes > 1)
        sum = group_sum(sum);
    if (lane != 0 || score >= p.count)
        return;
    if (HAS_BIAS)
        sum += LOAD(v, p.v + p.width);
    STORE(dst, p.out_offset + score, sum);
}
