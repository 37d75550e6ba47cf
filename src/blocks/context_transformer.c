// SPDX-License-Identifier: MIT
//
// Context-Transformer: the prior boxes of a detector attend to the max-pooled class scores of all
// of them, and are classified anew by a cosine classifier.
#include "blocks/nn.h"

enum { MAP_AXES = 2, DEFAULT_SCALES = 6 };

// Entries of pool_kernel or pool_stride: one a scale. Without the attribute the first of its
// default, which has six.
static bool check_entries(struct vka_scope *s, const char *name, int64_t scales)
{
    int count = vka_get_count(s, name);
    if (!vka_attr_given(s, name) && scales <= DEFAULT_SCALES)
        return true;
    if (!vka_attr_given(s, name))
        vka_scope_fail(s, "attribute '%s' is missing: it has no default for %lld sources", name,
                       (long long)scales);
    else if (count != scales)
        vka_scope_fail(s, "attribute '%s' has %d values, but there are %lld sources", name, count,
                       (long long)scales);
    return !vka_failed(s->g);
}

static bool check_map(struct vka_scope *s, int i, vka_tensor map, vka_tensor first)
{
    const char *name = vka_name(s, "conf%d", i);
    int64_t width = vka_get_int(s, "k");
    if (!vka_expect_rank(s, name, map, 4, 4) ||
        !vka_expect(s, name, map, VKA_SHAPE(vka_dim(s->g, first, 0), 0, 0, 0)))
        return false;
    if (vka_dim(s->g, map, 1) % width != 0)
        vka_scope_fail(s, "'%s' has %lld channels, which is no multiple of k %lld", name,
                       (long long)vka_dim(s->g, map, 1), (long long)width);
    return !vka_failed(s->g);
}

// The maximum over the windows of scale i. What a window is larger than, it covers; so no number
// need be larger than the map.
static vka_tensor pool_map(struct vka_scope *s, int i, vka_tensor map)
{
    struct vka_pool p = {.max = true, .ceil_mode = true};
    int64_t kernel = vka_get_int_at(s, "pool_kernel", i);
    int64_t stride = vka_get_int_at(s, "pool_stride", i);
    for (int axis = 0; axis < MAP_AXES; axis++) {
        int64_t size = vka_dim(s->g, map, 2 + axis);
        p.kernel[axis] = kernel < size ? kernel : size;
        p.stride[axis] = stride < size ? stride : size;
    }
    return kernel == 1 && stride == 1 ? map : vka_pool(s->g, map, &p);
}

// [N, A * K, H, W] as [N, H * W * A, K].
static vka_tensor features(struct vka_scope *s, vka_tensor map)
{
    vka_tensor last = vka_permute(s->g, map, (const int[]){0, 2, 3, 1});
    return vka_reshape(s->g, last, VKA_SHAPE(vka_dim(s->g, map, 0), -1, vka_get_int(s, "k")));
}

// The priors' features [N, P, K] and the contexts' [N, Pc, K], scale after scale.
static bool read_maps(struct vka_scope *s, vka_tensor *priors, vka_tensor *contexts)
{
    vka_graph *g = s->g;
    int64_t scales = vka_get_int(s, "sources");
    if (!check_entries(s, "pool_kernel", scales) || !check_entries(s, "pool_stride", scales))
        return false;
    vka_tensor *part = vka_pool_alloc(g, 2 * (size_t)scales * sizeof *part);
    vka_tensor first = 0;
    for (int i = 0; i < scales && part && !vka_failed(g); i++) {
        vka_tensor map = vka_in_i(s, "conf%d", i);
        first = first ? first : map;
        if (!check_map(s, i, map, first))
            return false;
        part[i] = features(s, map);
        part[scales + i] = features(s, pool_map(s, i, map));
    }
    if (vka_failed(g))
        return false;
    *priors = vka_concat(g, 1, (int)scales, part);
    *contexts = vka_concat(g, 1, (int)scales, part + scales);
    return !vka_failed(g);
}

// x weight^T + bias + x
static vka_tensor linear_onto(struct vka_scope *s, vka_tensor x, const char *name)
{
    struct vka_layer layer = {.bias = VKA_BIAS, .residual = x};
    return vka_linear(s, x, name, vka_dim(s->g, x, -1), &layer);
}

