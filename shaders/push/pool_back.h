// SPDX-License-Identifier: MIT
//
// x, y [planes, in], d [planes, out], dense; three spatial axes, the missing ones of size 1 in
// front.
#ifndef VKA_PUSH_POOL_BACK_H
#define VKA_PUSH_POOL_BACK_H

#include "push.h"

PUSH(pool_back)
{
    uint count;   // elements of y
    uint x, d, y; // offsets
    uint in_size[3];
    uint out_size[3];
    uint kernel[3];
    uint stride[3];
    uint dilation[3];
    uint before[3];
}
PUSH_END;

#endif
