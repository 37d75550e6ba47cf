// SPDX-License-Identifier: MIT
#ifndef VKA_PUSH_COPY_H
#define VKA_PUSH_COPY_H

#include "strided.h"

PUSH(copy) // operands: x, y
{VKA_STRIDED(2)} PUSH_END;

#endif
