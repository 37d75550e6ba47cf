// SPDX-License-Identifier: MIT
//
// Two-level attention: which patches show the object at all, by one network's classes; which patch
// or window shows each of its parts, by groups of filters.
#include "blocks/nn.h"
#include "blocks/select.h"

#include <math.h>

static vka_tensor scalar(vka_graph *g, double value)
{
    return vka_constant_scalar(g, (float)value);
}

// `other` in place of the padding's part of `t`. `valid` [N, P]; 0: every patch is one.
static vka_tensor without_padding(vka_graph *g, vka_tensor valid, vka_tensor t, double other)
{
    for (int i = 2; valid && i < vka_rank(g, t); i++)
        valid = vka_unsqueeze(g, valid, -1);
    return valid ? vka_where(g, valid, t, scalar(g, other)) : t;
}

// --- the object ---

// How often each class is in `parent`: [F].
static vka_tensor parent_classes(struct vka_scope *s, int64_t classes)
{
    bool given = vka_attr_given(s, "parent");
    int count = given ? vka_get_count(s, "parent") : 0;
    if (vka_failed(s->g))
        return 0;
    if (count == 0)
        return vka_scope_fail(s, "attribute 'parent' (list of int) is %s",
                              given ? "empty" : "missing");
    vka_shape shape = VKA_SHAPE(classes);
    float *times = vka_pool_alloc(s->g, (size_t)classes * sizeof *times);
    for (int64_t i = 0; times && i < classes; i++)
        times[i] = 0;
    for (int i = 0; times && i < count; i++) {
        int64_t id = vka_get_int_at(s, "parent", i);
        if (id >= classes)
            return vka_scope_fail(s, "attribute 'parent' has class %lld, but there are %lld",
                                  (long long)id, (long long)classes);
        times[id] += 1;
    }
    return times ? vka_constant(s->g, VKA_F32, &shape, times) : 0;
}

// The softmax's share of the parent's classes [N, P]: 1 exactly where these are all. Sums along
// rows, not a product, so that equal patches get equal scores.
static vka_tensor patch_scores(struct vka_scope *s, vka_tensor logits)
{
    vka_graph *g = s->g;
    struct vka_activation exp = {VKA_ACT_EXP, 0, 0};
    vka_tensor parent = parent_classes(s, vka_dim(g, logits, 2));
    vka_tensor most = vka_reduce(g, VKA_REDUCE_MAX, logits, 1u << 2, true);
    vka_tensor e = vka_binary_act(g, VKA_SUB, logits, most, exp);
    vka_tensor some = vka_reduce(g, VKA_REDUCE_SUM, vka_mul(g, e, parent), 1u << 2, false);
    return vka_div(g, some, vka_reduce(g, VKA_REDUCE_SUM, e, 1u << 2, false));
}

// Those over the threshold; where there is none, the best one.
static vka_tensor kept_patches(struct vka_scope *s, vka_tensor valid, vka_tensor score)
{
    vka_graph *g = s->g;
    vka_tensor keep = vka_binary(g, VKA_GE, score, scalar(g, vka_get_double(s, "threshold")));
    if (valid)
        keep = vka_binary(g, VKA_AND, keep, valid);
    vka_tensor best = vka_argmax(g, without_padding(g, valid, score, -1), 1, true);
    vka_tensor number = vka_numbers(g, 0, 1, vka_dim(g, score, 1));
    vka_tensor any = vka_reduce(g, VKA_REDUCE_ANY, keep, 1u << 1, true);
    return vka_where(g, any, keep, vka_binary(g, VKA_EQ, number, best));
}

static vka_tensor object_level(struct vka_scope *s, vka_tensor valid, vka_tensor logits)
{
    vka_graph *g = s->g;
    vka_tensor domain = vka_in_needed(s, "domain_logits");
    vka_shape shape = VKA_SHAPE(vka_dim(g, logits, 0), vka_dim(g, logits, 1), 0);
    if (!vka_expect(s, "domain_logits", domain, shape))
        return 0;
    vka_tensor score = patch_scores(s, logits), kept = kept_patches(s, valid, score);
    vka_tensor each = vka_softmax(g, domain, NULL);
    each = vka_where(g, vka_unsqueeze(g, kept, 2), each, scalar(g, 0));
    vka_tensor count =
        vka_reduce(g, VKA_REDUCE_SUM, vka_cast(g, kept, VKA_F32), 1u << 1, true); // [N, 1]
    vka_tensor mean = vka_div(g, vka_reduce(g, VKA_REDUCE_SUM, each, 1u << 1, false), count);
    vka_give(s, "score", without_padding(g, valid, score, 0));
    vka_give(s, "selected", vka_cast(g, kept, VKA_I32));
    vka_give(s, "object_score", mean);
    return mean;
}

