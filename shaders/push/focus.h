// SPDX-License-Identifier: MIT
#ifndef VKA_PUSH_FOCUS_H
#define VKA_PUSH_FOCUS_H

#include "push.h"

PUSH(focus)
{
    uint groups; // images times parts
    uint channels, positions;
    uint parts, part;    // of an image, positions of each; both in fours by fours
    uint x, query, sums; // the first elements
}
PUSH_END;

#endif
