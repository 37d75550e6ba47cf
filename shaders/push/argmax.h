// SPDX-License-Identifier: MIT
//
// x [outer, size, inner], dense -> y [outer, inner]
#ifndef VKA_PUSH_ARGMAX_H
#define VKA_PUSH_ARGMAX_H

#include "push.h"

PUSH(argmax)
{
    uint rows; // outer * inner
    uint size, inner;
    uint x, y; // offsets
}
PUSH_END;

#endif
