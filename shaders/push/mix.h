// SPDX-License-Identifier: MIT
#ifndef VKA_PUSH_MIX_H
#define VKA_PUSH_MIX_H

#include "strided.h"

PUSH(mix) // operands: x, a, z, b, y
{VKA_STRIDED(5)} PUSH_END;

#endif
