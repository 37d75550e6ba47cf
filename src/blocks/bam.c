// SPDX-License-Identifier: MIT
//
// Bottleneck Attention Module: the logits of a channel branch and of a spatial branch make a gate
// for every single value, which is added to the map's own 1.
#include "blocks/nn.h"

// A perceptron on the channels' means: [N, C].
static vka_tensor channel_branch(struct vka_scope *s, vka_tensor x, int64_t hidden)
{
    int layers = (int)vka_get_int(s, "num_layers");
    double eps = vka_get_double(s, "bn_eps");
    struct vka_layer layer = {.bias = VKA_BIAS, .act = {VKA_ACT_RELU, 0, 0}};
    struct vka_layer last = {.bias = VKA_BIAS};
    vka_tensor c = vka_reduce(s->g, VKA_REDUCE_MEAN, x, 1u << 2 | 1u << 3, false);
    for (int i = 0; i < layers && !vka_failed(s->g); i++)
        c = vka_pointwise(s, c, vka_name(s, "channel.fc.%d", i), hidden,
                          vka_name(s, "channel.bn.%d", i), eps, &layer);
    return vka_linear(s, c, vka_name(s, "channel.fc.%d", layers), vka_dim(s->g, x, 1), &last);
}

// Dilated convolutions on a narrow map: [N, 1, H, W].
static vka_tensor spatial_branch(struct vka_scope *s, vka_tensor x, int64_t hidden)
{
    double eps = vka_get_double(s, "bn_eps");
    int64_t d = vka_get_int(s, "dilation");
    struct vka_layer layer = {.bias = VKA_BIAS, .act = {VKA_ACT_RELU, 0, 0}};
    struct vka_layer last = {.bias = VKA_BIAS};
    struct vka_conv conv = {
        .dilation = {d, d}, .before = {d, d}, .after = {d, d}, .act = {VKA_ACT_RELU, 0, 0}};
    vka_tensor m = vka_pointwise(s, x, "spatial.reduce", hidden, "spatial.reduce_bn", eps, &layer);
    for (int i = 0; i < (int)vka_get_int(s, "num_dilated") && !vka_failed(s->g); i++)
        m = vka_conv_layer(s, m, vka_name(s, "spatial.dilated.%d", i), hidden,
                           (const int64_t[]){3, 3}, VKA_BIAS,
                           vka_name(s, "spatial.dilated_bn.%d", i), eps, &conv);
    return vka_pointwise(s, m, "spatial.final", 1, NULL, 0, &last);
}

static void build(struct vka_scope *s)
{
    vka_graph *g = s->g;
    vka_tensor x = vka_in(s, "x");
    if (!vka_expect_rank(s, "x", x, 4, 4))
        return;
    int64_t channels = vka_dim(g, x, 1), hidden = channels / vka_get_int(s, "reduction");
    if (hidden < 1) {
        vka_scope_fail(s, "%lld channels with reduction %lld leave no hidden unit",
                       (long long)channels, (long long)vka_get_int(s, "reduction"));
        return;
    }
    vka_tensor c = channel_branch(s, x, hidden), p = spatial_branch(s, x, hidden);
    const struct vka_mul3 gate = {
        .adds = !vka_is(s, "combine", "mul"), .f = {VKA_ACT_SIGMOID, 0, 0}, .shift = 1};
    vka_tensor spread = vka_channels(g, c, 4);
    vka_tensor map = vka_binary_act(g, gate.adds ? VKA_ADD : VKA_MUL, spread, p, gate.f);
    vka_give(s, "y", vka_mul3_gate(g, x, spread, p, &gate)); // the map itself isn't needed
    vka_give(s, "attn", vka_affine(g, map, 1.0, gate.shift));
    vka_give(s, "logit_channel", c);
    vka_give(s, "logit_spatial", p);
}

static const vka_attr_info attrs[] = {
    {"reduction", "int", "16", ">= 1", "hidden width of both branches is floor(C / reduction)"},
    {"num_layers", "int", "1", "1..1000", "hidden layers of the channel branch"},
    {"num_dilated", "int", "2", "0..1000", "dilated convolutions of the spatial branch"},
    {"dilation", "int", "4", "1..1000000000", "theirs, and their padding"},
    {"combine", "string", "\"mul\"", "mul|add", "logits by product (the code) or sum (the paper)"},
    {"bn_eps", "float", "1e-5", "> 0", ""},
    {0},
};
static const vka_port_info inputs[] = {
    {"x", "[N, C, H, W]", "f32", "", "feature map"},
    {0},
};
static const vka_weight_info weights[] = {
    {"channel.fc.{i}.weight", "[Cr, C], [Cr, Cr]; the last [C, Cr]", "f32", "i = 0 .. num_layers",
     "channel_att.gate_c.gate_c_fc_{i}.weight | channel_att.gate_c.gate_c_fc_final.weight"},
    {"channel.fc.{i}.bias", "[Cr]; the last [C]", "f32", "i = 0 .. num_layers",
     "channel_att.gate_c.gate_c_fc_{i}.bias | channel_att.gate_c.gate_c_fc_final.bias"},
    VKA_NORM_PORTS("channel.bn.{i}", "[Cr]", "i < num_layers",
                   "channel_att.gate_c.gate_c_bn_{i+1}"),
    {"spatial.reduce.weight", "[Cr, C, 1, 1]", "f32", "",
     "spatial_att.gate_s.gate_s_conv_reduce0.weight"},
    {"spatial.reduce.bias", "[Cr]", "f32", "", "spatial_att.gate_s.gate_s_conv_reduce0.bias"},
    VKA_NORM_PORTS("spatial.reduce_bn", "[Cr]", "", "spatial_att.gate_s.gate_s_bn_reduce0"),
    {"spatial.dilated.{i}.weight", "[Cr, Cr, 3, 3]", "f32", "i < num_dilated",
     "spatial_att.gate_s.gate_s_conv_di_{i}.weight"},
    {"spatial.dilated.{i}.bias", "[Cr]", "f32", "i < num_dilated",
     "spatial_att.gate_s.gate_s_conv_di_{i}.bias"},
    VKA_NORM_PORTS("spatial.dilated_bn.{i}", "[Cr]", "i < num_dilated",
                   "spatial_att.gate_s.gate_s_bn_di_{i}"),
    {"spatial.final.weight", "[1, Cr, 1, 1]", "f32", "",
     "spatial_att.gate_s.gate_s_conv_final.weight"},
    {"spatial.final.bias", "[1]", "f32", "", "spatial_att.gate_s.gate_s_conv_final.bias"},
    {0},
};
static const vka_port_info outputs[] = {
    {"y", "[N, C, H, W]", "f32", "", "x times attn"},
    {"attn", "[N, C, H, W]", "f32", "", "1 + the gate, in (1, 2)"},
    {"logit_channel", "[N, C]", "f32", "", "channel branch, before the combination"},
    {"logit_spatial", "[N, 1, H, W]", "f32", "", "spatial branch, before the combination"},
    {0},
};

const struct vka_block_row vka_block_rows_bam[] = {
    {{"bam", "Bottleneck Attention Module: channel and spatial logits make one gate a value",
      "Park, Woo, Lee, Kweon: BAM, BMVC 2018, arXiv 1807.06514", attrs, inputs, weights, outputs,
      "{\"shapes\": {\"x\": [1, 256, 56, 56]}}"},
     build},
    {.build = NULL},
};
