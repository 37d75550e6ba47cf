// SPDX-License-Identifier: MIT
//
// Bilinear attention networks: one softmax over all pairs of an object and a token for each
// glimpse; what a glimpse pools goes back to the tokens, which the next one sees. Optionally the
// objects are counted, and the tokens' sum is classified.
#include "blocks/nn.h"

#include <float.h>
#include <math.h>

struct pairs {
    vka_tensor v, q;         // [N, V, Dv], [N, Q, Dh]
    vka_tensor attn, logits; // [N, G, V, Q]
    vka_tensor counts;       // [N, G, objects + 1], or 0
};

static const struct vka_layer relu = {.bias = VKA_BIAS, .act = {VKA_ACT_RELU, 0, 0}};
static const struct vka_layer linear = {.bias = VKA_BIAS};

// [N, V]: the objects that aren't all zeros, which is exact and stores nothing of their size.
static vka_tensor existing(vka_graph *g, vka_tensor v)
{
    vka_tensor zero = vka_constant_scalar(g, 0);
    vka_tensor most = vka_reduce(g, VKA_REDUCE_MAX, v, 1u << 2, false);
    vka_tensor least = vka_reduce(g, VKA_REDUCE_MIN, v, 1u << 2, false);
    return vka_binary(g, VKA_OR, vka_binary(g, VKA_NE, most, zero),
                      vka_binary(g, VKA_NE, least, zero));
}

static vka_tensor mask_logits(struct vka_scope *s, vka_tensor v, vka_tensor logits)
{
    vka_graph *g = s->g;
    vka_tensor exists = existing(g, v);
    double value = vka_get_double(s, "mask_value");
    if (vka_is_null(s, "mask_value")) {
        // An image without objects would have no weights at all.
        vka_tensor count =
            vka_reduce(g, VKA_REDUCE_SUM, vka_cast(g, exists, VKA_I32), 1u << 1, false);
        vka_check_range(g, count, 1, vka_dim(g, v, 1), "objects of v that aren't all 0, by image");
        value = -INFINITY;
    } else {
        value = value > FLT_MAX ? FLT_MAX : value < -FLT_MAX ? -FLT_MAX : value;
    }
    exists = vka_unsqueeze(g, vka_unsqueeze(g, exists, 1), -1);
    return vka_where(g, exists, logits, vka_constant_scalar(g, (float)value));
}

static void make_maps(struct vka_scope *s, struct pairs *p)
{
    vka_graph *g = s->g;
    int64_t glimpses = vka_get_int(s, "glimpse"), rank = vka_get_int(s, "k");
    vka_tensor v = vka_linear(s, p->v, "att.v_net", 0, &relu);
    int64_t width = vka_dim(g, v, 2);
    if (!vka_failed(g) && width % rank != 0)
        vka_scope_fail(s, "the attention's width %lld is no multiple of k %lld", (long long)width,
                       (long long)rank);
    vka_tensor q = vka_linear(s, p->q, "att.q_net", width, &relu);
    vka_tensor factors = vka_weight(s, "att.h_mat", VKA_SHAPE(1, glimpses, 1, width));
    vka_tensor bias = vka_weight(s, "att.h_bias", VKA_SHAPE(1, glimpses, 1, 1));
    factors = vka_reshape(g, factors, VKA_SHAPE(glimpses, width));
    p->logits = vka_bilinear_logits(g, v, q, factors, vka_reshape(g, bias, VKA_SHAPE(glimpses)));
    if (vka_get_bool(s, "v_mask"))
        p->logits = mask_logits(s, p->v, p->logits);
    vka_shape shape = vka_shape_of(g, p->logits);
    vka_tensor all = vka_flatten(g, p->logits, 2, 3);
    p->attn = vka_reshape(g, vka_softmax(g, all, NULL), shape);
}

