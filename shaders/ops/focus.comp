#version 450
// SPDX-License-Identifier: MIT
//
// focus: the sums of a part of an image's positions, weighted with powers of logits that are found
// from what is summed: the second read of a tile comes from a cache.
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "types.glsl"
#include "focus.h"

layout(constant_id = 3) const uint EACH = 1; // channels of a lane

BUFFER_IN(0, x);
BUFFER_IN(1, query);
layout(std430, binding = 2) buffer sums_buffer { float v[]; } sums;

const uint TILE = 32;

shared float shares[gl_WorkGroupSize.x], weights[TILE];

// The logit of position lane % TILE of the tile, to all lanes that have it.
float find_logit(uint from, uint count)
{
    uint lane = gl_LocalInvocationID.x, column = lane % TILE;
    float sum = 0.0;
    for (uint c = lane / TILE; c < p.channels && column < count; c += gl_WorkGroupSize.x / TILE)
        sum = fma(LOAD(query, p.query + c), LOAD(x, from + c * p.positions + column), sum);
    barrier(); // the last tile's have been read
    shares[lane] = sum;
    barrier();
    float logit = 0.0;
    for (uint i = column; i < gl_WorkGroupSize.x; i += TILE)
        logit += shares[i];
    return column < count ? logit : NEG_HUGE;
}

float find_most(float logit, float most)
{
    if (gl_LocalInvocationID.x < TILE)
        weights[gl_LocalInvocationID.x] = logit;
    barrier();
    for (uint i = 0; i < TILE; i++)
        most = max(most, weights[i]);
    barrier();
    return most;
}

void main()
{
    uint group = group_index(), lane = gl_LocalInvocationID.x, lanes = gl_WorkGroupSize.x;
    if (group >= p.groups)
        return;
    uint image = group / p.parts, first = (group - image * p.parts) * p.part;
    uint end = min(first + p.part, p.positions), base = p.x + image * p.channels * p.positions;
    float acc[EACH], most = NEG_HUGE, total = 0.0;
    [[unroll]] for (uint e = 0; e < EACH; e++)
        acc[e] = 0.0;
    for (; first < end; first += TILE) {
        uint count = min(end - first, TILE), from = base + first;
        float logit = find_logit(from, count), now = find_most(logit, most), f = exp(most - now);
        if (lane < TILE)
            weights[lane] = lane < count ? exp(logit - now) : 0.0;
        most = now;
        total *= f;
        barrier();
        for (uint i = 0; i < TILE; i++)
            total += weights[i];
        [[unroll]] for (uint e = 0; e < EACH; e++) {
            uint at = from + min(e * lanes + lane, p.channels - 1) * p.positions;
            float sum = acc[e] * f;
            for (uint i = 0; i < count; i++)
                sum = fma(weights[i], LOAD(x, at + i), sum);
            acc[e] = sum;
        }
    }
    uint to = p.sums + group * (p.channels + 2);
    [[unroll]] for (uint e = 0; e < EACH; e++) {
        if (e * lanes + lane < p.channels)
            sums.v[to + e * lanes + lane] = acc[e];
    }
    if (lane == 0) {
        sums.v[to + p.channels] = most;
        sums.v[to + p.channels + 1] = total;
    }
}
