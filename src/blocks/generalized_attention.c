// SPDX-License-Identifier: MIT
//
// Generalized attention: an energy of up to four terms, of the contents of query and key and of
// their relative position, whose features are made for rows and columns apart. All terms are one
// product of queries and keys: a query has its energies with every row and column as further
// numbers, and a key picks its own by ones among zeros. So no matrix of all pairs is stored.
#include "blocks/window.h"

#include <math.h>

struct terms {
    bool content, query_place, key_content, place; // T1 .. T4
};

struct general {
    struct vka_scope *s;
    struct terms t;
    int64_t heads, depth, q_stride, kv_stride;
    int64_t q_size[2], k_size[2]; // rows and columns of queries and keys
    vka_tensor q, k, v;           // [N, M, P, d]; 0 where no term asks for it
};

static bool check(struct general *a, vka_tensor x)
{
    struct vka_scope *s = a->s;
    if (!vka_expect_rank(s, "x", x, 4, 4))
        return false;
    int64_t channels = vka_dim(s->g, x, 1);
    const char *type = vka_get_string(s, "attention_type");
    a->t = (struct terms){type[0] == '1', type[1] == '1', type[2] == '1', type[3] == '1'};
    a->heads = vka_get_int(s, "num_heads");
    a->q_stride = vka_get_int(s, "q_stride");
    a->kv_stride = vka_get_int(s, "kv_stride");
    a->depth = channels / a->heads;
    if (a->depth < 1)
        vka_scope_fail(s, "attribute 'num_heads' is %lld, but x has %lld channels",
                       (long long)a->heads, (long long)channels);
    bool alone = vka_is(s, "attention_type", "0010"); // the same for all queries: one is made
    for (int i = 0; i < 2; i++) {
        int64_t size = vka_dim(s->g, x, 2 + i);
        a->q_size[i] = alone ? 1 : (size - 1) / a->q_stride + 1;
        a->k_size[i] = (size - 1) / a->kv_stride + 1;
    }
    return !vka_failed(s->g);
}

// [N, Co, H, W] as [N, M, P, d].
static vka_tensor by_head(const struct general *a, vka_tensor t)
{
    vka_graph *g = a->s->g;
    t = vka_reshape(g, t, VKA_SHAPE(vka_dim(g, t, 0), a->heads, a->depth, -1));
    return vka_transpose(g, t, 2, 3);
}

static void project(struct general *a, vka_tensor x)
{
    struct vka_scope *s = a->s;
    vka_graph *g = s->g;
    int64_t channels = vka_dim(g, x, 1), out = a->heads * a->depth;
    if (a->t.content || a->t.query_place)
        a->q = by_head(
            a, vka_pointwise(s, vka_every(g, x, a->q_stride), "query_conv", out, NULL, 0, NULL));
    bool keys = a->t.content || a->t.key_content;
    struct vka_kernel k[2] = {vka_kernel_of(s, "value_conv", out, channels, VKA_NO_BIAS)};
    if (keys)
        k[1] = vka_kernel_of(s, "key_conv", out, channels, VKA_NO_BIAS);
    vka_tensor y[2] = {0};
    vka_pointwise_all(g, vka_every(g, x, a->kv_stride), keys ? 2 : 1, k, y);
    a->v = by_head(a, y[0]);
    a->k = keys ? by_head(a, y[1]) : 0;
}

// A bias [Co] as [1, M, 1, d].
static vka_tensor head_bias(const struct general *a, const char *name)
{
    vka_tensor bias = vka_weight(a->s, name, VKA_SHAPE(a->heads * a->depth));
    return vka_reshape(a->s->g, bias, VKA_SHAPE(1, a->heads, 1, a->depth));
}

// Sines, then cosines of every difference from -before to after, [before + after + 1, width].
static vka_tensor waves(struct vka_scope *s, int64_t before, int64_t after, int64_t width)
{
    vka_graph *g = s->g;
    int64_t rows = before + after + 1, half = width / 2;
    vka_shape shape = VKA_SHAPE(rows, width);
    double magnitude = (double)vka_get_int(s, "position_magnitude");
    uint64_t count;
    if (vka_failed(g) || !vka_shape_count(&shape, &count))
        return vka_fail(g, "%lld positions of %lld numbers are too many", (long long)rows,
                        (long long)width);
    float *table = vka_alloc(g->context, count, sizeof *table);
    if (!table)
        return vka_fail_memory(g, "a table of positions");
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < half; j++) {
            double angle =
                (double)(i - before) * magnitude * pow(1000.0, -2.0 * (double)j / (double)width);
            table[i * width + j] = (float)sin(angle);
            table[i * width + half + j] = (float)cos(angle);
        }
    }
    vka_tensor t = vka_constant(g, VKA_F32, &shape, table);
    vka_free(g->context, table);
    return t;
}

