// SPDX-License-Identifier: MIT
//
// Collapsing axes, walking operands on the CPU, push constants for shaders.
#include "ops/strided.h"
#include "util/whole.h"

#include <string.h>

enum { MOST_FOURS = 128 }; // that a lane takes
enum { GROUP = 128, MOST_DISPATCHES = 1 << 16 };

static int64_t broadcast_stride(const struct vka_array *a, int shape_rank, int axis)
{
    int own = axis - (shape_rank - a->rank);
    return own < 0 || a->dim[own] == 1 ? 0 : a->stride[own];
}

// Whether the last axis of `s` and one more of `dim` elements at `stride` are one to every operand.
static bool merges(const struct vka_strided *s, int64_t dim, const int64_t *stride)
{
    for (int k = 0; k < s->n; k++) {
        if (s->stride[k][s->rank - 1] != stride[k] * dim)
            return false;
    }
    return true;
}

static void add_axis(struct vka_strided *s, int64_t dim, const int64_t *stride)
{
    if (s->rank > 0 && merges(s, dim, stride))
        s->dim[s->rank - 1] *= dim;
    else
        s->dim[s->rank++] = dim;
    for (int k = 0; k < s->n; k++)
        s->stride[k][s->rank - 1] = stride[k];
}

struct vka_strided vka_strided_axes(const struct vka_array *shape, int n,
                                    const struct vka_array *const *arrays, const int *order,
                                    int count)
{
    struct vka_strided s = {.n = n};
    for (int i = 0; i < count; i++) {
        int64_t stride[VKA_STRIDED_OPERANDS];
        for (int k = 0; k < n; k++)
            stride[k] = broadcast_stride(arrays[k], shape->rank, order[i]);
        if (shape->dim[order[i]] != 1)
            add_axis(&s, shape->dim[order[i]], stride);
    }
    if (s.rank == 0)
        s.dim[s.rank++] = 1;
    return s;
}

struct vka_strided vka_strided_of(const struct vka_array *shape, int n,
                                  const struct vka_array *const *arrays)
{
    static const int order[VKA_MAX_RANK] = {0, 1, 2, 3, 4, 5, 6, 7};
    return vka_strided_axes(shape, n, arrays, order, shape->rank);
}

struct vka_strided vka_strided_of_args(const struct vka_args *args, const struct vka_array **arrays)
{
    const struct vka_array *all[VKA_STRIDED_OPERANDS];
    for (int i = 0; i < args->n_in; i++)
        all[i] = &args->in[i];
    all[args->n_in] = &args->out[0];
    for (int i = 0; arrays && i <= args->n_in; i++)
        arrays[i] = all[i];
    return vka_strided_of(&args->out[0], args->n_in + 1, all);
}

int64_t vka_strided_count(const struct vka_strided *s)
{
    int64_t count = 1;
    for (int i = 0; i < s->rank; i++)
        count *= s->dim[i];
    return count;
}

// --- CPU ---

void vka_strided_at(const struct vka_strided *s, int64_t index, int64_t at[VKA_STRIDED_OPERANDS])
{
    memset(at, 0, sizeof *at * VKA_STRIDED_OPERANDS);
    for (int i = s->rank - 1; i >= 0; i--) {
        int64_t coord = index % s->dim[i];
        index /= s->dim[i];
        for (int k = 0; k < s->n; k++)
            at[k] += coord * s->stride[k][i];
    }
}

// One step along the axis before the last one, carried on where it is full. `coord` counts them.
static void next_row(const struct vka_strided *s, int64_t *coord, int64_t *at)
{
    for (int i = s->rank - 2; i >= 0; i--) {
        for (int k = 0; k < s->n; k++)
            at[k] += s->stride[k][i];
        if (++coord[i] < s->dim[i])
            return;
        for (int k = 0; k < s->n; k++)
            at[k] -= s->stride[k][i] * s->dim[i];
        coord[i] = 0;
    }
}

