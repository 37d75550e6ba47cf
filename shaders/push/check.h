// SPDX-License-Identifier: MIT
#ifndef VKA_PUSH_CHECK_H
#define VKA_PUSH_CHECK_H

#include "push.h"

PUSH(check)
{
    uint first, count; // elements first .. count - 1
    int lo, hi;
    uint x, y; // offsets
}
PUSH_END;

#endif
