// SPDX-License-Identifier: MIT
//
// Stand-Alone Self-Attention: each pixel attends to a window around it, with embeddings of the row
// and the column in the window; and the stem, whose values are mixtures by the place in the window.
#include "blocks/window.h"

struct layer {
    int64_t out, groups, proj_groups, kernel, pad;
    int64_t maps; // softmaxes a pixel: groups, or one a channel
    bool bias;    // so what is projected from the padding isn't zero
    vka_tensor x;
    vka_tensor q; // [N, O, Ho, Wo]
    struct vka_windows w;
};

static bool check(struct vka_scope *s, struct layer *l, vka_tensor x)
{
    l->out = vka_get_int(s, "out_channels");
    l->groups = vka_get_int(s, "groups");
    l->proj_groups = vka_is_null(s, "proj_groups") ? l->groups : vka_get_int(s, "proj_groups");
    l->kernel = vka_get_int(s, "kernel_size");
    l->pad = vka_get_int(s, "padding");
    l->maps = vka_is(s, "logits", "head") ? l->groups : l->out;
    l->bias = vka_get_bool(s, "bias");
    l->x = x;
    if (!vka_expect_rank(s, "x", x, 4, 4))
        return false;
    if (l->out % l->groups != 0)
        vka_scope_fail(s, "out_channels %lld doesn't divide into %lld groups", (long long)l->out,
                       (long long)l->groups);
    else if (l->out % l->proj_groups != 0 || vka_dim(s->g, x, 1) % l->proj_groups != 0)
        vka_scope_fail(s,
                       "out_channels %lld and the %lld channels of x don't divide into %lld "
                       "proj_groups",
                       (long long)l->out, (long long)vka_dim(s->g, x, 1),
                       (long long)l->proj_groups);
    return !vka_failed(s->g);
}

// The windows: from padded pixel (0, 0) on; a stem has one for each pixel of x.
static bool place(struct vka_scope *s, struct layer *l, bool stem)
{
    int64_t k = l->kernel, stride = vka_get_int(s, "stride");
    if (stem && stride != 1)
        vka_scope_fail(s, "attribute 'stride' is %lld, but a stem needs 1", (long long)stride);
    if (stem && 2 * l->pad < k - 1)
        vka_scope_fail(s, "attribute 'padding' is %lld, but a stem of kernel_size %lld needs %lld",
                       (long long)l->pad, (long long)k, (long long)(k / 2));
    l->w = (struct vka_windows){.kernel = {k, k}, .stride = {stride, stride}, .dilation = {1, 1}};
    for (int i = 0; i < 2 && !vka_failed(s->g); i++) {
        int64_t size = vka_dim(s->g, l->x, 2 + i), room = size + 2 * l->pad - k;
        if (!stem && room < 0)
            vka_scope_fail(s,
                           "a map of %lld x %lld with padding %lld is smaller than kernel_size "
                           "%lld",
                           (long long)vka_dim(s->g, l->x, 2), (long long)vka_dim(s->g, l->x, 3),
                           (long long)l->pad, (long long)k);
        l->w.out[i] = stem ? size : room / stride + 1;
        l->w.before[i] = l->bias ? 0 : l->pad;
    }
    return !vka_failed(s->g);
}

// `pad`: around x.
static vka_tensor project(struct vka_scope *s, const struct layer *l, vka_tensor x, int64_t pad,
                          const char *name)
{
    struct vka_conv conv = {.groups = l->proj_groups, .before = {pad, pad}, .after = {pad, pad}};
    return vka_conv_layer(s, x, name, l->out, (const int64_t[]){1, 1},
                          l->bias ? VKA_BIAS : VKA_NO_BIAS, NULL, 0, &conv);
}

static vka_tensor project_taps(struct vka_scope *s, const struct layer *l, const char *name)
{
    return project(s, l, l->x, l->bias ? l->pad : 0, name);
}

