// SPDX-License-Identifier: MIT
//
// where: one of two operands, by a third. Words move as they are.
#include "ops/infer.h"
#include "ops/ops.h"
#include "ops/strided.h"
#include "where.h"

enum { COND, YES, NO };

vka_tensor vka_where(vka_graph *g, vka_tensor cond, vka_tensor a, vka_tensor b)
{
    vka_tensor in[] = {cond, a, b};
    return vka_add_node(g, &vka_op_where, NULL, 3, in, NULL);
}

static bool infer(struct vka_infer *n)
{
    if (!vka_infer_type(n, "where", COND, VKA_BOOL) || !vka_infer_present(n, "where", YES) ||
        !vka_infer_type(n, "where", NO, n->in[YES]->dtype))
        return false;
    vka_shape both;
    n->n_out = 1;
    n->out_dtype[0] = n->in[YES]->dtype;
    return vka_infer_broadcast(n, "where", &n->in[YES]->shape, &n->in[NO]->shape, &both) &&
           vka_infer_broadcast(n, "where", &n->in[COND]->shape, &both, &n->out_shape[0]);
}

static void run_span(void *arg, const struct vka_strided *s, const int64_t *at, int64_t index,
                     int64_t count)
{
    const struct vka_args *args = arg;
    const uint32_t *cond = (const uint32_t *)args->in[COND].data + at[0];
    const uint32_t *a = (const uint32_t *)args->in[YES].data + at[1];
    const uint32_t *b = (const uint32_t *)args->in[NO].data + at[2];
    uint32_t *y = (uint32_t *)args->out[0].data + at[3];
    int last = s->rank - 1;
    int64_t step_cond = s->stride[0][last], step_a = s->stride[1][last],
            step_b = s->stride[2][last];
    (void)index;
    for (int64_t i = 0; i < count; i++)
        y[i] = cond[i * step_cond] ? a[i * step_a] : b[i * step_b];
}

static struct vka_strided walk(const struct vka_args *args)
{
    const struct vka_array *arrays[] = {&args->in[COND], &args->in[YES], &args->in[NO],
                                        &args->out[0]};
    return vka_strided_of(&args->out[0], 4, arrays);
}

static void cpu(const struct vka_cpu_run *run)
{
    struct vka_strided s = walk(run->args);
    vka_strided_run(run->threads, &s, 2, run_span, (void *)run->args);
}

static void launch(struct vka_launch *l, const struct vka_args *args)
{
    struct vka_strided s = walk(args);
    struct vka_strided_launch d = {
        .shader = args->out[0].dtype == VKA_F32 ? "where" : "where_int",
        .array = {&args->in[COND], &args->in[YES], &args->in[NO], &args->out[0]}};
    _Static_assert(sizeof(struct vka_push_where) == (5 + 4 * 5) * 4, "push constants");
    vka_strided_emit(l, &s, &d);
}

static const struct vka_variant variants[] = {{"baseline", NULL, launch}, {0}};

const struct vka_op vka_op_where = {
    .name = "where",
    .summary = "one of two operands, by a third, broadcast",
    .flags = VKA_OP_STRIDED,
    .infer = infer,
    .cpu = cpu,
    .variants = variants,
};