// Position features along one axis (0: rows), [M, queries, d, keys]: a view of the features of all
// differences, which repeat.
static vka_tensor places(const struct general *a, int axis, int64_t width)
{
    vka_graph *g = a->s->g;
    int64_t queries = a->q_size[axis], keys = a->k_size[axis], out = a->heads * a->depth;
    int64_t before = (keys - 1) * a->kv_stride, after = (queries - 1) * a->q_stride;
    vka_tensor w = vka_weight(a->s, axis ? "appr_geom_fc_x.weight" : "appr_geom_fc_y.weight",
                              VKA_SHAPE(out, width));
    if (vka_failed(g))
        return 0;
    struct vka_matmul m = {.alpha = (float)sqrt(0.5)};
    vka_tensor all =
        vka_matmul(g, waves(a->s, before, after, width), vka_transpose(g, w, 0, 1), &m);
    const int64_t stride[] = {a->depth, a->q_stride * out, 1, -a->kv_stride * out};
    return vka_strided(g, all, VKA_SHAPE(a->heads, queries, a->depth, keys), stride, before * out);
}

// [.., Hq, Wq, keys along an axis] of queries that may repeat, for all of them: [N, M, Pq, keys].
static vka_tensor for_all(const struct general *a, vka_tensor t)
{
    vka_graph *g = a->s->g;
    vka_shape all =
        VKA_SHAPE(vka_dim(g, a->v, 0), a->heads, a->q_size[0], a->q_size[1], vka_dim(g, t, -1));
    return vka_flatten(g, vka_broadcast_to(g, t, all), 2, 3);
}

// T2 and T4: (query + geom_bias) times the features, with rows [N, M, Pq, Hk] and columns of keys.
static void place_energies(const struct general *a, int64_t channels, vka_tensor *energies)
{
    struct vka_scope *s = a->s;
    vka_graph *g = s->g;
    int64_t width = vka_get_int(s, "position_embedding_dim");
    width = width > 0 ? width : channels;
    if (width % 4 != 0) {
        vka_scope_fail(s, "a position_embedding_dim of %lld is no multiple of 4", (long long)width);
        return;
    }
    vka_tensor bias = a->t.place ? head_bias(a, "geom_bias") : 0;
    vka_tensor q = bias ? vka_unsqueeze(g, bias, 2) : 0; // [N, M, Hq, Wq, d], or ones for Hq, Wq
    if (a->t.query_place) {
        vka_shape split =
            VKA_SHAPE(vka_dim(g, a->q, 0), a->heads, a->q_size[0], a->q_size[1], a->depth);
        q = vka_reshape(g, bias ? vka_add(g, a->q, bias) : a->q, split);
    }
    vka_tensor columns = vka_matmul(g, vka_transpose(g, q, 2, 3), places(a, 1, width / 2), NULL);
    energies[0] = for_all(a, vka_matmul(g, q, places(a, 0, width / 2), NULL));
    energies[1] = for_all(a, vka_transpose(g, columns, 2, 3));
}

// What picks a key's row and column: [Pk, Hk + Wk], ones at both.
static vka_tensor picks(const struct general *a)
{
    vka_graph *g = a->s->g;
    int64_t rows = a->k_size[0], columns = a->k_size[1], width = rows + columns;
    vka_shape shape = VKA_SHAPE(rows * columns, width);
    uint64_t count;
    if (vka_failed(g) || !vka_shape_count(&shape, &count))
        return 0;
    float *ones = vka_calloc(g->context, count, sizeof *ones);
    if (!ones)
        return vka_fail_memory(g, "a mask of ones");
    for (int64_t i = 0; i < rows * columns; i++) {
        ones[i * width + i / columns] = 1;
        ones[i * width + rows + i % columns] = 1;
    }
    vka_tensor t = vka_constant(g, VKA_F32, &shape, ones);
    vka_free(g->context, ones);
    return t;
}