// For every glimpse, from its logits alone.
static vka_tensor count_objects(struct vka_scope *s, const struct pairs *p)
{
    enum { TABLES = 8, ENTRIES = 17 };
    vka_graph *g = s->g;
    vka_tensor boxes = vka_in_needed(s, "boxes"), table[TABLES];
    int64_t objects = vka_get_int(s, "objects"), have = vka_dim(g, p->v, 1);
    if (!vka_expect(s, "boxes", boxes, VKA_SHAPE(vka_dim(g, p->v, 0), have, 0)))
        return 0;
    if (vka_dim(g, boxes, 2) < 4)
        return vka_scope_fail(s, "'boxes' has %lld columns, but needs x1, y1, x2, y2",
                              (long long)vka_dim(g, boxes, 2));
    if (have < objects)
        return vka_scope_fail(s, "the counter needs %lld objects, but v has %lld",
                              (long long)objects, (long long)have);
    for (int i = 0; i < TABLES; i++)
        table[i] =
            vka_unsqueeze(g, vka_weight(s, vka_name(s, "counter.f.%d", i), VKA_SHAPE(ENTRIES)), 0);
    vka_tensor most = vka_reduce(g, VKA_REDUCE_MAX, p->logits, 1u << 3, false);
    return vka_count_boxes(g, most, boxes, vka_concat(g, 0, TABLES, table), objects);
}

// What glimpse i pools, [N, Dh], and the tokens with it.
static vka_tensor glimpse(struct vka_scope *s, struct pairs *p, int i)
{
    vka_graph *g = s->g;
    int64_t depth = vka_dim(g, p->q, 2);
    vka_tensor attn = vka_squeeze(g, vka_slice(g, p->attn, 1, i, 1), 1);
    vka_tensor v = vka_linear(s, p->v, vka_name(s, "b_net.%d.v_net", i), depth, &relu);
    vka_tensor q = vka_linear(s, p->q, vka_name(s, "b_net.%d.q_net", i), depth, &relu);
    vka_tensor pooled = vka_bilinear_pool(g, attn, v, q);
    vka_tensor added = vka_linear(s, pooled, vka_name(s, "q_prj.%d", i), depth, &linear);
    if (p->counts) {
        vka_tensor count = vka_squeeze(g, vka_slice(g, p->counts, 1, i, 1), 1);
        count = vka_linear(s, count, vka_name(s, "c_prj.%d", i), depth, &relu);
        added = vka_add(g, added, count);
    }
    p->q = vka_add(g, p->q, vka_unsqueeze(g, added, 1)); // the same for every token
    return pooled;
}

static void run_glimpses(struct vka_scope *s, struct pairs *p)
{
    enum { MOST = 32 };
    vka_graph *g = s->g;
    vka_tensor pooled[MOST];
    int count = (int)vka_get_int(s, "glimpse");
    p->counts = vka_get_bool(s, "counter") ? count_objects(s, p) : 0;
    for (int i = 0; i < count && !vka_failed(g); i++)
        pooled[i] = vka_unsqueeze(g, glimpse(s, p, i), 1);
    if (vka_failed(g))
        return;
    vka_tensor y = p->q;
    if (vka_get_bool(s, "classify")) {
        vka_tensor sum = vka_reduce(g, VKA_REDUCE_SUM, y, 1u << 1, false);
        y = vka_linear(s, vka_linear(s, sum, "classifier.fc1", 0, &relu), "classifier.fc2", 0,
                       &linear);
    }
    vka_give(s, "y", y);
    vka_give(s, "b_emb", vka_concat(g, 1, count, pooled));
}

static void build(struct vka_scope *s)
{
    struct pairs p = {.v = vka_in(s, "v"), .q = vka_in(s, "q")};
    if (!vka_expect_rank(s, "v", p.v, 3, 3) ||
        !vka_expect(s, "q", p.q, VKA_SHAPE(vka_dim(s->g, p.v, 0), 0, 0)))
        return;
    make_maps(s, &p);
    vka_give(s, "attn", p.attn);
    vka_give(s, "logits", p.logits);
    if (vka_get_bool(s, "pool"))
        run_glimpses(s, &p);
    else
        vka_give(s, "y", p.attn);
}

