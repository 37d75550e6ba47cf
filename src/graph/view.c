// SPDX-License-Identifier: MIT
//
// Views: other shapes and strides over the same elements.
#include "graph/graph.h"
#include "ops/ops.h"

static int axis_of(vka_graph *g, vka_tensor t, int axis, const char *what)
{
    int rank = vka_rank(g, t);
    int from_start = axis < 0 ? axis + rank : axis;
    if (from_start >= 0 && from_start < rank)
        return from_start;
    if (!vka_failed(g))
        vka_fail(g, "%s: axis %d is out of range for rank %d", what, axis, rank);
    return -1;
}

// False for a graph that has failed; "none" can't be looked at.
static bool may_view(vka_graph *g, vka_tensor t, const char *what)
{
    if (!vka_failed(g) && (t <= 0 || (size_t)t >= g->value_count))
        vka_fail(g, "%s: there is no tensor", what);
    return !vka_failed(g);
}

// A view starts as a copy of what it looks at; the base stays.
static struct vka_value view_of(const vka_graph *g, vka_tensor t)
{
    struct vka_value v = *vka_value_of(g, t);
    v.data = NULL; // only bases own
    return v;
}

vka_tensor vka_permute(vka_graph *g, vka_tensor t, const int *order)
{
    if (!may_view(g, t, "permute"))
        return 0;
    const struct vka_value *from = vka_value_of(g, t);
    struct vka_value v = view_of(g, t);
    unsigned seen = 0;
    for (int i = 0; i < v.shape.rank; i++) {
        int axis = axis_of(g, t, order[i], "permute");
        if (axis < 0)
            return 0;
        seen |= 1u << axis;
        v.shape.dim[i] = from->shape.dim[axis];
        v.stride[i] = from->stride[axis];
    }
    if (seen != (1u << v.shape.rank) - 1)
        return vka_fail(g, "permute: the axes are not a permutation");
    return vka_add_value(g, &v);
}

vka_tensor vka_transpose(vka_graph *g, vka_tensor t, int axis_a, int axis_b)
{
    int a = axis_of(g, t, axis_a, "transpose"), b = axis_of(g, t, axis_b, "transpose");
    if (a < 0 || b < 0)
        return 0;
    int order[VKA_MAX_RANK];
    for (int i = 0; i < VKA_MAX_RANK; i++)
        order[i] = i;
    order[a] = b;
    order[b] = a;
    return vka_permute(g, t, order);
}

vka_tensor vka_slice_step(vka_graph *g, vka_tensor t, int axis, int64_t begin, int64_t count,
                          int64_t step)
{
    int at = axis_of(g, t, axis, "slice");
    if (at < 0)
        return 0;
    struct vka_value v = view_of(g, t);
    int64_t size = v.shape.dim[at];
    step = count == 1 ? 1 : step; // however long: one element takes no step
    bool inside =
        begin >= 0 && begin < size && count >= 1 && count <= size && step >= -size && step <= size;
    if (inside && count > 1) { // as divisions, which can't overflow
        int64_t room = step < 0 ? begin : size - 1 - begin;
        inside = step == 0 || (count - 1) <= room / (step < 0 ? -step : step);
    }
    if (!inside)
        return vka_fail(g, "slice: %lld elements from %lld by %lld leave an axis of size %lld",
                        (long long)count, (long long)begin, (long long)step, (long long)size);
    v.offset += begin * v.stride[at];
    v.stride[at] *= step;
    v.shape.dim[at] = count;
    return vka_add_value(g, &v);
}

vka_tensor vka_slice(vka_graph *g, vka_tensor t, int axis, int64_t begin, int64_t count)
{
    return vka_slice_step(g, t, axis, begin, count, 1);
}

