// SPDX-License-Identifier: MIT
//
// Convolution with steps of one along rows where the device is a program on a CPU: TM channels x TN
// places side by side a lane, so that what a row of taps sees of x is loaded once for all of them.
// RESIDUAL: with a fifth buffer.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "conv.glsl"

// From the first tap's first place to the last one's last.
const uint SPAN = TN + (KERNEL_2 - 1) * DILATION_2;
const uint ROWS = KERNEL_0 * KERNEL_1; // of taps
const uint BLOCK = KERNEL_2 > VKA_CONV_BLOCK ? 1u : VKA_CONV_BLOCK / KERNEL_2;

void main()
{
    uint group = group_index();
    if (group >= p.end)
        return;
    const uint lanes = gl_WorkGroupSize.x;
    uint width = p.size_out[2], parts = (width + TN - 1) / TN; // of a row
    uint all = p.size_out[0] * p.size_out[1] * parts;
    uint tiles_n = (all + lanes - 1) / lanes;
    uint tiles_m = (p.out_channels + TM - 1) / TM;
    uint n = group % tiles_n * lanes + gl_LocalInvocationID.x;
    uint m0 = group / tiles_n % tiles_m * TM;
    uint index = group / tiles_n / tiles_m; // item of the batch and group of channels
    uint item = index / p.groups, part = index % p.groups;
    uint x_start = p.x_offset + item * p.x_batch + part * p.in_channels * p.x_channel;

    // Places and channels outside are computed as others inside, and not stored.
    uint row = min(n, all - 1) / parts, column = min(n, all - 1) % parts * TN;
    origin first = origin_at(uvec3(row / p.size_out[1], row % p.size_out[1], column), x_start);
    uint along[SPAN];
    bool inside[SPAN]; // INSIDE_2 says nothing of places beyond the row's last one
    [[unroll]] for (uint i = 0; i < SPAN; i++) {
        inside[i] = first.at.z + i < p.size_in[2];
        along[i] = first.element + i * p.x_step[2];
    }
    uint terms = p.in_channels * TAPS, row_start[TM];
    [[unroll]] for (uint i = 0; i < TM; i++)
        row_start[i] = p.weight_offset +
                       (part * p.out_channels + min(m0 + i, p.out_channels - 1)) * terms;

    float sum[TM][TN], total[TM][TN];
    [[unroll]] for (uint i = 0; i < TM; i++)
        [[unroll]] for (uint j = 0; j < TN; j++)
            sum[i][j] = total[i][j] = 0.0;

    for (uint r = 0; r < p.in_channels * ROWS; r++) {
        if (!SHORT && r % BLOCK == 0) {
            [[unroll]] for (uint i = 0; i < TM; i++)
                [[unroll]] for (uint j = 0; j < TN; j++) {
                    total[i][j] += sum[i][j];
                    sum[i][j] = 0.0;
                }
        }
        term t = term_of(r * KERNEL_2);
        bool there = (INSIDE_0 || first.at.x + t.away.x < p.size_in[0]) &&
                     (INSIDE_1 || first.at.y + t.away.y < p.size_in[1]);
        float v[SPAN];
        [[unroll]] for (uint i = 0; i < SPAN; i++) {
            bool is = there && inside[i];
            float loaded = LOAD(x, is ? along[i] + t.elements : 0);
            v[i] = is ? loaded : 0.0;
        }
        [[unroll]] for (uint i = 0; i < TM; i++)
            [[unroll]] for (uint u = 0; u < KERNEL_2; u++) {
                float w = LOAD(weight, row_start[i] + r * KERNEL_2 + u);
                [[unroll]] for (uint j = 0; j < TN; j++)
                    sum[i][j] = fma(w, v[j + u * DILATION_2], sum[i][j]);
            }
    }

    [[unroll]] for (uint i = 0; i < TM; i++) {
        uint channel = part * p.out_channels + min(m0 + i, p.out_channels - 1);
        float b = bias_of(channel);
        [[unroll]] for (uint j = 0; j < TN; j++)
            if (m0 + i < p.out_channels && n < all && column + j < width)
                store_with(b, item, channel, row * width + column + j, total[i][j] + sum[i][j]);
    }
}
