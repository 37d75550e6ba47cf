// SPDX-License-Identifier: MIT
#include "blocks/transformer.h"

static vka_tensor norm(struct vka_scope *s, int i, vka_tensor x)
{
    return vka_layer_norm(s, x, vka_name(s, "norm%d", i), vka_get_double(s, "layer_norm_eps"));
}

vka_tensor vka_before_sublayer(struct vka_scope *s, int i, vka_tensor x)
{
    return vka_get_bool(s, "norm_first") ? norm(s, i, x) : x;
}

vka_tensor vka_after_sublayer(struct vka_scope *s, int i, vka_tensor x)
{
    return vka_get_bool(s, "norm_first") ? x : norm(s, i, x);
}

struct vka_scope *vka_attend_tokens(struct vka_scope *s, const char *name, vka_tensor x,
                                    vka_tensor keys, const struct vka_token_masks *m)
{
    const vka_attr attrs[] = {vka_attr_int("num_heads", vka_get_int(s, "num_heads")),
                              vka_attr_bool("causal", m->causal),
                              vka_attr_bool("average_attn_weights", false),
                              {0}};
    const vka_named inputs[] = {{"q", x},
                                {"k", keys},
                                {"v", keys},
                                {"attn_mask", m->mask},
                                {"attn_bias", m->bias},
                                {"key_padding_mask", m->padding},
                                {0}};
    return vka_block_in(s, "mha", name, name, attrs, inputs);
}

vka_tensor vka_feed_forward(struct vka_scope *s, vka_tensor x, vka_tensor residual)
{
    struct vka_layer first = {.bias = VKA_BIAS_OPTIONAL,
                              .act = {vka_act_named(s, vka_get_string(s, "activation")), 0, 0}};
    struct vka_layer second = {.bias = VKA_BIAS_OPTIONAL, .residual = residual};
    x = vka_linear(s, x, "linear1", 0, &first);
    return vka_linear(s, x, "linear2", vka_dim(s->g, residual, -1), &second);
}
