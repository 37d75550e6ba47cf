// SPDX-License-Identifier: MIT
//
// Efficient Channel Attention: a gate a channel from a 1-D convolution over the channels' means.
#include "blocks/nn.h"

#include <math.h>

// t = trunc(|log2(C) + b| / gamma), made odd upwards.
static int64_t adaptive_size(struct vka_scope *s, int64_t channels)
{
    double t = fabs(log2((double)channels) + vka_get_double(s, "b")) / vka_get_double(s, "gamma");
    if (!(t < 1e6)) {
        vka_scope_fail(s, "gamma %g and b %g give a kernel of size %g", vka_get_double(s, "gamma"),
                       vka_get_double(s, "b"), t);
        return 1;
    }
    int64_t k = (int64_t)t;
    return k % 2 ? k : k + 1;
}

static void build(struct vka_scope *s)
{
    vka_graph *g = s->g;
    vka_tensor x = vka_in(s, "x");
    if (!vka_expect_rank(s, "x", x, 4, 4))
        return;
    int64_t channels = vka_dim(g, x, 1), k = vka_get_int(s, "kernel_size");
    bool shared = vka_get_bool(s, "shared");
    if (k == 0)
        k = adaptive_size(s, channels);
    if (k % 2 == 0) {
        vka_scope_fail(s, "attribute 'kernel_size' is %lld, but must be odd", (long long)k);
        return;
    }
    vka_tensor weight = vka_weight(s, "conv.weight", VKA_SHAPE(shared ? 1 : channels, 1, k));
    vka_tensor mean = vka_reduce(g, VKA_REDUCE_MEAN, x, 1u << 2 | 1u << 3, false);
    struct vka_gate gate = {
        .v = mean,
        .weight = vka_broadcast_to(g, vka_squeeze(g, weight, 1), VKA_SHAPE(channels, k)),
        .act = {VKA_ACT_SIGMOID, 0, 0},
        .slides = true};
    vka_tensor attn;
    vka_give(s, "y", vka_gated(g, x, &gate, &attn));
    vka_give(s, "attn", attn);
}

static const vka_attr_info attrs[] = {
    {"kernel_size", "int", "0", ">= 0", "odd; 0: trunc(|log2(C) + b| / gamma), made odd upwards"},
    {"gamma", "float", "2.0", "> 0", "of the adaptive rule"},
    {"b", "float", "1.0", "", "of the adaptive rule"},
    {"shared", "bool", "true", "", "one kernel for all channels; false: one for each"},
    {0},
};
static const vka_port_info inputs[] = {
    {"x", "[N, C, H, W]", "f32", "", "feature map"},
    {0},
};
static const vka_weight_info weights[] = {
    {"conv.weight", "[1, 1, k] ([C, 1, k] if not shared)", "f32", "", "conv.weight"},
    {0},
};
static const vka_port_info outputs[] = {
    {"y", "[N, C, H, W]", "f32", "", "x scaled by the gate"},
    {"attn", "[N, C]", "f32", "", "the gate"},
    {0},
};

const struct vka_block_row vka_block_rows_eca[] = {
    {{"eca", "Efficient Channel Attention: channel gate from a 1-D convolution over channel means",
      "Wang, Wu, Zhu, Li, Zuo, Hu: ECA-Net, CVPR 2020, arXiv 1910.03151", attrs, inputs, weights,
      outputs, "{\"shapes\": {\"x\": [1, 256, 56, 56]}}"},
     build},
    {.build = NULL},
};
