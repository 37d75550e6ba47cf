// SPDX-License-Identifier: MIT
//
// The Transformer's decoder layer: self-attention, attention to the encoder's output, feed-forward,
// as torch.nn has it.
#include "blocks/transformer.h"

static void build(struct vka_scope *s)
{
    vka_graph *g = s->g;
    vka_tensor x = vka_in(s, "x"), memory = vka_in(s, "memory");
    if (!vka_expect_rank(s, "x", x, 3, 3) ||
        !vka_expect(s, "memory", memory, VKA_SHAPE(vka_dim(g, x, 0), 0, vka_dim(g, x, 2))))
        return;
    struct vka_token_masks own = {.mask = vka_in(s, "attn_mask"),
                                  .bias = vka_in(s, "attn_bias"),
                                  .padding = vka_in(s, "key_padding_mask"),
                                  .causal = vka_get_bool(s, "causal")};
    struct vka_token_masks of_memory = {.mask = vka_in(s, "memory_mask"),
                                        .bias = vka_in(s, "memory_bias"),
                                        .padding = vka_in(s, "memory_key_padding_mask")};
    vka_tensor z = vka_before_sublayer(s, 1, x);
    struct vka_scope *self = vka_attend_tokens(s, "self_attn", z, z, &own);
    vka_tensor a = vka_after_sublayer(s, 1, vka_add(g, x, vka_sub_out(self, "y")));
    struct vka_scope *cross =
        vka_attend_tokens(s, "multihead_attn", vka_before_sublayer(s, 2, a), memory, &of_memory);
    vka_tensor b = vka_after_sublayer(s, 2, vka_add(g, a, vka_sub_out(cross, "y")));
    vka_tensor y = vka_feed_forward(s, vka_before_sublayer(s, 3, b), b);
    vka_give(s, "y", vka_after_sublayer(s, 3, y));
    vka_give(s, "self_attn", vka_sub_out(self, "attn"));
    vka_give(s, "cross_attn", vka_sub_out(cross, "attn"));
}

static const vka_attr_info attrs[] = {VKA_TRANSFORMER_ATTRS, {0}};
static const vka_port_info inputs[] = {
    {"x", "[N, T, E]", "f32", "", "target tokens"},
    {"memory", "[N, S, E]", "f32", "", "output of the encoder"},
    {"attn_mask", "[T, T] or [N*H, T, T]", "bool", "optional", "true: this pair is forbidden"},
    {"attn_bias", "[T, T] or [N*H, T, T]", "f32", "optional", "added to the scaled logits"},
    {"key_padding_mask", "[N, T]", "bool", "optional", "true: this key is padding"},
    {"memory_mask", "[T, S] or [N*H, T, S]", "bool", "optional", "of the attention to memory"},
    {"memory_bias", "[T, S] or [N*H, T, S]", "f32", "optional", "of the attention to memory"},
    {"memory_key_padding_mask", "[N, S]", "bool", "optional", "of the attention to memory"},
    {0},
};
static const vka_weight_info weights[] = {
    VKA_ATTENTION_PORTS("self_attn"),
    VKA_ATTENTION_PORTS("multihead_attn"),
    VKA_FEED_FORWARD_PORTS,
    VKA_LAYER_NORM_PORTS("norm1"),
    VKA_LAYER_NORM_PORTS("norm2"),
    VKA_LAYER_NORM_PORTS("norm3"),
    {0},
};
static const vka_port_info outputs[] = {
    {"y", "[N, T, E]", "f32", "", "tokens"},
    {"self_attn", "[N, H, T, T]", "f32", "", "probabilities; only made when asked for"},
    {"cross_attn", "[N, H, T, S]", "f32", "", "probabilities; only made when asked for"},
    {0},
};

const struct vka_block_row vka_block_rows_transformer_decoder_layer[] = {
    {{"transformer_decoder_layer",
      "Transformer decoder layer: self-attention, attention to memory, feed-forward",
      "Vaswani et al.: Attention Is All You Need, NeurIPS 2017, arXiv 1706.03762; Xiong et al., "
      "ICML 2020, arXiv 2002.04745",
      attrs, inputs, weights, outputs,
      "{\"attrs\": {\"num_heads\": 8}, \"shapes\": {\"x\": [1, 512, 512], \"memory\": [1, 512, "
      "512], \"w.linear1.weight\": [2048, 512]}}"},
     build},
    {.build = NULL},
};
