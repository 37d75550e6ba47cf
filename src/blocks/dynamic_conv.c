// SPDX-License-Identifier: MIT
//
// Lightweight and dynamic convolution along tokens: the channels of a head share a few weights,
// which are learned ("light") or predicted from each token ("dynamic").
#include "blocks/nn.h"

struct conv1d {
    vka_tensor u; // [N, T, C]: what is convolved
    int64_t heads, kernel, before;
    bool dynamic;
};

static bool check(struct vka_scope *s, struct conv1d *c)
{
    int64_t left = vka_get_int(s, "padding_l");
    c->heads = vka_get_int(s, "heads");
    c->kernel = vka_get_int(s, "kernel_size");
    c->before = vka_is_null(s, "padding_l") ? c->kernel - 1 : left;
    c->dynamic = vka_is(s, "type", "dynamic");
    bool in_proj = vka_get_bool(s, "in_proj"), softmax = vka_get_bool(s, "weight_softmax");
    if (c->before >= c->kernel)
        vka_scope_fail(s, "attribute 'padding_l' is %lld, but must be 0..%lld", (long long)left,
                       (long long)c->kernel - 1);
    else if (in_proj && !c->dynamic)
        vka_scope_fail(s, "attribute 'in_proj' is true, but 'type' is \"light\"");
    else if (vka_get_bool(s, "renorm_padding") && !(c->dynamic && softmax))
        vka_scope_fail(s, "attribute 'renorm_padding' is true, but needs 'type' \"dynamic\" and "
                          "'weight_softmax'");
    else if (vka_in(s, "query") && (!c->dynamic || in_proj || vka_get_bool(s, "module")))
        vka_scope_fail(s, "input 'query' only goes with 'type' \"dynamic\", without 'in_proj' and "
                          "'module'");
    return !vka_failed(s->g);
}

// linear1, and GLU: the first half times the sigmoid of the second.
static vka_tensor enter(struct vka_scope *s, vka_tensor x)
{
    vka_graph *g = s->g;
    struct vka_layer layer = {.bias = VKA_BIAS};
    vka_tensor u = vka_linear(s, x, "linear1", 0, &layer);
    int64_t width = vka_dim(g, u, 2), half = width / 2;
    if (!vka_get_bool(s, "glu") || vka_failed(g))
        return u;
    if (width % 2 != 0)
        return vka_scope_fail(s, "weight 'linear1.weight' has %lld rows, which GLU can't halve",
                              (long long)width);
    vka_tensor gate = vka_act(g, vka_slice(g, u, 2, half, half), VKA_ACT_SIGMOID);
    return vka_mul(g, vka_slice(g, u, 2, 0, half), gate);
}

static vka_tensor without_padding(struct vka_scope *s, vka_tensor u)
{
    vka_graph *g = s->g;
    vka_tensor mask = vka_in(s, "padding_mask");
    if (!mask ||
        !vka_expect(s, "padding_mask", mask, VKA_SHAPE(vka_dim(g, u, 0), vka_dim(g, u, 1))))
        return u;
    return vka_where(g, vka_unsqueeze(g, mask, 2), vka_constant_scalar(g, 0), u);
}

// [T, 1, K]: true where the tap lies inside the sequence.
static vka_tensor inside(vka_graph *g, const struct conv1d *c)
{
    int32_t yes = 1;
    int64_t tokens = vka_dim(g, c->u, 1);
    vka_shape scalar = {0}, shape = VKA_SHAPE(tokens);
    vka_tensor all = vka_broadcast_to(g, vka_constant(g, VKA_BOOL, &scalar, &yes), shape);
    int64_t after = c->kernel - 1 - c->before;
    all = vka_pad(g, all, VKA_PAD_ZEROS, &c->before, &after, 0);
    return vka_strided(g, all, VKA_SHAPE(tokens, 1, c->kernel), (const int64_t[]){1, 0, 1}, 0);
}

