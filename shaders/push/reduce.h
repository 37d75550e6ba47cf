// SPDX-License-Identifier: MIT
#ifndef VKA_PUSH_REDUCE_H
#define VKA_PUSH_REDUCE_H

#include "push.h"

// enum vka_reduce_kind of ops/ops.h
#define REDUCE_SUM         0
#define REDUCE_MEAN        1
#define REDUCE_MAX         2
#define REDUCE_MIN         3
#define REDUCE_PROD        4
#define REDUCE_SUM_SQUARES 5
#define REDUCE_L2          6
#define REDUCE_LOGSUMEXP   7
#define REDUCE_ANY         8
#define REDUCE_ALL         9

PUSH(reduce)
{
    uint rows, columns;
    uint x, y; // the first elements
    float scale;
    uint dim[9]; // the kept axes, then the reduced ones, each the fastest first
    uint stride[9];
}
PUSH_END;

#endif
