// SPDX-License-Identifier: MIT
//
// The push constants of shaders that run through several operands of one shape (ops/strided.h): the
// fastest axis first, at most four.
#ifndef VKA_PUSH_STRIDED_H
#define VKA_PUSH_STRIDED_H

#include "push.h"

// stride[operand * 4 + axis], in elements, wrapping where negative
#define VKA_STRIDED(n)                                                                             \
    uint count;                                                                                    \
    uint dim[4];                                                                                   \
    uint offset[n];                                                                                \
    uint stride[(n)*4];

#endif
