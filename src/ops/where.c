// SPDX-License-Identifier: MIT
//
// where: one of two operands, element by element, broadcast. Words move as they are.
#include "ops/infer.h"
#include "ops/ops.h"
#include "ops/strided.h"
#include "where.h"

enum { A, B, COND, Y }; // the result may be stored over a

vka_tensor vka_where(vka_graph *g, vka_tensor cond, vka_tensor a, vka_tensor b)
{
    return vka_add_node(g, &vka_op_where, NULL, 3, (const vka_tensor[]){a, b, cond}, NULL);
}

static bool infer(struct vka_infer *n)
{
    vka_shape both;
    if (!vka_infer_present(n, "where", A) || !vka_infer_type(n, "where", B, n->in[A]->dtype) ||
        !vka_infer_type(n, "where: condition", COND, VKA_BOOL))
        return false;
    n->n_out = 1;
    n->out_dtype[0] = n->in[A]->dtype;
    return vka_infer_broadcast(n, "where", &n->in[A]->shape, &n->in[B]->shape, &both) &&
           vka_infer_broadcast(n, "where: condition", &n->in[COND]->shape, &both, &n->out_shape[0]);
}

static void run_span(void *arg, const struct vka_strided *s, const int64_t *at, int64_t index,
                     int64_t count)
{
    const struct vka_args *args = arg;
    uint32_t *y = (uint32_t *)args->out[0].data + at[Y];
    (void)index;
    for (int64_t i = 0; i < count; i += VKA_STRIDED_SPAN) {
        int64_t n = count - i < VKA_STRIDED_SPAN ? count - i : VKA_STRIDED_SPAN;
        uint32_t span[3][VKA_STRIDED_SPAN];
        const uint32_t *in[3];
        for (int k = 0; k < 3; k++) {
            int64_t step = s->stride[k][s->rank - 1];
            in[k] = (const uint32_t *)args->in[k].data + at[k] + i * step;
            in[k] = vka_gather_span(span[k], in[k], step, n);
        }
        for (int64_t k = 0; k < n; k++)
            y[i + k] = in[COND][k] != 0 ? in[A][k] : in[B][k];
    }
}

static void cpu(const struct vka_cpu_run *run)
{
    struct vka_strided s = vka_strided_of_args(run->args, NULL);
    vka_strided_run(run->threads, &s, 2, run_span, (void *)run->args);
}

static void launch(struct vka_launch *l, const struct vka_args *args)
{
    struct vka_strided_launch d = {.shader = args->in[A].dtype == VKA_F32 ? "where" : "where_int"};
    _Static_assert(sizeof(struct vka_push_where) == (5 + 4 * 5) * 4, "push constants");
    struct vka_strided s = vka_strided_of_args(args, d.array);
    vka_strided_emit(l, &s, &d);
}

static const struct vka_variant variants[] = {{"baseline", NULL, launch}, {0}};

const struct vka_op vka_op_where = {
    .name = "where",
    .summary = "one of two operands, by a condition",
    .flags = VKA_OP_STRIDED | VKA_OP_IN_PLACE,
    .infer = infer,
    .cpu = cpu,
    .variants = variants,
};
