// SPDX-License-Identifier: MIT
//
// window_sum: the taps of sliding windows, weighted and summed.
#include "ops/infer.h"
#include "ops/sliding.h"

extern const struct vka_op vka_op_window_sum;

vka_tensor vka_window_sum(vka_graph *g, vka_tensor attn, vka_tensor v, const struct vka_windows *w,
                          bool cyclic)
{
    struct vka_sliding_params params = {.w = *w, .maps = vka_dim(g, attn, 1), .cyclic = cyclic};
    vka_tensor in[VKA_SLIDING_INPUTS] = {[VKA_SLIDING_A] = attn, [VKA_SLIDING_V] = v};
    return vka_add_node(g, &vka_op_window_sum, &params, VKA_SLIDING_INPUTS, in, NULL);
}

static bool infer(struct vka_infer *n)
{
    const struct vka_sliding_params *p = n->params;
    if (!vka_sliding_infer_windows(n, "window_sum", VKA_SLIDING_V))
        return false;
    const vka_shape *v = &n->in[VKA_SLIDING_V]->shape;
    int64_t taps = p->w.kernel[0] * p->w.kernel[1];
    vka_shape attn = {5, {v->dim[0], p->maps, taps, p->w.out[0], p->w.out[1]}};
    n->n_out = 1;
    n->out_shape[0] = (vka_shape){4, {v->dim[0], v->dim[1], p->w.out[0], p->w.out[1]}};
    return vka_infer_present(n, "window_sum", VKA_SLIDING_A) &&
           vka_sliding_infer_shape(n, "window_sum", VKA_SLIDING_A, "the weight tensor", &attn);
}

static void launch(struct vka_launch *l, const struct vka_args *args)
{
    vka_sliding_launch(l, args, "window_sum");
}

static const struct vka_variant variants[] = {
    {"baseline", NULL, launch},
    {NULL, NULL, NULL},
};

static void expand(vka_graph *g, const struct vka_op_node *node, vka_tensor out[VKA_MAX_OUT])
{
    const struct vka_sliding_params *p = node->params;
    const struct vka_windows *w = &p->w;
    vka_tensor attn = node->in[VKA_SLIDING_A], v = node->in[VKA_SLIDING_V];
    int64_t n = vka_dim(g, v, 0), channels = vka_dim(g, v, 1), each = channels / p->maps;
    int own = p->cyclic ? 1 : 2; // the axis of a map's channels
    attn = vka_reshape(g, attn,
                       VKA_SHAPE(n, p->maps, w->kernel[0], w->kernel[1], w->out[0], w->out[1]));
    vka_shape split = VKA_SHAPE(n, p->cyclic ? each : p->maps, p->cyclic ? p->maps : each,
                                w->kernel[0], w->kernel[1], w->out[0], w->out[1]);
    vka_tensor taps = vka_reshape(g, vka_window_taps(g, v, w), split);
    vka_tensor terms = vka_mul(g, vka_unsqueeze(g, attn, own), taps);
    vka_tensor sum = vka_reduce(g, VKA_REDUCE_SUM, terms, 1u << 3 | 1u << 4, false);
    out[0] = vka_reshape(g, sum, VKA_SHAPE(n, channels, w->out[0], w->out[1]));
}

const struct vka_op vka_op_window_sum = {
    .name = "window_sum",
    .summary = "taps of sliding windows, weighted and summed",
    .params_size = sizeof(struct vka_sliding_params),
    .flags = VKA_OP_STRIDED | VKA_OP_FUSED,
    .infer = infer,
    .cpu = vka_sliding_cpu,
    .flops = vka_sliding_flops,
    .cpu_scratch = vka_sliding_cpu_scratch,
    .variants = variants,
    .expand = expand,
};
