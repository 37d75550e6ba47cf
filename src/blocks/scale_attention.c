// SPDX-License-Identifier: MIT
//
// Attention to scale: score maps of several scales of an image, weighted at each position by a
// softmax over the scales. All is done at the size of scale 0.
#include "blocks/nn.h"

struct maps {
    int count;
    vka_tensor *at; // of each scale
};

static vka_tensor resize_to(struct vka_scope *s, vka_tensor x, int64_t height, int64_t width)
{
    if (vka_dim(s->g, x, 2) == height && vka_dim(s->g, x, 3) == width)
        return x;
    struct vka_resize p = {
        .size = {height, width}, .linear = true, .align_corners = vka_get_bool(s, "align_corners")};
    return vka_resize(s->g, x, &p);
}

// score0, score1, ... as they come.
static bool read_scores(struct vka_scope *s, struct maps *m)
{
    m->count = (int)vka_get_int(s, "scales");
    m->at = vka_pool_alloc(s->g, (size_t)m->count * sizeof *m->at);
    for (int i = 0; i < m->count && !vka_failed(s->g); i++) {
        m->at[i] = vka_in_i(s, "score%d", i);
        vka_expect(s, vka_name(s, "score%d", i), m->at[i],
                   i ? VKA_SHAPE(vka_dim(s->g, m->at[0], 0), vka_dim(s->g, m->at[0], 1), 0, 0)
                     : VKA_SHAPE(0, 0, 0, 0));
    }
    return !vka_failed(s->g);
}

// feat0, feat1, ... of the sizes of the scores.
static bool read_features(struct vka_scope *s, const struct maps *scores, struct maps *m)
{
    m->count = scores->count;
    m->at = vka_pool_alloc(s->g, (size_t)m->count * sizeof *m->at);
    for (int i = 0; i < m->count && !vka_failed(s->g); i++) {
        vka_tensor score = scores->at[i];
        m->at[i] = vka_in_i(s, "feat%d", i);
        if (!m->at[i])
            return vka_scope_fail(s, "input 'feat%d' is missing", i), false;
        vka_expect(s, vka_name(s, "feat%d", i), m->at[i],
                   VKA_SHAPE(vka_dim(s->g, score, 0), i ? vka_dim(s->g, m->at[0], 1) : 0,
                             vka_dim(s->g, score, 2), vka_dim(s->g, score, 3)));
    }
    return !vka_failed(s->g);
}

static void resize_all(struct vka_scope *s, struct maps *m)
{
    int64_t height = vka_dim(s->g, m->at[0], 2), width = vka_dim(s->g, m->at[0], 3);
    for (int i = 1; i < m->count; i++)
        m->at[i] = resize_to(s, m->at[i], height, width);
}

// The scales' weights [N, S, h0, w0].
static vka_tensor weigh(struct vka_scope *s, const struct maps *features)
{
    vka_graph *g = s->g;
    struct vka_conv conv = {.before = {1, 1}, .after = {1, 1}, .act = {VKA_ACT_RELU, 0, 0}};
    struct vka_layer layer = {.bias = VKA_BIAS};
    vka_tensor all = vka_concat(g, 1, features->count, features->at);
    all = vka_conv_layer(s, all, "conv1", 0, (const int64_t[]){3, 3}, VKA_BIAS, NULL, 0, &conv);
    all = vka_pointwise(s, all, "conv2", features->count, NULL, 0, &layer);
    return vka_softmax(g, all, &(struct vka_softmax){.axis = 1});
}

// The sum of the scores, each times its weights if there are any; or their maximum.
static vka_tensor merge(struct vka_scope *s, const struct maps *scores, vka_tensor attn)
{
    vka_graph *g = s->g;
    enum vka_binary_kind kind = vka_is(s, "merge", "max") ? VKA_MAX : VKA_ADD;
    vka_tensor y = 0;
    for (int i = 0; i < scores->count; i++) {
        vka_tensor part = scores->at[i];
        if (attn)
            part = vka_mul(g, part, vka_slice(g, attn, 1, i, 1));
        y = y ? vka_binary(g, kind, y, part) : part;
    }
    return vka_is(s, "merge", "avg") ? vka_affine(g, y, 1.0 / scores->count, 0) : y;
}

static void build(struct vka_scope *s)
{
    vka_graph *g = s->g;
    struct maps scores, features;
    vka_tensor attn = 0;
    if (!read_scores(s, &scores))
        return;
    if (vka_is(s, "merge", "attention")) {
        if (!read_features(s, &scores, &features))
            return;
        resize_all(s, &features);
        attn = weigh(s, &features);
    }
    resize_all(s, &scores);
    vka_tensor fused = merge(s, &scores, attn);
    int64_t z = vka_get_int(s, "upsample"), size[2];
    for (int i = 0; i < 2; i++) {
        int64_t own = vka_dim(g, fused, 2 + i);
        size[i] = vka_get_bool(s, "align_corners") ? (own - 1) * z + 1 : own * z;
    }
    vka_give(s, "y", resize_to(s, fused, size[0], size[1]));
    vka_give(s, "fused", fused);
    vka_give(s, "attn", attn);
}

static const vka_attr_info attrs[] = {
    {"scales", "int", NULL, "1..1000", "S, the number of scales; 0 is the full resolution"},
    {"merge", "string", "\"attention\"", "attention|avg|max", "how the scores become one map"},
    {"align_corners", "bool", "true", "", "of every resizing"},
    {"upsample", "int", "1", "1..1000000",
     "z: y is (h_0 - 1) z + 1 high, or h_0 z without align_corners"},
    {0},
};
static const vka_port_info inputs[] = {
    {"feat{i}", "[N, Cf, h_i, w_i]", "f32", "merge attention", "features of scale i"},
    {"score{i}", "[N, K, h_i, w_i]", "f32", "", "score maps of scale i"},
    {0},
};
static const vka_weight_info weights[] = {
    {"conv1.weight", "[Ca, S*Cf, 3, 3]", "f32", "merge attention", ""},
    {"conv1.bias", "[Ca]", "f32", "merge attention", ""},
    {"conv2.weight", "[S, Ca, 1, 1]", "f32", "merge attention", ""},
    {"conv2.bias", "[S]", "f32", "merge attention", ""},
    {0},
};
static const vka_port_info outputs[] = {
    {"y", "[N, K, H, W]", "f32", "", "the fused scores, enlarged"},
    {"fused", "[N, K, h_0, w_0]", "f32", "", "the fused scores"},
    {"attn", "[N, S, h_0, w_0]", "f32", "merge attention", "the scales' weights"},
    {0},
};

const struct vka_block_row vka_block_rows_scale_attention[] = {
    {{"scale_attention", "Attention to scale: score maps of several scales, weighted by position",
      "Chen, Yang, Wang, Xu, Yuille: Attention to Scale: Scale-aware Semantic Image Segmentation, "
      "CVPR 2016, arXiv 1511.03339",
      attrs, inputs, weights, outputs,
      "{\"attrs\": {\"scales\": 2}, \"shapes\": {\"feat0\": [1, 1024, 41, 41], \"feat1\": [1, "
      "1024, "
      "21, 21], \"score0\": [1, 21, 41, 41], \"score1\": [1, 21, 21, 21], \"w.conv1.weight\": "
      "[512, "
      "2048, 3, 3]}}"},
     build},
    {.build = NULL},
};
