// SPDX-License-Identifier: MIT
//
// window_dot: the logits of a pixel against the taps of its window, for maps that are asked for and
// for networks that take logits further.
#include "ops/sliding.h"

extern const struct vka_op vka_op_window_dot;

static vka_tensor add_node(vka_graph *g, const struct vka_sliding_params *params, vka_tensor q,
                           vka_tensor k, const struct vka_window_logits *p)
{
    vka_tensor in[VKA_SLIDING_INPUTS] = {[VKA_SLIDING_A] = q,
                                         [VKA_SLIDING_K] = k,
                                         [VKA_SLIDING_TABLE] = vka_sliding_dense(g, p->table),
                                         [VKA_SLIDING_EXTRA] = p->extra,
                                         [VKA_SLIDING_BIAS] = vka_sliding_dense(g, p->bias)};
    return vka_add_node(g, &vka_op_window_dot, params, VKA_SLIDING_INPUTS, in, NULL);
}

vka_tensor vka_window_dot(vka_graph *g, vka_tensor q, vka_tensor k,
                          const struct vka_window_logits *p)
{
    struct vka_sliding_params params = vka_sliding_params_of(p);
    return add_node(g, &params, q, k, p);
}

static bool infer(struct vka_infer *n)
{
    const struct vka_sliding_params *p = n->params;
    if (!vka_sliding_infer_logits(n, "window_dot"))
        return false;
    int64_t taps = p->w.kernel[0] * p->w.kernel[1];
    n->n_out = 1;
    n->out_shape[0] = (vka_shape){
        5, {n->in[VKA_SLIDING_K]->shape.dim[0], p->maps, taps, p->w.out[0], p->w.out[1]}};
    return true;
}

static void launch(struct vka_launch *l, const struct vka_args *args)
{
    vka_sliding_launch(l, args, vka_sliding_is_full(args) ? "window_dot_full" : "window_dot");
}

static const struct vka_variant variants[] = {
    {"baseline", vka_sliding_fits, launch},
    {NULL, NULL, NULL},
};

// --- in other operations ---

vka_tensor vka_window_taps(vka_graph *g, vka_tensor map, const struct vka_windows *w)
{
    int64_t before[4] = {0}, after[4] = {0};
    for (int i = 0; i < 2; i++) {
        int64_t last = (w->out[i] - 1) * w->stride[i] + (w->kernel[i] - 1) * w->dilation[i];
        before[2 + i] = w->before[i];
        after[2 + i] = last + 1 - w->before[i] - vka_dim(g, map, 2 + i);
        after[2 + i] = after[2 + i] < 0 ? 0 : after[2 + i];
    }
    map = vka_dense(
        g, vka_pad(g, map, w->reflect ? VKA_PAD_REFLECT : VKA_PAD_ZEROS, before, after, 0));
    int64_t channels = vka_dim(g, map, 1), height = vka_dim(g, map, 2), row = vka_dim(g, map, 3);
    vka_shape shape =
        VKA_SHAPE(vka_dim(g, map, 0), channels, w->kernel[0], w->kernel[1], w->out[0], w->out[1]);
    const int64_t stride[] = {channels * height * row, height * row,       w->dilation[0] * row,
                              w->dilation[1],          w->stride[0] * row, w->stride[1]};
    return vka_strided(g, map, shape, stride, 0);
}

vka_tensor vka_window_inside(vka_graph *g, int64_t height, int64_t width,
                             const struct vka_windows *w)
{
    const int32_t yes = 1;
    const vka_shape scalar = {0};
    vka_tensor all = vka_broadcast_to(g, vka_constant(g, VKA_BOOL, &scalar, &yes),
                                      VKA_SHAPE(1, 1, height, width));
    return vka_squeeze(g, vka_squeeze(g, vka_window_taps(g, all, w), 0), 0);
}

static vka_tensor difference(vka_graph *g, int relation, vka_tensor a, vka_tensor b)
{
    bool squared = relation == VKA_RELATION_SQ_DIFF || relation == VKA_RELATION_NORM_SQ_DIFF;
    struct vka_activation size = {squared ? VKA_ACT_SQUARE : VKA_ACT_ABS, 0, 0};
    vka_tensor term = vka_act(g, vka_binary_act(g, VKA_SUB, a, b, size), VKA_ACT_NEG);
    if (relation == VKA_RELATION_ABS_DIFF || relation == VKA_RELATION_SQ_DIFF)
        return term;
    struct vka_activation magnitude = {VKA_ACT_ABS, 0, 0};
    vka_tensor norm = squared ? vka_binary_act(g, VKA_MUL, a, b, magnitude)
                              : vka_add(g, vka_act(g, a, VKA_ACT_ABS), vka_act(g, b, VKA_ACT_ABS));
    return vka_div(g, term, vka_affine(g, norm, 1, 1));
}

