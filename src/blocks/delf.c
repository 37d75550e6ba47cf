// SPDX-License-Identifier: MIT
//
// DELF: scores of all positions of a map, their weighted mean as one vector, and the best positions
// as local features. What is chosen hangs on data, so the selection has room for all and a count.
#include "blocks/nn.h"
#include "blocks/select.h"

#include <math.h>

struct selection {
    int maps;
    vka_tensor *x, *attn; // of each map
    int64_t *first;       // number of its first position, in all
    int64_t positions;
    int64_t room;      // features that there may be: positions, or M
    vka_tensor number; // [room] of the positions chosen
    vka_tensor chosen; // [room, 1]: false from the count on
};

// --- scores ---

static vka_tensor layer(struct vka_scope *s, vka_tensor x, const char *name, int64_t out, int act,
                        enum vka_bias bias, const char *bn)
{
    int64_t k = vka_get_int(s, "kernel_size"), pad = k / 2;
    double eps = vka_get_double(s, "bn_eps");
    if (k == 1) {
        struct vka_layer p = {.bias = bias, .act = {act, 0, 0}};
        return vka_pointwise(s, x, name, out, bn, eps, &p);
    }
    struct vka_conv p = {.before = {pad, pad}, .after = {pad, pad}, .act = {act, 0, 0}};
    return vka_conv_layer(s, x, name, out, (const int64_t[]){k, k}, bias, bn, eps, &p);
}

static vka_tensor score_of(struct vka_scope *s, vka_tensor x)
{
    const char *bn = vka_get_bool(s, "use_bn") ? "bn1" : NULL;
    vka_tensor t = layer(s, x, "conv1", 0, VKA_ACT_RELU, VKA_BIAS_OPTIONAL, bn);
    return layer(s, t, "conv2", 1, VKA_ACT_NONE, VKA_BIAS, NULL);
}

static vka_tensor softplus(vka_graph *g, vka_tensor score)
{
    return vka_unary(g, score, (struct vka_activation){VKA_ACT_SOFTPLUS, 1, 20});
}

// v / sqrt(max(sum of squares, 1e-12)) along an axis.
static vka_tensor unit(vka_graph *g, vka_tensor v, int axis)
{
    vka_tensor length = vka_reduce(g, VKA_REDUCE_L2, v, 1u << axis, true);
    return vka_div(g, v, vka_binary(g, VKA_MAX, length, vka_constant_scalar(g, 1e-6f)));
}

static vka_tensor pooled(struct vka_scope *s, vka_tensor x, vka_tensor attn)
{
    vka_graph *g = s->g;
    vka_tensor f = vka_is(s, "attention_type", "l2") ? unit(g, x, 1) : x;
    f = vka_flatten(g, f, 2, 3);
    struct vka_matmul m = {.alpha = (float)(1.0 / (double)vka_dim(g, f, 2))};
    attn = vka_transpose(g, vka_flatten(g, attn, 2, 3), 1, 2); // [N, HW, 1]
    return vka_squeeze(g, vka_matmul(g, f, attn, &m), 2);
}

// --- the choice ---

// Start of a box along an axis for each of `count` positions, by the image's scale.
static vka_tensor corners(struct vka_scope *s, int64_t count, double more, double scale)
{
    double step = vka_get_double(s, "rf_stride"), padding = vka_get_double(s, "rf_padding");
    vka_shape shape = VKA_SHAPE(count);
    float *v = vka_pool_alloc(s->g, (size_t)count * sizeof *v);
    for (int64_t i = 0; v && i < count; i++)
        v[i] = (float)((step * (double)i - padding + more) / scale);
    return v ? vka_constant(s->g, VKA_F32, &shape, v) : 0;
}

// The boxes of a map's positions (y0, x0, y1, x1): [H * W, 4].
static vka_tensor boxes_of(struct vka_scope *s, vka_tensor x, double scale)
{
    vka_graph *g = s->g;
    int64_t height = vka_dim(g, x, 2), width = vka_dim(g, x, 3);
    vka_tensor side[4];
    for (int i = 0; i < 4; i++) {
        double more = i < 2 ? 0 : vka_get_double(s, "rf") - 1;
        side[i] = corners(s, i % 2 ? width : height, more, scale);
        side[i] = i % 2 ? side[i] : vka_unsqueeze(g, side[i], 1);
        side[i] = vka_unsqueeze(g, vka_broadcast_to(g, side[i], VKA_SHAPE(height, width)), 2);
    }
    return vka_flatten(g, vka_concat(g, 2, 4, side), 0, 1);
}

