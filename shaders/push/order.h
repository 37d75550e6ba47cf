// SPDX-License-Identifier: MIT
//
// x [rows, columns], y likewise, dense. A dispatch is one step of the sort (ORDER_...).
#ifndef VKA_PUSH_ORDER_H
#define VKA_PUSH_ORDER_H

#include "push.h"

#define VKA_ORDER_BLOCK 1024 // elements that a workgroup sorts in its memory

#define VKA_ORDER_SORT  0 // numbers each row and sorts its blocks
#define VKA_ORDER_FLIP  1 // first step of a merge: partners mirror each other within `span`
#define VKA_ORDER_HALF  2 // next steps: partners are half a `span` apart
#define VKA_ORDER_MERGE 3 // the last steps of a merge, within blocks

PUSH(order)
{
    uint rows, columns;
    uint parts; // workgroups a row
    uint span;  // elements that are merged
    uint x, y;  // offsets
}
PUSH_END;

#endif
