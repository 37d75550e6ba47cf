// SPDX-License-Identifier: MIT
#ifndef VKA_PUSH_MUL3_H
#define VKA_PUSH_MUL3_H

#include "strided.h"

PUSH(mul3) // operands: x, a, b, y
{
    VKA_STRIDED(4)
    float act_a, act_b, shift;
}
PUSH_END;

#endif
