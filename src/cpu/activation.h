// SPDX-License-Identifier: MIT
//
// Functions of one float over runs of elements, for the op `unary` and for epilogues. A single
// value: vka_activate(kind, x, a, b) of push/scalar.h.
#ifndef VKA_CPU_ACTIVATION_H
#define VKA_CPU_ACTIVATION_H

#include "../../shaders/push/scalar.h"
#include "ops/ops.h"

// y[i] = f(x[i]); y may be x.
void vka_activate_span(struct vka_activation f, float *y, const float *x, int64_t count);

#endif
