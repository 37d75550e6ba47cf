// SPDX-License-Identifier: MIT
#ifndef VKA_PUSH_SOFTMAX_H
#define VKA_PUSH_SOFTMAX_H

#include "strided.h"

PUSH(softmax) // operands: x, bias, mask, y; an element of the walk is a row
{
    VKA_STRIDED(4)
    uint columns;
    uint step[4]; // along a row, by operand
    float scale;
}
PUSH_END;

#endif
