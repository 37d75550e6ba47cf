// SPDX-License-Identifier: MIT
//
// What matmul and its variants for devices share.
#ifndef VKA_OPS_MATMUL_GPU_H
#define VKA_OPS_MATMUL_GPU_H

#include "ops/ops.h"
#include "ops/product.h"

struct vka_matmul_params {
    float alpha;
    struct vka_activation act;
    int64_t
        columns; // of b where it is packed, [panels, k, width] with the last one filled up; or 0
};

// What push constants have room for; terms of a sum that isn't made in blocks.
enum { VKA_MATMUL_BATCH_AXES = 3, VKA_MATMUL_MOST_TERMS = 8192 };

// A b that has its columns together as rows: where the device is a program it is worth a copy,
// which a weight needs but once.
bool vka_matmul_turns_b(const struct vka_product *p);

// Columns of a panel that a device's lanes read as they lie; 0: b is better left as it is. Else the
// variant "lanes" takes the product with b packed; the others, the CPU and expand don't.
int64_t vka_matmul_panel(const struct vka_limits *limits, const struct vka_args *args);

extern const struct vka_variant vka_matmul_variants[];

#endif