// The pixels in the windows' middle; they may lie in the padding.
static vka_tensor centres(vka_graph *g, const struct layer *l)
{
    vka_tensor x = l->x;
    int64_t begin = (l->kernel - 1) / 2 - l->pad, before[4] = {0}, after[4] = {0};
    for (int i = 2; i < 4; i++) {
        int64_t last = begin + (l->w.out[i - 2] - 1) * l->w.stride[0];
        int64_t more = last + 1 - vka_dim(g, x, i);
        before[i] = begin < 0 ? -begin : 0;
        after[i] = more < 0 ? 0 : more;
    }
    x = vka_pad(g, x, VKA_PAD_ZEROS, before, after, 0);
    for (int i = 2; i < 4; i++)
        x = vka_slice_step(g, x, i, begin + before[i], l->w.out[i - 2], l->w.stride[0]);
    return x;
}

// [O, k*k] as [maps, d, k*k]: the rows' part, then the columns'.
static vka_tensor relative(struct vka_scope *s, const struct layer *l)
{
    vka_graph *g = s->g;
    int64_t k = l->kernel, head = l->out / l->groups;
    bool shared = vka_is(s, "rel_split", "head");
    int64_t depth = shared ? head : l->out, rows = depth / 2;
    vka_tensor table = vka_weight(s, "rel_w", VKA_SHAPE(depth - rows, k));
    table = vka_broadcast_to(g, vka_unsqueeze(g, table, 1), VKA_SHAPE(depth - rows, k, k));
    if (rows > 0) {
        vka_tensor down = vka_weight(s, "rel_h", VKA_SHAPE(rows, k));
        down = vka_broadcast_to(g, vka_unsqueeze(g, down, 2), VKA_SHAPE(rows, k, k));
        table = VKA_CONCAT(g, 0, down, table);
    }
    if (shared)
        table = vka_broadcast_to(g, vka_flatten(g, table, 1, 2), VKA_SHAPE(l->groups, head, k * k));
    return vka_reshape(g, table, VKA_SHAPE(l->maps, l->out / l->maps, k * k));
}

static vka_tensor weights_of(vka_graph *g, const struct layer *l, vka_tensor key,
                             const struct vka_window_logits *p)
{
    return vka_softmax(g, vka_window_dot(g, l->q, key, p), &(struct vka_softmax){.axis = 2});
}

static void build_layer(struct vka_scope *s, struct layer *l)
{
    vka_graph *g = s->g;
    l->q = project(s, l, centres(g, l), 0, "query");
    vka_tensor key = project_taps(s, l, "key"), value = project_taps(s, l, "value");
    const struct vka_window_logits p = {
        .windows = l->w, .maps = l->maps, .scale = 1, .table = relative(s, l)};
    vka_give(s, "y", vka_window_attention(g, l->q, key, value, &p, 0));
    vka_give(s, "attn", weights_of(g, l, key, &p));
}

// Shares of the value projections in each tap, [m, k*k].
static vka_tensor mixture(struct vka_scope *s, const struct layer *l, int64_t m)
{
    vka_graph *g = s->g;
    int64_t k = l->kernel, d = l->out / l->groups;
    vka_tensor row = vka_weight(s, "emb_row", VKA_SHAPE(d, k));
    vka_tensor column = vka_weight(s, "emb_col", VKA_SHAPE(d, k));
    vka_tensor both = vka_add(g, vka_unsqueeze(g, row, 2), vka_unsqueeze(g, column, 1));
    vka_tensor logits =
        vka_matmul(g, vka_weight(s, "emb_mix", VKA_SHAPE(m, d)), vka_flatten(g, both, 1, 2), NULL);
    return vka_softmax(g, logits, &(struct vka_softmax){.axis = 0});
}

static void build_stem(struct vka_scope *s, struct layer *l)
{
    vka_graph *g = s->g;
    int64_t m = vka_get_int(s, "mix");
    vka_tensor y = 0, shares = mixture(s, l, m);
    l->q = project(s, l, l->x, 0, "query");
    vka_tensor key = project_taps(s, l, "key");
    const struct vka_window_logits p = {.windows = l->w, .maps = l->maps, .scale = 1};
    for (int64_t i = 0; i < m && !vka_failed(g); i++) {
        vka_tensor value = project_taps(s, l, vka_name(s, "value.%lld", (long long)i));
        vka_tensor own = vka_squeeze(g, vka_slice(g, shares, 0, i, 1), 0);
        vka_tensor part = vka_window_attention(g, l->q, key, value, &p, own);
        y = y ? vka_add(g, y, part) : part;
    }
    vka_give(s, "y", y);
    vka_give(s, "attn", weights_of(g, l, key, &p));
}

