// SPDX-License-Identifier: MIT
//
// Push constants of conv. Sizes and strides of the three spatial axes, the last one fastest; fewer
// axes stand at the end. Strides wrap round where they are negative. weight, out and residual are
// dense.
#ifndef VKA_PUSH_CONV_H
#define VKA_PUSH_CONV_H

#include "push.h"

#define VKA_CONV_STEP  4u    // terms of a trip of the shader for programs on CPUs
#define VKA_CONV_BLOCK 1024u // terms summed by themselves, so that long sums stay good

// The specialization constant TILE: sums of a lane, channels and places (4 bits each, less 1); then
// what needn't be compiled or looked at (bits).
#define VKA_CONV_SUMS_N_SHIFT 4u
#define VKA_CONV_BIAS         (1u << 8)  // there is one
#define VKA_CONV_FOURS        (1u << 9)  // of the weight can be read at once
#define VKA_CONV_INSIDE_0     (1u << 10) // no tap is ever outside of x along this axis
#define VKA_CONV_INSIDE_1     (1u << 11)
#define VKA_CONV_INSIDE_2     (1u << 12)
#define VKA_CONV_WHOLE        (1u << 13) // terms are a multiple of VKA_CONV_STEP
#define VKA_CONV_SHORT        (1u << 14) // at most VKA_CONV_BLOCK terms
// From here on: lanes that load weights for each other, less 1.
#define VKA_CONV_SUBGROUP_SHIFT 16u

PUSH(conv)
{
    uint size_in[3], size_out[3], before[3], x_step[3];
    uint dilation[3]; // of conv_rows: what isn't in the constants, one pipeline for all of them
    uint x_batch, x_channel, bias_step;
    uint in_channels, out_channels; // of a group
    uint groups;
    uint end; // workgroups that have something to do
    uint x_offset, weight_offset, bias_offset, out_offset, residual_offset;
}
PUSH_END;

#endif
