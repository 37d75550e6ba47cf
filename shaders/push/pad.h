// SPDX-License-Identifier: MIT
//
// x [outer, size, inner] -> y [outer, before + size + after, inner], both dense.
#ifndef VKA_PUSH_PAD_H
#define VKA_PUSH_PAD_H

#include "push.h"

PUSH(pad)
{
    uint count; // elements of y
    uint size, padded, inner;
    uint before;
    uint x, y;  // offsets
    uint value; // bits
}
PUSH_END;

#endif
