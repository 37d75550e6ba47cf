// SPDX-License-Identifier: MIT
//
// Convolution with steps of one along rows where the device is a program on a CPU whose subgroups
// load together: TM channels x TN places side by side a lane, so that what a row of taps sees of x
// is loaded once for all of them. Weights are loaded by the subgroup, each lane another one, and
// handed round: a load at one address for all would be checked against the buffer's end lane by
// lane, and drivers compile each for long. RESIDUAL: with a fifth buffer.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#define DILATION                                                                                   \
    uvec3(DILATION_0 + p.dilation[0], DILATION_1 + p.dilation[1], DILATION_2 + p.dilation[2])
#include "conv.glsl"

// Of a row of x: from the first tap's first place to the last one's last, or, where taps lie far
// from each other and how far is told when it runs, what each sees by itself.
const bool APART = DILATION_2 == 0;
const uint SPAN = APART ? TN * KERNEL_2 : TN + (KERNEL_2 - 1) * DILATION_2;
#define OF_SPAN(tap, place) (APART ? (tap) * TN + (place) : (tap) * DILATION_2 + (place))
const uint ROWS = KERNEL_0 * KERNEL_1; // of taps
const uint BLOCK = KERNEL_2 > VKA_CONV_BLOCK ? 1u : VKA_CONV_BLOCK / KERNEL_2;

const uint SUBGROUP = (TILE >> VKA_CONV_SUBGROUP_SHIFT) + 1u;
const uint HELD = (TM * KERNEL_2 + SUBGROUP - 1) / SUBGROUP; // weights of a row of taps, of a lane
#define WEIGHT(n) subgroupShuffle(held[(n) / SUBGROUP], (n) % SUBGROUP)

// Where the weights of a group's channel start; past the last one its own once more.
uint weight_row(uint part, uint channel)
{
    uint row = part * p.out_channels + min(channel, p.out_channels - 1);
    return p.weight_offset + row * p.in_channels * TAPS;
}

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
        uint away = APART ? i % TN + i / TN * p.dilation[2] : i;
        inside[i] = first.at.z + away < p.size_in[2];
        along[i] = first.element + away * p.x_step[2];
    }
    uint held_start[HELD];
    [[unroll]] for (uint i = 0; i < HELD; i++) {
        uint held = i * SUBGROUP + gl_SubgroupInvocationID;
        held_start[i] = weight_row(part, m0 + held / KERNEL_2) + held % KERNEL_2;
    }

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
        float held[HELD];
        [[unroll]] for (uint i = 0; i < HELD; i++)
            held[i] = LOAD(weight, held_start[i] + r * KERNEL_2);
        [[unroll]] for (uint i = 0; i < TM; i++)
            [[unroll]] for (uint u = 0; u < KERNEL_2; u++) {
                float w = WEIGHT(i * KERNEL_2 + u);
                [[unroll]] for (uint j = 0; j < TN; j++)
                    sum[i][j] = fma(w, v[OF_SPAN(u, j)], sum[i][j]);
            }
    }

    [[unroll]] for (uint i = 0; i < TM; i++)
        [[unroll]] for (uint j = 0; j < TN; j++)
            sum[i][j] += total[i][j];
    // What ends an element is long: the first channel, behind which the others move on. (An array
    // indexed by a variable would lie in memory.)
    [[dont_unroll]] for (uint m = m0; m < m0 + TM; m++) {
        uint channel = part * p.out_channels + min(m, p.out_channels - 1);
        float b = bias_of(channel);
        [[unroll]] for (uint j = 0; j < TN; j++)
            if (m < p.out_channels && n < all && column + j < width)
                store_with(b, item, channel, row * width + column + j, sum[0][j]);
        [[unroll]] for (uint i = 1; i < TM; i++)
            [[unroll]] for (uint j = 0; j < TN; j++)
                sum[i - 1][j] = sum[i][j];
    }
}
