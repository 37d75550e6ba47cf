// SPDX-License-Identifier: MIT
//
// Products and convolutions for tests of how devices cut them: made-up operands, and a run beside
// the CPU path.
#ifndef VKA_TESTS_PRODUCTS_H
#define VKA_TESTS_PRODUCTS_H

#include "support/rig.h"

// Numbers that are exact in f16, too; the same for the same seed. free() them by test_free.
float *products_fill(vka_shape shape, uint32_t seed);
// A constant of them in the rig's graph.
vka_tensor products_constant(struct rig *rig, vka_shape shape, uint32_t seed);

// alpha a b of an input x of shape a, as [.., M, K] or, turned, [.., K, M]; b likewise. `more`:
// with bias, residual and relu.
vka_tensor products_matmul(struct rig *rig, vka_shape a, bool turn_a, vka_shape b, bool turn_b,
                           bool more);
// A convolution of an input x, padded by 1, with bias and relu.
vka_tensor products_conv(struct rig *rig, vka_shape x, vka_shape weight, int64_t groups,
                         int64_t stride);

// max|diff| / max|ref| of the graph's output "y" of an input of shape x: on the rig's device, its
// floats stored as `dtype`, from the CPU path. Asserts that a second run gives the same bits.
double products_error(struct rig *rig, vka_shape x, vka_dtype dtype);

#endif
