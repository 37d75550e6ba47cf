// SPDX-License-Identifier: MIT
//
// Push constants of matmul, 128 bytes. Strides are those of batch axes 0, 1, 2, the row and the
// column; negative ones wrap round.
#ifndef VKA_PUSH_MATMUL_H
#define VKA_PUSH_MATMUL_H

#include "push.h"

PUSH(matmul)
{
    uint m, n, k;
    uint batch_1, batch_2; // sizes of the inner two batch axes
    uint groups;
    float alpha;
    uint a_offset, b_offset, bias_offset, residual_offset, out_offset;
    uint a_stride[5], b_stride[5], bias_stride[5], residual_stride[5];
}
PUSH_END;

#endif
