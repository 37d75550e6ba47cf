// SPDX-License-Identifier: MIT
//
// unary: a function of one float, element by element.
#include "cpu/activation.h"
#include "ops/infer.h"
#include "ops/ops.h"
#include "ops/strided.h"
#include "unary.h"

vka_tensor vka_unary(vka_graph *g, vka_tensor x, struct vka_activation f)
{
    return f.kind == VKA_ACT_NONE ? x : vka_add_node(g, &vka_op_unary, &f, 1, &x, NULL);
}

vka_tensor vka_affine(vka_graph *g, vka_tensor x, double scale, double shift)
{
    return vka_unary(g, x, (struct vka_activation){VKA_ACT_AFFINE, (float)scale, (float)shift});
}

static bool infer(struct vka_infer *n)
{
    const struct vka_activation *f = n->params;
    if (!vka_infer_type(n, "unary", 0, VKA_F32))
        return false;
    if (f->kind < 0 || f->kind >= VKA_ACT_COUNT) {
        vka_fail(n->g, "unary: there is no function %d", f->kind);
        return false;
    }
    n->n_out = 1;
    n->out_shape[0] = n->in[0]->shape;
    return true;
}

static void run_span(void *arg, const struct vka_strided *s, const int64_t *at, int64_t index,
                     int64_t count)
{
    const struct vka_args *args = arg;
    const struct vka_activation *f = args->params;
    const float *x = (const float *)args->in[0].data + at[0];
    float *y = (float *)args->out[0].data + at[1];
    int64_t stride = s->stride[0][s->rank - 1];
    (void)index;
    for (int64_t i = 0; i < count; i += VKA_STRIDED_SPAN) {
        int64_t n = count - i < VKA_STRIDED_SPAN ? count - i : VKA_STRIDED_SPAN;
        uint32_t span[VKA_STRIDED_SPAN];
        vka_activate_span(*f, y + i, vka_gather_span(span, x + i * stride, stride, n), n);
    }
}

static void cpu(const struct vka_cpu_run *run)
{
    struct vka_strided s = vka_strided_of_args(run->args, NULL);
    vka_strided_run(run->threads, &s, 4, run_span, (void *)run->args);
}

static void emit(struct vka_launch *l, const struct vka_args *args, bool fours)
{
    const struct vka_activation *f = args->params;
    float tail[] = {f->a, f->b};
    struct vka_strided_launch d = {.shader = fours ? "unary_fours" : "unary",
                                   .constants = {(uint32_t)f->kind},
                                   .n_constants = 1,
                                   .tail = tail,
                                   .tail_size = sizeof tail,
                                   .fours = fours};
    _Static_assert(sizeof(struct vka_push_unary) == (5 + 2 * 5) * 4 + sizeof tail,
                   "push constants");
    struct vka_strided s = vka_strided_of_args(args, d.array);
    vka_strided_emit(l, &s, &d);
}

static void launch(struct vka_launch *l, const struct vka_args *args)
{
    emit(l, args, false);
}

static bool fits_fours(const struct vka_limits *limits, const struct vka_args *args)
{
    const struct vka_array *arrays[VKA_STRIDED_OPERANDS];
    struct vka_strided s = vka_strided_of_args(args, arrays);
    return vka_strided_fours(limits, &s, arrays) && s.stride[0][s.rank - 1] == 1;
}

static void launch_fours(struct vka_launch *l, const struct vka_args *args)
{
    emit(l, args, true);
}

static const struct vka_variant variants[] = {
    {"fours", fits_fours, launch_fours}, {"baseline", NULL, launch}, {0}};

const struct vka_op vka_op_unary = {
    .name = "unary",
    .summary = "a function of one float: activations, exp, sqrt, affine, ...",
    .params_size = sizeof(struct vka_activation),
    .flags = VKA_OP_STRIDED | VKA_OP_IN_PLACE,
    .infer = infer,
    .cpu = cpu,
    .variants = variants,
};
