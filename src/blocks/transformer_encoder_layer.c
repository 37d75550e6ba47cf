// SPDX-License-Identifier: MIT
//
// The Transformer's encoder layer: self-attention and feed-forward, as torch.nn has it.
#include "blocks/transformer.h"

static void build(struct vka_scope *s)
{
    vka_graph *g = s->g;
    vka_tensor x = vka_in(s, "x");
    if (!vka_expect_rank(s, "x", x, 3, 3))
        return;
    struct vka_token_masks masks = {.mask = vka_in(s, "attn_mask"),
                                    .bias = vka_in(s, "attn_bias"),
                                    .padding = vka_in(s, "key_padding_mask"),
                                    .causal = vka_get_bool(s, "causal")};
    vka_tensor z = vka_before_sublayer(s, 1, x);
    struct vka_scope *attention = vka_attend_tokens(s, "self_attn", z, z, &masks);
    vka_tensor h = vka_after_sublayer(s, 1, vka_add(g, x, vka_sub_out(attention, "y")));
    vka_tensor y = vka_feed_forward(s, vka_before_sublayer(s, 2, h), h);
    vka_give(s, "y", vka_after_sublayer(s, 2, y));
    vka_give(s, "attn", vka_sub_out(attention, "attn"));
}

static const vka_attr_info attrs[] = {VKA_TRANSFORMER_ATTRS, {0}};
static const vka_port_info inputs[] = {
    {"x", "[N, T, E]", "f32", "", "tokens"},
    {"attn_mask", "[T, T] or [N*H, T, T]", "bool", "optional", "true: this pair is forbidden"},
    {"attn_bias", "[T, T] or [N*H, T, T]", "f32", "optional", "added to the scaled logits"},
    {"key_padding_mask", "[N, T]", "bool", "optional", "true: this key is padding"},
    {0},
};
static const vka_weight_info weights[] = {
    VKA_ATTENTION_PORTS("self_attn"),
    VKA_FEED_FORWARD_PORTS,
    VKA_LAYER_NORM_PORTS("norm1"),
    VKA_LAYER_NORM_PORTS("norm2"),
    {0},
};
static const vka_port_info outputs[] = {
    {"y", "[N, T, E]", "f32", "", "tokens"},
    {"attn", "[N, H, T, T]", "f32", "", "probabilities, a head each; only made when asked for"},
    {0},
};

const struct vka_block_row vka_block_rows_transformer_encoder_layer[] = {
    {{"transformer_encoder_layer", "Transformer encoder layer: self-attention and feed-forward",
      "Vaswani et al.: Attention Is All You Need, NeurIPS 2017, arXiv 1706.03762; Xiong et al., "
      "ICML 2020, arXiv 2002.04745",
      attrs, inputs, weights, outputs,
      "{\"attrs\": {\"num_heads\": 8}, \"shapes\": {\"x\": [1, 512, 512], "
      "\"w.linear1.weight\": [2048, 512]}}"},
     build},
    {.build = NULL},
};
