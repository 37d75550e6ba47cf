// SPDX-License-Identifier: MIT
//
// argmax: where the largest value along an axis is; the first of equals, NaN the largest.
#include "ops/infer.h"
#include "ops/ops.h"
#include "ops/rows.h"
#include "argmax.h"

enum { TILE = 64 };

struct params {
    int axis;
    bool keep;
};

vka_tensor vka_argmax(vka_graph *g, vka_tensor x, int axis, bool keep)
{
    struct params params = {axis, keep};
    return vka_add_node(g, &vka_op_argmax, &params, 1, &x, NULL);
}

static bool infer(struct vka_infer *n)
{
    const struct params *p = n->params;
    if (!vka_infer_type(n, "argmax", 0, VKA_F32))
        return false;
    const vka_shape *x = &n->in[0]->shape;
    int axis = vka_infer_axis(n, "argmax", p->axis, x->rank);
    if (axis < 0)
        return false;
    if (x->dim[axis] > INT32_MAX) {
        vka_fail(n->g, "argmax: an axis of %lld elements is too long for I32",
                 (long long)x->dim[axis]);
        return false;
    }
    n->n_out = 1;
    n->out_dtype[0] = VKA_I32;
    n->out_shape[0] = vka_shape_reduced(x, 1u << axis, p->keep);
    return true;
}

static struct vka_rows rows_of(const struct vka_args *args, struct vka_array *y)
{
    const struct params *p = args->params;
    int axis = p->axis < 0 ? p->axis + args->in[0].rank : p->axis;
    *y = vka_rows_keep(&args->out[0], &args->in[0], 1u << axis);
    const struct vka_array *arrays[] = {&args->in[0], y};
    return vka_rows_of(1u << axis, true, 2, arrays);
}

// --- CPU: a run of rows whose elements are `along` apart, column by column ---

struct job {
    const struct vka_args *args;
    struct vka_rows r;
};

static void tile_rows(const float *x, int64_t next, int64_t along, int64_t columns, int32_t *y,
                      int64_t count)
{
    float best[TILE];
    for (int64_t i = 0; i < count; i++) {
        best[i] = x[i * next];
        y[i] = 0;
    }
    for (int64_t c = 1; c < columns; c++) {
        x += along;
        for (int64_t i = 0; i < count; i++) {
            float v = x[i * next];
            bool first_nan = v != v && best[i] == best[i];
            if (v > best[i] || first_nan) {
                best[i] = v;
                y[i] = (int32_t)c;
            }
        }
    }
}

static void run_rows(void *arg, const struct vka_strided *s, const int64_t *at, int64_t index,
                     int64_t count)
{
    const struct job *job = arg;
    const float *x = (const float *)job->args->in[0].data + at[0];
    int64_t next = s->stride[0][s->rank - 1], along = job->r.reduced.stride[0][0];
    int64_t tile = next == 1 ? TILE : 1;
    int32_t *y = (int32_t *)job->args->out[0].data + index;
    for (int64_t i = 0; i < count; i += tile)
        tile_rows(x + i * next, next, along, job->r.columns, y + i,
                  count - i < tile ? count - i : tile);
}

static void row_piece(void *arg, int64_t piece, int thread)
{
    const struct job *job = arg;
    int64_t pieces = vka_pieces(NULL, job->r.rows, job->r.rows * job->r.columns * 2);
    (void)thread;
    vka_strided_range(&job->r.kept, job->r.rows * piece / pieces,
                      job->r.rows * (piece + 1) / pieces, run_rows, arg);
}

static void cpu(const struct vka_cpu_run *run)
{
    struct vka_array y;
    struct job job = {run->args, rows_of(run->args, &y)};
    int64_t pieces = vka_pieces(run->threads, job.r.rows, job.r.rows * job.r.columns * 2);
    vka_parallel(run->threads, pieces, row_piece, &job);
}

// --- Vulkan ---

