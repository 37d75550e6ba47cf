// SPDX-License-Identifier: MIT
//
// Push constants of deform_conv. Strides of x, the offsets and the mask [N, channels, rows,
// columns], of the weight [channels out, channels in, taps], in elements, wrapping round where
// negative; out is dense.
#ifndef VKA_PUSH_DEFORM_CONV_H
#define VKA_PUSH_DEFORM_CONV_H

#include "push.h"

#define VKA_DEFORM_BYTE 255u

PUSH(deform_conv)
{
    uint x_stride[4], offset_stride[4], mask_stride[4], weight_stride[3];
    uint size_in[2], size_out[2];
    uint in_channels, out_channels; // of a group
    uint groups, share;             // share: channels that share offsets
    uint bias_step;
    uint low_bytes; // the lowest bytes of both dilations and both of what lies before: see the
                    // constants
    uint end;       // workgroups that have something to do
    uint x, offset, mask, weight, bias, dst; // offsets
}
PUSH_END;

#endif
