// SPDX-License-Identifier: MIT
#ifndef VKA_PUSH_ADDITIVE_H
#define VKA_PUSH_ADDITIVE_H

#include "push.h"

PUSH(additive)
{
    uint count; // of scores
    uint queries, keys, width;
    uint q, k, v, out_offset;
}
PUSH_END;

#endif