void vka_strided_range(const struct vka_strided *s, int64_t begin, int64_t end, vka_strided_fn fn,
                       void *arg)
{
    int64_t inner = s->dim[s->rank - 1], at[VKA_STRIDED_OPERANDS], coord[VKA_MAX_RANK];
    int64_t skip = begin % inner, row = begin / inner;
    vka_strided_at(s, row * inner, at);
    for (int i = s->rank - 2; i >= 0; i--) {
        coord[i] = row % s->dim[i];
        row /= s->dim[i];
    }
    while (begin < end) {
        int64_t count = inner - skip < end - begin ? inner - skip : end - begin;
        int64_t from[VKA_STRIDED_OPERANDS];
        for (int k = 0; k < s->n; k++)
            from[k] = at[k] + skip * s->stride[k][s->rank - 1];
        fn(arg, s, from, begin, count);
        begin += count;
        skip = 0;
        next_row(s, coord, at);
    }
}

struct running {
    const struct vka_strided *s;
    vka_strided_fn fn;
    void *arg;
    int64_t count, pieces;
};

// Piece boundaries at multiples of 64 elements: threads don't write to one cache line.
static int64_t boundary(const struct running *r, int64_t piece)
{
    return piece == r->pieces ? r->count : r->count / 64 * piece / r->pieces * 64;
}

static void run_piece(void *arg, int64_t piece, int thread)
{
    const struct running *r = arg;
    (void)thread;
    vka_strided_range(r->s, boundary(r, piece), boundary(r, piece + 1), r->fn, r->arg);
}

void vka_strided_run(struct vka_threads *threads, const struct vka_strided *s, int64_t cost,
                     vka_strided_fn fn, void *arg)
{
    struct running r = {s, fn, arg, vka_strided_count(s), 1};
    r.pieces = vka_pieces(threads, r.count / 64 + 1, r.count * cost);
    vka_parallel(threads, r.pieces, run_piece, &r);
}

const void *vka_gather_span(uint32_t *span, const void *from, int64_t stride, int64_t count)
{
    const uint32_t *words = from;
    if (stride == 1)
        return words;
    if (stride == 0) {
        uint32_t value = *words;
        for (int64_t i = 0; i < count; i++)
            span[i] = value;
    } else {
        for (int64_t i = 0; i < count; i++)
            span[i] = words[i * stride];
    }
    return span;
}

// --- Vulkan ---

static void move_axis(struct vka_strided *to, const struct vka_strided *from, int axis)
{
    to->dim[to->rank] = from->dim[axis];
    for (int k = 0; k < from->n; k++)
        to->stride[k][to->rank] = from->stride[k][axis];
    to->rank++;
}

void vka_strided_split(const struct vka_strided *s, int keep, struct vka_strided *rest,
                       struct vka_strided *outer)
{
    bool out[VKA_MAX_RANK] = {false};
    for (int over = s->rank - keep; over > 0; over--) {
        int smallest = -1;
        for (int i = 0; i < s->rank; i++) {
            if (!out[i] && (smallest < 0 || s->dim[i] < s->dim[smallest]))
                smallest = i;
        }
        out[smallest] = true;
    }
    *rest = *outer = (struct vka_strided){.n = s->n};
    for (int i = 0; i < s->rank; i++)
        move_axis(out[i] ? outer : rest, s, i);
}

int vka_strided_words(const struct vka_strided *s, const uint32_t *offset, uint32_t *words)
{
    int n = 0;
    words[n++] = (uint32_t)vka_strided_count(s);
    for (int i = 0; i < VKA_STRIDED_AXES; i++)
        words[n++] = i < s->rank ? (uint32_t)s->dim[s->rank - 1 - i] : 1;
    for (int k = 0; k < s->n; k++)
        words[n++] = offset[k];
    for (int k = 0; k < s->n; k++) {
        for (int i = 0; i < VKA_STRIDED_AXES; i++)
            words[n++] = i < s->rank ? (uint32_t)s->stride[k][s->rank - 1 - i] : 0;
    }
    return n;
}

void vka_strided_append(struct vka_array *to, const struct vka_strided *s, int operand)
{
    for (int i = 0; i < s->rank && to->rank < VKA_MAX_RANK; i++) {
        to->dim[to->rank] = s->dim[i];
        to->stride[to->rank++] = s->stride[operand][i];
    }
}

// The part of an array that one dispatch runs through: same base, other shape.
static struct vka_array part_of(const struct vka_strided_launch *d, const struct vka_strided *s,
                                int operand, int64_t at)
{
    struct vka_array part = *d->array[operand];
    if (!vka_present(&part))
        return part;
    part.rank = 0;
    part.offset += at;
    vka_strided_append(&part, s, operand);
    if (d->along)
        vka_strided_append(&part, d->along, operand);
    return part;
}

