// SPDX-License-Identifier: MIT
//
// Moving elements from one array into another of the same shape, both of any strides: the op
// `copy`, and what `concat` and `pad` are made of. Where the types differ the values are converted.
#ifndef VKA_OPS_MOVE_H
#define VKA_OPS_MOVE_H

#include "ops/op.h"

struct vka_threads;

void vka_copy_run(struct vka_threads *threads, const struct vka_array *from,
                  const struct vka_array *to);
void vka_copy_launch(struct vka_launch *l, const struct vka_array *from,
                     const struct vka_array *to);

#endif
