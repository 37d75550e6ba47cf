// SPDX-License-Identifier: MIT
//
// x [items, channels, side, side], box [items, 4], factor [items, 2, side], y [items, channels,
// size, size], dense.
#ifndef VKA_PUSH_ZOOM_H
#define VKA_PUSH_ZOOM_H

#include "push.h"

PUSH(zoom)
{
    uint count;             // elements of y
    uint x, box, factor, y; // offsets
    uint channels, side, size;
}
PUSH_END;

#endif