// Box and feature scale of every position: [P, 5].
static vka_tensor places(struct vka_scope *s, const struct selection *p)
{
    vka_graph *g = s->g;
    vka_tensor *each = vka_pool_alloc(g, (size_t)p->maps * sizeof *each);
    for (int i = 0; each && i < p->maps; i++) {
        double scale = vka_get_double_at(s, "scales", i);
        vka_tensor box = boxes_of(s, p->x[i], scale);
        vka_tensor factor = vka_constant_scalar(g, (float)(1 / scale));
        factor = vka_broadcast_to(g, factor, VKA_SHAPE(vka_dim(g, box, 0), 1));
        each[i] = VKA_CONCAT(g, 1, box, factor);
    }
    return each ? vka_concat(g, 0, p->maps, each) : 0;
}

static vka_tensor all_scores(vka_graph *g, const struct selection *p)
{
    vka_tensor *each = vka_pool_alloc(g, (size_t)p->maps * sizeof *each);
    for (int i = 0; each && i < p->maps; i++)
        each[i] = vka_flatten(g, p->attn[i], 0, 3);
    return each ? vka_concat(g, 0, p->maps, each) : 0;
}

// The best positions, and how many of these there are: [1]. A threshold of 1 suppresses nothing.
static vka_tensor choose(struct vka_scope *s, struct selection *p, vka_tensor scores,
                         vka_tensor boxes)
{
    vka_graph *g = s->g;
    double iou = vka_get_double(s, "iou_threshold");
    vka_tensor least = vka_constant_scalar(g, (float)vka_get_double(s, "score_threshold"));
    vka_tensor over = vka_binary(g, VKA_GE, scores, least);
    vka_tensor ranked = vka_where(g, over, scores, vka_constant_scalar(g, -INFINITY));
    vka_tensor order = vka_order(g, ranked);
    vka_tensor count =
        vka_reduce(g, VKA_REDUCE_SUM, vka_cast(g, over, VKA_I32), 1u << 0, true); // [1]
    vka_tensor room = vka_numbers(g, p->room, 0, 1);
    if (iou < 1) {
        vka_tensor place = vka_numbers(g, 0, 1, p->positions);
        vka_tensor candidates =
            vka_where(g, vka_binary(g, VKA_LT, place, count), order, vka_numbers(g, -1, 0, 1));
        vka_tensor taken = vka_nms(g, boxes, candidates, iou, p->room);
        p->number = vka_slice(g, taken, 0, 1, p->room);
        count = vka_slice(g, taken, 0, 0, 1);
    } else {
        p->number = vka_slice(g, order, 0, 0, p->room);
        count = vka_binary(g, VKA_MIN, count, room);
    }
    vka_tensor row = vka_numbers(g, 0, 1, p->room);
    p->chosen = vka_unsqueeze(g, vka_binary(g, VKA_LT, row, count), 1);
    return count;
}

// --- what is told of those chosen ---

// The raw features of the positions chosen, [room, C]: from each map those that it has.
static vka_tensor chosen_features(vka_graph *g, const struct selection *p)
{
    vka_tensor rows = 0;
    for (int i = 0; i < p->maps; i++) {
        vka_tensor map = vka_transpose(g, vka_flatten(g, vka_squeeze(g, p->x[i], 0), 1, 2), 0, 1);
        vka_tensor first = vka_numbers(g, p->first[i], 0, 1); // ids outside are clamped
        vka_tensor own = vka_gather_known(g, map, vka_sub(g, p->number, first));
        vka_tensor here = vka_unsqueeze(g, vka_binary(g, VKA_GE, p->number, first), 1);
        rows = rows ? vka_where(g, here, own, rows) : own;
    }
    return rows;
}

static vka_tensor describe(struct vka_scope *s, vka_tensor features)
{
    vka_graph *g = s->g;
    int64_t channels = vka_dim(g, features, 1), size = vka_get_int(s, "pca_dim");
    vka_tensor d = unit(g, features, 1);
    if (!vka_get_bool(s, "use_pca"))
        return d;
    vka_tensor mean = vka_weight(s, "pca.mean", VKA_SHAPE(channels));
    vka_tensor matrix = vka_weight(s, "pca.matrix", VKA_SHAPE(0, channels));
    int64_t rows = vka_dim(g, matrix, 0);
    if (!vka_failed(g) && size > rows)
        return vka_scope_fail(s, "attribute 'pca_dim' is %lld, but 'pca.matrix' has %lld rows",
                              (long long)size, (long long)rows);
    matrix = vka_slice(g, matrix, 0, 0, size);
    if (vka_get_bool(s, "use_whitening")) {
        vka_tensor variances = vka_weight(s, "pca.variances", VKA_SHAPE(0));
        int64_t count = vka_dim(g, variances, 0);
        if (!vka_failed(g) && size > count)
            return vka_scope_fail(s,
                                  "attribute 'pca_dim' is %lld, but there are %lld "
                                  "'pca.variances'",
                                  (long long)size, (long long)count);
        variances = vka_act(g, vka_slice(g, variances, 0, 0, size), VKA_ACT_SQRT);
        matrix = vka_div(g, matrix, vka_unsqueeze(g, variances, 1));
    }
    d = vka_matmul(g, vka_sub(g, d, mean), vka_transpose(g, matrix, 0, 1), NULL);
    return unit(g, d, 1);
}

