// SPDX-License-Identifier: MIT
//
// Push constants of relu_pairs: strides of each operand, batch first; y is dense.
#ifndef VKA_PUSH_RELU_PAIRS_H
#define VKA_PUSH_RELU_PAIRS_H

#include "push.h"

PUSH(relu_pairs)
{
    uint channels, places, others; // C, P, Q
    uint chunks;                   // of the channels: a workgroup does one
    uint end;                      // workgroups
    float alpha;
    uint u_step[2], w_step[2], v_step[3];
    uint u_offset, w_offset, v_offset, y_offset;
}
PUSH_END;

#endif
