// SPDX-License-Identifier: MIT
//
// mix: two maps by their gates, added: x * a + z * b, broadcast, neither product stored.
#include "cpu/simd.h"
#include "mix.h"
#include "ops/infer.h"
#include "ops/ops.h"
#include "ops/strided.h"

enum { X, A, Z, B, INPUTS };

vka_tensor vka_mix(vka_graph *g, vka_tensor x, vka_tensor a, vka_tensor z, vka_tensor b)
{
    return vka_add_node(g, &vka_op_mix, NULL, INPUTS, (const vka_tensor[]){x, a, z, b}, NULL);
}

static bool infer(struct vka_infer *n)
{
    vka_shape first, second;
    for (int i = 0; i < INPUTS; i++) {
        if (!vka_infer_present(n, "mix", i) || !vka_infer_type(n, "mix", i, VKA_F32))
            return false;
    }
    n->n_out = 1;
    return vka_infer_broadcast(n, "mix", &n->in[X]->shape, &n->in[A]->shape, &first) &&
           vka_infer_broadcast(n, "mix", &n->in[Z]->shape, &n->in[B]->shape, &second) &&
           vka_infer_broadcast(n, "mix", &first, &second, &n->out_shape[0]);
}

static double flops(const struct vka_args *args)
{
    return 3.0 * (double)vka_array_count(&args->out[0]);
}

VKA_CLONES static void span(float *y, const float *x, const float *a, const float *z,
                            const float *b, int64_t count)
{
    VKA_INDEPENDENT for (int64_t i = 0; i < count; i++) y[i] = x[i] * a[i] + z[i] * b[i];
}

VKA_CLONES static void span_of_two(float *y, const float *x, float a, const float *z, float b,
                                   int64_t count)
{
    VKA_INDEPENDENT for (int64_t i = 0; i < count; i++) y[i] = x[i] * a + z[i] * b;
}

static void run_span(void *arg, const struct vka_strided *s, const int64_t *at, int64_t index,
                     int64_t count)
{
    const struct vka_args *args = arg;
    const float *in[INPUTS], *from[INPUTS];
    int64_t step[INPUTS];
    float *y = (float *)args->out[0].data + at[INPUTS];
    (void)index;
    for (int k = 0; k < INPUTS; k++) {
        in[k] = (const float *)args->in[k].data + at[k];
        step[k] = s->stride[k][s->rank - 1];
    }
    bool ones = step[A] == 0 && step[B] == 0; // a gate for the whole row
    for (int64_t i = 0; i < count; i += VKA_STRIDED_SPAN) {
        int64_t n = count - i < VKA_STRIDED_SPAN ? count - i : VKA_STRIDED_SPAN;
        uint32_t room[INPUTS][VKA_STRIDED_SPAN];
        for (int k = 0; k < INPUTS; k++)
            from[k] = ones && (k == A || k == B)
                          ? in[k]
                          : vka_gather_span(room[k], in[k] + i * step[k], step[k], n);
        if (ones)
            span_of_two(y + i, from[X], *in[A], from[Z], *in[B], n);
        else
            span(y + i, from[X], from[A], from[Z], from[B], n);
    }
}

static void cpu(const struct vka_cpu_run *run)
{
    const struct vka_args *args = run->args;
    struct vka_strided s = vka_strided_of_args(args, NULL);
    vka_strided_run(run->threads, &s, 3, run_span, (void *)args);
}

// --- Vulkan ---

static void emit(struct vka_launch *l, const struct vka_args *args, bool fours)
{
    struct vka_strided_launch d = {.shader = fours ? "mix_fours" : "mix", .fours = fours};
    struct vka_strided s = vka_strided_of_args(args, d.array);
    _Static_assert(sizeof(struct vka_push_mix) == (5 + 5 * 5) * 4, "push constants");
    vka_strided_emit(l, &s, &d);
}

static bool fits(const struct vka_limits *limits, const struct vka_args *args)
{
    (void)args;
    return limits->storage_buffers > INPUTS;
}

static void launch(struct vka_launch *l, const struct vka_args *args)
{
    emit(l, args, false);
}

static bool fits_fours(const struct vka_limits *limits, const struct vka_args *args)
{
    const struct vka_array *arrays[VKA_STRIDED_OPERANDS];
    struct vka_strided s = vka_strided_of_args(args, arrays);
    return fits(limits, args) && vka_strided_fours(limits, &s, arrays);
}

static void launch_fours(struct vka_launch *l, const struct vka_args *args)
{
    emit(l, args, true);
}

static const struct vka_variant variants[] = {
    {"fours", fits_fours, launch_fours}, {"baseline", fits, launch}, {0}};

static void expand(vka_graph *g, const struct vka_op_node *node, vka_tensor out[VKA_MAX_OUT])
{
    vka_tensor first = vka_mul(g, node->in[X], node->in[A]);
    out[0] = vka_add(g, first, vka_mul(g, node->in[Z], node->in[B]));
}

const struct vka_op vka_op_mix = {
    .name = "mix",
    .summary = "two products, broadcast, added",
    .flags = VKA_OP_STRIDED | VKA_OP_IN_PLACE | VKA_OP_FUSED,
    .infer = infer,
    .cpu = cpu,
    .flops = flops,
    .variants = variants,
    .expand = expand,
};
