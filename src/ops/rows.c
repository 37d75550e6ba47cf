// SPDX-License-Identifier: MIT
//
// Splitting axes into rows and columns, and the workgroups for them.
#include "ops/rows.h"
#include "util/whole.h"

#include <string.h>

static int64_t magnitude(const struct vka_array *a, int axis)
{
    return a->stride[axis] < 0 ? -a->stride[axis] : a->stride[axis];
}

static void sort_axes(const struct vka_array *x, int *axes, int count)
{
    for (int i = 1; i < count; i++) {
        for (int k = i; k > 0 && magnitude(x, axes[k]) > magnitude(x, axes[k - 1]); k--) {
            int swap = axes[k];
            axes[k] = axes[k - 1];
            axes[k - 1] = swap;
        }
    }
}

struct vka_rows vka_rows_of(unsigned axes, bool in_order, int n,
                            const struct vka_array *const *arrays)
{
    const struct vka_array *x = arrays[0];
    int kept[VKA_MAX_RANK], reduced[VKA_MAX_RANK], n_kept = 0, n_reduced = 0;
    for (int i = 0; i < x->rank; i++) {
        if (axes >> i & 1)
            reduced[n_reduced++] = i;
        else
            kept[n_kept++] = i;
    }
    if (!in_order)
        sort_axes(x, reduced, n_reduced);
    struct vka_rows r = {.kept = vka_strided_axes(x, n, arrays, kept, n_kept),
                         .reduced = vka_strided_axes(x, n, arrays, reduced, n_reduced)};
    r.rows = vka_strided_count(&r.kept);
    r.columns = vka_strided_count(&r.reduced);
    return r;
}

struct vka_array vka_rows_keep(const struct vka_array *result, const struct vka_array *x,
                               unsigned axes)
{
    if (result->rank == x->rank)
        return *result;
    struct vka_array kept = *result;
    kept.rank = x->rank;
    for (int i = 0, own = 0; i < x->rank; i++) {
        bool reduced = axes >> i & 1;
        kept.dim[i] = reduced ? 1 : result->dim[own];
        kept.stride[i] = reduced ? 0 : result->stride[own];
        own += !reduced;
    }
    return kept;
}

bool vka_rows_side_by_side(const struct vka_rows *r)
{
    int last = r->kept.rank - 1;
    return r->kept.stride[0][last] == 1 && r->kept.dim[last] >= 8 && r->columns > 1 &&
           r->reduced.stride[0][r->reduced.rank - 1] != 1;
}

// A row for a whole GPU is worth being cut long before it must be.
static int64_t most_turns(const struct vka_limits *limits, int64_t rows)
{
    enum { FEW_ROWS = 16 };
    return vka_smaller(VKA_MOST_TURNS, limits->max_turns) / (rows < FEW_ROWS ? 8 : 1);
}

struct vka_row_group vka_rows_group(const struct vka_limits *limits, const struct vka_rows *r)
{
    enum { FLOOR = 128, MANY = 256, NEIGHBOURS = 8 };
    uint32_t size = FLOOR, lanes = 1;
    // A program computes so many neighbours along the first axis at once: a row each, and nothing
    // to wait for. Three passes are the most of all operations.
    if (limits->is_cpu && !vka_rows_side_by_side(r) && r->rows >= NEIGHBOURS &&
        vka_rows_turns(r, 1, 3) <= (double)most_turns(limits, 1))
        return (struct vka_row_group){NEIGHBOURS, 1};
    if (r->columns >= 4096 && limits->max_invocations >= MANY && limits->max_group_size[1] >= MANY)
        size = MANY;
    // Rows side by side: at least 8 of them, so that neighbours read neighbouring elements.
    uint32_t most = !vka_rows_side_by_side(r) ? size : r->rows < 2048 ? size / 8 : size / 32;
    while (lanes < most && lanes * 2 <= r->columns)
        lanes *= 2;
    return (struct vka_row_group){size / lanes, lanes};
}

enum vka_rows_fours vka_rows_fours(const struct vka_limits *limits, const struct vka_rows *r,
                                   const struct vka_array *x)
{
    int kept = r->kept.rank - 1;
    enum vka_rows_fours found = VKA_FOURS_NONE;
    if (!limits->is_cpu || limits->subgroup_size < VKA_FOURS_LANES || r->reduced.rank != 1 ||
        x->offset % 4 != 0)
        return found;
    if (r->reduced.stride[0][0] == 1 && r->columns % 4 == 0)
        found = VKA_FOURS_ALONG;
    else if (r->kept.stride[0][kept] == 1 && r->kept.dim[kept] % 4 == 0 &&
             r->reduced.stride[0][0] % 4 == 0)
        found = VKA_FOURS_ACROSS;
    bool along = found == VKA_FOURS_ALONG;
    for (int i = 0; i < (along ? kept + 1 : kept); i++) {
        if (r->kept.stride[0][i] % 4 != 0 && r->kept.dim[i] > 1)
            found = VKA_FOURS_NONE;
    }
    int64_t fours = along ? r->columns / 4 : r->rows / 4;
    return fours >= VKA_FOURS_LANES ? found : VKA_FOURS_NONE;
}

bool vka_rows_fit(const struct vka_limits *limits, const struct vka_rows *r, int passes)
{
    uint32_t lanes = vka_rows_group(limits, r).lanes;
    return vka_rows_turns(r, lanes, passes) <= (double)most_turns(limits, r->rows);
}

double vka_rows_turns(const struct vka_rows *r, uint32_t lanes, int passes)
{
    // Several axes of an element's place are a loop, too.
    int each = r->reduced.rank > 1 ? 1 + r->reduced.rank : 1;
    return (double)vka_divide_up(r->columns, lanes) * passes * each;
}

struct vka_parts vka_parts_of(int64_t size, int64_t columns)
{
    enum { COLUMNS = 1 << 16, FEWEST = 16 };
    int64_t wanted = columns / COLUMNS > FEWEST ? columns / COLUMNS : FEWEST;
    struct vka_parts p = {.length = size / wanted > 1 ? size / wanted : 1};
    p.count = size / p.length;
    p.tail = size % p.length;
    return p;
}

vka_tensor vka_parts_view(vka_graph *g, vka_tensor x, int axis, const struct vka_parts *parts)
{
    vka_shape shape = vka_shape_of(g, x);
    for (int i = shape.rank++; i > axis + 1; i--)
        shape.dim[i] = shape.dim[i - 1];
    shape.dim[axis] = parts->count;
    shape.dim[axis + 1] = parts->length;
    return vka_reshape(g, vka_slice(g, x, axis, 0, parts->count * parts->length), shape);
}

vka_tensor vka_parts_tail(vka_graph *g, vka_tensor x, int axis, const struct vka_parts *parts)
{
    return vka_slice(g, x, axis, parts->count * parts->length, parts->tail);
}

vka_tensor vka_rows_three_axes(vka_graph *g, vka_tensor x, int axis)
{
    vka_shape from = vka_shape_of(g, x), shape = {3, {1, from.dim[axis], 1}};
    for (int i = 0; i < from.rank; i++) {
        if (i != axis)
            shape.dim[i < axis ? 0 : 2] *= from.dim[i];
    }
    return vka_reshape(g, x, shape);
}
