// SPDX-License-Identifier: MIT
//
// Push constants of bilinear_logits. Strides are those of the batch, the row and the channel of
// x [N, V, C] and y [N, Q, C], and of the glimpse and the channel of factors [G, C + 1]; negative
// ones wrap round.
#ifndef VKA_PUSH_BILINEAR_LOGITS_H
#define VKA_PUSH_BILINEAR_LOGITS_H

#include "push.h"

PUSH(bilinear_logits)
{
    uint groups;
    uint rows, cols, glimpses, channels; // V, Q, G, C
    uint x_offset, y_offset, factors_offset, out_offset;
    uint x_stride[3], y_stride[3], factors_stride[2];
}
PUSH_END;

#endif