// Rows of those chosen [room, ..] as an output of M rows, zeros from the count on.
static vka_tensor rows_out(struct vka_scope *s, const struct selection *p, vka_tensor t)
{
    vka_graph *g = s->g;
    const int64_t none[2] = {0}, after[2] = {vka_get_int(s, "max_feature_num") - p->room, 0};
    t = vka_where(g, p->chosen, t, vka_constant_scalar(g, 0));
    return after[0] > 0 ? vka_pad(g, t, VKA_PAD_ZEROS, none, after, 0) : t;
}

static void select_features(struct vka_scope *s, struct selection *p)
{
    vka_graph *g = s->g;
    vka_tensor scores = all_scores(g, p), all = places(s, p);
    vka_tensor count = choose(s, p, scores, vka_slice(g, all, 1, 0, 4));
    vka_tensor place = vka_gather_known(g, all, p->number);
    vka_tensor box = vka_slice(g, place, 1, 0, 4);
    vka_tensor centre =
        vka_affine(g, vka_add(g, vka_slice(g, box, 1, 0, 2), vka_slice(g, box, 1, 2, 2)), 0.5, 0);
    vka_tensor score = vka_gather_known(g, vka_unsqueeze(g, scores, 1), p->number);
    vka_give(s, "count", count);
    vka_give(s, "boxes", rows_out(s, p, box));
    vka_give(s, "locations", rows_out(s, p, centre));
    vka_give(s, "descriptors", rows_out(s, p, describe(s, chosen_features(g, p))));
    vka_give(s, "scores", vka_squeeze(g, rows_out(s, p, score), 1));
    vka_give(s, "feature_scales", vka_squeeze(g, rows_out(s, p, vka_slice(g, place, 1, 4, 1)), 1));
}

// --- the maps ---

static int count_maps(struct vka_scope *s)
{
    int count = 0;
    for (const vka_named *in = s->inputs; in && in->name; in++)
        count += in->tensor != 0;
    return count;
}

static bool read_maps(struct vka_scope *s, struct selection *p, vka_tensor x)
{
    vka_graph *g = s->g;
    p->maps = count_maps(s);
    if (p->maps != vka_get_count(s, "scales"))
        vka_scope_fail(s, "%d maps for %d scales", p->maps, vka_get_count(s, "scales"));
    if (vka_dim(g, x, 0) != 1)
        vka_scope_fail(s, "'x' has %lld samples; a selection takes 1", (long long)vka_dim(g, x, 0));
    if (vka_failed(g))
        return false;
    p->x = vka_pool_alloc(g, (size_t)p->maps * sizeof *p->x);
    p->attn = vka_pool_alloc(g, (size_t)p->maps * sizeof *p->attn);
    p->first = vka_pool_alloc(g, (size_t)p->maps * sizeof *p->first);
    for (int i = 0; !vka_failed(g) && i < p->maps; i++) {
        const char *name = i ? vka_name(s, "x_%d", i) : "x";
        p->x[i] = vka_in_needed(s, name);
        vka_expect(s, name, p->x[i], VKA_SHAPE(1, vka_dim(g, x, 1), 0, 0));
        p->first[i] = p->positions;
        p->positions += vka_dim(g, p->x[i], 2) * vka_dim(g, p->x[i], 3);
    }
    int64_t most = vka_get_int(s, "max_feature_num");
    p->room = most < p->positions ? most : p->positions;
    return !vka_failed(g);
}

static void build(struct vka_scope *s)
{
    vka_graph *g = s->g;
    struct selection p = {0};
    vka_tensor x = vka_in(s, "x");
    if (!vka_expect_rank(s, "x", x, 4, 4))
        return;
    if (vka_get_int(s, "kernel_size") % 2 == 0) {
        vka_scope_fail(s, "attribute 'kernel_size' is %lld, but must be odd",
                       (long long)vka_get_int(s, "kernel_size"));
        return;
    }
    vka_tensor score = score_of(s, x), attn = softplus(g, score);
    vka_give(s, "y", pooled(s, x, attn));
    vka_give(s, "attn", attn);
    vka_give(s, "score", score);
    if (!vka_get_bool(s, "select") || !read_maps(s, &p, x))
        return;
    p.attn[0] = attn;
    for (int i = 1; i < p.maps; i++)
        p.attn[i] = softplus(g, score_of(s, p.x[i]));
    select_features(s, &p);
}

