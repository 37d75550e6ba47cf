// SPDX-License-Identifier: MIT
//
// A batched matrix product as kernels want it: which strides lead from one matrix, row and column
// to the next, with as few batch axes as possible. Shared by the CPU and the GPU side of matmul.
#ifndef VKA_OPS_PRODUCT_H
#define VKA_OPS_PRODUCT_H

#include "ops/op.h"

enum vka_product_role {
    VKA_PRODUCT_A,        // [batch, m, k]
    VKA_PRODUCT_B,        // [batch, k, n]
    VKA_PRODUCT_BIAS,     // [batch, m, n], repeated by strides of 0
    VKA_PRODUCT_RESIDUAL, // as bias
    VKA_PRODUCT_OUT,      // [batch, m, n]
    VKA_PRODUCT_ROLES,
};

struct vka_product_side {
    bool present;
    int64_t batch[VKA_MAX_RANK]; // strides in elements
    int64_t row, col;
};

struct vka_product {
    int rank; // batch axes; 0: one matrix
    int64_t batch[VKA_MAX_RANK];
    int64_t m, n, k;
    struct vka_product_side side[VKA_PRODUCT_ROLES];
};

// From the operands a, b, bias, residual of matmul and its output, whose shapes fit each other.
// Batch axes that follow each other without a gap on every side become one; where b is the same for
// the last of them and the rows follow on, they become rows.
void vka_product_of(const struct vka_args *args, struct vka_product *p);

// Matrices in the batch.
int64_t vka_product_count(const struct vka_product *p);

// The element at which matrix `index` of a side starts.
int64_t vka_product_start(const struct vka_product *p, enum vka_product_role role, int64_t index);

#endif
