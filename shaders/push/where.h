// SPDX-License-Identifier: MIT
#ifndef VKA_PUSH_WHERE_H
#define VKA_PUSH_WHERE_H

#include "strided.h"

PUSH(where) // operands: a, b, cond, y
{VKA_STRIDED(4)} PUSH_END;

#endif
