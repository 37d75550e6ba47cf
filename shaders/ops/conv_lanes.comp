// SPDX-License-Identifier: MIT
//
// Convolution where the device is a program on a CPU: no shared memory, lanes along the places, one
// address of the weight for all lanes, TM channels x TN places a lane. RESIDUAL: with a fifth
// buffer.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "conv.glsl"

BUFFER_VEC4_IN(1, weight4);

const uint STEP = VKA_CONV_STEP;

void main()
{
    uint group = group_index();
    if (group >= p.end)
        return;
    const uint lanes = gl_WorkGroupSize.x;
    uint places = p.size_out[0] * p.size_out[1] * p.size_out[2];
    uint terms = p.in_channels * TAPS;
    uint tiles_n = (places + lanes * TN - 1) / (lanes * TN);
    uint tiles_m = (p.out_channels + TM - 1) / TM;
    uint n0 = group % tiles_n * lanes * TN + gl_LocalInvocationID.x;
    uint m0 = group / tiles_n % tiles_m * TM;
    uint index = group / tiles_n / tiles_m; // item of the batch and group of channels
    uint item = index / p.groups, part = index % p.groups;
    uint x_start = p.x_offset + item * p.x_batch + part * p.in_channels * p.x_channel;

    // Places and channels outside are computed as the last one inside, and not stored.
    origin first[TN];
    [[unroll]] for (uint j = 0; j < TN; j++)
        first[j] = origin_of(min(n0 + j * lanes, places - 1), x_start);
    uint row_start[TM];
    [[unroll]] for (uint i = 0; i < TM; i++)
        row_start[i] = p.weight_offset +
                       (part * p.out_channels + min(m0 + i, p.out_channels - 1)) * terms;

    float sum[TM][TN], total[TM][TN];
    [[unroll]] for (uint i = 0; i < TM; i++)
        [[unroll]] for (uint j = 0; j < TN; j++)
            sum[i][j] = total[i][j] = 0.0;

    uint whole = WHOLE ? terms : terms - terms % STEP;
    for (uint k = 0; k < whole; k += STEP) {
        if (!SHORT && k % VKA_CONV_BLOCK == 0) {
            [[unroll]] for (uint i = 0; i < TM; i++)
                [[unroll]] for (uint j = 0; j < TN; j++) {
                    total[i][j] += sum[i][j];
                    sum[i][j] = 0.0;
                }
        }
        float v[STEP][TN];
        [[unroll]] for (uint u = 0; u < STEP; u++) {
            term t = term_of(k + u);
            [[unroll]] for (uint j = 0; j < TN; j++)
                v[u][j] = x_at(first[j], t);
        }
        [[unroll]] for (uint i = 0; i < TM; i++) {
            vec4 w;
            if (FOURS) {
                w = LOAD4(weight4, (row_start[i] + k) / 4);
            } else {
                [[unroll]] for (uint u = 0; u < STEP; u++)
                    w[u] = LOAD(weight, row_start[i] + k + u);
            }
            [[unroll]] for (uint u = 0; u < STEP; u++)
                [[unroll]] for (uint j = 0; j < TN; j++)
                    sum[i][j] = fma(w[u], v[u][j], sum[i][j]);
        }
    }
    for (uint k = whole; !WHOLE && k < terms; k++) {
        term t = term_of(k);
        [[unroll]] for (uint j = 0; j < TN; j++) {
            float v = x_at(first[j], t);
            [[unroll]] for (uint i = 0; i < TM; i++)
                sum[i][j] = fma(LOAD(weight, row_start[i] + k), v, sum[i][j]);
        }
    }

    [[unroll]] for (uint i = 0; i < TM; i++) {
        uint channel = part * p.out_channels + min(m0 + i, p.out_channels - 1);
        float b = bias_of(channel);
        [[unroll]] for (uint j = 0; j < TN; j++)
            if (m0 + i < p.out_channels && n0 + j * lanes < places)
                store_with(b, item, channel, n0 + j * lanes, total[i][j] + sum[i][j]);
    }
}
