#version 450
// SPDX-License-Identifier: MIT
//
// softmax: a group takes some rows, some lanes each. Short rows stay in registers between the
// passes (the maximum, the sum, the result); long ones are read three times.
#extension GL_GOOGLE_include_directive : require
#include "types.glsl"
#include "scalar.h"
#include "softmax.h"
#include "strided.glsl"
#include "reduce.glsl"

layout(constant_id = 4) const bool HAS_BIAS = false;
layout(constant_id = 5) const bool HAS_MASK = false;
layout(constant_id = 6) const int MASK_REMOVES = 0; // the mask's value that takes a place out
layout(constant_id = 7) const bool LOG = false;
layout(constant_id = 8) const uint HELD = 0; // elements of a row that a lane keeps; 0: none

BUFFER_IN(0, x);
BUFFER_IN(1, bias);
BUFFER_INT_IN(2, mask);
BUFFER_OUT(3, y);

GROUP_REDUCE(group_max, max_nan)
GROUP_REDUCE(group_sum, plus)

uvec4 first; // of the row, by operand

float logit(uint c)
{
    float v = LOAD(x, first.x + c * p.step[0]) * p.scale;
    if (HAS_BIAS)
        v += LOAD(bias, first.y + c * p.step[1]);
    if (HAS_MASK)
        v = int(mask.v[first.z + c * p.step[2]] != 0) == MASK_REMOVES ? NEG_INF : v;
    return v;
}

bool is_neg_inf(float v)
{
    return floatBitsToUint(v) == 0xff800000u;
}

// exp(v - most); nothing where the whole row is -inf.
float weight(float v, float most)
{
    return is_neg_inf(most) ? 0.0 : vka_expf(v - most);
}

float result(float v, float most, float sum)
{
    if (LOG)
        return is_neg_inf(most) ? NEG_INF : (v - most) - vka_logf(sum);
    return is_neg_inf(most) ? 0.0 : vka_expf(v - most) / sum;
}

void run_held(bool inside)
{
    uint lane = gl_LocalInvocationID.y, lanes = gl_WorkGroupSize.y;
    float held[HELD > 0 ? HELD : 1];
    float most = NEG_INF;
    for (uint k = 0; k < HELD; k++) {
        uint c = lane + k * lanes;
        held[k] = c < p.columns ? logit(c) : NEG_INF;
        most = max_nan(most, held[k]);
    }
    most = group_max(most);
    float sum = 0.0;
    for (uint k = 0; k < HELD; k++)
        sum += weight(held[k], most);
    sum = group_sum(sum);
    for (uint k = 0; k < HELD; k++) {
        uint c = lane + k * lanes;
        if (inside && c < p.columns)
            STORE(y, first.w + c * p.step[3], result(held[k], most, sum));
    }
}

void run_long(bool inside)
{
    uint lane = gl_LocalInvocationID.y, lanes = gl_WorkGroupSize.y;
    float most = NEG_INF;
    for (uint c = lane; c < p.columns; c += lanes)
        most = max_nan(most, logit(c));
    most = group_max(most);
    float sum = 0.0, lost = 0.0;
    for (uint c = lane; c < p.columns; c += lanes)
        add_to_sum(sum, lost, weight(logit(c), most));
    sum = group_sum(sum + lost);
    for (uint c = lane; c < p.columns && inside; c += lanes)
        STORE(y, first.w + c * p.step[3], result(logit(c), most, sum));
}

void main()
{
    uint row = group_index() * gl_WorkGroupSize.x + gl_LocalInvocationID.x;
    // Rows past the end go along: the group's barriers need everyone.
    uvec4 at = strided_coords(min(row, p.count - 1));
    first = uvec4(strided_index(0, at), strided_index(1, at), strided_index(2, at),
                  strided_index(3, at));
    if (HELD > 0)
        run_held(row < p.count);
    else
        run_long(row < p.count);
}