// The taps' weights [N, T, heads, K] of each token; with in_proj also what is convolved.
static vka_tensor predict(struct vka_scope *s, struct conv1d *c)
{
    vka_graph *g = s->g;
    vka_tensor query = vka_in(s, "query");
    int64_t tokens = vka_dim(g, c->u, 1), channels = vka_dim(g, c->u, 2);
    if (query && !vka_expect(s, "query", query, VKA_SHAPE(vka_dim(g, c->u, 0), tokens, 0)))
        return 0;
    bool in_proj = vka_get_bool(s, "in_proj");
    struct vka_layer layer = {.bias = in_proj || vka_get_bool(s, "weight_bias") ? VKA_BIAS
                                                                                : VKA_NO_BIAS};
    int64_t count = c->heads * c->kernel, first = in_proj ? channels : 0;
    vka_tensor l = vka_linear(s, query ? query : c->u, "weight_linear", first + count, &layer);
    if (in_proj)
        c->u = vka_slice(g, l, 2, 0, channels);
    l = vka_slice(g, l, 2, first, count);
    l = vka_reshape(g, l, VKA_SHAPE(vka_dim(g, l, 0), tokens, c->heads, c->kernel));
    struct vka_softmax p = {.axis = -1};
    if (vka_get_bool(s, "renorm_padding"))
        p.mask = inside(g, c);
    return vka_get_bool(s, "weight_softmax") ? vka_softmax(g, l, &p) : l;
}

// Each token's weights, a row a head, times the tokens around it, which are a view.
static vka_tensor convolve_dynamic(vka_graph *g, const struct conv1d *c, vka_tensor attn,
                                   vka_tensor bias)
{
    vka_shape shape = vka_shape_of(g, c->u);
    int64_t n = shape.dim[0], tokens = shape.dim[1], channels = shape.dim[2];
    int64_t depth = channels / c->heads, long_by = c->kernel - 1;
    vka_tensor padded = vka_pad(g, c->u, VKA_PAD_ZEROS, (const int64_t[]){0, c->before, 0},
                                (const int64_t[]){0, long_by - c->before, 0}, 0);
    const int64_t stride[] = {(tokens + long_by) * channels, channels, depth, channels, 1};
    vka_tensor taps =
        vka_strided(g, padded, VKA_SHAPE(n, tokens, c->heads, c->kernel, depth), stride, 0);
    struct vka_matmul m = {.bias = bias ? vka_reshape(g, bias, VKA_SHAPE(c->heads, 1, depth)) : 0};
    return vka_reshape(g, vka_matmul(g, vka_unsqueeze(g, attn, 3), taps, &m), shape);
}

// One kernel for all tokens: a convolution in as many groups as channels.
static vka_tensor convolve_light(vka_graph *g, const struct conv1d *c, vka_tensor attn,
                                 vka_tensor bias)
{
    int64_t channels = vka_dim(g, c->u, 2);
    vka_shape each = VKA_SHAPE(c->heads, channels / c->heads, c->kernel);
    vka_tensor kernel = vka_broadcast_to(g, vka_unsqueeze(g, attn, 1), each);
    struct vka_conv conv = {.before = {c->before},
                            .after = {c->kernel - 1 - c->before},
                            .groups = channels,
                            .bias = bias};
    kernel = vka_reshape(g, kernel, VKA_SHAPE(channels, 1, c->kernel));
    return vka_transpose(g, vka_conv(g, vka_transpose(g, c->u, 1, 2), kernel, &conv), 1, 2);
}

static vka_tensor light_weights(struct vka_scope *s, const struct conv1d *c)
{
    vka_graph *g = s->g;
    vka_tensor w = vka_weight(s, "weight", VKA_SHAPE(c->heads, 1, c->kernel));
    w = vka_squeeze(g, w, 1);
    return vka_get_bool(s, "weight_softmax") ? vka_softmax(g, w, NULL) : w;
}

