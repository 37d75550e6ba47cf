// SPDX-License-Identifier: MIT
//
// Selective Kernel unit: convolutions of several sizes side by side, mixed by a softmax over the
// branches, each channel for itself.
#include "blocks/nn.h"

enum { MAX_BRANCHES = 64 };

static int count_branches(struct vka_scope *s)
{
    static const char *const lists[] = {"dilations", "groups"};
    int count = vka_get_count(s, "kernels");
    for (size_t i = 0; i < VKA_COUNT(lists); i++) {
        if (vka_get_count(s, lists[i]) != count)
            vka_scope_fail(s, "attribute '%s' has %d values, 'kernels' has %d", lists[i],
                           vka_get_count(s, lists[i]), count);
    }
    if (count < 2 || count > MAX_BRANCHES)
        vka_scope_fail(s, "attribute 'kernels' has %d values, but must have 2 to %d", count,
                       MAX_BRANCHES);
    return vka_failed(s->g) ? 0 : count;
}

// Convolution, batch norm, relu: [N, C, H', W'].
static vka_tensor branch(struct vka_scope *s, vka_tensor x, int i, int64_t channels)
{
    int64_t k = vka_get_int_at(s, "kernels", i), d = vka_get_int_at(s, "dilations", i);
    int64_t stride = vka_get_int(s, "stride"), groups = vka_get_int_at(s, "groups", i);
    if (k % 2 == 0)
        return vka_scope_fail(s, "attribute 'kernels' holds %lld, but must be odd", (long long)k);
    if (channels % groups != 0)
        return vka_scope_fail(s, "%lld channels don't divide into %lld groups", (long long)channels,
                              (long long)groups);
    int64_t p = d * (k / 2);
    struct vka_conv conv = {.stride = {stride, stride},
                            .dilation = {d, d},
                            .before = {p, p},
                            .after = {p, p},
                            .groups = groups,
                            .act = {VKA_ACT_RELU, 0, 0}};
    return vka_conv_layer(s, x, vka_name(s, "branch.%d.conv", i), channels, (const int64_t[]){k, k},
                          VKA_NO_BIAS, vka_name(s, "branch.%d.bn", i), vka_get_double(s, "bn_eps"),
                          &conv);
}

static void convolve(struct vka_scope *s, vka_tensor x, int count, int64_t channels, vka_tensor *u)
{
    int64_t in = vka_dim(s->g, x, 1);
    bool split = vka_get_bool(s, "split_input");
    if (split && in % count != 0)
        vka_scope_fail(s, "%lld channels don't divide into %d branches", (long long)in, count);
    for (int i = 0; i < count && !vka_failed(s->g); i++)
        u[i] =
            branch(s, split ? vka_slice(s->g, x, 1, i * (in / count), in / count) : x, i, channels);
}

// The branches' weights [N, M, C] from the means of their sum.
static vka_tensor select_weights(struct vka_scope *s, int count, const vka_tensor *u)
{
    vka_graph *g = s->g;
    int64_t channels = vka_dim(g, u[0], 1), hidden = vka_get_int(s, "hidden");
    int64_t least = vka_get_int(s, "min_dim"), derived = channels / vka_get_int(s, "reduction");
    if (hidden == 0)
        hidden = derived > least ? derived : least;
    vka_tensor mean = 0;
    for (int i = 0; i < count; i++) { // of each branch: the sum itself isn't wanted
        vka_tensor own = vka_reduce(g, VKA_REDUCE_MEAN, u[i], 1u << 2 | 1u << 3, false);
        mean = mean ? vka_add(g, mean, own) : own;
    }
    struct vka_layer relu = {.act = {VKA_ACT_RELU, 0, 0}};
    vka_tensor z =
        vka_pointwise(s, mean, "fc1", hidden, "fc1_bn", vka_get_double(s, "bn_eps"), &relu);
    vka_tensor logits = vka_linear(s, z, "fc2", count * channels, NULL);
    return vka_softmax(g, vka_reshape(g, logits, VKA_SHAPE(vka_dim(g, mean, 0), count, channels)),
                       &(struct vka_softmax){.axis = 1});
}

