// SPDX-License-Identifier: MIT
//
// loc [count, 3], box [count, 4], dense.
#ifndef VKA_PUSH_BOX_H
#define VKA_PUSH_BOX_H

#include "push.h"

PUSH(box)
{
    uint count;
    uint loc, box; // offsets
    float size, least;
}
PUSH_END;

#endif
