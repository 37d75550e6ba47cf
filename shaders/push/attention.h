// SPDX-License-Identifier: MIT
//
// Push constants of attention. Strides: batch, head, query or key; then of bias and mask also key.
// The last axis of q, k and v is contiguous; lse is dense, and out is, as [batch, head, query,
// width] or, joined, as [batch, query, head, width].
#ifndef VKA_PUSH_ATTENTION_H
#define VKA_PUSH_ATTENTION_H

#include "attention_flags.h"
#include "push.h"

PUSH(attention)
{
    uint heads, share; // heads that share one of k and v
    uint queries, keys;
    int causal_offset; // key j only for queries i >= j - causal_offset
    float scale;
    uint end;  // workgroups
    uint span; // keys of a part, where they are split
    uint q_stride[3], k_stride[3], v_stride[3], bias_stride[4], mask_stride[4];
    uint q_offset, k_offset, v_offset, out_offset, bias_offset, mask_offset, lse_offset;
}
PUSH_END;

#endif
