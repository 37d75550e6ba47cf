// SPDX-License-Identifier: MIT
//
// Local Relation Layer of LR-Net: weights in a window from the likeness of short queries and keys
// and from a prior of the place in the window.
#include "blocks/window.h"

#include <string.h>

struct relation {
    int64_t groups, depth, saliency; // depth: channels of a query in a group
    struct vka_windows w;
    vka_tensor q;     // [N, Q, Ho, Wo], or 0
    vka_tensor key;   // [N, Q, H, W]
    vka_tensor extra; // [N, G, H, W]: the keys' saliency by group, times depth; or 0
};

static bool check(struct vka_scope *s, struct relation *r, vka_tensor x)
{
    int64_t k = vka_get_int(s, "kernel_size"), channels = vka_dim(s->g, x, 1);
    r->groups = vka_get_int(s, "groups");
    r->saliency = vka_get_int(s, "saliency");
    int64_t q = vka_is_null(s, "qk_channels") ? r->groups : vka_get_int(s, "qk_channels");
    r->depth = q / r->groups;
    if (!vka_expect_rank(s, "x", x, 4, 4))
        return false;
    if (k % 2 == 0)
        vka_scope_fail(s, "attribute 'kernel_size' is %lld, but must be odd", (long long)k);
    else if (channels % r->groups != 0 || q % r->groups != 0)
        vka_scope_fail(s,
                       "the %lld channels of x and %lld qk_channels don't divide into %lld "
                       "groups",
                       (long long)channels, (long long)q, (long long)r->groups);
    r->w = vka_windows_centred(s->g, x, k, vka_get_int(s, "stride"), vka_get_int(s, "dilation"),
                               false);
    return !vka_failed(s->g);
}

// One row for each group, of the S rows behind the keys'.
static vka_tensor rows_by_group(vka_graph *g, vka_tensor t, const struct relation *r)
{
    vka_tensor *rows = vka_pool_alloc(g, (size_t)r->groups * sizeof *rows);
    for (int64_t i = 0; rows && i < r->groups; i++)
        rows[i] = vka_slice(g, t, 0, r->groups * r->depth + i * r->saliency / r->groups, 1);
    return rows ? vka_concat(g, 0, (int)r->groups, rows) : 0;
}

// Query, key and saliency: one product at stride 1.
static void project(struct vka_scope *s, struct relation *r, vka_tensor x)
{
    enum { KEY, EXTRA, QUERY, PARTS };
    vka_graph *g = s->g;
    int64_t channels = vka_dim(g, x, 1), q = r->groups * r->depth;
    bool asks = !vka_is(s, "similarity", "key_only"), sampled = r->w.stride[0] > 1;
    struct vka_kernel all = vka_kernel_of(s, "key", q + r->saliency, channels, VKA_BIAS);
    struct vka_kernel k[PARTS] = {
        {vka_slice(g, all.weight, 0, 0, q), vka_slice(g, all.bias, 0, 0, q)}};
    vka_tensor y[PARTS] = {0};
    int count = 1;
    if (r->saliency && !vka_failed(g)) {
        k[count] =
            (struct vka_kernel){rows_by_group(g, all.weight, r), rows_by_group(g, all.bias, r)};
        k[count] = vka_kernel_times(g, k[count], vka_constant_scalar(g, (float)r->depth));
        count++;
    }
    if (asks && !sampled)
        k[count++] = vka_kernel_of(s, "query", q, channels, VKA_BIAS);
    vka_pointwise_all(g, x, count, k, y);
    struct vka_layer layer = {.bias = VKA_BIAS};
    r->key = y[KEY];
    r->extra = r->saliency ? y[EXTRA] : 0;
    if (asks && sampled)
        r->q = vka_pointwise(s, vka_every(g, x, r->w.stride[0]), "query", q, NULL, 0, &layer);
    else if (asks)
        r->q = y[count - 1];
}