// --- the parts ---

// Which filter is in which cluster, as zeros and ones [C, G].
static vka_tensor cluster_table(struct vka_scope *s, int64_t channels)
{
    vka_graph *g = s->g;
    int64_t parts = vka_get_int_needed(s, "parts");
    vka_tensor clusters = vka_in_needed(s, "clusters");
    if (!vka_expect(s, "clusters", clusters, VKA_SHAPE(channels)))
        return 0;
    if (parts > channels)
        return vka_scope_fail(s, "attribute 'parts' is %lld, but there are %lld filters only",
                              (long long)parts, (long long)channels);
    vka_check_range(g, clusters, -1, parts - 1, "clusters");
    vka_tensor part = vka_numbers(g, 0, 1, parts);
    vka_tensor in = vka_binary(g, VKA_EQ, vka_unsqueeze(g, clusters, 1), part);
    vka_tensor sizes = vka_reduce(g, VKA_REDUCE_SUM, vka_cast(g, in, VKA_I32), 1u << 0, false);
    vka_check_range(g, sizes, 1, channels, "filters of each cluster");
    return vka_cast(g, in, VKA_F32);
}

// [N, G + 1, D] of the image's features [N, D] and the parts' [N, G, D]: a row each.
static vka_tensor describe(struct vka_scope *s, vka_tensor image, vka_tensor parts)
{
    vka_graph *g = s->g;
    vka_tensor all = VKA_CONCAT(g, 1, vka_unsqueeze(g, image, 1), parts);
    vka_tensor desc = vka_flatten(g, all, 1, 2);
    vka_give(s, "desc", desc);
    return desc;
}

static vka_tensor patch_parts(struct vka_scope *s, vka_tensor valid, vka_tensor feat)
{
    vka_graph *g = s->g;
    vka_tensor act = vka_in_needed(s, "act"), image = vka_in_needed(s, "feat_image");
    int64_t n = vka_dim(g, feat, 0), patches = vka_dim(g, feat, 1);
    if (!vka_expect(s, "act", act, VKA_SHAPE(n, patches, 0, 0, 0)) ||
        !vka_expect(s, "feat_image", image, VKA_SHAPE(n, vka_dim(g, feat, 2))))
        return 0;
    bool one = vka_dim(g, act, 3) == 1 && vka_dim(g, act, 4) == 1;
    vka_tensor r = one ? vka_squeeze(g, vka_squeeze(g, act, 4), 3)
                       : vka_reduce(g, VKA_REDUCE_SUM, act, 3u << 3, false);
    vka_tensor score = vka_matmul(g, r, cluster_table(s, vka_dim(g, act, 2)), NULL); // [N, P, G]
    vka_tensor best = vka_argmax(g, without_padding(g, valid, score, -INFINITY), 1, false);
    vka_give(s, "part_score", without_padding(g, valid, score, 0));
    vka_give(s, "best", best);
    return describe(s, image, vka_rows_of_each(g, feat, best));
}

// Along an axis of `length`: whether each place is in the window of `size` from begin [N, G, 1] on.
static vka_tensor in_window(vka_graph *g, vka_tensor begin, int64_t size, int64_t length)
{
    vka_tensor from = vka_binary(g, VKA_LE, begin, vka_numbers(g, 0, 1, length));
    vka_tensor to = vka_binary(g, VKA_LT, vka_numbers(g, -size, 1, length), begin);
    return vka_binary(g, VKA_AND, from, to);
}

// Row and column of each place of a map: [rows * columns, 2].
static vka_tensor coordinates(vka_graph *g, int64_t rows, int64_t columns)
{
    vka_shape map = VKA_SHAPE(rows, columns);
    vka_tensor row = vka_unsqueeze(g, vka_numbers(g, 0, 1, rows), 1);
    row = vka_broadcast_to(g, row, map);
    vka_tensor column = vka_broadcast_to(g, vka_numbers(g, 0, 1, columns), map);
    vka_tensor both = VKA_CONCAT(g, 2, vka_unsqueeze(g, row, 2), vka_unsqueeze(g, column, 2));
    return vka_flatten(g, both, 0, 1);
}