vka_tensor vka_broadcast_to(vka_graph *g, vka_tensor t, vka_shape shape)
{
    if (!may_view(g, t, "broadcast"))
        return 0;
    const struct vka_value *from = vka_value_of(g, t);
    if (vka_shape_equal(&from->shape, &shape))
        return t;
    struct vka_value v = view_of(g, t);
    int lead = shape.rank - from->shape.rank;
    bool fits = lead >= 0 && vka_shape_valid(&shape);
    for (int i = 0; fits && i < shape.rank; i++) {
        int64_t size = i < lead ? 1 : from->shape.dim[i - lead];
        v.stride[i] = size == 1 ? 0 : from->stride[i - lead];
        fits = size == 1 || size == shape.dim[i];
    }
    if (!fits) {
        char a[VKA_SHAPE_TEXT], b[VKA_SHAPE_TEXT];
        return vka_fail(g, "the shape %s doesn't broadcast to %s", vka_shape_text(&from->shape, a),
                        vka_shape_text(&shape, b));
    }
    v.shape = shape;
    return vka_add_value(g, &v);
}

vka_tensor vka_unsqueeze(vka_graph *g, vka_tensor t, int axis)
{
    if (!may_view(g, t, "unsqueeze"))
        return 0;
    const struct vka_value *from = vka_value_of(g, t);
    int rank = from->shape.rank, at = axis < 0 ? axis + rank + 1 : axis;
    if (at < 0 || at > rank || rank == VKA_MAX_RANK)
        return vka_fail(g, "unsqueeze: axis %d is out of range for rank %d", axis, rank);
    struct vka_value v = view_of(g, t);
    for (int i = rank; i > at; i--) {
        v.shape.dim[i] = v.shape.dim[i - 1];
        v.stride[i] = v.stride[i - 1];
    }
    v.shape.dim[at] = 1;
    v.stride[at] = 0;
    v.shape.rank++;
    return vka_add_value(g, &v);
}

vka_tensor vka_squeeze(vka_graph *g, vka_tensor t, int axis)
{
    int at = axis_of(g, t, axis, "squeeze");
    if (at < 0)
        return 0;
    struct vka_value v = view_of(g, t);
    if (v.shape.dim[at] != 1)
        return vka_fail(g, "squeeze: axis %d has size %lld", axis, (long long)v.shape.dim[at]);
    v.shape.rank--;
    for (int i = at; i < v.shape.rank; i++) {
        v.shape.dim[i] = v.shape.dim[i + 1];
        v.stride[i] = v.stride[i + 1];
    }
    return vka_add_value(g, &v);
}

// Strides for `shape` over the same elements as `from`, if there are any. Axes of both sides are
// matched in groups of equal product; inside a group the old axes must follow each other without a
// gap, so that the group is one axis with one stride.
static bool reshape_strides(const struct vka_value *from, const vka_shape *shape, int64_t *stride)
{
    int old = from->shape.rank - 1, now = shape->rank - 1;
    while (now >= 0) {
        while (old >= 0 && from->shape.dim[old] == 1)
            old--;
        int64_t group = old >= 0 ? from->shape.dim[old] : 1; // elements of the old side's group
        int64_t inner = old >= 0 ? from->stride[old] : 1, covered = 1;
        while (now >= 0) { // one new axis after the other until the group is used up
            while (covered * shape->dim[now] > group) { // needs more old axes
                if (old < 1)
                    return false;
                old--;
                if (from->shape.dim[old] != 1 && from->stride[old] != inner * group)
                    return false;
                group *= from->shape.dim[old];
            }
            stride[now] = inner * covered;
            covered *= shape->dim[now--];
            if (covered == group && (now < 0 || shape->dim[now] != 1))
                break;
        }
        if (covered != group)
            return false;
        old--;
    }
    return true;
}

