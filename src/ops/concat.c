// SPDX-License-Identifier: MIT
//
// concat: tensors one behind the other along an axis. Each operand is copied into its slice of the
// output; words move as they are.
#include "ops/infer.h"
#include "ops/move.h"
#include "ops/ops.h"

struct params {
    int axis;
};

// More operands than a node takes are joined in groups first.
vka_tensor vka_concat(vka_graph *g, int axis, int count, const vka_tensor *x)
{
    if (vka_failed(g))
        return 0;
    if (count < 1)
        return vka_fail(g, "concat: no operand");
    while (count > VKA_MAX_IN) {
        vka_tensor *groups = vka_pool_alloc(g, ((size_t)count / VKA_MAX_IN + 1) * sizeof *groups);
        int n = 0;
        for (int i = 0; groups && i < count; i += VKA_MAX_IN)
            groups[n++] =
                vka_concat(g, axis, count - i < VKA_MAX_IN ? count - i : VKA_MAX_IN, x + i);
        if (vka_failed(g))
            return 0;
        x = groups;
        count = n;
    }
    if (count == 1)
        return x[0];
    struct params params = {axis};
    return vka_add_node(g, &vka_op_concat, &params, count, x, NULL);
}

static bool infer(struct vka_infer *n)
{
    const struct params *p = n->params;
    if (!vka_infer_present(n, "concat", 0))
        return false;
    const vka_shape *first = &n->in[0]->shape;
    int axis = vka_infer_axis(n, "concat", p->axis, first->rank);
    vka_shape out = *first;
    for (int i = 1; i < n->n_in && axis >= 0; i++) {
        if (!vka_infer_type(n, "concat", i, n->in[0]->dtype))
            return false;
        vka_shape same = n->in[i]->shape;
        if (same.rank == first->rank) {
            uint64_t sum = 0;
            if (!vka_add_size((uint64_t)out.dim[axis], (uint64_t)same.dim[axis], &sum)) {
                vka_fail(n->g, "concat: the axes are too long in all");
                return false;
            }
            out.dim[axis] = (int64_t)sum;
            same.dim[axis] = first->dim[axis];
        }
        if (!vka_shape_equal(&same, first)) {
            char a[VKA_SHAPE_TEXT], b[VKA_SHAPE_TEXT];
            vka_fail(n->g, "concat: along axis %d the shapes %s and %s don't fit", p->axis,
                     vka_shape_text(first, a), vka_shape_text(&n->in[i]->shape, b));
            return false;
        }
    }
    n->n_out = 1;
    n->out_dtype[0] = n->in[0]->dtype;
    n->out_shape[0] = out;
    return axis >= 0;
}

// The output's slice that belongs to operand i; returns where the next one begins.
static int64_t slice_of(const struct vka_args *args, int i, int64_t begin, struct vka_array *slice)
{
    const struct params *p = args->params;
    int axis = p->axis < 0 ? p->axis + args->out[0].rank : p->axis;
    *slice = args->out[0];
    slice->dim[axis] = args->in[i].dim[axis];
    slice->offset += begin * slice->stride[axis];
    if (slice->data)
        slice->data = (uint32_t *)slice->data + begin * slice->stride[axis];
    return begin + slice->dim[axis];
}

static void cpu(const struct vka_cpu_run *run)
{
    struct vka_array slice;
    int64_t begin = 0;
    for (int i = 0; i < run->args->n_in; i++) {
        begin = slice_of(run->args, i, begin, &slice);
        vka_copy_run(run->threads, &run->args->in[i], &slice);
    }
}

static void launch(struct vka_launch *l, const struct vka_args *args)
{
    struct vka_array slice;
    int64_t begin = 0;
    for (int i = 0; i < args->n_in; i++) {
        begin = slice_of(args, i, begin, &slice);
        vka_copy_launch(l, &args->in[i], &slice);
    }
}

static const struct vka_variant variants[] = {{"baseline", NULL, launch}, {0}};

const struct vka_op vka_op_concat = {
    .name = "concat",
    .summary = "tensors one behind the other along an axis",
    .params_size = sizeof(struct params),
    .flags = VKA_OP_STRIDED,
    .infer = infer,
    .cpu = cpu,
    .variants = variants,
};