bool vka_strided_fours(const struct vka_limits *limits, const struct vka_strided *s,
                       const struct vka_array *const *arrays)
{
    int last = s->rank - 1;
    if (!limits->is_cpu || limits->subgroup_size < VKA_FOURS_LANES || s->rank > VKA_STRIDED_AXES ||
        s->dim[last] % 4 != 0 || (s->rank > 1 && s->dim[last] < 4 * VKA_FOURS_LANES) ||
        s->stride[s->n - 1][last] != 1)
        return false;
    for (int k = 0; k < s->n; k++) {
        bool aligned = arrays[k]->offset % 4 == 0;
        for (int i = 0; i < last; i++)
            aligned &= s->stride[k][i] % 4 == 0;
        if (s->stride[k][last] != 0 && (s->stride[k][last] != 1 || !aligned))
            return false;
    }
    return true;
}

// The number of workgroups; tells the shader how many fours a lane takes, of which operands.
static uint64_t cut_rows(const struct vka_strided *s, uint32_t *walk)
{
    int last = s->rank - 1;
    int64_t fours = s->dim[last] / 4, turns = vka_divide_up(fours, VKA_FOURS_LANES);
    turns = vka_smaller(turns, MOST_FOURS);
    *walk |= (uint32_t)turns << 4;
    for (int k = 0; k < s->n; k++)
        *walk |= (s->stride[k][last] == 1 ? 1u : 0u) << (16 + k);
    return (uint64_t)(vka_strided_count(s) / s->dim[last] *
                      vka_divide_up(fours, turns * VKA_FOURS_LANES));
}

static void emit_part(struct vka_launch *l, const struct vka_strided *s,
                      const struct vka_strided_launch *d, const int64_t *at)
{
    struct vka_dispatch dispatch;
    uint32_t offset[VKA_STRIDED_OPERANDS], push[VKA_PUSH_BYTES / 4];
    uint32_t size = d->group[0] ? d->group[0] : GROUP, lanes = d->group[0] ? d->group[1] : 1;
    uint32_t walk = (uint32_t)s->rank;
    uint64_t count = (uint64_t)vka_strided_count(s);
    uint64_t groups = d->fours ? cut_rows(s, &walk) : (count + size - 1) / size;
    vka_begin(l, &dispatch, d->shader, d->fours ? VKA_FOURS_LANES : size, lanes, 1);
    vka_constant_u32(&dispatch, walk);
    for (int i = 0; i < d->n_constants; i++)
        vka_constant_u32(&dispatch, d->constants[i]);
    for (int k = 0; k < s->n; k++) {
        struct vka_array part = part_of(d, s, k, at[k]);
        offset[k] = vka_bind(l, &dispatch, &part, k + 1 < s->n ? VKA_READ : VKA_WRITE);
    }
    int words = vka_strided_words(s, offset, push);
    if (d->tail_size)
        memcpy(push + words, d->tail, d->tail_size);
    vka_push(&dispatch, push, (uint32_t)words * 4 + d->tail_size);
    if (d->along)
        vka_turns(&dispatch, d->turns, "a row");
    else if (d->fours)
        vka_turns(&dispatch, MOST_FOURS + 1, "a part of a row");
    else
        vka_no_loops(&dispatch);
    vka_emit(l, &dispatch, groups, 1, 1);
}

void vka_strided_emit(struct vka_launch *l, const struct vka_strided *s,
                      const struct vka_strided_launch *d)
{
    struct vka_strided rest, outer;
    vka_strided_split(s, VKA_STRIDED_AXES, &rest, &outer);
    int64_t dispatches = vka_strided_count(&outer), count = vka_strided_count(&rest);
    if (count > UINT32_MAX || dispatches > MOST_DISPATCHES) {
        vka_launch_fail(l, "%s: %lld elements in each of %lld dispatches are too many", d->shader,
                        (long long)count, (long long)dispatches);
        return;
    }
    for (int64_t i = 0; i < dispatches; i++) {
        int64_t at[VKA_STRIDED_OPERANDS];
        vka_strided_at(&outer, i, at);
        emit_part(l, &rest, d, at);
    }
}
