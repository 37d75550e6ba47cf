// SPDX-License-Identifier: MIT
//
// Stand-Alone Self-Attention: each pixel attends to a window around it, with embeddings of the row
// and the column in the window; and the stem, whose values are mixtures by the place in the window.
#include "blocks/window.h"

struct layer {
    int64_t out, groups, proj_groups, kernel, pad;
    int64_t maps; // softmaxes a pixel: groups, or one a channel
    vka_tensor x; // padded
    vka_tensor q; // [N, O, Ho, Wo]
    struct vka_sliding w;
};

static bool check(struct vka_scope *s, struct layer *l, vka_tensor x)
{
    l->out = vka_get_int(s, "out_channels");
    l->groups = vka_get_int(s, "groups");
    l->proj_groups = vka_is_null(s, "proj_groups") ? l->groups : vka_get_int(s, "proj_groups");
    l->kernel = vka_get_int(s, "kernel_size");
    l->pad = vka_get_int(s, "padding");
    l->maps = vka_is(s, "logits", "head") ? l->groups : l->out;
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
static bool place(struct vka_scope *s, struct layer *l, vka_tensor x, bool stem)
{
    int64_t k = l->kernel, stride = vka_get_int(s, "stride");
    if (stem && stride != 1)
        vka_scope_fail(s, "attribute 'stride' is %lld, but a stem needs 1", (long long)stride);
    if (stem && 2 * l->pad < k - 1)
        vka_scope_fail(s, "attribute 'padding' is %lld, but a stem of kernel_size %lld needs %lld",
                       (long long)l->pad, (long long)k, (long long)(k / 2));
    l->w = (struct vka_sliding){.kernel = k, .stride = stride, .dilation = 1};
    for (int i = 0; i < 2 && !vka_failed(s->g); i++) {
        int64_t size = vka_dim(s->g, x, 2 + i), room = size + 2 * l->pad - k;
        if (!stem && room < 0)
            vka_scope_fail(s,
                           "a map of %lld x %lld with padding %lld is smaller than kernel_size "
                           "%lld",
                           (long long)vka_dim(s->g, x, 2), (long long)vka_dim(s->g, x, 3),
                           (long long)l->pad, (long long)k);
        l->w.out[i] = stem ? size : room / stride + 1;
    }
    const int64_t pad[] = {0, 0, l->pad, l->pad};
    l->x = vka_pad(s->g, x, VKA_PAD_ZEROS, pad, pad, 0);
    return !vka_failed(s->g);
}

static vka_tensor project(struct vka_scope *s, const struct layer *l, vka_tensor x,
                          const char *name)
{
    struct vka_conv conv = {.groups = l->proj_groups};
    return vka_conv_layer(s, x, name, l->out, (const int64_t[]){1, 1},
                          vka_get_bool(s, "bias") ? VKA_BIAS : VKA_NO_BIAS, NULL, 0, &conv);
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

// q times the embeddings, [N, maps, k*k, Ho, Wo].
static vka_tensor relative_logits(struct vka_scope *s, const struct layer *l)
{
    vka_graph *g = s->g;
    vka_tensor table = vka_transpose(g, relative(s, l), 1, 2);
    vka_tensor q =
        vka_reshape(g, l->q, VKA_SHAPE(vka_dim(g, l->q, 0), l->maps, l->out / l->maps, -1));
    vka_tensor dot = vka_matmul(g, table, q, NULL);
    return vka_reshape(
        g, dot,
        VKA_SHAPE(vka_dim(g, dot, 0), l->maps, l->kernel * l->kernel, l->w.out[0], l->w.out[1]));
}

static vka_tensor attend(struct vka_scope *s, const struct layer *l, vka_tensor more)
{
    vka_graph *g = s->g;
    vka_tensor logits = vka_taps_dot(g, l->q, project(s, l, l->x, "key"), &l->w, l->maps);
    if (more)
        logits = vka_add(g, logits, more);
    return vka_softmax(g, logits, &(struct vka_softmax){.axis = 2});
}

static void build_layer(struct vka_scope *s, struct layer *l)
{
    vka_graph *g = s->g;
    int64_t middle = (l->kernel - 1) / 2;
    l->q = project(s, l, vka_tap_at(g, l->x, &l->w, middle, middle), "query");
    vka_tensor attn = attend(s, l, relative_logits(s, l));
    vka_give(s, "y", vka_taps_sum(g, attn, project(s, l, l->x, "value"), &l->w, false));
    vka_give(s, "attn", attn);
}

// Shares of the value projections in each tap, [m, k*k, 1, 1].
static vka_tensor mixture(struct vka_scope *s, const struct layer *l, int64_t m)
{
    vka_graph *g = s->g;
    int64_t k = l->kernel, d = l->out / l->groups;
    vka_tensor row = vka_weight(s, "emb_row", VKA_SHAPE(d, k));
    vka_tensor column = vka_weight(s, "emb_col", VKA_SHAPE(d, k));
    vka_tensor both = vka_add(g, vka_unsqueeze(g, row, 2), vka_unsqueeze(g, column, 1));
    vka_tensor logits =
        vka_matmul(g, vka_weight(s, "emb_mix", VKA_SHAPE(m, d)), vka_flatten(g, both, 1, 2), NULL);
    vka_tensor shares = vka_softmax(g, logits, &(struct vka_softmax){.axis = 0});
    return vka_reshape(g, shares, VKA_SHAPE(m, k * k, 1, 1));
}

static void build_stem(struct vka_scope *s, struct layer *l, vka_tensor x)
{
    vka_graph *g = s->g;
    int64_t m = vka_get_int(s, "mix");
    vka_tensor y = 0, shares = mixture(s, l, m);
    l->q = project(s, l, x, "query");
    vka_tensor attn = attend(s, l, 0);
    for (int64_t i = 0; i < m && !vka_failed(g); i++) {
        vka_tensor value = project(s, l, l->x, vka_name(s, "value.%lld", (long long)i));
        vka_tensor own = vka_mul(g, attn, vka_slice(g, shares, 0, i, 1));
        vka_tensor part = vka_taps_sum(g, own, value, &l->w, false);
        y = y ? vka_add(g, y, part) : part;
    }
    vka_give(s, "y", y);
    vka_give(s, "attn", attn);
}

static void build(struct vka_scope *s)
{
    vka_tensor x = vka_in(s, "x");
    struct layer l = {0};
    bool stem = vka_is(s, "mode", "stem");
    if (!check(s, &l, x) || !place(s, &l, x, stem))
        return;
    if (stem)
        build_stem(s, &l, x);
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
static const vka_port_info weights[] = {
    {"query.weight", "[O, C/proj_groups, 1, 1]", "f32", "", "query_conv.weight"},
    {"query.bias", "[O]", "f32", "bias", "query_conv.bias"},
    {"key.weight", "[O, C/proj_groups, 1, 1]", "f32", "", "key_conv.weight"},
    {"key.bias", "[O]", "f32", "bias", "key_conv.bias"},
    {"value.weight", "[O, C/proj_groups, 1, 1]", "f32", "layer", "value_conv.weight"},
    {"value.bias", "[O]", "f32", "layer, bias", "value_conv.bias"},
    {"rel_h", "[floor(D/2), k]", "f32", "layer, D > 1; D = O/groups, or O for rel_split all",
     "rel_h"},
    {"rel_w", "[D - floor(D/2), k]", "f32", "layer", "rel_w"},
    {"value.{i}.weight", "[O, C/proj_groups, 1, 1]", "f32", "stem, i < m", "value_conv.{i}.weight"},
    {"value.{i}.bias", "[O]", "f32", "stem, bias, i < m", "value_conv.{i}.bias"},
    {"emb_row", "[O/groups, k]", "f32", "stem", "emb_a"},
    {"emb_col", "[O/groups, k]", "f32", "stem", "emb_b"},
    {"emb_mix", "[m, O/groups]", "f32", "stem", "emb_mix"},
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