#define SELECT "select"
static const vka_attr_info attrs[] = {
    {"kernel_size", "int", "1", "1..1000000000", "of both convolutions; odd"},
    {"use_bn", "bool", "true", "", "batch norm behind the first one"},
    {"bn_eps", "float", "1e-5", ">= 0", ""},
    {"attention_type", "string", "\"l2\"", "l2|raw",
     "y is of features of length 1, or as they are"},
    {"select", "bool", "false", "", "choose positions as local features"},
    {"rf", "float", "291.0", "", "receptive field: its size"},
    {"rf_stride", "float", "32.0", "", "receptive field: from position to position"},
    {"rf_padding", "float", "145.0", "", "receptive field: how far the first one lies outside"},
    {"scales", "list of float", "[1.0]", "> 0", "the image's scale for each map"},
    {"score_threshold", "float", "100.0", "", "scores from it on are kept"},
    {"iou_threshold", "float", "1.0", "0..1", "overlap of boxes over which one goes; 1: none goes"},
    {"max_feature_num", "int", "1000", "1..2147483646", "features at most, M"},
    {"use_pca", "bool", "false", "", "project the descriptors"},
    {"pca_dim", "int", "40", ">= 1", "to so many components"},
    {"use_whitening", "bool", "false", "", "each by its standard deviation; with use_pca"},
    {0},
};
static const vka_port_info inputs[] = {
    {"x", "[N, C, H, W]", "f32", "", "feature map of the first scale; N = 1 for select"},
    {"x_{i}", "[1, C, Hi, Wi]", "f32", SELECT, "i = 1, 2, ...: maps of the further scales"},
    {0},
};
// TensorFlow's names: of the slim model, then of the Keras one.
#define NORM(part, official)                                                                       \
    {                                                                                              \
        "bn1." part, "[A]", "f32", "use_bn",                                                       \
            "attention/compute/conv1/BatchNorm/" official " | bn_conv1/" official                  \
    }
static const vka_weight_info weights[] = {
    {"conv1.weight", "[A, C, k, k]", "f32", "",
     "transposed attention/compute/conv1/weights | transposed attn_conv1/kernel"},
    {"conv1.bias", "[A]", "f32", "optional", "attention/compute/conv1/biases | attn_conv1/bias"},
    NORM("weight", "gamma"),
    NORM("bias", "beta"),
    NORM("running_mean", "moving_mean"),
    NORM("running_var", "moving_variance"),
    {"conv2.weight", "[1, A, k, k]", "f32", "",
     "transposed attention/compute/conv2/weights | transposed attn_conv2/kernel"},
    {"conv2.bias", "[1]", "f32", "", "attention/compute/conv2/biases | attn_conv2/bias"},
    {"pca.mean", "[C]", "f32", "select and use_pca", ""},
    {"pca.matrix", "[R, C]", "f32", "select and use_pca", ""},
    {"pca.variances", "[R]", "f32", "select, use_pca and use_whitening", ""},
    {0},
};
static const vka_port_info outputs[] = {
    {"y", "[N, C]", "f32", "", "mean of the features by their scores"},
    {"attn", "[N, 1, H, W]", "f32", "", "scores of x, after the softplus"},
    {"score", "[N, 1, H, W]", "f32", "", "before it"},
    {"count", "[1]", "i32", SELECT, "features chosen; rows below are zeros from here on"},
    {"boxes", "[M, 4]", "f32", SELECT, "receptive fields (y0, x0, y1, x1) in the image"},
    {"locations", "[M, 2]", "f32", SELECT, "their centres (y, x)"},
    {"descriptors", "[M, C or pca_dim]", "f32", SELECT, "of length 1"},
    {"scores", "[M]", "f32", SELECT, "the largest first"},
    {"feature_scales", "[M]", "f32", SELECT, "1 / scale"},
    {0},
};

const struct vka_block_row vka_block_rows_delf[] = {
    {{"delf", "DELF: positions scored, pooled by their scores, and chosen as local features",
      "Noh, Araujo, Sim, Weyand, Han: Large-Scale Image Retrieval with Attentive Deep Local "
      "Features, ICCV 2017, arXiv 1612.06321",
      attrs, inputs, weights, outputs,
      "{\"attrs\": {\"select\": true}, \"shapes\": {\"x\": [1, 1024, 32, 48], \"w.conv1.weight\": "
      "[512, 1024, 1, 1]}}"},
     build},
    {.build = NULL},
};