// Which keys are near enough to a query, [queries, keys] along one axis.
static vka_tensor near(const struct general *a, int axis)
{
    vka_graph *g = a->s->g;
    int64_t queries = a->q_size[axis], keys = a->k_size[axis];
    int64_t range = vka_get_int(a->s, "spatial_range");
    vka_shape shape = VKA_SHAPE(queries, keys);
    int32_t *keep = vka_alloc(g->context, (uint64_t)(queries * keys), sizeof *keep);
    if (!keep)
        return vka_fail_memory(g, "the mask of the range");
    for (int64_t i = 0; i < queries; i++) {
        int64_t first = i > range ? (i - range) / a->kv_stride : 0;
        int64_t last = (i + range + 1) / a->kv_stride;
        for (int64_t j = 0; j < keys; j++)
            keep[i * keys + j] = j >= first && j <= last;
    }
    vka_tensor t = vka_constant(g, VKA_BOOL, &shape, keep);
    vka_free(g->context, keep);
    return t;
}

// The pairs that the spatial range leaves, [1, 1, Pq, Pk]; 0 for all.
static vka_tensor range_mask(const struct general *a, int64_t channels)
{
    struct vka_scope *s = a->s;
    vka_graph *g = s->g;
    if (vka_get_int(s, "spatial_range") < 0 || vka_failed(g))
        return 0;
    int64_t most = channels == 256 ? 84 : 42, most_keys = (most - 1) / a->kv_stride + 1;
    if (channels != 256 && channels != 512)
        return vka_scope_fail(s,
                              "attribute 'spatial_range' needs 256 or 512 channels, but x has "
                              "%lld",
                              (long long)channels);
    for (int i = 0; i < 2; i++) {
        if (a->q_size[i] > most || a->k_size[i] > most_keys)
            return vka_scope_fail(s,
                                  "attribute 'spatial_range' needs at most %lld queries and "
                                  "%lld keys along an axis, but there are %lld and %lld",
                                  (long long)most, (long long)most_keys, (long long)a->q_size[i],
                                  (long long)a->k_size[i]);
    }
    vka_shape rows = VKA_SHAPE(a->q_size[0], 1, a->k_size[0], 1);
    vka_shape columns = VKA_SHAPE(1, a->q_size[1], 1, a->k_size[1]);
    vka_tensor both = vka_binary(g, VKA_AND, vka_reshape(g, near(a, 0), rows),
                                 vka_reshape(g, near(a, 1), columns));
    return vka_reshape(g, both,
                       VKA_SHAPE(1, 1, a->q_size[0] * a->q_size[1], a->k_size[0] * a->k_size[1]));
}

// T1 and T3: what the keys' contents are multiplied with, [N, M, Pq, d].
static vka_tensor content_queries(const struct general *a)
{
    vka_graph *g = a->s->g;
    if (!a->t.key_content)
        return a->q;
    vka_tensor bias = head_bias(a, "appr_bias");
    if (a->t.content)
        return vka_add(g, a->q, bias);
    vka_shape all = VKA_SHAPE(vka_dim(g, a->v, 0), a->heads, a->q_size[0] * a->q_size[1], a->depth);
    return vka_broadcast_to(g, bias, all);
}

// [N, M, Pq, d]
static vka_tensor attend(const struct general *a, int64_t channels)
{
    vka_graph *g = a->s->g;
    vka_tensor q[3], k[2];
    int parts = 0, key_parts = 0;
    if (a->t.content || a->t.key_content) {
        q[parts++] = content_queries(a);
        k[key_parts++] = a->k;
    }
    if (a->t.query_place || a->t.place) {
        place_energies(a, channels, q + parts);
        if (vka_failed(g))
            return 0;
        parts += 2;
        vka_tensor pick = picks(a);
        vka_shape all =
            VKA_SHAPE(vka_dim(g, a->v, 0), a->heads, vka_dim(g, pick, 0), vka_dim(g, pick, 1));
        k[key_parts++] = vka_broadcast_to(g, pick, all);
    }
    vka_tensor queries = parts > 1 ? vka_concat(g, 3, parts, q) : q[0];
    vka_tensor keys = key_parts > 1 ? vka_concat(g, 3, key_parts, k) : k[0];
    struct vka_attention p = {.scale = 1, .mask = range_mask(a, channels), .joined = true};
    vka_give(a->s, "attn", vka_attention_map(g, queries, keys, &p));
    return vka_attention(g, queries, keys, a->v, &p, NULL);
}