static void build(struct vka_scope *s)
{
    vka_tensor x = vka_in(s, "x");
    struct layer l = {0};
    bool stem = vka_is(s, "mode", "stem");
    if (!check(s, &l, x) || !place(s, &l, stem))
        return;
    if (stem)
        build_stem(s, &l);
    else
        build_layer(s, &l);
}

static const vka_attr_info attrs[] = {
    {"mode", "string", "\"layer\"", "layer|stem", "stem: values are mixtures by the tap"},
    {"out_channels", "int", NULL, "1..1000000000", "O; a multiple of groups"},
    {"kernel_size", "int", "7", "1..1000000000", "k, the window's side"},
    {"stride", "int", "1", "1..1000000000", "1 in a stem"},
    {"padding", "int", "3", "0..1000000000", "zeros around x, before the projections"},
    {"groups", "int", "1", ">= 1", "heads"},
    {"proj_groups", "int or null", "null", ">= 1", "groups of the projections; null: groups"},
    {"bias", "bool", "false", "", "the projections have a bias"},
    {"logits", "string", "\"head\"", "head|channel", "one softmax a head, or one a channel"},
    {"rel_split", "string", "\"head\"", "head|all",
     "layer: embeddings of one head, which all share, or of all channels"},
    {"mix", "int", "4", "1..1000000", "m, the stem's value projections"},
    {0},
};
static const vka_port_info inputs[] = {
    {"x", "[N, C, H, W]", "f32", "", "feature map"},
    {0},
};
static const vka_weight_info weights[] = {
    {"query.weight", "[O, C/proj_groups, 1, 1]", "f32", "", "query_conv.weight"},
    {"query.bias", "[O]", "f32", "bias", "query_conv.bias"},
    {"key.weight", "[O, C/proj_groups, 1, 1]", "f32", "", "key_conv.weight"},
    {"key.bias", "[O]", "f32", "bias", "key_conv.bias"},
    {"value.weight", "[O, C/proj_groups, 1, 1]", "f32", "layer", "value_conv.weight"},
    {"value.bias", "[O]", "f32", "layer, bias", "value_conv.bias"},
    {"rel_h", "[floor(D/2), k]", "f32", "layer, D > 1; D = O/groups, or O for rel_split all",
     "rel_h"},
    {"rel_w", "[D - floor(D/2), k]", "f32", "layer", "rel_w"},
    {"value.{i}.weight", "[O, C/proj_groups, 1, 1]", "f32", "stem, i < m", ""},
    {"value.{i}.bias", "[O]", "f32", "stem, bias, i < m", ""},
    {"emb_row", "[O/groups, k]", "f32", "stem", ""},
    {"emb_col", "[O/groups, k]", "f32", "stem", ""},
    {"emb_mix", "[m, O/groups]", "f32", "stem", ""},
    {0},
};
static const vka_port_info outputs[] = {
    {"y", "[N, O, Ho, Wo]", "f32", "", "stem: Ho = H, Wo = W"},
    {"attn", "[N, A, k*k, Ho, Wo]", "f32", "", "weights of the taps; A = groups, or O by channel"},
    {0},
};

const struct vka_block_row vka_block_rows_sasa[] = {
    {{"sasa", "Stand-Alone Self-Attention: windows with embeddings of row and column; and the stem",
      "Ramachandran, Parmar, Vaswani, Bello, Levskaya, Shlens: Stand-Alone Self-Attention in "
      "Vision Models, NeurIPS 2019, arXiv 1906.05909",
      attrs, inputs, weights, outputs,
      "{\"attrs\": {\"out_channels\": 64, \"groups\": 8}, \"shapes\": {\"x\": [1, 64, 56, 56]}}"},
     build},
    {.build = NULL},
};