// [N, C, 1, 1]
static vka_tensor weight_of(struct vka_scope *s, vka_tensor attn, int i)
{
    return vka_channels(s->g, vka_squeeze(s->g, vka_slice(s->g, attn, 1, i, 1), 1), 4);
}

static void build(struct vka_scope *s)
{
    vka_graph *g = s->g;
    vka_tensor x = vka_in(s, "x"), u[MAX_BRANCHES] = {0}, y = 0;
    if (!vka_expect_rank(s, "x", x, 4, 4))
        return;
    int64_t channels = vka_get_int(s, "out_channels");
    int count = count_branches(s);
    if (count == 0)
        return;
    convolve(s, x, count, channels ? channels : vka_dim(g, x, 1), u);
    if (vka_failed(g))
        return;
    vka_tensor attn = select_weights(s, count, u);
    for (int i = 0; i < count; i += 2) { // by twos, each product unstored
        vka_tensor first = weight_of(s, attn, i), part;
        part = i + 1 < count ? vka_mix(g, u[i], first, u[i + 1], weight_of(s, attn, i + 1))
                             : vka_mul(g, u[i], first);
        y = y ? vka_add(g, y, part) : part;
    }
    vka_give(s, "y", y);
    vka_give(s, "attn", attn);
}

static const vka_attr_info attrs[] = {
    {"out_channels", "int", "0", ">= 0", "C; 0: the channels of x"},
    {"kernels", "list of int", "[3, 3]", "1..1000000000",
     "size of each branch; odd; M >= 2 values"},
    {"dilations", "list of int", "[1, 2]", "1..1000000000", "of each branch"},
    {"groups", "list of int", "[32, 32]", ">= 1", "of each branch; divides its channels and C"},
    {"stride", "int", "1", ">= 1", "of all branches"},
    {"reduction", "int", "16", ">= 1", "hidden width is max(floor(C / reduction), min_dim)"},
    {"min_dim", "int", "32", ">= 1", "the least hidden width"},
    {"hidden", "int", "0", ">= 0", "hidden width itself; 0: derive it"},
    {"split_input", "bool", "false", "", "branch m sees the m-th part of the channels only"},
    {"bn_eps", "float", "1e-5", "> 0", ""},
    {0},
};
static const vka_port_info inputs[] = {
    {"x", "[N, Cin, H, W]", "f32", "", "feature map"},
    {0},
};
static const vka_weight_info weights[] = {
    {"branch.{i}.conv.weight", "[C, Cb / groups, k, k]", "f32", "i < M", "paths.{i}.conv.weight"},
    VKA_NORM_PORTS("branch.{i}.bn", "[C]", "i < M", "paths.{i}.bn"),
    {"fc1.weight", "[d, C]", "f32", "", "attn.fc_reduce.weight"},
    VKA_NORM_PORTS("fc1_bn", "[d]", "", "attn.bn"),
    {"fc2.weight", "[M*C, d]", "f32", "", "attn.fc_select.weight"},
    {0},
};
static const vka_port_info outputs[] = {
    {"y", "[N, C, H', W']", "f32", "", "the branches' weighted sum"},
    {"attn", "[N, M, C]", "f32", "", "the branches' weights, which sum to 1 over M"},
    {0},
};

const struct vka_block_row vka_block_rows_sk[] = {
    {{"sk", "Selective Kernel unit: convolutions of several sizes, mixed by a softmax over them",
      "Li, Wang, Hu, Yang: Selective Kernel Networks, CVPR 2019, arXiv 1903.06586", attrs, inputs,
      weights, outputs, "{\"shapes\": {\"x\": [1, 256, 56, 56]}}"},
     build},
    {.build = NULL},
};