static void build(struct vka_scope *s)
{
    vka_graph *g = s->g;
    vka_tensor x = vka_in(s, "x");
    struct conv1d c = {0};
    if (!vka_expect_rank(s, "x", x, 3, 3) || !check(s, &c))
        return;
    bool module = vka_get_bool(s, "module");
    c.u = without_padding(s, module ? enter(s, x) : x);
    int64_t channels = vka_dim(g, c.u, 2);
    if (channels % c.heads != 0)
        vka_scope_fail(s, "%lld channels don't divide into %lld heads", (long long)channels,
                       (long long)c.heads);
    if (vka_failed(g))
        return;
    vka_tensor attn = c.dynamic ? predict(s, &c) : light_weights(s, &c);
    vka_tensor bias = 0;
    if (vka_get_bool(s, "conv_bias"))
        bias = vka_weight(s, "conv_bias", VKA_SHAPE(channels));
    vka_tensor y =
        c.dynamic ? convolve_dynamic(g, &c, attn, bias) : convolve_light(g, &c, attn, bias);
    struct vka_layer layer = {.bias = VKA_BIAS};
    vka_give(s, "y", module ? vka_linear(s, y, "linear2", vka_dim(g, x, 2), &layer) : y);
    vka_give(s, "attn", attn);
}

static const vka_attr_info attrs[] = {
    {"type", "string", "\"dynamic\"", "dynamic|light", "weights predicted from tokens, or learned"},
    {"heads", "int", "1", "1..1000000000", "h; blocks of channels that share weights; divides C"},
    {"kernel_size", "int", NULL, "1..1000000000", "K, the number of taps"},
    {"padding_l", "int or null", "null", ">= 0",
     "taps before the token, 0 .. K-1; null: K-1, causal; (K-1)/2: centred"},
    {"weight_softmax", "bool", "true", "", "softmax of the weights over the taps"},
    {"renorm_padding", "bool", "false", "",
     "dynamic: the softmax leaves out taps outside the sequence"},
    {"in_proj", "bool", "false", "", "dynamic: one linear map gives input and weights"},
    {"weight_bias", "bool", "false", "", "the predictor has a bias (in_proj: always)"},
    {"conv_bias", "bool", "false", "", "bias after the convolution"},
    {"module", "bool", "false", "", "linear1, GLU, convolution, linear2"},
    {"glu", "bool", "true", "", "module: GLU after linear1"},
    {0},
};
static const vka_port_info inputs[] = {
    {"x", "[N, T, E]", "f32", "", "tokens"},
    {"query", "[N, T, Eq]", "f32", "optional", "dynamic: the weights come from it instead of x"},
    {"padding_mask", "[N, T]", "bool", "optional", "true: the token counts as zeros"},
    {0},
};
static const vka_weight_info weights[] = {
    {"weight", "[h, 1, K]", "f32", "light", "weight | conv.weight"},
    {"weight_linear.weight", "[h*K, C or Eq]; in_proj [C + h*K, C]", "f32", "dynamic",
     "weight_linear.weight | conv.weight_linear.weight"},
    {"weight_linear.bias", "[h*K]; in_proj [C + h*K]", "f32", "weight_bias or in_proj",
     "weight_linear.bias | conv.weight_linear.bias"},
    {"conv_bias", "[C]", "f32", "conv_bias", "conv_bias | conv.conv_bias"},
    {"linear1.weight", "[2C, E]; [C, E] without glu", "f32", "module", "linear1.weight"},
    {"linear1.bias", "[2C]; [C] without glu", "f32", "module", "linear1.bias"},
    {"linear2.weight", "[E, C]", "f32", "module", "linear2.weight"},
    {"linear2.bias", "[E]", "f32", "module", "linear2.bias"},
    {0},
};
static const vka_port_info outputs[] = {
    {"y", "[N, T, E]", "f32", "", "the convolved tokens"},
    {"attn", "[N, T, h, K]; light [h, K]", "f32", "", "the weights used"},
    {0},
};

const struct vka_block_row vka_block_rows_dynamic_conv[] = {
    {{"dynamic_conv", "Lightweight and dynamic convolution along tokens, with its GLU module",
      "Wu, Fan, Baevski, Dauphin, Auli: Pay Less Attention with Lightweight and Dynamic "
      "Convolutions, ICLR 2019, arXiv 1901.10430",
      attrs, inputs, weights, outputs,
      "{\"attrs\": {\"heads\": 16, \"kernel_size\": 31}, \"shapes\": {\"x\": [8, 256, 1024]}}"},
     build},
    {.build = NULL},
};
