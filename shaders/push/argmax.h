// SPDX-License-Identifier: MIT
#ifndef VKA_PUSH_ARGMAX_H
#define VKA_PUSH_ARGMAX_H

#include "strided.h"

PUSH(argmax) // operands: x, y; an element of the walk is a row
{
    VKA_STRIDED(2)
    uint columns;
    uint step; // along a row of x
}
PUSH_END;

#endif
