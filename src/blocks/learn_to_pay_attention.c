// SPDX-License-Identifier: MIT
//
// Learn to Pay Attention: local features at several levels are scored against one global descriptor
// and pooled by their scores.
#include "blocks/nn.h"

#define BN_EPS 1e-5

struct level {
    int index;
    vka_tensor local;  // [N, C', P], projected
    vka_tensor global; // [N, C']
    vka_shape map;     // [N, 1, H, W]
};

static vka_tensor norm_relu(struct vka_scope *s, vka_tensor x, const char *name)
{
    return vka_batch_norm(s, x, name, BN_EPS, VKA_ACT_RELU);
}

// Whether the file has a norm of that name: any weight of one, so that none of them is passed over.
static bool has_norm(struct vka_scope *s, const char *name)
{
    static const char *const parts[] = {"weight", "bias", "running_mean", "running_var"};
    bool any = false;
    for (size_t i = 0; i < VKA_COUNT(parts); i++)
        any = any || vka_has_weight(s, vka_name(s, "%s.%s", name, parts[i]));
    return any;
}

static bool project(struct vka_scope *s, struct level *l, vka_tensor local, vka_tensor global)
{
    vka_graph *g = s->g;
    const char *proj_l = vka_name(s, "proj_l%d", l->index),
               *proj_g = vka_name(s, "proj_g%d", l->index);
    bool of_local = vka_has_weight(s, vka_name(s, "%s.weight", proj_l));
    bool of_global = vka_has_weight(s, vka_name(s, "%s.weight", proj_g)) ||
                     vka_has_weight(s, vka_name(s, "%s.bias", proj_g));
    int64_t channels = vka_dim(g, local, 1), width = vka_dim(g, global, 1);
    if (of_local && of_global)
        vka_scope_fail(s, "both projectors '%s' and '%s' are there", proj_l, proj_g);
    else if (!of_local && !of_global && channels != width)
        vka_scope_fail(s, "l%d has %lld channels and g has %lld: a projector is needed", l->index,
                       (long long)channels, (long long)width);
    if (of_local)
        local = vka_pointwise(s, local, proj_l, width, NULL, 0, NULL);
    if (of_global) {
        const char *norm = vka_name(s, "%s.bn", proj_g);
        global = has_norm(s, norm) ? norm_relu(s, global, norm) : global;
        struct vka_layer layer = {.bias = VKA_BIAS};
        global = vka_linear(s, global, proj_g, channels, &layer);
    }
    l->local = vka_flatten(g, local, 2, 3);
    l->global = global;
    return !vka_failed(g);
}

// Compatibility [N, 1, P]: u.(L + G) as u.L + u.G, or L.G.
static vka_tensor score(struct vka_scope *s, const struct level *l)
{
    vka_graph *g = s->g;
    vka_tensor row = vka_unsqueeze(g, l->global, 1); // [N, 1, C']
    if (vka_is(s, "compat", "dp"))
        return vka_matmul(g, row, l->local, NULL);
    vka_tensor u = vka_weight(s, vka_name(s, "attn%d.weight", l->index),
                              VKA_SHAPE(1, vka_dim(g, l->local, 1)));
    vka_tensor bias = vka_weight_if(s, vka_name(s, "attn%d.bias", l->index), VKA_SHAPE(1));
    struct vka_matmul of_global = {.bias = bias};
    vka_tensor offset = vka_matmul(g, row, vka_transpose(g, u, 0, 1), &of_global); // [N, 1, 1]
    struct vka_matmul of_local = {.bias = offset};
    return vka_matmul(g, u, l->local, &of_local);
}

// The pooled vector [N, C'].
static vka_tensor pool(struct vka_scope *s, const struct level *l, vka_tensor c)
{
    vka_graph *g = s->g;
    struct vka_matmul mean = {0};
    vka_tensor a;
    if (vka_is(s, "normalize", "softmax")) {
        a = vka_softmax(g, c, NULL);
    } else {
        a = vka_act(g, c, VKA_ACT_SIGMOID);
        if (vka_is(s, "sigmoid_pool", "mean"))
            mean.alpha = 1.0f / (float)vka_dim(g, c, 2);
    }
    vka_give(s, vka_name(s, "attn%d", l->index), vka_reshape(g, a, l->map));
    return vka_squeeze(g, vka_matmul(g, l->local, vka_transpose(g, a, 1, 2), &mean), 2);
}

static vka_tensor attend(struct vka_scope *s, int index, vka_tensor global)
{
    vka_graph *g = s->g;
    vka_tensor local = vka_in_i(s, "l%d", index);
    if (!vka_expect(s, vka_name(s, "l%d", index), local, VKA_SHAPE(vka_dim(g, global, 0), 0, 0, 0)))
        return 0;
    struct level l = {.index = index, .map = vka_shape_of(g, local)};
    l.map.dim[1] = 1;
    if (!project(s, &l, local, global))
        return 0;
    vka_tensor c = score(s, &l);
    vka_give(s, vka_name(s, "c%d", index), vka_reshape(g, c, l.map));
    vka_tensor pooled = pool(s, &l, c);
    const char *norm = vka_name(s, "post%d.bn", index);
    return has_norm(s, norm) ? norm_relu(s, pooled, norm) : pooled;
}

