// SPDX-License-Identifier: MIT
//
// Push constants of matmul, 128 bytes. Strides are those of batch axes 0, 1, 2, the row and the
// column; negative ones wrap round.
#ifndef VKA_PUSH_MATMUL_H
#define VKA_PUSH_MATMUL_H

#include "push.h"

// What a lane of the shader for programs on CPUs needn't be compiled for (a specialization
// constant; bits). A is read four at a time along k, or along its rows.
#define VKA_LANES_A_ALONG_K       1u
#define VKA_LANES_A_ALONG_M       2u
#define VKA_LANES_WHOLE           4u    // k is a multiple of the terms of a trip
#define VKA_LANES_SHORT           8u    // k is one block of terms
#define VKA_LANES_BIAS_OF_COLUMNS 16u   // the same in all rows
#define VKA_LANES_BIAS_OF_ROWS    32u   // the same in all columns
#define VKA_LANES_RESIDUAL_FOURS  64u   // the residual lies as the output does
#define VKA_LANES_B_PANELS        128u  // b is packed in panels as wide as a workgroup
#define VKA_LANES_STEP            4u    // terms of a part of a trip; long trips: few updates
#define VKA_LANES_BLOCK           1024u // terms summed by themselves, so that long sums stay good

// How the shader for GPUs reads and writes (a specialization constant; bits): along the terms, else
// along rows of a or columns of b; four elements at a time.
#define VKA_TILE_A_ALONG_K 1u
#define VKA_TILE_A_FOURS   2u
#define VKA_TILE_B_ALONG_K 4u
#define VKA_TILE_B_FOURS   8u
#define VKA_TILE_OUT_FOURS 16u

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
