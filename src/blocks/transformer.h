// SPDX-License-Identifier: MIT
//
// What the Transformer's two layers share. Sublayer i has norm{i}, before it (norm_first) or after
// its residual.
#ifndef VKA_BLOCKS_TRANSFORMER_H
#define VKA_BLOCKS_TRANSFORMER_H

#include "blocks/nn.h"

// x as sublayer i reads it, and the sum of residual and sublayer as it goes on.
vka_tensor vka_before_sublayer(struct vka_scope *s, int i, vka_tensor x);
vka_tensor vka_after_sublayer(struct vka_scope *s, int i, vka_tensor x);

// mha as a sub-block; `name` is its own and its weights'.
struct vka_token_masks {
    vka_tensor mask, bias, padding; // mha's attn_mask, attn_bias, key_padding_mask; 0: none
    bool causal;
};
struct vka_scope *vka_attend_tokens(struct vka_scope *s, const char *name, vka_tensor x,
                                    vka_tensor keys, const struct vka_token_masks *m);

// linear2(act(linear1(x))) + residual.
vka_tensor vka_feed_forward(struct vka_scope *s, vka_tensor x, vka_tensor residual);

// The rows that both tables have.
#define VKA_TRANSFORMER_ATTRS                                                                      \
    {"num_heads", "int", NULL, ">= 1", "H; divides E"},                                            \
        {"norm_first", "bool", "false", "",                                                        \
         "norms before the sublayers, not after the residuals"},                                   \
        {"activation", "string", "\"relu\"", "relu|gelu", "of the feed-forward; gelu with erf"},   \
        {"layer_norm_eps", "float", "1e-5", "> 0", ""},                                            \
    {                                                                                              \
        "causal", "bool", "false", "", "causal self-attention"                                     \
    }
#define VKA_ATTENTION_PORTS(name)                                                                  \
    {name ".in_proj_weight", "[3E, E]", "f32", "", name ".in_proj_weight"},                        \
        {name ".in_proj_bias", "[3E]", "f32", "optional", name ".in_proj_bias"},                   \
        {name ".out_proj.weight", "[E, E]", "f32", "", name ".out_proj.weight"},                   \
    {                                                                                              \
        name ".out_proj.bias", "[E]", "f32", "optional", name ".out_proj.bias"                     \
    }
#define VKA_FEED_FORWARD_PORTS                                                                     \
    {"linear1.weight", "[F, E]", "f32", "", "linear1.weight"},                                     \
        {"linear1.bias", "[F]", "f32", "optional", "linear1.bias"},                                \
        {"linear2.weight", "[E, F]", "f32", "", "linear2.weight"},                                 \
    {                                                                                              \
        "linear2.bias", "[E]", "f32", "optional", "linear2.bias"                                   \
    }
#define VKA_LAYER_NORM_PORTS(name)                                                                 \
    {name ".weight", "[E]", "f32", "", name ".weight"},                                            \
    {                                                                                              \
        name ".bias", "[E]", "f32", "optional", name ".bias"                                       \
    }

#endif
