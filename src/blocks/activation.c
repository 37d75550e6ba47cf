// SPDX-License-Identifier: MIT
//
// The plain activations, as torch.nn has them.
#include "blocks/nn.h"

static void build_act(struct vka_scope *s, int kind, double a, double b)
{
    struct vka_activation f = {kind, (float)a, (float)b};
    vka_give(s, "y", vka_unary(s->g, vka_in(s, "x"), f));
}

#define PLAIN(name, kind)                                                                          \
    static void build_##name(struct vka_scope *s)                                                  \
    {                                                                                              \
        build_act(s, kind, 0, 0);                                                                  \
    }
PLAIN(relu, VKA_ACT_RELU)
PLAIN(relu6, VKA_ACT_RELU6)
PLAIN(sigmoid, VKA_ACT_SIGMOID)
PLAIN(hard_sigmoid, VKA_ACT_HARD_SIGMOID)
PLAIN(hard_swish, VKA_ACT_HARD_SWISH)
PLAIN(silu, VKA_ACT_SILU)
PLAIN(tanh, VKA_ACT_TANH)

static void build_leaky_relu(struct vka_scope *s)
{
    build_act(s, VKA_ACT_LEAKY_RELU, vka_get_double(s, "negative_slope"), 0);
}

static void build_elu(struct vka_scope *s)
{
    build_act(s, VKA_ACT_ELU, vka_get_double(s, "alpha"), 0);
}

static void build_gelu(struct vka_scope *s)
{
    build_act(s, vka_is(s, "approximate", "tanh") ? VKA_ACT_GELU_TANH : VKA_ACT_GELU, 0, 0);
}

static void build_softplus(struct vka_scope *s)
{
    build_act(s, VKA_ACT_SOFTPLUS, vka_get_double(s, "beta"), vka_get_double(s, "threshold"));
}

static const vka_attr_info no_attrs[] = {{0}};
static const vka_attr_info leaky_attrs[] = {
    {"negative_slope", "float", "0.01", "", "factor where x < 0"}, {0}};
static const vka_attr_info elu_attrs[] = {{"alpha", "float", "1.0", "", ""}, {0}};
static const vka_attr_info gelu_attrs[] = {
    {"approximate", "string", "\"none\"", "none|tanh", "none: with erf"}, {0}};
static const vka_attr_info softplus_attrs[] = {
    {"beta", "float", "1.0", "> 0", ""},
    {"threshold", "float", "20.0", "", "x itself where beta x is above it"},
    {0},
};
static const vka_port_info inputs[] = {{"x", "[...]", "f32", "", ""}, {0}};
static const vka_weight_info weights[] = {{0}};
static const vka_port_info outputs[] = {{"y", "as x", "f32", "", ""}, {0}};
#define ROW(name, text, attrs)                                                                     \
    {                                                                                              \
        {#name,  text,    "",      attrs,                                                          \
         inputs, weights, outputs, "{\"shapes\": {\"x\": [1, 256, 56, 56]}}"},                     \
            build_##name                                                                           \
    }

const struct vka_block_row vka_block_rows_activation[] = {
    ROW(relu, "max(x, 0)", no_attrs),
    ROW(relu6, "min(max(x, 0), 6)", no_attrs),
    ROW(leaky_relu, "x where positive, negative_slope x elsewhere", leaky_attrs),
    ROW(elu, "x where positive, alpha (exp(x) - 1) elsewhere", elu_attrs),
    ROW(gelu, "x times the normal distribution function", gelu_attrs),
    ROW(sigmoid, "1 / (1 + exp(-x))", no_attrs),
    ROW(hard_sigmoid, "min(max(x + 3, 0), 6) / 6", no_attrs),
    ROW(hard_swish, "x min(max(x + 3, 0), 6) / 6", no_attrs),
    ROW(silu, "x / (1 + exp(-x))", no_attrs),
    ROW(tanh, "hyperbolic tangent", no_attrs),
    ROW(softplus, "ln(1 + exp(beta x)) / beta", softplus_attrs),
    {.build = NULL},
};
