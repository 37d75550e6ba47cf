// SPDX-License-Identifier: MIT
//
// x [planes, in], y [planes, out], dense; three spatial axes, the missing ones of size 1 in front.
// The tables have a row for each place of the three output axes, one behind the other.
#ifndef VKA_PUSH_RESIZE_H
#define VKA_PUSH_RESIZE_H

#include "push.h"

PUSH(resize)
{
    uint count; // elements of y
    uint in_size[3];
    uint out_size[3];
    uint x, places, parts, y; // offsets
}
PUSH_END;

#endif
