// SPDX-License-Identifier: MIT
//
// Push constants of count_boxes: scores [N, G, V], boxes [N, V, columns], tables [8, 17],
// out [N, G, M + 1], all dense.
#ifndef VKA_PUSH_COUNT_BOXES_H
#define VKA_PUSH_COUNT_BOXES_H

#include "push.h"

PUSH(count_boxes)
{
    uint groups;   // N * G
    uint glimpses; // G
    uint boxes, columns;
    uint scores_offset, boxes_offset, tables_offset, out_offset;
}
PUSH_END;

#endif