// What a prior gets of the contexts. The channels' factors wz act on the contexts' side, which has
// fewer rows.
static vka_tensor attend(struct vka_scope *s, vka_tensor priors, vka_tensor contexts)
{
    vka_graph *g = s->g;
    struct vka_attention p = {.scale = 1};
    vka_tensor wz = vka_weight(s, "wz", VKA_SHAPE(vka_dim(g, priors, 2)));
    vka_tensor t = vka_unsqueeze(g, linear_onto(s, priors, "theta"), 1);
    vka_tensor phi = vka_unsqueeze(g, linear_onto(s, contexts, "phi"), 1);
    vka_tensor v = vka_mul(g, linear_onto(s, contexts, "g"), wz);
    vka_give(s, "attn", vka_squeeze(g, vka_attention_map(g, t, phi, &p), 1));
    return vka_squeeze(g, vka_attention(g, t, phi, vka_unsqueeze(g, v, 1), &p, NULL), 1);
}

static void build(struct vka_scope *s)
{
    vka_graph *g = s->g;
    vka_tensor x = 0, contexts = 0;
    if (!read_maps(s, &x, &contexts))
        return;
    vka_tensor delta = attend(s, x, contexts);
    vka_give(s, "delta", delta);
    vka_tensor moved = vka_add(g, x, delta);
    vka_tensor length = vka_reduce(g, VKA_REDUCE_L2, moved, 1u << 2, true);
    vka_tensor target = vka_weight(s, "obj_target.weight", VKA_SHAPE(0, vka_dim(g, x, 2)));
    target = vka_mul(g, target, vka_weight(s, "scale", VKA_SHAPE(1)));
    vka_tensor y = vka_matmul(g, vka_div(g, moved, length), vka_transpose(g, target, 0, 1), NULL);
    if (vka_is(s, "setting", "incre"))
        y = VKA_CONCAT(g, 2, linear_onto(s, x, "fc_base"), y);
    vka_give(s, "y", y);
    if (vka_get_bool(s, "softmax"))
        vka_give(s, "scores", vka_softmax(g, y, NULL));
}

static const vka_attr_info attrs[] = {
    {"sources", "int", NULL, ">= 1", "S, detection scales"},
    {"k", "int", NULL, ">= 1", "K, class scores of an anchor; divides the channels"},
    {"pool_kernel", "list of int", "[3, 2, 2, 2, 1, 1]", ">= 1",
     "windows of the max pooling, S of them; without it the default's first"},
    {"pool_stride", "list of int", "[3, 2, 2, 2, 1, 1]", ">= 1", "likewise its strides"},
    {"setting", "string", "\"transfer\"", "transfer|incre", "incre: source classes in front"},
    {"softmax", "bool", "false", "", "give the classes' probabilities, too"},
    {0},
};
static const vka_port_info inputs[] = {
    {"conf{i}", "[N, A_i * K, H_i, W_i]", "f32", "", "class scores of scale i < S, by anchor"},
    {0},
};
static const vka_weight_info weights[] = {
    {"theta.weight", "[K, K]", "f32", "", "theta.weight"},
    {"theta.bias", "[K]", "f32", "", "theta.bias"},
    {"phi.weight", "[K, K]", "f32", "", "phi.weight"},
    {"phi.bias", "[K]", "f32", "", "phi.bias"},
    {"g.weight", "[K, K]", "f32", "", "g.weight"},
    {"g.bias", "[K]", "f32", "", "g.bias"},
    {"wz", "[K]", "f32", "", "Wz"},
    {"obj_target.weight", "[Kt, K]", "f32", "", "OBJ_Target.weight"},
    {"scale", "[1]", "f32", "", "scale"},
    {"fc_base.weight", "[K, K]", "f32", "setting \"incre\"", "fc_base.weight"},
    {"fc_base.bias", "[K]", "f32", "setting \"incre\"", "fc_base.bias"},
    {0},
};
static const vka_port_info outputs[] = {
    {"y", "[N, P, Kt or K + Kt]", "f32", "", "class scores of the P priors"},
    {"attn", "[N, P, Pc]", "f32", "", "affinity of each prior to each context"},
    {"delta", "[N, P, K]", "f32", "", "what the contexts add"},
    {"scores", "as y", "f32", "softmax", "softmax over the classes"},
    {0},
};

const struct vka_block_row vka_block_rows_context_transformer[] = {
    {{"context_transformer", "Context-Transformer: priors attend to pooled contexts of all scales",
      "Yang, Wang, Chen, Liu, Qiao: Context-Transformer, AAAI 2020, arXiv 2003.07304", attrs,
      inputs, weights, outputs,
      "{\"attrs\": {\"sources\": 2, \"k\": 60}, \"shapes\": {\"conf0\": [1, 360, 38, 38], "
      "\"conf1\": [1, 360, 19, 19], \"w.obj_target.weight\": [20, 60]}}"},
     build},
    {.build = NULL},
};
