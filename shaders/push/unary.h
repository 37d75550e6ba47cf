// SPDX-License-Identifier: MIT
#ifndef VKA_PUSH_UNARY_H
#define VKA_PUSH_UNARY_H

#include "strided.h"

PUSH(unary) // operands: x, y
{
    VKA_STRIDED(2)
    float a, b; // of the function
}
PUSH_END;

#endif
