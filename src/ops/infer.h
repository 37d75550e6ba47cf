// SPDX-License-Identifier: MIT
//
// What the ops' infer functions have in common: operands checked by presence, type and shape, with
// errors that name the op and both sides. Each returns false after vka_fail.
#ifndef VKA_OPS_INFER_H
#define VKA_OPS_INFER_H

#include "ops/op.h"

// Operand `i` is there and of type `dtype`.
bool vka_infer_type(struct vka_infer *n, const char *op, int i, vka_dtype dtype);
// Operand `i` is there.
bool vka_infer_present(struct vka_infer *n, const char *op, int i);
// *out: what the shapes a and b broadcast to.
bool vka_infer_broadcast(struct vka_infer *n, const char *op, const vka_shape *a,
                         const vka_shape *b, vka_shape *out);
// The optional operand `i`, called `what`, is absent, or broadcasts to `shape`.
bool vka_infer_fits(struct vka_infer *n, const char *op, int i, const char *what,
                    const vka_shape *shape);
// An axis counted from the start (negative: from the end), or -1.
int vka_infer_axis(struct vka_infer *n, const char *op, int axis, int rank);
// The bit mask `axes` names at least one axis, and only axes of `shape`.
bool vka_infer_axes(struct vka_infer *n, const char *op, unsigned axes, const vka_shape *shape);
// `shape` without the axes of the mask, or with size 1 for them if `keep`.
vka_shape vka_shape_reduced(const vka_shape *shape, unsigned axes, bool keep);

#endif
