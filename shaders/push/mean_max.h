// SPDX-License-Identifier: MIT
#ifndef VKA_PUSH_MEAN_MAX_H
#define VKA_PUSH_MEAN_MAX_H

#include "push.h"

// What a factor is to four elements that are taken at a time.
#define FACTOR_NONE 0
#define FACTOR_ONE  1
#define FACTOR_FOUR 2

PUSH(mean_max)
{
    uint rows, columns;
    uint inner;                 // rows of an image where the results are stacked, else all
    uint x, factor, mean, most; // the first elements
    float scale;
    uint dim[4]; // the kept axes, the fastest first
    uint stride[4], factor_stride[4];
    uint step, factor_step; // along a row
}
PUSH_END;

#endif
