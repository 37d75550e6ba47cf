#version 450
// SPDX-License-Identifier: MIT
//
// Deformable convolution where the device is a program on a CPU, or a group makes few channels: no
// shared memory, lanes along the places, one address of the weight for all lanes, TM channels a
// lane.
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "deform_conv.glsl"

BUFFER_VEC4_IN(2, weight4);

void main()
{
    uint group = group_index();
    if (group >= p.end)
        return;
    uint places = out_places(), lanes = gl_WorkGroupSize.x;
    uint tiles_n = (places + lanes - 1) / lanes, tiles_m = (p.out_channels + TM - 1) / TM;
    uint place = group % tiles_n * lanes + gl_LocalInvocationID.x;
    uint m0 = group / tiles_n % tiles_m * TM;
    uint index = group / tiles_n / tiles_m; // item of the batch and group of channels
    uint item = index / p.groups, part = index % p.groups;
    uint start = x_start(item, part);

    // Places and channels outside are computed as the last one inside, and not stored.
    uint near = min(place, places - 1), row[TM];
    float sum[TM];
    [[unroll]] for (uint i = 0; i < TM; i++) {
        row[i] = p.weight + (part * p.out_channels + min(m0 + i, p.out_channels - 1)) *
                                p.weight_stride[0];
        sum[i] = 0.0;
    }
    uint last_four = row[0] + p.out_channels - m0 - 4;
    for (uint c0 = 0; c0 < p.in_channels; c0 = shared_end(part, c0)) {
        uint c1 = shared_end(part, c0), own = (part * p.in_channels + c0) / p.share;
        for (uint tap = 0; tap < TAPS; tap++) {
            corners at = tap_corners(item, own, tap, near);
            for (uint c = c0; c < c1; c++) {
                float v = sample_x(start + c * p.x_stride[1], at);
                uint k = c * p.weight_stride[1] + tap * p.weight_stride[2];
                if (FOURS) {
                    [[unroll]] for (uint i = 0; i < TM; i += 4) {
                        vec4 w = LOAD4(weight4, (min(row[i], last_four) + k) / 4);
                        [[unroll]] for (uint u = 0; u < 4; u++)
                            sum[i + u] = fma(w[u], v, sum[i + u]);
                    }
                } else {
                    [[unroll]] for (uint i = 0; i < TM; i++)
                        sum[i] = fma(LOAD(weight, row[i] + k), v, sum[i]);
                }
            }
        }
    }
    // The first channel, behind which the others move on: drivers compile each store for long.
    [[dont_unroll]] for (uint m = m0; m < m0 + TM; m++) {
        if (m < p.out_channels && place < places)
            store(item, part * p.out_channels + m, place, sum[0]);
        [[unroll]] for (uint i = 1; i < TM; i++)
            sum[i - 1] = sum[i];
    }
}