static void build(struct vka_scope *s)
{
    vka_graph *g = s->g;
    vka_tensor global = vka_in(s, "g"), all = 0;
    if (!vka_expect_rank(s, "g", global, 2, 2))
        return;
    for (int i = 1; i <= (int)vka_get_int(s, "levels") && !vka_failed(g); i++) {
        vka_tensor pooled = attend(s, i, global);
        all = all ? VKA_CONCAT(g, 1, all, pooled) : pooled;
    }
    vka_give(s, "g_cat", all);
    struct vka_layer layer = {.bias = VKA_BIAS};
    vka_give(s, "y", vka_get_bool(s, "classify") ? vka_linear(s, all, "classify", 0, &layer) : all);
}

static const vka_attr_info attrs[] = {
    {"levels", "int", NULL, "1..1000", "S, the number of local maps"},
    {"compat", "string", "\"pc\"", "pc|dp", "pc: learned vector on l + g; dp: dot product"},
    {"normalize", "string", "\"softmax\"", "softmax|sigmoid", "over all positions, or each alone"},
    {"sigmoid_pool", "string", "\"mean\"", "mean|sum", "with sigmoid: how the features are pooled"},
    {"classify", "bool", "true", "", "apply the final linear layer"},
    {0},
};
static const vka_port_info inputs[] = {
    {"l{i}", "[N, C_s, H_s, W_s]", "f32", "", "local features, i = 1 .. S"},
    {"g", "[N, Cg]", "f32", "", "global descriptor"},
    {0},
};
static const vka_weight_info weights[] = {
    {"attn{i}.weight", "[1, C', 1, 1]", "f32", "pc", "attn{i}.op.weight"},
    {"attn{i}.bias", "[1]", "f32", "optional", ""},
    {"proj_l1.weight", "[Cg, C_1, 1, 1]", "f32", "optional", "projector.op.weight"},
    {"proj_l{i}.weight", "[Cg, C_s, 1, 1]", "f32", "optional", ""},
    {"proj_g{i}.weight", "[C_s, Cg]", "f32", "optional, instead of proj_l{i}", ""},
    {"proj_g{i}.bias", "[C_s]", "f32", "with proj_g{i}", ""},
    {"proj_g{i}.bn.weight", "[Cg]", "f32", "all four or none: norm and ReLU on g", ""},
    {"proj_g{i}.bn.bias", "[Cg]", "f32", "all four or none", ""},
    {"proj_g{i}.bn.running_mean", "[Cg]", "f32", "all four or none", ""},
    {"proj_g{i}.bn.running_var", "[Cg]", "f32", "all four or none", ""},
    {"post{i}.bn.weight", "[C'_s]", "f32", "all four or none: norm and ReLU after pooling", ""},
    {"post{i}.bn.bias", "[C'_s]", "f32", "all four or none", ""},
    {"post{i}.bn.running_mean", "[C'_s]", "f32", "all four or none", ""},
    {"post{i}.bn.running_var", "[C'_s]", "f32", "all four or none", ""},
    {"classify.weight", "[K, sum of C'_s]", "f32", "classify", "classify.weight"},
    {"classify.bias", "[K]", "f32", "classify", "classify.bias"},
    {0},
};
static const vka_port_info outputs[] = {
    {"y", "[N, K] or [N, sum of C'_s]", "f32", "", "class scores, or g_cat without classify"},
    {"g_cat", "[N, sum of C'_s]", "f32", "", "the pooled vectors side by side"},
    {"c{i}", "[N, 1, H_s, W_s]", "f32", "", "raw compatibility scores"},
    {"attn{i}", "[N, 1, H_s, W_s]", "f32", "", "normalised weights"},
    {0},
};

const struct vka_block_row vka_block_rows_learn_to_pay_attention[] = {
    {{"learn_to_pay_attention",
      "Learn to Pay Attention: local maps scored against a global descriptor, pooled, classified",
      "Jetley, Lord, Lee, Torr: Learn to Pay Attention, ICLR 2018, arXiv 1804.02391", attrs, inputs,
      weights, outputs,
      "{\"attrs\": {\"levels\": 2}, \"shapes\": {\"l1\": [1, 256, 32, 32], \"l2\": [1, 256, 16, "
      "16], "
      "\"g\": [1, 256], \"w.classify.weight\": [10, 512], \"w.classify.bias\": [10]}}"},
     build},
    {.build = NULL},
};