static bool infer_reshape(vka_graph *g, vka_tensor t, vka_shape *shape)
{
    const vka_shape *from = &vka_value_of(g, t)->shape;
    uint64_t total = (uint64_t)vka_elements(g, t), known = 1;
    int free_axis = -1;
    bool ok = shape->rank >= 0 && shape->rank <= VKA_MAX_RANK;
    for (int i = 0; ok && i < shape->rank; i++) {
        if (shape->dim[i] == -1 && free_axis < 0)
            free_axis = i;
        else
            ok = shape->dim[i] > 0 && vka_mul_size(known, (uint64_t)shape->dim[i], &known);
    }
    vka_shape asked = *shape;
    if (ok && free_axis >= 0) {
        shape->dim[free_axis] = (int64_t)(total / known);
        known *= total / known;
    }
    if (ok && known == total)
        return true;
    char a[VKA_SHAPE_TEXT], b[VKA_SHAPE_TEXT];
    vka_fail(g, "reshape: %s can't become %s", vka_shape_text(from, a), vka_shape_text(&asked, b));
    return false;
}

vka_tensor vka_reshape(vka_graph *g, vka_tensor t, vka_shape shape)
{
    if (!may_view(g, t, "reshape") || !infer_reshape(g, t, &shape))
        return 0;
    const struct vka_value *from = vka_value_of(g, t);
    if (vka_shape_equal(&from->shape, &shape))
        return t;
    struct vka_value v = view_of(g, t);
    v.shape = shape;
    if (!reshape_strides(from, &shape, v.stride))
        return vka_reshape(g, vka_copy(g, t), shape);
    return vka_add_value(g, &v);
}

vka_tensor vka_flatten(vka_graph *g, vka_tensor t, int first, int last)
{
    int a = axis_of(g, t, first, "flatten"), b = axis_of(g, t, last, "flatten");
    if (a < 0 || b < 0)
        return 0;
    if (a > b)
        return vka_fail(g, "flatten: axis %d comes after axis %d", first, last);
    const vka_shape *from = &vka_value_of(g, t)->shape;
    vka_shape shape = {.rank = from->rank - (b - a)};
    for (int i = 0, out = 0; i < from->rank; i++) {
        if (i > a && i <= b)
            shape.dim[out - 1] *= from->dim[i];
        else
            shape.dim[out++] = from->dim[i];
    }
    return vka_reshape(g, t, shape);
}

vka_tensor vka_dense(vka_graph *g, vka_tensor t)
{
    return vka_failed(g) || vka_is_dense(g, t) ? t : vka_copy(g, t);
}

// Whether a window stays within `size` elements; the distances must fit 64 bits.
static bool window_fits(const vka_shape *shape, const int64_t *stride, int64_t offset, int64_t size)
{
    int64_t low = offset, high = offset; // both in 0 .. size - 1 as long as it fits
    bool fits = vka_shape_valid(shape) && offset >= 0 && offset < size;
    for (int i = 0; fits && i < shape->rank; i++) {
        int64_t steps = shape->dim[i] - 1, s = stride[i];
        if (steps == 0 || s == 0)
            continue;
        fits = s > -size && s < size && steps <= (s < 0 ? low / -s : (size - 1 - high) / s);
        low += fits && s < 0 ? steps * s : 0;
        high += fits && s > 0 ? steps * s : 0;
    }
    return fits;
}

vka_tensor vka_strided(vka_graph *g, vka_tensor t, vka_shape shape, const int64_t *stride,
                       int64_t offset)
{
    if (!may_view(g, t, "strided view"))
        return 0;
    t = vka_dense(g, t);
    if (vka_failed(g))
        return 0;
    struct vka_value v = view_of(g, t);
    if (!window_fits(&shape, stride, offset, vka_elements(g, t))) {
        char a[VKA_SHAPE_TEXT], b[VKA_SHAPE_TEXT];
        return vka_fail(g, "a strided view of shape %s from element %lld on leaves the shape %s",
                        vka_shape_text(&shape, a), (long long)offset, vka_shape_text(&v.shape, b));
    }
    v.offset += offset;
    v.shape = shape;
    for (int i = 0; i < shape.rank; i++)
        v.stride[i] = stride[i];
    return vka_add_value(g, &v);
}
