// SPDX-License-Identifier: MIT
#ifndef VKA_PUSH_GATHER_H
#define VKA_PUSH_GATHER_H

#include "push.h"

PUSH(gather)
{
    uint count;     // elements of the output
    uint width;     // of a row
    uint rows;      // of the table
    uint row, step; // in the table, from row to row and along one
    uint table, ids, y;
}
PUSH_END;

#endif
