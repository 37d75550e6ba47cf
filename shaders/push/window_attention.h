// SPDX-License-Identifier: MIT
//
// Push constants of the sliding windows' modules. `a` is q [N, C, Ho, Wo] or the weights
// [N, maps, taps, Ho, Wo]; table, bias, shares and the output are dense.
#ifndef VKA_PUSH_WINDOW_ATTENTION_H
#define VKA_PUSH_WINDOW_ATTENTION_H

#include "push.h"

PUSH(window_attention)
{
    uint maps, chunks; // chunks of a map's channels of v
    uint end;          // workgroups that have something to do
    uint in_size[2], out_size[2];
    uint a_stride[5], k_stride[4], v_stride[4], extra_stride[4];
    uint a_offset, k_offset, v_offset, out_offset;
    uint table_offset, extra_offset, bias_offset, shares_offset;
}
PUSH_END;

#endif