static int relation_of(struct vka_scope *s)
{
    static const struct {
        const char *name;
        int relation;
    } all[] = {{"product", VKA_RELATION_PRODUCT},
               {"key_only", VKA_RELATION_KEY},
               {"abs_diff", VKA_RELATION_ABS_DIFF},
               {"sq_diff", VKA_RELATION_SQ_DIFF},
               {"norm_abs_diff", VKA_RELATION_NORM_ABS_DIFF},
               {"norm_sq_diff", VKA_RELATION_NORM_SQ_DIFF}};
    size_t i = 0;
    while (strcmp(vka_get_string(s, "similarity"), all[i].name) != 0 &&
           i + 1 < sizeof all / sizeof *all)
        i++;
    return all[i].relation;
}

// Columns to the right, rows upwards, 0 in the middle: [1, 2, k, k].
static vka_tensor place_grid(vka_graph *g, int64_t k)
{
    vka_shape shape = VKA_SHAPE(2, k, k);
    float *grid = vka_alloc(g->context, (uint64_t)k * (uint64_t)k * 2, sizeof *grid);
    if (!grid)
        return vka_fail_memory(g, "the grid of positions");
    for (int64_t i = 0; i < k * k; i++) {
        grid[i] = (float)(i % k - k / 2);
        grid[k * k + i] = (float)(k / 2 - i / k);
    }
    vka_tensor t = vka_constant(g, VKA_F32, &shape, grid);
    vka_free(g->context, grid);
    return vka_unsqueeze(g, t, 0);
}

// The prior [G, k*k], or 0.
static vka_tensor geometry(struct vka_scope *s, const struct relation *r)
{
    vka_graph *g = s->g;
    int64_t k = r->w.kernel[0];
    vka_tensor prior = 0;
    if (vka_is(s, "geometry", "table")) {
        prior = vka_weight(s, "pos_weight", VKA_SHAPE(r->groups, k, k));
    } else if (vka_is(s, "geometry", "mlp")) {
        struct vka_layer fc1 = {.bias = VKA_BIAS, .act = {VKA_ACT_RELU, 0, 0}};
        struct vka_layer fc2 = {.bias = VKA_BIAS};
        vka_tensor hidden = vka_pointwise(s, place_grid(g, k), "geometry.fc1", 0, NULL, 0, &fc1);
        prior = vka_pointwise(s, hidden, "geometry.fc2", r->groups, NULL, 0, &fc2);
    }
    return prior ? vka_reshape(g, prior, VKA_SHAPE(r->groups, k * k)) : 0;
}

// Weights of the places alone, [N, G, k*k, Ho, Wo].
static vka_tensor place_weights(struct vka_scope *s, const struct relation *r, vka_tensor x,
                                vka_tensor prior)
{
    vka_graph *g = s->g;
    int64_t height = r->w.out[0], width = r->w.out[1], taps = r->w.kernel[0] * r->w.kernel[1];
    vka_tensor inside = vka_window_inside(g, vka_dim(g, x, 2), vka_dim(g, x, 3), &r->w);
    vka_tensor outside = vka_constant_scalar(g, (float)vka_get_double(s, "pad_value"));
    vka_tensor logits = vka_where(g, vka_reshape(g, inside, VKA_SHAPE(1, taps, height, width)),
                                  vka_constant_scalar(g, 0), outside);
    if (prior)
        logits = vka_add(g, logits, vka_unsqueeze(g, vka_unsqueeze(g, prior, 2), 2));
    vka_tensor attn = vka_softmax(g, logits, &(struct vka_softmax){.axis = 1});
    return vka_broadcast_to(g, attn, VKA_SHAPE(vka_dim(g, x, 0), r->groups, taps, height, width));
}

// y, and the weights [N, G, k*k, Ho, Wo].
static vka_tensor attend(struct vka_scope *s, struct relation *r, vka_tensor x, vka_tensor *attn)
{
    vka_graph *g = s->g;
    vka_tensor prior = geometry(s, r);
    if (vka_is(s, "similarity", "none")) {
        *attn = place_weights(s, r, x, prior);
        return vka_window_sum(g, *attn, x, &r->w, false);
    }
    project(s, r, x);
    const struct vka_window_logits p = {.windows = r->w,
                                        .maps = r->groups,
                                        .relation = relation_of(s),
                                        .scale = vka_get_double(s, "scale"),
                                        .extra = r->extra,
                                        .fixed = true,
                                        .outside = vka_get_double(s, "pad_value"),
                                        .bias = prior};
    *attn = vka_softmax(g, vka_window_dot(g, r->q, r->key, &p), &(struct vka_softmax){.axis = 2});
    return vka_window_attention(g, r->q, r->key, x, &p, 0);
}

