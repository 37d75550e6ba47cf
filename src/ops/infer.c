// SPDX-License-Identifier: MIT
//
// Checks of operands that several ops make.
#include "ops/infer.h"

bool vka_infer_present(struct vka_infer *n, const char *op, int i)
{
    if (i < n->n_in && n->in[i])
        return true;
    vka_fail(n->g, "%s: operand %d is absent", op, i);
    return false;
}

bool vka_infer_type(struct vka_infer *n, const char *op, int i, vka_dtype dtype)
{
    if (!vka_infer_present(n, op, i))
        return false;
    if (n->in[i]->dtype == dtype)
        return true;
    vka_fail(n->g, "%s: operand %d is %s, not %s", op, i, vka_dtype_name(n->in[i]->dtype),
             vka_dtype_name(dtype));
    return false;
}

static int64_t size_at(const vka_shape *shape, int rank, int axis)
{
    int own = axis - (rank - shape->rank);
    return own < 0 ? 1 : shape->dim[own];
}

bool vka_infer_broadcast(struct vka_infer *n, const char *op, const vka_shape *a,
                         const vka_shape *b, vka_shape *out)
{
    vka_shape shape = {.rank = a->rank > b->rank ? a->rank : b->rank};
    for (int i = 0; i < shape.rank; i++) {
        int64_t x = size_at(a, shape.rank, i), y = size_at(b, shape.rank, i);
        shape.dim[i] = x == 1 ? y : x;
        if (x != y && x != 1 && y != 1) {
            char s[VKA_SHAPE_TEXT], t[VKA_SHAPE_TEXT];
            vka_fail(n->g, "%s: the shapes %s and %s don't broadcast", op, vka_shape_text(a, s),
                     vka_shape_text(b, t));
            return false;
        }
    }
    *out = shape;
    return true;
}

bool vka_infer_fits(struct vka_infer *n, const char *op, int i, const char *what,
                    const vka_shape *shape)
{
    if (i >= n->n_in || !n->in[i])
        return true;
    const vka_shape *own = &n->in[i]->shape;
    bool fits = own->rank <= shape->rank;
    for (int k = 0; fits && k < shape->rank; k++) {
        int64_t size = size_at(own, shape->rank, k);
        fits = size == 1 || size == shape->dim[k];
    }
    if (!fits) {
        char s[VKA_SHAPE_TEXT], t[VKA_SHAPE_TEXT];
        vka_fail(n->g, "%s: %s of shape %s doesn't broadcast to %s", op, what,
                 vka_shape_text(own, s), vka_shape_text(shape, t));
    }
    return fits;
}

int vka_infer_axis(struct vka_infer *n, const char *op, int axis, int rank)
{
    int at = axis < 0 ? axis + rank : axis;
    if (at >= 0 && at < rank)
        return at;
    vka_fail(n->g, "%s: axis %d is out of range for rank %d", op, axis, rank);
    return -1;
}

bool vka_infer_axes(struct vka_infer *n, const char *op, unsigned axes, const vka_shape *shape)
{
    if (axes != 0 && axes >> shape->rank == 0)
        return true;
    char s[VKA_SHAPE_TEXT];
    vka_fail(n->g, "%s: the axes 0x%x are none of the shape %s", op, axes,
             vka_shape_text(shape, s));
    return false;
}

vka_shape vka_shape_reduced(const vka_shape *shape, unsigned axes, bool keep)
{
    vka_shape out = {.rank = 0};
    for (int i = 0; i < shape->rank; i++) {
        bool reduced = axes >> i & 1;
        if (!reduced || keep)
            out.dim[out.rank++] = reduced ? 1 : shape->dim[i];
    }
    return out;
}
