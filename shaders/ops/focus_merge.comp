#version 450
// SPDX-License-Identifier: MIT
//
// focus' second dispatch: the sums of all parts of an image as if they had been made with one
// maximum, or, with LAYER, UNITS products of theirs by a layer's weights. Parts have SHARES of
// each sum beside each other.
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "types.glsl"
#include "lane_reduce.glsl"
#include "focus_merge.h"

layout(constant_id = 3) const bool LAYER = false;
layout(constant_id = 4) const bool BIAS = false;
layout(constant_id = 5) const uint SHARES = 1;
layout(constant_id = 6) const uint UNITS = 1;
layout(constant_id = 7) const uint MOST = 1; // parts times SHARES, at most

layout(std430, binding = 0) readonly buffer sums_buffer { float v[]; } sums;
BUFFER_IN(1, weight);
BUFFER_IN(2, bias);
BUFFER_OUT(3, y);

shared float scale[MOST];

LANE_REDUCE(sum_of_lanes, gl_WorkGroupSize.x, plus)
LANE_REDUCE(most_of_lanes, gl_WorkGroupSize.x, max)

// What each share of each part is multiplied by; `from`: the image's.
void find_scales(uint from)
{
    uint step = (p.channels + 2) * SHARES, count = p.parts * SHARES;
    uint rest = from + p.channels * SHARES; // a maximum, then a total
    float most = NEG_HUGE, total = 0.0;
    for (uint i = gl_LocalInvocationID.x; i < count; i += gl_WorkGroupSize.x)
        most = max(most, sums.v[rest + i / SHARES * step + i % SHARES]);
    most = most_of_lanes(most);
    for (uint i = gl_LocalInvocationID.x; i < count; i += gl_WorkGroupSize.x) {
        uint at = rest + i / SHARES * step + i % SHARES;
        scale[i] = exp(sums.v[at] - most);
        total = fma(scale[i], sums.v[at + SHARES], total);
    }
    total = sum_of_lanes(total);
    float over = total == 0.0 ? 0.0 : 1.0 / total;
    for (uint i = gl_LocalInvocationID.x; i < count; i += gl_WorkGroupSize.x)
        scale[i] *= over;
    barrier();
}

// Element i of a part's sums, over all parts.
float merged(uint from, uint i)
{
    float sum = 0.0;
    for (uint k = 0, at = from + i; k < p.parts; k++, at += (p.channels + 2) * SHARES)
        sum = fma(scale[k * SHARES + i % SHARES], sums.v[at], sum);
    return sum;
}

void put_products(uint from, uint image, uint first)
{
    float acc[UNITS];
    [[unroll]] for (uint u = 0; u < UNITS; u++)
        acc[u] = 0.0;
    for (uint i = gl_LocalInvocationID.x; i < p.channels * SHARES; i += gl_WorkGroupSize.x) {
        float sum = merged(from, i);
        [[unroll]] for (uint u = 0; u < UNITS; u++) {
            uint row = min(first + u, p.outputs - 1) * p.channels;
            acc[u] = fma(sum, LOAD(weight, p.weight + row + i / SHARES), acc[u]);
        }
    }
    [[unroll]] for (uint u = 0; u < UNITS; u++) {
        float sum = sum_of_lanes(acc[u]);
        uint unit = first + u;
        if (gl_LocalInvocationID.x == 0 && unit < p.outputs)
            STORE(y, p.y + image * p.outputs + unit,
                  BIAS ? sum + LOAD(bias, p.bias + unit) : sum);
    }
}

void main()
{
    uint group = group_index();
    if (group >= p.groups)
        return;
    uint image = group / p.blocks, block = group - image * p.blocks;
    uint from = p.sums + image * p.parts * (p.channels + 2) * SHARES;
    find_scales(from);
    if (LAYER) {
        put_products(from, image, block * UNITS);
        return;
    }
    uint c = block * gl_WorkGroupSize.x + gl_LocalInvocationID.x;
    if (c >= p.channels)
        return;
    float sum = 0.0;
    for (uint s = 0; s < SHARES; s++)
        sum += merged(from, c * SHARES + s);
    STORE(y, p.y + image * p.channels + c, sum);
}
