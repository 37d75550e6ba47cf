// SPDX-License-Identifier: MIT
//
// x [N, C, H, W], boxes [R, 4] of (x0, y0, x1, y1), y [N, R, C], all dense.
#ifndef VKA_PUSH_REGIONS_H
#define VKA_PUSH_REGIONS_H

#include "push.h"

PUSH(regions)
{
    uint count; // elements of y
    uint channels, boxes;
    uint height, width;
    uint x, box, y; // offsets
}
PUSH_END;

#endif
