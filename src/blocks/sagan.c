// SPDX-License-Identifier: MIT
//
// Self-attention of SAGAN: every pixel attends to every (pooled) pixel, added by a learned factor.
#include "blocks/nn.h"

enum { QUERY, KEY, VALUE, PARTS };

static vka_tensor pool(struct vka_scope *s, vka_tensor x)
{
    struct vka_pool p = {.max = true, .kernel = {2, 2}};
    return vka_get_bool(s, "pool") ? vka_pool(s->g, x, &p) : x;
}

// [N, C, H, W] as [N, 1, positions, C].
static vka_tensor tokens(vka_graph *g, vka_tensor x)
{
    return vka_unsqueeze(g, vka_transpose(g, vka_flatten(g, x, 2, 3), 1, 2), 1);
}

// q, k, v as tokens. gamma goes into the last layer of the attention's path, which is the value's
// where there is no projection after it; behind a pool, as a negative one turns a maximum round.
static void project(struct vka_scope *s, vka_tensor x, vka_tensor *t)
{
    vka_graph *g = s->g;
    int64_t channels = vka_dim(g, x, 1);
    bool out = vka_get_bool(s, "out_conv");
    struct vka_kernel k[PARTS] = {vka_kernel_of(s, "query", 0, channels, VKA_BIAS_OPTIONAL)};
    k[KEY] = vka_kernel_of(s, "key", vka_dim(g, k[QUERY].weight, 0), channels, VKA_BIAS_OPTIONAL);
    k[VALUE] = vka_kernel_of(s, "value", 0, channels, VKA_BIAS_OPTIONAL);
    if (!out && !vka_failed(g) && vka_dim(g, k[VALUE].weight, 0) != channels)
        vka_scope_fail(s, "x has %lld channels and the value has %lld: out_conv is needed",
                       (long long)channels, (long long)vka_dim(g, k[VALUE].weight, 0));
    vka_tensor gamma = out ? 0 : vka_weight(s, "gamma", VKA_SHAPE(1));
    bool pooled = vka_get_bool(s, "pool");
    if (gamma && !pooled)
        k[VALUE] = vka_kernel_times(g, k[VALUE], gamma);
    // The value alone: where tokens are copied, q and k are gone by then.
    vka_pointwise_all(g, x, VALUE, k, t);
    vka_pointwise_all(g, x, 1, &k[VALUE], &t[VALUE]);
    t[QUERY] = tokens(g, t[QUERY]);
    t[KEY] = tokens(g, pool(s, t[KEY]));
    t[VALUE] = pool(s, t[VALUE]);
    t[VALUE] = tokens(g, gamma && pooled ? vka_mul(g, t[VALUE], gamma) : t[VALUE]);
}

static void build(struct vka_scope *s)
{
    vka_graph *g = s->g;
    vka_tensor x = vka_in(s, "x"), t[PARTS] = {0};
    if (!vka_expect_rank(s, "x", x, 4, 4))
        return;
    project(s, x, t);
    struct vka_attention a = {.scale = 1.0};
    vka_give(s, "attn", vka_squeeze(g, vka_attention_map(g, t[QUERY], t[KEY], &a), 1));
    vka_tensor o = vka_squeeze(g, vka_attention(g, t[QUERY], t[KEY], t[VALUE], &a, NULL), 1);
    o = vka_transpose(g, o, 1, 2); // [N, Cv, P]
    vka_shape shape = vka_shape_of(g, x);
    if (!vka_get_bool(s, "out_conv")) {
        vka_give(s, "y", vka_add(g, vka_reshape(g, o, shape), x));
        return;
    }
    struct vka_kernel k =
        vka_kernel_of(s, "out", shape.dim[1], vka_dim(g, o, 1), VKA_BIAS_OPTIONAL);
    k = vka_kernel_times(g, k, vka_weight(s, "gamma", VKA_SHAPE(1)));
    struct vka_matmul m = {.bias = k.bias ? vka_unsqueeze(g, k.bias, -1) : 0,
                           .residual = vka_flatten(g, x, 2, 3)};
    vka_give(s, "y", vka_reshape(g, vka_matmul(g, k.weight, o, &m), shape));
}

static const vka_attr_info attrs[] = {
    {"pool", "bool", "false", "", "2x2 max pool of keys and values (the authors' code)"},
    {"out_conv", "bool", "false", "", "projection after the attention; needed where Cv is not C"},
    {0},
};
static const vka_port_info inputs[] = {
    {"x", "[N, C, H, W]", "f32", "", "features"},
    {0},
};
static const vka_weight_info weights[] = {
    {"query.weight", "[Cqk, C, 1, 1]", "f32", "", "spectral theta.weight | query_conv.weight"},
    {"query.bias", "[Cqk]", "f32", "optional", "theta.bias | query_conv.bias"},
    {"key.weight", "[Cqk, C, 1, 1]", "f32", "", "spectral phi.weight | key_conv.weight"},
    {"key.bias", "[Cqk]", "f32", "optional", "phi.bias | key_conv.bias"},
    {"value.weight", "[Cv, C, 1, 1]", "f32", "", "spectral g.weight | value_conv.weight"},
    {"value.bias", "[Cv]", "f32", "optional", "g.bias | value_conv.bias"},
    {"out.weight", "[C, Cv, 1, 1]", "f32", "out_conv", "spectral o.weight"},
    {"out.bias", "[C]", "f32", "optional, out_conv", "o.bias"},
    {"gamma", "[1]", "f32", "", "gamma | sigma_ratio"},
    {0},
};
static const vka_port_info outputs[] = {
    {"y", "[N, C, H, W]", "f32", "", "x plus gamma times the attended features"},
    {"attn", "[N, P, Q]", "f32", "", "softmax over the keys; only made when asked for"},
    {0},
};

const struct vka_block_row vka_block_rows_sagan[] = {
    {{"sagan", "Self-attention of SAGAN: all pairs of pixels, added by a learned factor",
      "Zhang, Goodfellow, Metaxas, Odena: Self-Attention Generative Adversarial Networks, ICML "
      "2019, arXiv 1805.08318",
      attrs, inputs, weights, outputs,
      "{\"shapes\": {\"x\": [1, 256, 32, 32], \"w.query.weight\": [32, 256, 1, 1], "
      "\"w.value.weight\": [256, 256, 1, 1]}}"},
     build},
    {.build = NULL},
};