static void build(struct vka_scope *s)
{
    vka_tensor x = vka_in(s, "x"), attn = 0;
    struct relation r = {0};
    if (!check(s, &r, x))
        return;
    vka_tensor y = attend(s, &r, x, &attn);
    struct vka_layer proj = {.bias = VKA_BIAS};
    if (vka_get_bool(s, "out_proj"))
        y = vka_pointwise(s, y, "proj", vka_dim(s->g, x, 1), NULL, 0, &proj);
    vka_give(s, "y", y);
    vka_give(s, "attn", attn);
}

static const vka_attr_info attrs[] = {
    {"kernel_size", "int", "7", "1..4095", "k, the window's side; odd"},
    {"stride", "int", "1", "1..1000000000", ""},
    {"dilation", "int", "1", "1..1000000000", "distance of the window's taps"},
    {"groups", "int", NULL, "1..1000000000", "G weight maps, each for C / G channels side by side"},
    {"qk_channels", "int or null", "null", "1..1000000000",
     "Q, channels of query and key; a multiple of G; null: G"},
    {"similarity", "string", "\"sq_diff\"",
     "product|key_only|abs_diff|norm_abs_diff|norm_sq_diff|sq_diff|none", "of a query and a key"},
    {"scale", "float", "1.0", "", "factor on the similarity"},
    {"pad_value", "float", "-100.0", "", "logit of taps outside the map, before the prior"},
    {"geometry", "string", "\"mlp\"", "mlp|table|none", "prior of the place in the window"},
    {"saliency", "int", "0", "0..1000000000", "S key channels more, added to the similarity"},
    {"out_proj", "bool", "true", "", "apply the last 1x1 convolution"},
    {0},
};
static const vka_port_info inputs[] = {
    {"x", "[N, C, H, W]", "f32", "", "feature map, also the value"},
    {0},
};
static const vka_weight_info weights[] = {
    {"query.weight", "[Q, C, 1, 1]", "f32", "similarity not key_only, none", ""},
    {"query.bias", "[Q]", "f32", "similarity not key_only, none", ""},
    {"key.weight", "[Q + S, C, 1, 1]", "f32", "similarity not none", ""},
    {"key.bias", "[Q + S]", "f32", "similarity not none", ""},
    {"geometry.fc1.weight", "[M, 2, 1, 1]", "f32", "geometry mlp", ""},
    {"geometry.fc1.bias", "[M]", "f32", "geometry mlp", ""},
    {"geometry.fc2.weight", "[G, M, 1, 1]", "f32", "geometry mlp", ""},
    {"geometry.fc2.bias", "[G]", "f32", "geometry mlp", ""},
    {"pos_weight", "[G, k, k]", "f32", "geometry table", ""},
    {"proj.weight", "[C, C, 1, 1]", "f32", "out_proj", ""},
    {"proj.bias", "[C]", "f32", "out_proj", ""},
    {0},
};
static const vka_port_info outputs[] = {
    {"y", "[N, C, Ho, Wo]", "f32", "", "Ho = floor((H - 1) / stride) + 1"},
    {"attn", "[N, G, k*k, Ho, Wo]", "f32", "", "weights of the taps, those outside among them"},
    {0},
};

const struct vka_block_row vka_block_rows_local_relation[] = {
    {{"local_relation", "Local Relation Layer: likeness to the neighbours and a prior of the place",
      "Hu, Zhang, Xie, Lin: Local Relation Networks for Image Recognition, ICCV 2019, arXiv "
      "1904.11491",
      attrs, inputs, weights, outputs,
      "{\"attrs\": {\"groups\": 8}, \"shapes\": {\"x\": [1, 64, 56, 56], "
      "\"w.geometry.fc1.weight\": [16, 2, 1, 1]}}"},
     build},
    {.build = NULL},
};