static const vka_attr_info attrs[] = {
    {"glimpse", "int", NULL, "1..32", "attention maps, G"},
    {"k", "int", "3", ">= 1", "rank multiplier of the attention: divides its width"},
    {"v_mask", "bool", "true", "", "objects that are all 0 are padding"},
    {"mask_value", "float or null", "null", "", "logit of padding; null is -inf"},
    {"pool", "bool", "true", "", "run the glimpses; else maps only, and y is attn"},
    {"counter", "bool", "false", "", "count the objects (with pool); needs boxes"},
    {"objects", "int", "10", ">= 1", "boxes that the counter keeps"},
    {"classify", "bool", "false", "", "classify the tokens' sum (with pool)"},
    {0},
};
static const vka_port_info inputs[] = {
    {"v", "[N, V, Dv]", "f32", "", "objects"},
    {"q", "[N, Q, Dh]", "f32", "", "tokens"},
    {"boxes", "[N, V, 4...]", "f32", "counter", "x1, y1, x2, y2 of the objects"},
    {0},
};
#define LAYER(name, weight, bias, when, official)                                                  \
    {name ".weight", weight, "f32", when, "normed " official ".weight"},                           \
    {                                                                                              \
        name ".bias", bias, "f32", when, official ".bias"                                          \
    }
static const vka_weight_info weights[] = {
    LAYER("att.v_net", "[k * Dz, Dv]", "[k * Dz]", "", "v_att.logits.v_net.main.1"),
    LAYER("att.q_net", "[k * Dz, Dh]", "[k * Dz]", "", "v_att.logits.q_net.main.1"),
    {"att.h_mat", "[1, G, 1, k * Dz]", "f32", "", "normed v_att.logits.h_mat"},
    {"att.h_bias", "[1, G, 1, 1]", "f32", "", "v_att.logits.h_bias"},
    LAYER("b_net.{i}.v_net", "[Dh, Dv]", "[Dh]", "pool, i < G", "b_net.{i}.v_net.main.1"),
    LAYER("b_net.{i}.q_net", "[Dh, Dh]", "[Dh]", "pool, i < G", "b_net.{i}.q_net.main.1"),
    LAYER("q_prj.{i}", "[Dh, Dh]", "[Dh]", "pool, i < G", "q_prj.{i}.main.1"),
    LAYER("c_prj.{i}", "[Dh, objects + 1]", "[Dh]", "pool, counter, i < G", "c_prj.{i}.main.0"),
    {"counter.f.{i}", "[17]", "f32", "pool, counter, i < 8", "counter.f.{i}.weight"},
    LAYER("classifier.fc1", "[Dc, Dh]", "[Dc]", "pool, classify", "classifier.main.0"),
    LAYER("classifier.fc2", "[K, Dc]", "[K]", "pool, classify", "classifier.main.3"),
    {0},
};
static const vka_port_info outputs[] = {
    {"y", "[N, Q, Dh], [N, K] or as attn", "f32", "", "the tokens; the classes; the maps"},
    {"attn", "[N, G, V, Q]", "f32", "", "softmax over all pairs of a glimpse"},
    {"logits", "[N, G, V, Q]", "f32", "", "masked scores before it"},
    {"b_emb", "[N, G, Dh]", "f32", "pool", "what each glimpse pooled"},
    {0},
};

const struct vka_block_row vka_block_rows_bilinear_attention[] = {
    {{"bilinear_attention", "Bilinear attention: glimpses at all pairs of objects and tokens",
      "Kim, Jun, Zhang: Bilinear attention networks, NeurIPS 2018, arXiv 1805.07932", attrs, inputs,
      weights, outputs,
      "{\"attrs\": {\"glimpse\": 4}, \"shapes\": {\"v\": [1, 36, 2048], \"q\": [1, 14, 1024], "
      "\"w.att.v_net.weight\": [3840, 2048]}}"},
     build},
    {.build = NULL},
};
