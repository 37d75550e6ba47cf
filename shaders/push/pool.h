// SPDX-License-Identifier: MIT
//
// x [planes, in], y [planes, out], dense; three spatial axes, the missing ones of size 1 in front.
#ifndef VKA_PUSH_POOL_H
#define VKA_PUSH_POOL_H

#include "push.h"

PUSH(pool)
{
    uint count; // elements of y
    uint x, y;  // offsets
    uint in_size[3];
    uint out_size[3];
    uint kernel[3];
    uint stride[3];
    uint dilation[3];
    uint before[3];
    uint padded[3]; // places from the first of x to the last of the padding behind
    float divisor;  // 0: the window's size
}
PUSH_END;

#endif
