// SPDX-License-Identifier: MIT
//
// Convolution with few output channels in a group (depthwise, say): an invocation makes all of them
// for one place. RESIDUAL: with a fifth buffer.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "conv.glsl"

const uint CHANNELS = TILE & 15u;

void main()
{
    uint index = global_index();
    if (index >= p.end)
        return;
    uint places = p.size_out[0] * p.size_out[1] * p.size_out[2];
    uint terms = p.in_channels * TAPS;
    uint place = index % places, part = index / places % p.groups;
    uint item = index / places / p.groups;
    uint x_start = p.x_offset + item * p.x_batch + part * p.in_channels * p.x_channel;
    uint w_start = p.weight_offset + part * CHANNELS * terms;
    uvec3 first = first_place(out_place(place));

    float sum[CHANNELS];
    [[unroll]] for (uint i = 0; i < CHANNELS; i++)
        sum[i] = 0.0;
    for (uint c = 0; c < p.in_channels; c++) {
        for (uint tap = 0; tap < TAPS; tap++) {
            float v = x_at(x_start + c * p.x_channel, first, kernel_place(tap));
            [[unroll]] for (uint i = 0; i < CHANNELS; i++)
                sum[i] = fma(LOAD(weight, w_start + i * terms + c * TAPS + tap), v, sum[i]);
        }
    }
    [[unroll]] for (uint i = 0; i < CHANNELS; i++)
        store(item, part * CHANNELS + i, place, sum[i]);
}
