// SPDX-License-Identifier: MIT
//
// mul3: the product x * a * b, broadcast, without x * a being stored. What a plan makes
// of two gates in a row (graph/merge.c). Or x by a gate that is a function of a and b, or a
// function of x scaled by a and shifted by b.
#include "cpu/activation.h"
#include "cpu/simd.h"
#include "ops/infer.h"
#include "ops/ops.h"
#include "ops/strided.h"
#include "mul3.h"

enum { X, A, B, INPUTS };

vka_tensor vka_mul3(vka_graph *g, vka_tensor x, vka_tensor a, vka_tensor b)
{
    return vka_mul3_gate(g, x, a, b, &(struct vka_mul3){0});
}

vka_tensor vka_mul3_gate(vka_graph *g, vka_tensor x, vka_tensor a, vka_tensor b,
                         const struct vka_mul3 *p)
{
    return vka_add_node(g, &vka_op_mul3, p, INPUTS, (const vka_tensor[]){x, a, b}, NULL);
}

vka_tensor vka_scale_shift(vka_graph *g, vka_tensor x, vka_tensor scale, vka_tensor shift,
                           struct vka_activation f)
{
    return vka_mul3_gate(g, x, scale, shift, &(struct vka_mul3){.f = f, .scales = true});
}

static int form_of(const struct vka_mul3 *p)
{
    if (p->scales)
        return MUL3_SCALED;
    if (p->adds)
        return MUL3_PLUS;
    return p->f.kind == VKA_ACT_NONE && p->shift == 0 ? MUL3_PLAIN : MUL3_TIMES;
}

static bool infer(struct vka_infer *n)
{
    vka_shape first;
    for (int i = 0; i < INPUTS; i++) {
        if (!vka_infer_present(n, "mul3", i) || !vka_infer_type(n, "mul3", i, VKA_F32))
            return false;
    }
    n->n_out = 1;
    return vka_infer_broadcast(n, "mul3", &n->in[X]->shape, &n->in[A]->shape, &first) &&
           vka_infer_broadcast(n, "mul3", &first, &n->in[B]->shape, &n->out_shape[0]);
}

VKA_CLONES static void span(float *y, const float *x, const float *a, const float *b, int64_t count)
{
    VKA_INDEPENDENT for (int64_t i = 0; i < count; i++) y[i] = x[i] * a[i] * b[i];
}

VKA_CLONES static void combine(float *y, const float *a, const float *b, int64_t count, bool adds)
{
    if (adds) {
        VKA_INDEPENDENT for (int64_t i = 0; i < count; i++) y[i] = a[i] + b[i];
    } else {
        VKA_INDEPENDENT for (int64_t i = 0; i < count; i++) y[i] = a[i] * b[i];
    }
}

VKA_CLONES static void by_shifted(float *y, const float *x, const float *gate, float shift,
                                  int64_t count)
{
    VKA_INDEPENDENT for (int64_t i = 0; i < count; i++) y[i] = x[i] * (shift + gate[i]);
}

VKA_CLONES static void span_of_one(float *y, const float *x, float a, const float *b, int64_t count)
{
    VKA_INDEPENDENT for (int64_t i = 0; i < count; i++) y[i] = x[i] * a * b[i];
}

VKA_CLONES static void scaled(float *y, const float *x, const float *a, const float *b,
                              int64_t count)
{
    VKA_INDEPENDENT for (int64_t i = 0; i < count; i++) y[i] = x[i] * a[i] + b[i];
}

VKA_CLONES static void scaled_by_one(float *y, const float *x, float a, float b, int64_t count)
{
    VKA_INDEPENDENT for (int64_t i = 0; i < count; i++) y[i] = x[i] * a + b;
}

static void gate_span(const struct vka_mul3 *p, float *y, const float *x, const float *a,
                      const float *b, int64_t count)
{
    float gate[VKA_STRIDED_SPAN];
    combine(gate, a, b, count, p->adds);
    vka_activate_span(p->f, gate, gate, count);
    by_shifted(y, x, gate, p->shift, count);
}

