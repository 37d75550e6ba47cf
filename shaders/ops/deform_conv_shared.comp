// SPDX-License-Identifier: MIT
//
// Deformable convolution where the device is a program on a CPU whose subgroups load together:
// lanes along the channels, TM fours of them a lane. A workgroup, which is a subgroup, makes TN
// places; of these each lane samples some, and hands them round, so that no sample is taken twice
// and the weights, too, are loaded for many sums.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#include "deform_conv.glsl"

BUFFER_VEC4_IN(2, weight4);

const uint LANES = gl_WorkGroupSize.x;
const uint HELD = (TN + LANES - 1) / LANES; // places of a lane

void main()
{
    uint group = group_index();
    if (group >= p.end)
        return;
    uint places = out_places(), lane = gl_SubgroupInvocationID;
    uint tiles_n = (places + TN - 1) / TN;
    uint tiles_m = (p.out_channels + TM * 4 * LANES - 1) / (TM * 4 * LANES);
    uint n0 = group % tiles_n * TN, m0 = group / tiles_n % tiles_m * TM * 4 * LANES;
    uint index = group / tiles_n / tiles_m; // item of the batch and group of channels
    uint item = index / p.groups, part = index % p.groups;
    uint start = x_start(item, part);

    // Places and channels outside are computed as the last one inside, and not stored.
    uint channel[TM], row[TM];
    vec4 sum[TN][TM];
    [[unroll]] for (uint j = 0; j < TM; j++) {
        channel[j] = m0 + (lane + j * LANES) * 4;
        row[j] = p.weight + part * p.out_channels + min(channel[j], p.out_channels - 4);
        [[unroll]] for (uint q = 0; q < TN; q++)
            sum[q][j] = vec4(0.0);
    }
    for (uint c0 = 0; c0 < p.in_channels; c0 = shared_end(part, c0)) {
        uint c1 = shared_end(part, c0), own = (part * p.in_channels + c0) / p.share;
        for (uint tap = 0; tap < TAPS; tap++) {
            corners at[HELD];
            [[unroll]] for (uint h = 0; h < HELD; h++)
                at[h] = tap_corners(item, own, tap, min(n0 + h * LANES + lane, places - 1));
            for (uint c = c0; c < c1; c++) {
                float held[HELD];
                [[unroll]] for (uint h = 0; h < HELD; h++)
                    held[h] = sample_x(start + c * p.x_stride[1], at[h]);
                uint k = c * p.weight_stride[1] + tap * p.weight_stride[2];
                vec4 w[TM];
                [[unroll]] for (uint j = 0; j < TM; j++)
                    w[j] = LOAD4(weight4, (row[j] + k) / 4);
                [[unroll]] for (uint q = 0; q < TN; q++) {
                    vec4 v = vec4(subgroupShuffle(held[q / LANES], q % LANES));
                    [[unroll]] for (uint j = 0; j < TM; j++)
                        sum[q][j] = fma(v, w[j], sum[q][j]);
                }
            }
        }
    }
    // Drivers take long to compile a store: the first place, behind which the others move on.
    [[dont_unroll]] for (uint q = 0; q < min(TN, places - n0); q++) {
        [[unroll]] for (uint j = 0; j < TM; j++) {
            [[unroll]] for (uint e = 0; e < 4; e++)
                if (channel[j] < p.out_channels)
                    store(item, part * p.out_channels + channel[j] + e, n0 + q, sum[0][j][e]);
        }
        [[unroll]] for (uint i = 1; i < TN; i++)
            [[unroll]] for (uint j = 0; j < TM; j++)
                sum[i - 1][j] = sum[i][j];
    }
}
