// SPDX-License-Identifier: MIT
//
// argmax: where the largest value along an axis stands, the first of equals.
#include "cpu/threads.h"
#include "ops/infer.h"
#include "ops/ops.h"
#include "argmax.h"

enum { GROUP = 64, LONG_ROW = 256, LANES = 32 };

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
    const vka_shape *shape = &n->in[0]->shape;
    int axis = vka_infer_axis(n, "argmax", p->axis, shape->rank);
    if (axis < 0)
        return false;
    if (shape->dim[axis] > INT32_MAX) {
        vka_fail(n->g, "argmax: an axis of %lld elements; at most 2^31 - 1 go",
                 (long long)shape->dim[axis]);
        return false;
    }
    n->n_out = 1;
    n->out_dtype[0] = VKA_I32;
    n->out_shape[0] = vka_shape_reduced(shape, 1u << axis, p->keep);
    return true;
}

struct argmaxing {
    const float *x;
    int32_t *y;
    int64_t rows, size, inner, per_piece;
};

static struct argmaxing sizes(const struct vka_args *args)
{
    const struct params *p = args->params;
    const struct vka_array *x = &args->in[0];
    int axis = p->axis < 0 ? p->axis + x->rank : p->axis;
    struct argmaxing c = {.x = x->data, .y = args->out[0].data, .size = x->dim[axis], .inner = 1};
    for (int i = axis + 1; i < x->rank; i++)
        c.inner *= x->dim[i];
    c.rows = vka_array_count(x) / c.size;
    return c;
}

static int32_t best_of(const float *x, int64_t size, int64_t step)
{
    int64_t best = 0;
    for (int64_t i = 1; i < size; i++) {
        float v = x[i * step], most = x[best * step];
        if (v > most || (v != v && most == most))
            best = i;
    }
    return (int32_t)best;
}

static void run_piece(void *arg, int64_t piece, int thread)
{
    const struct argmaxing *c = arg;
    int64_t end = (piece + 1) * c->per_piece;
    (void)thread;
    for (int64_t row = piece * c->per_piece; row < end && row < c->rows; row++) {
        const float *x = c->x + row / c->inner * c->size * c->inner + row % c->inner;
        c->y[row] = best_of(x, c->size, c->inner);
    }
}

static void cpu(const struct vka_cpu_run *run)
{
    struct argmaxing c = sizes(run->args);
    int64_t pieces = vka_pieces(run->threads, c.rows, c.rows * c.size);
    c.per_piece = (c.rows + pieces - 1) / pieces;
    vka_parallel(run->threads, pieces, run_piece, &c);
}

static void launch(struct vka_launch *l, const struct vka_args *args)
{
    struct argmaxing c = sizes(args);
    if (vka_array_count(&args->in[0]) > UINT32_MAX)
        vka_launch_fail(l, "argmax: more than 2^32 elements");
    struct vka_dispatch d;
    uint32_t lanes = c.size >= LONG_ROW ? LANES : 1, rows = GROUP / lanes;
    vka_begin(l, &d, "argmax", GROUP, 1, 1);
    vka_constant_u32(&d, lanes);
    struct vka_push_argmax push = {
        .rows = (uint32_t)c.rows, .size = (uint32_t)c.size, .inner = (uint32_t)c.inner};
    push.x = vka_bind(l, &d, &args->in[0], VKA_READ);
    push.y = vka_bind(l, &d, &args->out[0], VKA_WRITE);
    VKA_PUSH(&d, push);
    vka_emit(l, &d, ((uint64_t)c.rows + rows - 1) / rows, 1, 1);
}

static const struct vka_variant variants[] = {{"baseline", NULL, launch}, {0}};

const struct vka_op vka_op_argmax = {
    .name = "argmax",
    .summary = "where the largest value along an axis stands",
    .params_size = sizeof(struct params),
    .infer = infer,
    .cpu = cpu,
    .variants = variants,
};