// Without table, extra and bias.
static vka_tensor bare_logits(vka_graph *g, const struct vka_sliding_params *p, vka_tensor q,
                              vka_tensor k)
{
    const struct vka_windows *w = &p->w;
    vka_shape map = vka_shape_of(g, k);
    int64_t n = map.dim[0], depth = map.dim[1] / p->maps;
    vka_tensor terms = vka_window_taps(g, k, w);
    terms = vka_reshape(
        g, terms, VKA_SHAPE(n, p->maps, depth, w->kernel[0], w->kernel[1], w->out[0], w->out[1]));
    if (q) {
        q = vka_reshape(g, q, VKA_SHAPE(n, p->maps, depth, 1, 1, w->out[0], w->out[1]));
        terms = p->relation == VKA_RELATION_PRODUCT ? vka_mul(g, q, terms)
                                                    : difference(g, p->relation, q, terms);
    }
    vka_tensor sum = vka_reduce(g, VKA_REDUCE_SUM, terms, 1u << 2, false);
    sum = p->scale == 1 ? sum : vka_affine(g, sum, p->scale, 0);
    if (p->fixed)
        sum = vka_where(g, vka_window_inside(g, map.dim[2], map.dim[3], w), sum,
                        vka_constant_scalar(g, (float)p->outside));
    return vka_reshape(g, sum,
                       VKA_SHAPE(n, p->maps, w->kernel[0] * w->kernel[1], w->out[0], w->out[1]));
}

// q times the table, as logits.
static vka_tensor table_logits(vka_graph *g, const struct vka_sliding_params *p, vka_tensor q,
                               vka_tensor table)
{
    vka_shape s = vka_shape_of(g, q);
    vka_tensor lines =
        vka_reshape(g, q, VKA_SHAPE(s.dim[0], p->maps, s.dim[1] / p->maps, s.dim[2] * s.dim[3]));
    struct vka_matmul m = {.alpha = (float)p->scale};
    if (m.alpha == 0) // matmul's "no factor"
        lines = vka_affine(g, lines, 0, 0);
    vka_tensor dot = vka_matmul(g, vka_transpose(g, table, 1, 2), lines, &m);
    return vka_reshape(g, dot,
                       VKA_SHAPE(s.dim[0], p->maps, vka_dim(g, table, 2), s.dim[2], s.dim[3]));
}

// What may be added goes first, as sums of logits: a device with few buffers can do the rest.
static void expand(vka_graph *g, const struct vka_op_node *node, vka_tensor out[VKA_MAX_OUT])
{
    const struct vka_sliding_params *p = node->params;
    const vka_tensor *in = node->in;
    vka_tensor table = in[VKA_SLIDING_TABLE], extra = in[VKA_SLIDING_EXTRA];
    vka_tensor bias = in[VKA_SLIDING_BIAS], q = in[VKA_SLIDING_A], k = in[VKA_SLIDING_K];
    if (!table && !extra && !bias) {
        out[0] = bare_logits(g, p, q, k);
        return;
    }
    const struct vka_window_logits none = {.maps = p->maps};
    vka_tensor sum = add_node(g, p, q, k, &none);
    if (table)
        sum = vka_add(g, sum, table_logits(g, p, q, table));
    if (extra) {
        struct vka_sliding_params taps = *p;
        taps.relation = VKA_RELATION_KEY;
        taps.scale = 1;
        taps.fixed = false;
        sum = vka_add(g, sum, add_node(g, &taps, 0, extra, &none));
    }
    if (bias)
        sum = vka_add(g, sum, vka_unsqueeze(g, vka_unsqueeze(g, bias, 2), 2));
    out[0] = sum;
}

const struct vka_op vka_op_window_dot = {
    .name = "window_dot",
    .summary = "logits of pixels against the taps of sliding windows",
    .params_size = sizeof(struct vka_sliding_params),
    .flags = VKA_OP_STRIDED | VKA_OP_FUSED,
    .infer = infer,
    .cpu = vka_sliding_cpu,
    .flops = vka_sliding_flops,
    .cpu_scratch = vka_sliding_cpu_scratch,
    .variants = variants,
    .expand = expand,
};
