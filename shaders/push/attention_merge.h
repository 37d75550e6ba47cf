// SPDX-License-Identifier: MIT
//
// Push constants of attention's second pass, where keys were split: by row and part `width` sums,
// their maximum and their total.
#ifndef VKA_PUSH_ATTENTION_MERGE_H
#define VKA_PUSH_ATTENTION_MERGE_H

#include "attention_flags.h"
#include "push.h"

PUSH(attention_merge)
{
    uint rows; // workgroups
    uint parts, width;
    uint heads, queries;
    uint from_offset, to_offset, lse_offset;
}
PUSH_END;

#endif
