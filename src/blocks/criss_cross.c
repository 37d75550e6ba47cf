// SPDX-License-Identifier: MIT
//
// Criss-cross attention of CCNet: every pixel attends to its own row and column, several times with
// the same weights.
#include "blocks/nn.h"

static void build(struct vka_scope *s)
{
    enum { QUERY, KEY, VALUE, PARTS };
    vka_graph *g = s->g;
    vka_tensor z = vka_in(s, "x"), t[PARTS] = {0};
    if (!vka_expect_rank(s, "x", z, 4, 4))
        return;
    int64_t channels = vka_dim(g, z, 1), height = vka_dim(g, z, 2), width = vka_dim(g, z, 3);
    struct vka_kernel k[PARTS] = {vka_kernel_of(s, "query", 0, channels, VKA_BIAS)};
    k[KEY] = vka_kernel_of(s, "key", vka_dim(g, k[QUERY].weight, 0), channels, VKA_BIAS);
    k[VALUE] = vka_kernel_of(s, "value", channels, channels, VKA_BIAS);
    k[VALUE] = vka_kernel_times(g, k[VALUE], vka_weight(s, "gamma", VKA_SHAPE(1)));
    int64_t depth = vka_dim(g, k[QUERY].weight, 0);
    for (int64_t i = 0; i < vka_get_int(s, "recurrence") && !vka_failed(g); i++) {
        vka_tensor all = vka_pointwise_all(g, z, PARTS, k, t);
        z = vka_criss_cross(g, z, all, depth);
    }
    vka_tensor map = vka_criss_cross_map(g, t[QUERY], t[KEY]);
    vka_give(s, "y", z);
    vka_give(s, "attn_h", vka_slice(g, map, 3, 0, height));
    vka_give(s, "attn_w", vka_slice(g, map, 3, height, width));
}

static const vka_attr_info attrs[] = {
    {"recurrence", "int", "2", "1..1000", "passes with the same weights"},
    {0},
};
static const vka_port_info inputs[] = {
    {"x", "[N, C, H, W]", "f32", "", "features"},
    {0},
};
static const vka_weight_info weights[] = {
    {"query.weight", "[Cqk, C, 1, 1]", "f32", "", "query_conv.weight"},
    {"query.bias", "[Cqk]", "f32", "", "query_conv.bias"},
    {"key.weight", "[Cqk, C, 1, 1]", "f32", "", "key_conv.weight"},
    {"key.bias", "[Cqk]", "f32", "", "key_conv.bias"},
    {"value.weight", "[C, C, 1, 1]", "f32", "", "value_conv.weight"},
    {"value.bias", "[C]", "f32", "", "value_conv.bias"},
    {"gamma", "[1]", "f32", "", "gamma"},
    {0},
};
static const vka_port_info outputs[] = {
    {"y", "[N, C, H, W]", "f32", "", "after the last pass"},
    {"attn_h", "[N, H, W, H]", "f32", "", "last pass: weights of the column; 0 at the centre"},
    {"attn_w", "[N, H, W, W]", "f32", "", "last pass: weights of the row"},
    {0},
};

const struct vka_block_row vka_block_rows_criss_cross[] = {
    {{"criss_cross", "Criss-cross attention: every pixel attends to its row and column, repeatedly",
      "Huang, Wang, Huang, Huang, Wei, Liu: CCNet, ICCV 2019, arXiv 1811.11721", attrs, inputs,
      weights, outputs,
      "{\"shapes\": {\"x\": [1, 512, 97, 97], \"w.query.weight\": [64, 512, 1, 1]}}"},
     build},
    {.build = NULL},
};
