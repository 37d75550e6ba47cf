// SPDX-License-Identifier: MIT
#ifndef VKA_PUSH_NORM_H
#define VKA_PUSH_NORM_H

#include "push.h"

PUSH(norm) // operands: x, scale, shift, y
{
    uint rows, columns;
    float eps;
    uint dim[4]; // the kept axes, then the reduced ones, each the fastest first
    uint offset[4];
    uint stride[16]; // operand * 4 + axis
}
PUSH_END;

#endif