// Sums over windows of m [N, G, H, W], first along one axis, then along the other.
static vka_tensor window_sums(vka_graph *g, vka_tensor m, const int64_t *window)
{
    struct vka_pool rows = {.kernel = {window[0], 1}, .stride = {1, 1}, .divisor = 1};
    struct vka_pool columns = {.kernel = {1, window[1]}, .stride = {1, 1}, .divisor = 1};
    m = window[0] > 1 ? vka_pool(g, m, &rows) : m;
    return window[1] > 1 ? vka_pool(g, m, &columns) : m;
}

// The means of x over the windows that begin at best [N, G, 2]: [N, G, C]. As a product with zeros
// and ones, which reads x once for all parts.
static vka_tensor window_means(vka_graph *g, vka_tensor x, vka_tensor best, const int64_t *window)
{
    vka_tensor row =
        in_window(g, vka_slice(g, best, 2, 0, 1), window[0], vka_dim(g, x, 2)); // [N, G, H]
    vka_tensor column = in_window(g, vka_slice(g, best, 2, 1, 1), window[1], vka_dim(g, x, 3));
    vka_tensor in =
        vka_binary(g, VKA_AND, vka_unsqueeze(g, row, 3), vka_unsqueeze(g, column, 2)); // [.. H, W]
    in = vka_flatten(g, vka_cast(g, in, VKA_F32), 2, 3);
    struct vka_matmul m = {.alpha = (float)(1.0 / ((double)window[0] * (double)window[1]))};
    return vka_matmul(g, in, vka_transpose(g, vka_flatten(g, x, 2, 3), 1, 2), &m);
}

static vka_tensor map_parts(struct vka_scope *s)
{
    vka_graph *g = s->g;
    vka_tensor x = vka_in_needed(s, "x");
    if (!vka_expect_rank(s, "x", x, 4, 4))
        return 0;
    int64_t window[2] = {1, 1};
    if (vka_get_count(s, "window") != 2)
        return vka_scope_fail(s, "attribute 'window' has %d values, but needs 2",
                              vka_get_count(s, "window"));
    vka_get_ints(s, "window", 2, window);
    for (int i = 0; i < 2; i++)
        window[i] = window[i] < vka_dim(g, x, 2 + i) ? window[i] : vka_dim(g, x, 2 + i);
    vka_tensor table = cluster_table(s, vka_dim(g, x, 1));
    vka_tensor m = vka_matmul(g, vka_transpose(g, table, 0, 1), vka_flatten(g, x, 2, 3), NULL);
    vka_shape shape = vka_shape_of(g, x);
    shape.dim[1] = vka_dim(g, m, 1);
    m = vka_reshape(g, m, shape);
    vka_tensor sums = window_sums(g, m, window);
    vka_tensor place = vka_argmax(g, vka_flatten(g, sums, 2, 3), 2, false);
    vka_tensor best =
        vka_gather_known(g, coordinates(g, vka_dim(g, sums, 2), vka_dim(g, sums, 3)), place);
    vka_give(s, "part_map", m);
    vka_give(s, "best", best);
    return describe(s, vka_reduce(g, VKA_REDUCE_MEAN, x, 3u << 2, false),
                    window_means(g, x, best, window));
}

// --- all together ---

// Object and patches: the scores of the one [N, K] and the description by the other, each where
// the mode has it.
static vka_tensor of_patches(struct vka_scope *s, bool object, bool parts, vka_tensor *desc)
{
    vka_graph *g = s->g;
    const char *first = object ? "filter_logits" : "feat";
    vka_tensor t = vka_in_needed(s, first), counts = vka_in(s, "counts"), valid = 0;
    if (!vka_expect_rank(s, first, t, 3, 3))
        return 0;
    int64_t n = vka_dim(g, t, 0), patches = vka_dim(g, t, 1);
    if (counts && vka_expect(s, "counts", counts, VKA_SHAPE(n))) {
        vka_check_range(g, counts, 1, patches, "counts");
        vka_tensor number = vka_numbers(g, 0, 1, patches);
        valid = vka_binary(g, VKA_LT, number, vka_unsqueeze(g, counts, 1));
    }
    vka_tensor feat = parts ? vka_in_needed(s, "feat") : 0;
    if (parts && vka_expect(s, "feat", feat, VKA_SHAPE(n, patches, 0)))
        *desc = patch_parts(s, valid, feat);
    return object ? object_level(s, valid, t) : 0;
}

