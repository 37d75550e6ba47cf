// SPDX-License-Identifier: MIT
//
// Push constants of criss_cross. Strides: batch, channel, row; rows are contiguous, y is dense.
#ifndef VKA_PUSH_CRISS_CROSS_H
#define VKA_PUSH_CRISS_CROSS_H

#include "push.h"

PUSH(criss_cross)
{
    uint depth, channels; // of q and k; of v
    uint height, width;
    uint chunks; // of the channels: a workgroup does one
    uint end;    // workgroups
    uint step[3], z_step[3];
    uint qkv_offset, z_offset, y_offset;
}
PUSH_END;

#endif
