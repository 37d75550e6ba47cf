// SPDX-License-Identifier: MIT
//
// Convolutional Block Attention Module: a channel gate, then a spatial gate.
#include "blocks/nn.h"

#include <string.h>

enum { MAPS = 1u << 2 | 1u << 3 }; // the axes H, W

static vka_tensor describe(struct vka_scope *s, vka_tensor x, const char *pool)
{
    static const struct {
        const char *name;
        enum vka_reduce_kind kind;
    } kinds[] = {{"avg", VKA_REDUCE_MEAN},
                 {"max", VKA_REDUCE_MAX},
                 {"lp", VKA_REDUCE_L2},
                 {"lse", VKA_REDUCE_LOGSUMEXP}};
    for (size_t i = 0; i < VKA_COUNT(kinds); i++) {
        if (strcmp(kinds[i].name, pool) == 0)
            return vka_reduce(s->g, kinds[i].kind, x, MAPS, false);
    }
    return 0; // the table lets no other through
}

// [N, pools, C]; the mean and the largest, as usual, in one read.
static vka_tensor describe_all(struct vka_scope *s, vka_tensor x, int pools)
{
    const char *first = vka_get_string_at(s, "pool_types", 0);
    const char *second = pools == 2 ? vka_get_string_at(s, "pool_types", 1) : "";
    if (strcmp(first, "avg") == 0 && strcmp(second, "max") == 0)
        return vka_mean_max_stacked(s->g, x, 0, MAPS, VKA_STACK_MEAN_MAX);
    if (strcmp(first, "max") == 0 && strcmp(second, "avg") == 0)
        return vka_mean_max_stacked(s->g, x, 0, MAPS, VKA_STACK_MAX_MEAN);
    vka_tensor all = vka_unsqueeze(s->g, describe(s, x, first), 1);
    for (int i = 1; i < pools; i++) {
        const char *pool = vka_get_string_at(s, "pool_types", i);
        all = VKA_CONCAT(s->g, 1, all, vka_unsqueeze(s->g, describe(s, x, pool), 1));
    }
    return all;
}

// What makes the channel gate.
static struct vka_perceptron perceptron(struct vka_scope *s, vka_tensor x)
{
    int64_t channels = vka_dim(s->g, x, 1), hidden = channels / vka_get_int(s, "reduction");
    int pools = vka_get_count(s, "pool_types");
    if (hidden < 1)
        vka_scope_fail(s, "%lld channels with reduction %lld leave no hidden unit",
                       (long long)channels, (long long)vka_get_int(s, "reduction"));
    if (pools == 0)
        vka_scope_fail(s, "attribute 'pool_types' is empty");
    if (vka_failed(s->g))
        return (struct vka_perceptron){0};
    struct vka_kernel first = vka_kernel_of(s, "channel.fc1", hidden, channels, VKA_BIAS);
    struct vka_kernel last = vka_kernel_of(s, "channel.fc2", channels, hidden, VKA_BIAS);
    return (struct vka_perceptron){describe_all(s, x, pools), first.weight, first.bias, last.weight,
                                   last.bias};
}

// Of the largest and the mean of each position's channels.
static vka_tensor spatial_gate(struct vka_scope *s, vka_tensor both)
{
    int64_t k = vka_get_int(s, "kernel_size"), p = (k - 1) / 2;
    if (k % 2 == 0)
        return vka_scope_fail(s, "attribute 'kernel_size' is %lld, but must be odd", (long long)k);
    struct vka_conv conv = {.before = {p, p}, .after = {p, p}, .act = {VKA_ACT_SIGMOID, 0, 0}};
    return vka_conv_layer(s, both, "spatial.conv", 1, (const int64_t[]){k, k}, VKA_NO_BIAS,
                          "spatial.bn", vka_get_double(s, "bn_eps"), &conv);
}

static void build(struct vka_scope *s)
{
    vka_graph *g = s->g;
    vka_tensor y = vka_in(s, "x");
    if (!vka_expect_rank(s, "x", y, 4, 4))
        return;
    vka_tensor attn, both = 0;
    if (vka_is(s, "part", "spatial")) {
        both = vka_mean_max_stacked(g, y, 0, 1u << 1, VKA_STACK_MAX_MEAN);
    } else {
        struct vka_perceptron p = perceptron(s, y);
        if (vka_is(s, "part", "channel")) {
            struct vka_gate gate = vka_perceptron_gate(g, &p);
            y = vka_gated(g, y, &gate, &attn);
        } else { // the map itself isn't needed: whoever reads it can multiply
            both = vka_channel_pool(g, y, &p, &attn);
            y = vka_mul(g, y, vka_channels(g, attn, 4));
        }
        vka_give(s, "attn_channel", attn);
    }
    if (!vka_is(s, "part", "channel")) {
        attn = spatial_gate(s, both);
        y = vka_mul(g, y, attn);
        vka_give(s, "attn_spatial", attn);
    }
    vka_give(s, "y", y);
}

static const vka_attr_info attrs[] = {
    {"part", "string", "\"both\"", "both|channel|spatial",
     "which half; both: channel, then spatial"},
    {"reduction", "int", "16", ">= 1", "hidden width is floor(C / reduction)"},
    {"pool_types", "list of string", "[\"avg\", \"max\"]", "avg|max|lp|lse",
     "descriptors to sum over; one listed twice counts twice"},
    {"kernel_size", "int", "7", ">= 1", "of the spatial convolution; odd"},
    {"bn_eps", "float", "1e-5", "> 0", ""},
    {0},
};
static const vka_port_info inputs[] = {
    {"x", "[N, C, H, W]", "f32", "", "feature map"},
    {0},
};
static const vka_weight_info weights[] = {
    {"channel.fc1.weight", "[Cr, C]", "f32", "part both, channel", "ChannelGate.mlp.1.weight"},
    {"channel.fc1.bias", "[Cr]", "f32", "part both, channel", "ChannelGate.mlp.1.bias"},
    {"channel.fc2.weight", "[C, Cr]", "f32", "part both, channel", "ChannelGate.mlp.3.weight"},
    {"channel.fc2.bias", "[C]", "f32", "part both, channel", "ChannelGate.mlp.3.bias"},
    {"spatial.conv.weight", "[1, 2, k, k]", "f32", "part both, spatial",
     "SpatialGate.spatial.conv.weight"},
    {"spatial.bn.weight", "[1]", "f32", "part both, spatial", "SpatialGate.spatial.bn.weight"},
    {"spatial.bn.bias", "[1]", "f32", "part both, spatial", "SpatialGate.spatial.bn.bias"},
    {"spatial.bn.running_mean", "[1]", "f32", "part both, spatial",
     "SpatialGate.spatial.bn.running_mean"},
    {"spatial.bn.running_var", "[1]", "f32", "part both, spatial",
     "SpatialGate.spatial.bn.running_var"},
    {0},
};
static const vka_port_info outputs[] = {
    {"y", "[N, C, H, W]", "f32", "", "gated map"},
    {"attn_channel", "[N, C]", "f32", "part both, channel", "channel gate"},
    {"attn_spatial", "[N, 1, H, W]", "f32", "part both, spatial", "spatial gate"},
    {0},
};

const struct vka_block_row vka_block_rows_cbam[] = {
    {{"cbam", "Convolutional Block Attention Module: channel gate, then spatial gate",
      "Woo, Park, Lee, Kweon: CBAM, ECCV 2018, arXiv 1807.06521", attrs, inputs, weights, outputs,
      "{\"shapes\": {\"x\": [1, 256, 56, 56]}}"},
     build},
    {.build = NULL},
};
