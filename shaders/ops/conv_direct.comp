// SPDX-License-Identifier: MIT
//
// Convolution with few output channels in a group (depthwise, say): an invocation makes all of them
// for one place. RESIDUAL: with a fifth buffer.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "conv.glsl"

const uint CHANNELS = TM;

void main()
{
    uint places = p.size_out[0] * p.size_out[1] * p.size_out[2];
    uint tiles = (places + gl_WorkGroupSize.x - 1) / gl_WorkGroupSize.x, group = group_index();
    uint place = group % tiles * gl_WorkGroupSize.x + gl_LocalInvocationID.x;
    if (group >= p.end || place >= places)
        return;
    uint terms = p.in_channels * TAPS;
    uint part = group / tiles % p.groups, item = group / tiles / p.groups;
    uint x_start = p.x_offset + item * p.x_batch + part * p.in_channels * p.x_channel;
    uint w_start = p.weight_offset + part * CHANNELS * terms;
    origin first = origin_of(place, x_start);

    float sum[CHANNELS];
    [[unroll]] for (uint i = 0; i < CHANNELS; i++)
        sum[i] = 0.0;
    for (uint k = 0; k < terms; k++) {
        float v = x_at(first, term_of(k));
        [[unroll]] for (uint i = 0; i < CHANNELS; i++)
            sum[i] = fma(LOAD(weight, w_start + i * terms + k), v, sum[i]);
    }
    [[unroll]] for (uint i = 0; i < CHANNELS; i++)
        store(item, part * CHANNELS + i, place, sum[i]);
}