// What a span's operands make; a and b as their one element where they stay the same along it.
static void form_span(const struct vka_mul3 *p, float *y, const float *const *in, const bool *one,
                      int64_t count)
{
    const float *x = in[X], *a = in[A], *b = in[B];
    switch (form_of(p)) {
    case MUL3_PLAIN:
        if (one[A])
            span_of_one(y, x, *a, b, count);
        else
            span(y, x, a, b, count);
        return;
    case MUL3_SCALED:
        if (one[A])
            scaled_by_one(y, x, *a, *b, count);
        else
            scaled(y, x, a, b, count);
        vka_activate_span(p->f, y, y, count);
        return;
    default:
        gate_span(p, y, x, a, b, count);
    }
}

static void run_span(void *arg, const struct vka_strided *s, const int64_t *at, int64_t index,
                     int64_t count)
{
    const struct vka_args *args = arg;
    const struct vka_mul3 *p = args->params;
    const float *in[INPUTS], *from[INPUTS];
    int64_t step[INPUTS];
    float *y = (float *)args->out[0].data + at[INPUTS];
    (void)index;
    for (int k = 0; k < INPUTS; k++) {
        in[k] = (const float *)args->in[k].data + at[k];
        step[k] = s->stride[k][s->rank - 1];
    }
    bool both = p->scales && step[A] == 0 && step[B] == 0;
    bool one[INPUTS] = {false, both || (form_of(p) == MUL3_PLAIN && step[A] == 0), both};
    for (int64_t i = 0; i < count; i += VKA_STRIDED_SPAN) {
        int64_t n = count - i < VKA_STRIDED_SPAN ? count - i : VKA_STRIDED_SPAN;
        uint32_t room[INPUTS][VKA_STRIDED_SPAN];
        for (int k = 0; k < INPUTS; k++)
            from[k] = one[k] ? in[k] : vka_gather_span(room[k], in[k] + i * step[k], step[k], n);
        form_span(p, y + i, from, one, n);
    }
}

static void cpu(const struct vka_cpu_run *run)
{
    const struct vka_args *args = run->args;
    struct vka_strided s = vka_strided_of_args(args, NULL);
    const struct vka_mul3 *p = args->params;
    bool simple = form_of(p) == MUL3_PLAIN || p->f.kind <= VKA_ACT_RELU;
    vka_strided_run(run->threads, &s, simple ? 2 : 8, run_span, (void *)args);
}

// --- Vulkan ---

static void emit(struct vka_launch *l, const struct vka_args *args, bool fours)
{
    const struct vka_mul3 *p = args->params;
    const float tail[] = {p->f.a, p->f.b, p->shift};
    struct vka_strided_launch d = {.shader = fours ? "mul3_fours" : "mul3",
                                   .constants = {(uint32_t)form_of(p), (uint32_t)p->f.kind},
                                   .n_constants = 2,
                                   .fours = fours,
                                   .tail = tail,
                                   .tail_size = sizeof tail};
    struct vka_strided s = vka_strided_of_args(args, d.array);
    _Static_assert(sizeof(struct vka_push_mul3) == (5 + 4 * 5) * 4 + sizeof tail, "push constants");
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
    return vka_strided_fours(limits, &s, arrays);
}

static void launch_fours(struct vka_launch *l, const struct vka_args *args)
{
    emit(l, args, true);
}

static const struct vka_variant variants[] = {
    {"fours", fits_fours, launch_fours}, {"baseline", NULL, launch}, {0}};

static void expand(vka_graph *g, const struct vka_op_node *node, vka_tensor out[VKA_MAX_OUT])
{
    const struct vka_mul3 *p = node->params;
    vka_tensor gate;
    if (form_of(p) == MUL3_PLAIN) {
        out[0] = vka_mul(g, vka_mul(g, node->in[X], node->in[A]), node->in[B]);
        return;
    }
    if (p->scales) {
        out[0] =
            vka_binary_act(g, VKA_ADD, vka_mul(g, node->in[X], node->in[A]), node->in[B], p->f);
        return;
    }
    gate = vka_binary_act(g, p->adds ? VKA_ADD : VKA_MUL, node->in[A], node->in[B], p->f);
    out[0] = vka_mul(g, node->in[X], p->shift == 0 ? gate : vka_affine(g, gate, 1, p->shift));
}

const struct vka_op vka_op_mul3 = {
    .name = "mul3",
    .summary = "x a b, x times a gate of a and b, or x scaled by a and shifted by b, broadcast",
    .params_size = sizeof(struct vka_mul3),
    .flags = VKA_OP_STRIDED | VKA_OP_IN_PLACE | VKA_OP_FUSED,
    .infer = infer,
    .cpu = cpu,
    .variants = variants,
    .expand = expand,
};