static void launch(struct vka_launch *l, const struct vka_args *args)
{
    struct vka_array y;
    struct vka_rows r = rows_of(args, &y);
    struct vka_row_group group = vka_rows_group(vka_launch_limits(l), &r);
    uint32_t tail[] = {(uint32_t)r.columns, (uint32_t)r.reduced.stride[0][0]};
    struct vka_strided_launch d = {.shader = "argmax",
                                   .array = {&args->in[0], &y},
                                   .tail = tail,
                                   .tail_size = sizeof tail,
                                   .along = &r.reduced,
                                   .group = {group.rows, group.lanes},
                                   .turns = vka_rows_turns(&r, group.lanes, 1)};
    _Static_assert(sizeof(struct vka_push_argmax) == (5 + 2 * 5) * 4 + sizeof tail,
                   "push constants");
    vka_strided_emit(l, &r.kept, &d);
}

static bool fits(const struct vka_limits *limits, const struct vka_args *args)
{
    struct vka_array y;
    struct vka_rows r = rows_of(args, &y);
    return vka_rows_fit(limits, &r, 1);
}

// --- where a row is too long: the first best of each part, then the first best part ---

// [count, 1, ...]: numbers `step` apart, to broadcast along an axis with `after` axes behind it.
static vka_tensor numbers(vka_graph *g, int64_t count, int64_t step, int after)
{
    vka_shape shape = {1 + after, {count, 1, 1, 1, 1, 1, 1, 1}};
    return vka_reshape(g, vka_count_up(g, count, 0, step), shape);
}

static vka_tensor argmax_long(vka_graph *g, vka_tensor x, int axis, const struct vka_parts *parts)
{
    vka_tensor view = vka_parts_view(g, x, axis, parts);
    vka_tensor at = vka_argmax(g, view, axis + 1, false);
    vka_tensor most = vka_reduce(g, VKA_REDUCE_MAX, view, 1u << (axis + 1), false);
    if (parts->tail > 0) {
        vka_tensor tail = vka_parts_tail(g, x, axis, parts);
        at = VKA_CONCAT(g, axis, at, vka_argmax(g, tail, axis, true));
        most = VKA_CONCAT(g, axis, most, vka_reduce(g, VKA_REDUCE_MAX, tail, 1u << axis, true));
    }
    int after = vka_rank(g, x) - 1 - axis;
    int64_t count = vka_dim(g, most, axis);
    const int32_t none = 0;
    vka_tensor zero = vka_constant(g, VKA_I32, &(vka_shape){0}, &none);
    vka_tensor best = vka_argmax(g, most, axis, true);
    vka_tensor is_best = vka_binary(g, VKA_EQ, best, numbers(g, count, 1, after));
    at = vka_binary(g, VKA_ADD, at, numbers(g, count, parts->length, after));
    return vka_reduce(g, VKA_REDUCE_MAX, vka_where(g, is_best, at, zero), 1u << axis, true);
}

static void expand(vka_graph *g, const struct vka_op_node *node, vka_tensor out[VKA_MAX_OUT])
{
    enum { SHORT = 64 };
    const struct params *p = node->params;
    vka_shape shape = vka_shape_of(g, node->in[0]);
    int axis = p->axis < 0 ? p->axis + shape.rank : p->axis;
    int64_t columns = shape.dim[axis];
    struct vka_parts parts = vka_parts_of(columns, columns);
    vka_tensor x = node->in[0];
    if (columns < SHORT) // it isn't that
        return;
    if (shape.rank == VKA_MAX_RANK) {
        x = vka_rows_three_axes(g, x, axis);
        axis = 1;
    }
    out[0] = vka_reshape(g, argmax_long(g, x, axis, &parts), vka_shape_of(g, node->out[0]));
}

static const struct vka_variant variants[] = {{"baseline", fits, launch}, {0}};

const struct vka_op vka_op_argmax = {
    .name = "argmax",
    .summary = "where the largest value along an axis is",
    .params_size = sizeof(struct params),
    .flags = VKA_OP_STRIDED,
    .infer = infer,
    .cpu = cpu,
    .variants = variants,
    .expand = expand,
};
