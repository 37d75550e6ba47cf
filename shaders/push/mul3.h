// SPDX-License-Identifier: MIT
#ifndef VKA_PUSH_MUL3_H
#define VKA_PUSH_MUL3_H

#include "strided.h"

// Forms.
#define MUL3_PLAIN  0 // x a b
#define MUL3_TIMES  1 // x (shift + f(a b))
#define MUL3_PLUS   2 // x (shift + f(a + b))
#define MUL3_SCALED 3 // f(x a + b)

PUSH(mul3) // operands: x, a, b, y
{
    VKA_STRIDED(4)
    float act_a, act_b, shift;
}
PUSH_END;

#endif
