// SPDX-License-Identifier: MIT
//
// Batched products on the CPU: packed, cut into blocks that stay in the caches, spread over
// threads, the epilogue run on each block while it is near. An element's sum is taken in the same
// order however the work is cut.
#ifndef VKA_CPU_GEMM_H
#define VKA_CPU_GEMM_H

#include "ops/product.h"
#include "ops/ops.h"

struct vka_gemm {
    struct vka_product p;
    const float *data[VKA_PRODUCT_OUT]; // a, b, bias, residual
    float *out;
    float alpha;
    struct vka_activation act;
    unsigned constant; // bits of roles a and b: the same in all runs
    const void *kept;  // what vka_gemm_keep made of them
};

// `constant` as in struct vka_gemm.
size_t vka_gemm_scratch(const struct vka_product *p, unsigned constant, int threads);
// Bytes for the constant operands as the kernels want them; 0: nothing is to be kept.
size_t vka_gemm_kept(const struct vka_product *p, unsigned constant);
void vka_gemm_keep(const struct vka_gemm *gemm, struct vka_threads *threads, void *kept);
void vka_gemm_run(const struct vka_gemm *gemm, struct vka_threads *threads, void *scratch);

// out = act(alpha * out + bias + residual) over a block of an output, where it lies. Strides in
// elements; bias and residual may be NULL.
struct vka_epilogue {
    float alpha;
    struct vka_activation act;
    const float *added[2];
    int64_t row[2], col[2]; // of `added`
};
void vka_epilogue_run(const struct vka_epilogue *e, float *out, int64_t rows, int64_t cols,
                      int64_t out_row, int64_t out_col);

#endif
