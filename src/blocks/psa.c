// SPDX-License-Identifier: MIT
//
// Parameter-Free Spatial Attention: each position counts by its share of the map's total.
#include "blocks/nn.h"

static void build(struct vka_scope *s)
{
    vka_graph *g = s->g;
    vka_tensor x = vka_in(s, "x"), attn;
    if (!vka_expect_rank(s, "x", x, 4, 4))
        return;
    if (vka_is(s, "normalize", "sum")) {
        vka_tensor mean = vka_reduce(g, VKA_REDUCE_MEAN, x, 1u << 1, true);
        attn = vka_div(g, mean, vka_reduce(g, VKA_REDUCE_SUM, mean, 1u << 2 | 1u << 3, true));
    } else {
        vka_tensor total = vka_reduce(g, VKA_REDUCE_SUM, x, 1u << 1, true);
        attn = vka_softmax(g, vka_flatten(g, total, 2, 3), NULL);
        attn = vka_reshape(g, attn, vka_shape_of(g, total));
    }
    vka_give(s, "y", vka_mul(g, x, attn));
    vka_give(s, "attn", attn);
}

static const vka_attr_info attrs[] = {
    {"normalize", "string", "\"sum\"", "sum|softmax",
     "shares of the total (the authors' code), or a softmax over the positions"},
    {0},
};
static const vka_port_info inputs[] = {
    {"x", "[N, C, H, W]", "f32", "", "feature map, normally >= 0"},
    {0},
};
static const vka_weight_info weights[] = {{0}};
static const vka_port_info outputs[] = {
    {"y", "[N, C, H, W]", "f32", "", "x times attn"},
    {"attn", "[N, 1, H, W]", "f32", "", "sums to 1; NaN for a sample whose total is 0"},
    {0},
};

const struct vka_block_row vka_block_rows_psa[] = {
    {{"psa", "Parameter-Free Spatial Attention: positions weighted by their share of the total",
      "Wang, Fan, Wang, Jiao, Schiele: Parameter-Free Spatial Attention Network, 2018, arXiv "
      "1811.12150",
      attrs, inputs, weights, outputs, "{\"shapes\": {\"x\": [1, 2048, 24, 8]}}"},
     build},
    {.build = NULL},
};
