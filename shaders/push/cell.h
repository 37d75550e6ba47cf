// SPDX-License-Identifier: MIT
#ifndef VKA_PUSH_CELL_H
#define VKA_PUSH_CELL_H

#include "push.h"

PUSH(cell)
{
    uint count;  // elements of the state
    uint hidden; // of a row
    uint a, b, h, next;
}
PUSH_END;

#endif
