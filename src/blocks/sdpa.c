// SPDX-License-Identifier: MIT
//
// Scaled dot-product attention: the fused op by itself, and its map where it is asked for.
#include "blocks/nn.h"

#include <math.h>

static bool check_shapes(struct vka_scope *s, vka_tensor q, vka_tensor k, vka_tensor v)
{
    vka_graph *g = s->g;
    if (!vka_expect_rank(s, "q", q, 4, 4))
        return false;
    int64_t heads = vka_dim(g, q, 1);
    if (!vka_expect(s, "k", k, VKA_SHAPE(vka_dim(g, q, 0), 0, 0, vka_dim(g, q, 3))) ||
        !vka_expect(s, "v", v, VKA_SHAPE(vka_dim(g, q, 0), vka_dim(g, k, 1), vka_dim(g, k, 2), 0)))
        return false;
    if (heads % vka_dim(g, k, 1) != 0)
        vka_scope_fail(s, "%lld query heads are no multiple of %lld key heads", (long long)heads,
                       (long long)vka_dim(g, k, 1));
    return !vka_failed(g);
}

static void build(struct vka_scope *s)
{
    vka_graph *g = s->g;
    vka_tensor q = vka_in(s, "q"), k = vka_in(s, "k"), v = vka_in(s, "v");
    if (!check_shapes(s, q, k, v))
        return;
    bool lower_right = vka_get_bool(s, "causal_lower_right");
    double scale = vka_get_double(s, "scale");
    struct vka_attention p = {
        .scale = isnan(scale) ? 1.0 / sqrt((double)vka_dim(g, q, 3)) : scale,
        .bias = vka_in(s, "bias"),
        .mask = vka_in(s, "mask"),
        .causal = vka_get_bool(s, "causal"),
        .causal_offset = lower_right ? vka_dim(g, k, 2) - vka_dim(g, q, 2) : 0,
    };
    if (lower_right && !p.causal) {
        vka_scope_fail(s, "attribute 'causal_lower_right' is true while 'causal' is false");
        return;
    }
    vka_give(s, "y", vka_attention(g, q, k, v, &p, NULL));
    vka_give(s, "attn", vka_attention_map(g, q, k, &p));
}

static const vka_attr_info attrs[] = {
    {"scale", "float or null", "null", "", "factor on q.k; null: 1 / sqrt(D)"},
    {"causal", "bool", "false", "", "key j only for queries i >= j - off"},
    {"causal_lower_right", "bool", "false", "", "off = Tk - Tq instead of 0; needs causal"},
    {0},
};
static const vka_port_info inputs[] = {
    {"q", "[B, H, Tq, D]", "f32", "", "queries"},
    {"k", "[B, Hkv, Tk, D]", "f32", "", "keys; H is a multiple of Hkv"},
    {"v", "[B, Hkv, Tk, Dv]", "f32", "", "values"},
    {"mask", "to [B, H, Tq, Tk]", "bool", "optional", "true: this key takes part; broadcasts"},
    {"bias", "to [B, H, Tq, Tk]", "f32", "optional", "added to the scaled logits; broadcasts"},
    {0},
};
static const vka_weight_info weights[] = {{0}};
static const vka_port_info outputs[] = {
    {"y", "[B, H, Tq, Dv]", "f32", "", "output; 0 where every key is masked"},
    {"attn", "[B, H, Tq, Tk]", "f32", "", "probabilities; only made when asked for"},
    {0},
};

const struct vka_block_row vka_block_rows_sdpa[] = {
    {{"sdpa", "Scaled dot-product attention with masks, bias, causal and grouped queries",
      "Vaswani et al.: Attention Is All You Need, NeurIPS 2017, arXiv 1706.03762; Ainslie et al., "
      "EMNLP 2023, arXiv 2305.13245",
      attrs, inputs, weights, outputs,
      "{\"shapes\": {\"q\": [1, 8, 1024, 64], \"k\": [1, 8, 1024, 64], \"v\": [1, 8, 1024, 64]}}"},
     build},
    {.build = NULL},
};
