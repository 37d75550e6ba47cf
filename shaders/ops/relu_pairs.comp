// SPDX-License-Identifier: MIT
//
// y[c, i] = alpha * the sum over j of relu(u[i] + w[j]) v[c, j]: a lane has PLACES places i a
// workgroup apart and CHANNELS sums of each; what j needs is read at one address by all lanes.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "types.glsl"
#include "relu_pairs.h"

layout(constant_id = 3) const uint PLACES = 4;
layout(constant_id = 4) const uint CHANNELS = 8;

BUFFER_IN(0, u);
BUFFER_IN(1, w);
BUFFER_IN(2, v);
BUFFER_OUT(3, y);

void main()
{
    uint group = group_index();
    if (group >= p.end)
        return;
    const uint lanes = gl_WorkGroupSize.x;
    uint tiles = (p.places + lanes * PLACES - 1) / (lanes * PLACES);
    uint chunk = group % p.chunks, batch = group / p.chunks / tiles;
    uint first = group / p.chunks % tiles * lanes * PLACES + gl_LocalInvocationID.x;
    uint w_at = p.w_offset + batch * p.w_step[0];
    uint v_at[CHANNELS];
    float own[PLACES], sum[CHANNELS][PLACES];
    [[unroll]] for (uint i = 0; i < PLACES; i++)
        own[i] = LOAD(u, p.u_offset + batch * p.u_step[0] +
                             min(first + i * lanes, p.places - 1) * p.u_step[1]);
    [[unroll]] for (uint c = 0; c < CHANNELS; c++) {
        uint channel = min(chunk * CHANNELS + c, p.channels - 1);
        v_at[c] = p.v_offset + batch * p.v_step[0] + channel * p.v_step[1];
        [[unroll]] for (uint i = 0; i < PLACES; i++)
            sum[c][i] = 0.0;
    }

    for (uint j = 0; j < p.others; j++) {
        float other = LOAD(w, w_at + j * p.w_step[1]), weight[PLACES];
        [[unroll]] for (uint i = 0; i < PLACES; i++) {
            float s = own[i] + other;
            weight[i] = s < 0.0 ? 0.0 : s; // NaN stays
        }
        [[unroll]] for (uint c = 0; c < CHANNELS; c++) {
            float value = LOAD(v, v_at[c] + j * p.v_step[2]);
            [[unroll]] for (uint i = 0; i < PLACES; i++)
                sum[c][i] = fma(weight[i], value, sum[c][i]);
        }
    }

    [[unroll]] for (uint c = 0; c < CHANNELS; c++) {
        uint channel = chunk * CHANNELS + c;
        uint to = p.y_offset + (batch * p.channels + channel) * p.places;
        [[unroll]] for (uint i = 0; i < PLACES; i++)
            if (channel < p.channels && first + i * lanes < p.places)
                STORE(y, to + first + i * lanes, p.alpha * sum[c][i]);
    }
}
