// SPDX-License-Identifier: MIT
//
// Non-local block: every position attends to every position, with four pairwise functions.
#include "blocks/nn.h"

#include <math.h>

struct pairs {
    vka_tensor theta, phi; // [N, c, P], [N, c, Q]
    vka_tensor g;          // [N, C', Q]
};

// 2 on each axis of L and of H, W; time is never pooled.
static vka_tensor pool(vka_graph *g, vka_tensor x)
{
    int axes = vka_rank(g, x) - 2;
    struct vka_pool p = {.max = true, .kernel = {2, 2, 2}};
    if (axes == 3)
        p.kernel[0] = 1;
    return vka_pool(g, x, &p);
}

static vka_tensor positions(vka_graph *g, vka_tensor x)
{
    return vka_flatten(g, x, 2, -1);
}

// A projection of keys or values, pooled before or after.
static vka_tensor project_keys(struct vka_scope *s, vka_tensor x, const char *name, int64_t inner)
{
    vka_graph *g = s->g;
    struct vka_layer layer = {.bias = VKA_BIAS_OPTIONAL};
    bool sub = vka_get_bool(s, "sub_sample"), first = vka_get_bool(s, "pool_first");
    if (sub && first)
        x = pool(g, x);
    x = vka_pointwise(s, x, name, inner, NULL, 0, &layer);
    return positions(g, sub && !first ? pool(g, x) : x);
}

static struct pairs project(struct vka_scope *s, vka_tensor x)
{
    vka_graph *g = s->g;
    struct vka_layer layer = {.bias = VKA_BIAS_OPTIONAL};
    struct pairs p = {.g = project_keys(s, x, "g", 0)};
    int64_t inner = vka_dim(g, p.g, 1);
    if (vka_is(s, "mode", "gaussian")) {
        p.theta = positions(g, x);
        p.phi = positions(g, vka_get_bool(s, "sub_sample") ? pool(g, x) : x);
    } else {
        p.theta = positions(g, vka_pointwise(s, x, "theta", inner, NULL, 0, &layer));
        p.phi = project_keys(s, x, "phi", inner);
    }
    return p;
}

// softmax: the fused attention op on [N, 1, positions, channels] views.
static vka_tensor attend_softmax(struct vka_scope *s, const struct pairs *p, double scale)
{
    vka_graph *g = s->g;
    vka_tensor q = vka_unsqueeze(g, vka_transpose(g, p->theta, 1, 2), 1);
    vka_tensor k = vka_unsqueeze(g, vka_transpose(g, p->phi, 1, 2), 1);
    vka_tensor v = vka_unsqueeze(g, vka_transpose(g, p->g, 1, 2), 1);
    struct vka_attention a = {.scale = scale};
    vka_give(s, "attn", vka_squeeze(g, vka_attention_map(g, q, k, &a), 1));
    return vka_transpose(g, vka_squeeze(g, vka_attention(g, q, k, v, &a, NULL), 1), 1, 2);
}

// f = theta^T phi / Q: the product with g from the right first, [C', c] instead of [P, Q].
static vka_tensor attend_dot(struct vka_scope *s, const struct pairs *p)
{
    vka_graph *g = s->g;
    struct vka_matmul by_count = {.alpha = 1.0f / (float)vka_dim(g, p->phi, 2)};
    vka_tensor theta_t = vka_transpose(g, p->theta, 1, 2);
    vka_give(s, "attn", vka_matmul(g, theta_t, p->phi, &by_count));
    vka_tensor mixed = vka_matmul(g, p->g, vka_transpose(g, p->phi, 1, 2), &by_count);
    return vka_matmul(g, mixed, p->theta, NULL);
}

// f = relu(wt.theta_i + wp.phi_j) / Q: two vectors; no [2C', P, Q] tensor, and no
// [P, Q].
static vka_tensor attend_concat(struct vka_scope *s, const struct pairs *p)
{
    vka_graph *g = s->g;
    int64_t inner = vka_dim(g, p->g, 1);
    vka_tensor w = vka_weight(s, "concat_project.weight", VKA_SHAPE(1, 2 * inner));
    vka_tensor i = vka_matmul(g, vka_slice(g, w, 1, 0, inner), p->theta, NULL);   // [N, 1, P]
    vka_tensor j = vka_matmul(g, vka_slice(g, w, 1, inner, inner), p->phi, NULL); // [N, 1, Q]
    i = vka_squeeze(g, i, 1);
    j = vka_squeeze(g, j, 1);
    float by_count = 1.0f / (float)vka_dim(g, p->phi, 2);
    vka_give(s, "attn", vka_affine(g, vka_relu_pairs_map(g, i, j), by_count, 0));
    return vka_relu_pairs(g, i, j, p->g, by_count);
}