static void build(struct vka_scope *s)
{
    vka_graph *g = s->g;
    vka_tensor x = vka_in(s, "x");
    struct general a = {.s = s};
    if (!check(&a, x))
        return;
    int64_t channels = vka_dim(g, x, 1), out = a.heads * a.depth;
    project(&a, x);
    vka_tensor o = vka_transpose(g, attend(&a, channels), 2, 3);
    o = vka_reshape(g, o, VKA_SHAPE(vka_dim(g, x, 0), out, a.q_size[0], a.q_size[1]));
    struct vka_kernel k = vka_kernel_of(s, "proj_conv", channels, out, VKA_BIAS);
    k = vka_kernel_times(g, k, vka_weight(s, "gamma", VKA_SHAPE(1)));
    vka_pointwise_all(g, o, 1, &k, &o);
    struct vka_resize to_map = {.size = {vka_dim(g, x, 2), vka_dim(g, x, 3)}, .linear = true};
    if (a.q_stride > 1)
        o = vka_resize(g, o, &to_map);
    vka_give(s, "y", vka_add(g, o, x));
}

static const vka_attr_info attrs[] = {
    {"attention_type", "string", "\"1111\"",
     "0001|0010|0011|0100|0101|0110|0111|1000|1001|1010|1011|1100|1101|1110|1111",
     "terms: query and key content, query content and place, key content, place"},
    {"num_heads", "int", "9", ">= 1", "M; a head has floor(C / M) channels"},
    {"position_embedding_dim", "int", "-1", "",
     "P, a multiple of 4 with the second or fourth term; <= 0: C"},
    {"position_magnitude", "int", "1", "", "factor on differences of positions"},
    {"kv_stride", "int", "2", "1..1000000000", "every how many-th pixel is a key"},
    {"q_stride", "int", "1", "1..1000000000", "every how many-th pixel is a query"},
    {"spatial_range", "int", "-1", "-1..1000000000",
     "reach of a query; 256 or 512 channels; -1: the whole map"},
    {0},
};
static const vka_port_info inputs[] = {
    {"x", "[N, C, H, W]", "f32", "", "feature map"},
    {0},
};
static const vka_weight_info weights[] = {
    {"query_conv.weight", "[Co, C, 1, 1]", "f32", "first or second term; Co = M floor(C / M)",
     "query_conv.weight"},
    {"key_conv.weight", "[Co, C, 1, 1]", "f32", "first or third term", "key_conv.weight"},
    {"value_conv.weight", "[Co, C, 1, 1]", "f32", "", "value_conv.weight"},
    {"appr_geom_fc_x.weight", "[Co, P/2]", "f32", "second or fourth term", "appr_geom_fc_x.weight"},
    {"appr_geom_fc_y.weight", "[Co, P/2]", "f32", "second or fourth term", "appr_geom_fc_y.weight"},
    {"appr_bias", "[Co]", "f32", "third term", "appr_bias"},
    {"geom_bias", "[Co]", "f32", "fourth term", "geom_bias"},
    {"proj_conv.weight", "[C, Co, 1, 1]", "f32", "", "proj_conv.weight"},
    {"proj_conv.bias", "[C]", "f32", "", "proj_conv.bias"},
    {"gamma", "[1]", "f32", "", "gamma"},
    {0},
};
static const vka_port_info outputs[] = {
    {"y", "[N, C, H, W]", "f32", "", "x plus gamma times the attended features"},
    {"attn", "[N, M, Hq*Wq, Hk*Wk]; 0010 [N, M, 1, Hk*Wk]", "f32", "", "weights of the keys"},
    {0},
};

const struct vka_block_row vka_block_rows_generalized_attention[] = {
    {{"generalized_attention",
      "Attention by four switchable terms of content and relative position, residual",
      "Zhu, Cheng, Zhang, Lin, Dai: An Empirical Study of Spatial Attention Mechanisms in Deep "
      "Networks, ICCV 2019, arXiv 1904.05873",
      attrs, inputs, weights, outputs,
      "{\"attrs\": {\"num_heads\": 8}, \"shapes\": {\"x\": [1, 256, 40, 40]}}"},
     build},
    {.build = NULL},
};
