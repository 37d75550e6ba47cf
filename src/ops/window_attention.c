// SPDX-License-Identifier: MIT
//
// window_attention: each pixel attends to a window of a map; the taps are never stored, nor is a
// weight of them.
#include "ops/sliding.h"

extern const struct vka_op vka_op_window_attention;

vka_tensor vka_window_attention(vka_graph *g, vka_tensor q, vka_tensor k, vka_tensor v,
                                const struct vka_window_logits *p, vka_tensor shares)
{
    struct vka_sliding_params params = vka_sliding_params_of(p);
    vka_tensor in[VKA_SLIDING_INPUTS] = {[VKA_SLIDING_A] = q,
                                         [VKA_SLIDING_K] = k,
                                         [VKA_SLIDING_V] = v,
                                         [VKA_SLIDING_TABLE] = vka_sliding_dense(g, p->table),
                                         [VKA_SLIDING_EXTRA] = p->extra,
                                         [VKA_SLIDING_BIAS] = vka_sliding_dense(g, p->bias),
                                         [VKA_SLIDING_SHARES] = vka_sliding_dense(g, shares)};
    return vka_add_node(g, &vka_op_window_attention, &params, VKA_SLIDING_INPUTS, in, NULL);
}

static bool infer(struct vka_infer *n)
{
    static const char op[] = "window_attention";
    const struct vka_sliding_params *p = n->params;
    if (!vka_sliding_infer_logits(n, op) || !vka_sliding_infer_windows(n, op, VKA_SLIDING_V))
        return false;
    const vka_shape *k = &n->in[VKA_SLIDING_K]->shape, *v = &n->in[VKA_SLIDING_V]->shape;
    vka_shape want = *k, shares = {1, {p->w.kernel[0] * p->w.kernel[1]}};
    want.dim[1] = v->dim[1];
    n->n_out = 1;
    n->out_shape[0] = (vka_shape){4, {v->dim[0], v->dim[1], p->w.out[0], p->w.out[1]}};
    return vka_sliding_infer_shape(n, op, VKA_SLIDING_V, "v", &want) &&
           vka_sliding_infer_shape(n, op, VKA_SLIDING_SHARES, "the tensor of shares", &shares);
}

static void launch(struct vka_launch *l, const struct vka_args *args)
{
    vka_sliding_launch(l, args,
                       vka_sliding_is_full(args) ? "window_attention_full" : "window_attention");
}

static const struct vka_variant variants[] = {
    {"baseline", vka_sliding_fits, launch},
    {NULL, NULL, NULL},
};

static void expand(vka_graph *g, const struct vka_op_node *node, vka_tensor out[VKA_MAX_OUT])
{
    const struct vka_sliding_params *p = node->params;
    const vka_tensor *in = node->in;
    const struct vka_window_logits logits = {.windows = p->w,
                                             .maps = p->maps,
                                             .relation = p->relation,
                                             .scale = p->scale,
                                             .table = in[VKA_SLIDING_TABLE],
                                             .extra = in[VKA_SLIDING_EXTRA],
                                             .fixed = p->fixed,
                                             .outside = p->outside,
                                             .bias = in[VKA_SLIDING_BIAS]};
    vka_tensor attn = vka_window_dot(g, in[VKA_SLIDING_A], in[VKA_SLIDING_K], &logits);
    attn = vka_softmax(g, attn, &(struct vka_softmax){.axis = 2});
    vka_tensor shares = in[VKA_SLIDING_SHARES];
    if (shares)
        attn = vka_mul(g, attn, vka_unsqueeze(g, vka_unsqueeze(g, shares, 1), 1));
    out[0] = vka_window_sum(g, attn, in[VKA_SLIDING_V], &p->w, false);
}

const struct vka_op vka_op_window_attention = {
    .name = "window_attention",
    .summary = "softmax over the taps of sliding windows, and their weighted sum, in one",
    .params_size = sizeof(struct vka_sliding_params),
    .flags = VKA_OP_STRIDED | VKA_OP_FUSED,
    .infer = infer,
    .cpu = vka_sliding_cpu,
    .flops = vka_sliding_flops,
    .cpu_scratch = vka_sliding_cpu_scratch,
    .variants = variants,
    .expand = expand,
};