static void build(struct vka_scope *s)
{
    vka_graph *g = s->g;
    bool map = vka_is(s, "mode", "part_map"), full = vka_is(s, "mode", "full");
    bool object = full || vka_is(s, "mode", "object");
    vka_tensor desc = 0, score = 0;
    if (map)
        desc = map_parts(s);
    else
        score = of_patches(s, object, !vka_is(s, "mode", "object"), &desc);
    vka_tensor y = object ? score : desc;
    if (full || (desc && (vka_has_weight(s, "svm.weight") || vka_has_weight(s, "svm.bias")))) {
        struct vka_layer layer = {.bias = VKA_BIAS};
        y = vka_linear(s, desc, "svm", full ? vka_dim(g, score, 1) : 0, &layer);
    }
    if (full)
        y = vka_add(g, score, vka_affine(g, y, vka_get_double(s, "alpha"), 0));
    vka_give(s, "y", y);
}

#define OBJECT  "object, full"
#define PATCHES "part_patch, full"
#define PARTS   "part modes, full"
static const vka_attr_info attrs[] = {
    {"mode", "string", "\"full\"", "object|part_patch|part_map|full",
     "full: object, part_patch and their fusion"},
    {"parent", "list of int or null", "null", ">= 0",
     "object, full: the classes that make up the domain; needed"},
    {"threshold", "float", "0.9", "", "a patch is kept from this score on"},
    {"parts", "int or null", "null", ">= 1", "part modes, full: clusters, G; needed"},
    {"window", "list of int", "[1, 1]", ">= 1",
     "part_map: height and width in cells, at most the map's"},
    {"alpha", "float", "0.5", "", "full: weight of the part score"},
    {0},
};
static const vka_port_info inputs[] = {
    {"filter_logits", "[N, P, F]", "f32", OBJECT, "scores of P patches by the patch filter"},
    {"domain_logits", "[N, P, K]", "f32", OBJECT, "scores of the same patches, of the domain"},
    {"counts", "[N]", "i32", "optional: object, part_patch, full",
     "patches of each image, 1..P; what is behind is padding"},
    {"act", "[N, P, C, h, w]", "f32", PATCHES, "the filters' responses to each patch"},
    {"feat", "[N, P, D]", "f32", PATCHES, "features of each patch"},
    {"feat_image", "[N, D]", "f32", PATCHES, "features of the whole image"},
    {"x", "[N, C, H, W]", "f32", "part_map", "map of the whole image"},
    {"clusters", "[C]", "i32", PARTS, "each filter's cluster, 0..G-1; -1: none"},
    {0},
};
static const vka_weight_info weights[] = {
    {"svm.weight", "[K, (G+1) D]", "f32", "full; optional: part modes", ""},
    {"svm.bias", "[K]", "f32", "full; optional: part modes", ""},
    {0},
};
static const vka_port_info outputs[] = {
    {"y", "[N, K]; part modes without svm: as desc", "f32", "", "the main score"},
    {"score", "[N, P]", "f32", OBJECT, "the parent's probability; 0 for padding"},
    {"selected", "[N, P]", "i32", OBJECT, "1 for the patches that are kept"},
    {"object_score", "[N, K]", "f32", OBJECT, "mean distribution of the kept patches"},
    {"part_score", "[N, P, G]", "f32", PATCHES, "a detector's score; 0 for padding"},
    {"part_map", "[N, G, H, W]", "f32", "part_map", "a detector's response"},
    {"best", "[N, G]; part_map: [N, G, 2]", "i32", PARTS, "patch, or top row and left column"},
    {"desc", "[N, (G+1) D]", "f32", PARTS, "features of the image, then of each part"},
    {0},
};

const struct vka_block_row vka_block_rows_two_level_attention[] = {
    {{"two_level_attention",
      "Two-level attention: patches chosen by object and by part, for fine distinctions",
      "Xiao, Xu, Yang, Zhang, Peng, Zhang: The Application of Two-level Attention Models in Deep "
      "Convolutional Neural Network for Fine-grained Image Classification, CVPR 2015, arXiv "
      "1411.6447",
      attrs, inputs, weights, outputs,
      "{\"attrs\": {\"mode\": \"object\", \"parent\": [0, 1]}, \"shapes\": {\"filter_logits\": [1, "
      "200, "
      "1000], \"domain_logits\": [1, 200, 200]}}"},
     build},
    {.build = NULL},
};
