// SPDX-License-Identifier: MIT
//
// Push constants of bilinear_pool. Strides are those of the batch, the row and the column of
// weights [N, V, Q], x [N, V, K] and y [N, Q, K]; negative ones wrap round.
#ifndef VKA_PUSH_BILINEAR_POOL_H
#define VKA_PUSH_BILINEAR_POOL_H

#include "push.h"

PUSH(bilinear_pool)
{
    uint groups;
    uint rows, cols, width; // V, Q, K
    uint weights_offset, x_offset, y_offset, out_offset;
    uint weights_stride[3], x_stride[3], y_stride[3];
}
PUSH_END;

#endif
