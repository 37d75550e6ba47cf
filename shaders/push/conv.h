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

PUSH(conv)
{
    uint size_in[3], size_out[3], before[3], x_step[3];
    uint x_batch, x_channel, bias_step;
    uint in_channels, out_channels; // of a group
    uint groups;
    uint end; // workgroups that have something to do
    uint x_offset, weight_offset, bias_offset, out_offset, residual_offset;
}
PUSH_END;

#endif