static vka_tensor attend(struct vka_scope *s, const struct pairs *p)
{
    if (vka_is(s, "mode", "dot_product"))
        return attend_dot(s, p);
    if (vka_is(s, "mode", "concatenation"))
        return attend_concat(s, p);
    bool scaled = vka_is(s, "mode", "embedded_gaussian") && vka_get_bool(s, "use_scale");
    return attend_softmax(s, p, scaled ? 1.0 / sqrt((double)vka_dim(s->g, p->g, 1)) : 1.0);
}

static void build(struct vka_scope *s)
{
    vka_graph *g = s->g;
    vka_tensor x = vka_in(s, "x");
    if (!vka_expect_rank(s, "x", x, 3, 5))
        return;
    struct pairs p = project(s, x);
    vka_tensor a = attend(s, &p);
    vka_shape shape = vka_shape_of(g, x);
    shape.dim[1] = vka_dim(g, p.g, 1);
    struct vka_layer out = {.bias = VKA_BIAS_OPTIONAL, .residual = x};
    vka_give(s, "y",
             vka_pointwise(s, vka_reshape(g, a, shape), "conv_out", vka_dim(g, x, 1),
                           vka_get_bool(s, "bn") ? "bn" : NULL, vka_get_double(s, "bn_eps"), &out));
}

static const vka_attr_info attrs[] = {
    {"mode", "string", "\"embedded_gaussian\"",
     "gaussian|embedded_gaussian|dot_product|concatenation", "pairwise function"},
    {"sub_sample", "bool", "false", "", "max pool of 2 for phi and g (not over time)"},
    {"pool_first", "bool", "false", "", "pool before the projections instead of after"},
    {"use_scale", "bool", "false", "", "embedded_gaussian: logits times 1 / sqrt(C')"},
    {"bn", "bool", "true", "", "batch norm after the output projection"},
    {"bn_eps", "float", "1e-5", "> 0", ""},
    {0},
};
static const vka_port_info inputs[] = {
    {"x", "[N, C, L], [N, C, H, W] or [N, C, T, H, W]", "f32", "", "features"},
    {0},
};
static const vka_weight_info weights[] = {
    {"g.weight", "[C', C, 1...]", "f32", "",
     "g.weight | g.0.weight | conv_g.weight | g.conv.weight | g.0.conv.weight"},
    {"g.bias", "[C']", "f32", "optional",
     "g.bias | g.0.bias | conv_g.bias | g.conv.bias | g.0.conv.bias"},
    {"theta.weight", "[C', C, 1...]", "f32", "all but gaussian",
     "theta.weight | conv_theta.weight | theta.conv.weight"},
    {"theta.bias", "[C']", "f32", "optional", "theta.bias | conv_theta.bias | theta.conv.bias"},
    {"phi.weight", "[C', C, 1...]", "f32", "all but gaussian",
     "phi.weight | phi.0.weight | conv_phi.weight | phi.conv.weight | phi.0.conv.weight"},
    {"phi.bias", "[C']", "f32", "optional",
     "phi.bias | phi.0.bias | conv_phi.bias | phi.conv.bias | phi.0.conv.bias"},
    {"concat_project.weight", "[1, 2C', 1, 1]", "f32", "concatenation",
     "concat_project.0.weight | concat_project.conv.weight"},
    {"conv_out.weight", "[C, C', 1...]", "f32", "",
     "W.0.weight | W.weight | conv_out.weight | conv_out.conv.weight"},
    {"conv_out.bias", "[C]", "f32", "optional",
     "W.0.bias | W.bias | conv_out.bias | conv_out.conv.bias"},
    {"bn.weight", "[C]", "f32", "bn", "W.1.weight | norm.weight | bn.weight | conv_out.bn.weight"},
    {"bn.bias", "[C]", "f32", "bn", "W.1.bias | norm.bias | bn.bias | conv_out.bn.bias"},
    {"bn.running_mean", "[C]", "f32", "bn",
     "W.1.running_mean | norm.running_mean | bn.running_mean | conv_out.bn.running_mean"},
    {"bn.running_var", "[C]", "f32", "bn",
     "W.1.running_var | norm.running_var | bn.running_var | conv_out.bn.running_var"},
    {0},
};
static const vka_port_info outputs[] = {
    {"y", "as x", "f32", "", "x plus the attended features"},
    {"attn", "[N, P, Q]", "f32", "", "pairwise weights; only made when asked for"},
    {0},
};

const struct vka_block_row vka_block_rows_nonlocal[] = {
    {{"nonlocal", "Non-local block: all pairs of positions, four pairwise functions, residual",
      "Wang, Girshick, Gupta, He: Non-local Neural Networks, CVPR 2018, arXiv 1711.07971", attrs,
      inputs, weights, outputs,
      "{\"shapes\": {\"x\": [1, 256, 28, 28], \"w.g.weight\": [128, 256, 1, 1]}}"},
     build},
    {.build = NULL},
};
