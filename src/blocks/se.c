// SPDX-License-Identifier: MIT
//
// Squeeze-and-Excitation: a gate a channel from the channels' means.
#include "blocks/nn.h"

static void build(struct vka_scope *s)
{
    vka_graph *g = s->g;
    vka_tensor x = vka_in(s, "x"), residual = vka_in(s, "residual");
    if (!vka_expect_rank(s, "x", x, 4, 4))
        return;
    int64_t channels = vka_dim(g, x, 1), hidden = vka_get_int(s, "hidden");
    int64_t reduction = vka_get_int(s, "reduction");
    if (hidden == 0 && reduction >= 1)
        hidden = channels / reduction;
    if (hidden < 1) {
        vka_scope_fail(s, "%lld channels with reduction %lld leave no hidden unit",
                       (long long)channels, (long long)reduction);
        return;
    }
    if (residual && !vka_expect(s, "residual", residual, vka_shape_of(g, x)))
        return;

    enum vka_bias bias = vka_get_bool(s, "bias") ? VKA_BIAS : VKA_NO_BIAS;
    struct vka_layer squeeze = {.bias = bias,
                                .act = {vka_act_named(s, vka_get_string(s, "act")), 0, 0}};
    int act = vka_act_named(s, vka_get_string(s, "gate"));
    vka_tensor mean = vka_reduce(g, VKA_REDUCE_MEAN, x, 1u << 2 | 1u << 3, false);
    vka_tensor attn, v = vka_linear(s, mean, "fc1", hidden, &squeeze);
    struct vka_kernel fc2 = vka_kernel_of(s, "fc2", channels, hidden, bias);
    struct vka_gate gate = {.v = v, .weight = fc2.weight, .bias = fc2.bias, .act = {act, 0, 0}};
    vka_tensor y = vka_gated(g, x, &gate, &attn);
    vka_give(s, "y", residual ? vka_add(g, y, residual) : y);
    vka_give(s, "attn", attn);
}

static const vka_attr_info attrs[] = {
    {"reduction", "int", "16", ">= 0", "hidden width is floor(C / reduction)"},
    {"hidden", "int", "0", ">= 0", "hidden width itself; 0: derive it"},
    {"bias", "bool", "true", "", "both layers have a bias"},
    {"act", "string", "\"relu\"", "relu|silu", "after fc1"},
    {"gate", "string", "\"sigmoid\"", "sigmoid|hard_sigmoid", "after fc2"},
    {0},
};
static const vka_port_info inputs[] = {
    {"x", "[N, C, H, W]", "f32", "", "feature map"},
    {"residual", "[N, C, H, W]", "f32", "optional", "added after the rescaling"},
    {0},
};
static const vka_weight_info weights[] = {
    {"fc1.weight", "[Cr, C]", "f32", "", "fc1.weight | fc.0.weight"},
    {"fc1.bias", "[Cr]", "f32", "bias", "fc1.bias | fc.0.bias"},
    {"fc2.weight", "[C, Cr]", "f32", "", "fc2.weight | fc.2.weight"},
    {"fc2.bias", "[C]", "f32", "bias", "fc2.bias | fc.2.bias"},
    {0},
};
static const vka_port_info outputs[] = {
    {"y", "[N, C, H, W]", "f32", "", "rescaled map"},
    {"attn", "[N, C]", "f32", "", "the gate"},
    {0},
};

const struct vka_block_row vka_block_rows_se[] = {
    {{"se", "Squeeze-and-Excitation: channel gate from global averages",
      "Hu, Shen, Sun: Squeeze-and-Excitation Networks, CVPR 2018, arXiv 1709.01507", attrs, inputs,
      weights, outputs, "{\"shapes\": {\"x\": [1, 256, 56, 56]}}"},
     build},
    {.build = NULL},
};
