// SPDX-License-Identifier: MIT
#ifndef VKA_PUSH_COPY_TURNED_H
#define VKA_PUSH_COPY_TURNED_H

#include "strided.h"

PUSH(copy_turned) // operands: x, y; a place of the walk is a square of four by four elements
{
    VKA_STRIDED(2)
    uint x_step, y_step; // to the next four of the square
}
PUSH_END;

#endif
