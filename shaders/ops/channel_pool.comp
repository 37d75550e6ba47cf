#version 450
// SPDX-License-Identifier: MIT
//
// channel_pool: a group takes neighbouring positions of an image, some lanes each. All of them find
// the image's gate first, by the same sums in each group: its two layers are so small that this
// costs less than their dispatches.
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "types.glsl"
#include "channel_pool.h"
#define GROUP_TYPE vec2 // a sum and a maximum
#include "lane_reduce.glsl"
#include "reduce.glsl"
#include "scalar.h"

layout(constant_id = 3) const uint CHANNELS = 1; // of the map, or a few more
layout(constant_id = 4) const uint SHARERS = 1;  // lanes of a hidden unit; a power of two
layout(constant_id = 5) const bool FIRST_BIAS = false;
layout(constant_id = 6) const bool LAST_BIAS = false;

BUFFER_IN(0, x);
BUFFER_IN(1, v);
BUFFER_IN(2, first);
BUFFER_IN(3, first_bias);
BUFFER_IN(4, last);
BUFFER_IN(5, last_bias);
BUFFER_OUT(6, y);
BUFFER_OUT(7, gate);

const uint BLOCK = 8; // channels that are read at once, and summed by themselves

shared float units[gl_WorkGroupSize.x * gl_WorkGroupSize.y];
shared float gates[CHANNELS];

vec2 both_of(vec2 a, vec2 b)
{
    return vec2(a.x + b.x, max_nan(a.y, b.y));
}
GROUP_REDUCE(group_both, both_of)

LANE_REDUCE(sum_of_sharers, SHARERS, plus)

// What the hidden units make of a descriptor, added to what they made of those before.
void add_units(uint descriptor)
{
    uint unit = gl_LocalInvocationIndex / SHARERS, lane = gl_LocalInvocationIndex % SHARERS;
    float sum = 0.0;
    if (unit < p.hidden) {
        uint weight = p.first + unit * p.channels, value = p.v + descriptor * p.channels;
        for (uint c = lane; c < p.channels; c += SHARERS)
            sum = fma(LOAD(first, weight + c), LOAD(v, value + c), sum);
    }
    sum = sum_of_sharers(sum);
    if (lane == 0 && unit < p.hidden) {
        sum += FIRST_BIAS ? LOAD(first_bias, p.first_bias + unit) : 0.0;
        units[unit] += sum > 0.0 || is_nan(sum) ? sum : 0.0;
    }
}

void find_gates(uint image, bool keeps)
{
    units[gl_LocalInvocationIndex] = 0.0;
    barrier();
    for (uint i = 0; i < p.descriptors; i++)
        add_units(image * p.descriptors + i);
    barrier();
    for (uint c = gl_LocalInvocationIndex; c < p.channels; c += group_size()) {
        float sum = 0.0;
        for (uint k = 0; k < p.hidden; k++)
            sum = fma(LOAD(last, p.last + c * p.hidden + k), units[k], sum);
        if (LAST_BIAS) // once a descriptor
            sum += LOAD(last_bias, p.last_bias + c) * float(p.descriptors);
        gates[c] = vka_sigmoid(sum);
        if (keeps)
            STORE(gate, p.gate + image * p.channels + c, gates[c]);
    }
    barrier();
}

void main()
{
    uint group = group_index();
    if (group >= p.groups)
        return;
    uint image = group / p.blocks, block = group - image * p.blocks;
    find_gates(image, block == 0);
    uint lanes = gl_WorkGroupSize.y, lane = gl_LocalInvocationID.y;
    uint position = block * gl_WorkGroupSize.x + gl_LocalInvocationID.x;
    // Positions past the end go along: the group's barriers need everyone.
    uint from = p.x + image * p.channels * p.positions + min(position, p.positions - 1);
    float total = 0.0, largest = NEG_INF;
    for (uint start = lane; start < p.channels; start += BLOCK * lanes) {
        float part = 0.0;
        [[unroll]] for (uint k = 0; k < BLOCK; k++) { // the last channel stands for those behind it
            uint c = start + k * lanes, inside = min(c, p.channels - 1);
            float value = LOAD(x, from + inside * p.positions) * gates[inside];
            part += c < p.channels ? value : 0.0;
            largest = max_nan(largest, value);
        }
        total += part;
    }
    vec2 both = group_both(vec2(total, largest));
    uint to = p.y + image * 2 * p.positions + position;
    if (lane == 0 && position < p.positions) {
        STORE(y, to, both.y);
        STORE(y, to + p.positions, both.x * p.scale);
    }
}
