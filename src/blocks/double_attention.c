// SPDX-License-Identifier: MIT
//
// Double attention of A2-Nets: a few global descriptors are gathered by softmaxes over the
// positions, then every position takes its own softmax mixture of them.
//
// The features A = Wa x + b never exist: the gathering weights sum to 1, so A Bs^T is
// Wa (x Bs^T) + b, and the projection back acts on the descriptors, too.
#include "blocks/nn.h"

enum { GATHER, DISTRIBUTE, PARTS };

// gathering and distributing weights [N, n, P].
static void project(struct vka_scope *s, vka_tensor x, vka_tensor *maps)
{
    vka_graph *g = s->g;
    int64_t channels = vka_dim(g, x, 1);
    struct vka_kernel k[PARTS] = {vka_kernel_of(s, "conv_b", 0, channels, VKA_BIAS_OPTIONAL)};
    int64_t descriptors = vka_dim(g, k[GATHER].weight, 0);
    k[DISTRIBUTE] = vka_kernel_of(s, "conv_v", descriptors, channels, VKA_BIAS_OPTIONAL);
    vka_pointwise_all(g, x, PARTS, k, maps);
    maps[GATHER] = vka_softmax(g, maps[GATHER], NULL);
    maps[DISTRIBUTE] = vka_softmax(g, maps[DISTRIBUTE], &(struct vka_softmax){.axis = 1});
}

static void build(struct vka_scope *s)
{
    vka_graph *g = s->g;
    vka_tensor x = vka_in(s, "x"), maps[PARTS] = {0};
    if (!vka_expect_rank(s, "x", x, 3, 5))
        return;
    vka_shape shape = vka_shape_of(g, x);
    int64_t channels = shape.dim[1];
    vka_tensor flat = vka_flatten(g, x, 2, -1);
    project(s, flat, maps);
    vka_tensor gathered = vka_matmul(g, flat, vka_transpose(g, maps[GATHER], 1, 2), NULL);
    struct vka_layer layer = {.bias = VKA_BIAS_OPTIONAL};
    vka_tensor d = vka_pointwise(s, gathered, "conv_a", 0, NULL, 0, &layer); // [N, m, n]
    vka_give(s, "attn_gather", maps[GATHER]);
    vka_give(s, "attn_distribute", maps[DISTRIBUTE]);
    vka_give(s, "descriptors", d);

    struct vka_matmul m = {.residual = vka_get_bool(s, "residual") ? flat : 0};
    if (vka_get_bool(s, "reconstruct")) {
        struct vka_kernel back =
            vka_kernel_of(s, "conv_reconstruct", channels, vka_dim(g, d, 1), VKA_BIAS_OPTIONAL);
        d = vka_matmul(g, back.weight, d, NULL); // [N, C, n]
        m.bias = back.bias ? vka_unsqueeze(g, back.bias, -1) : 0;
    }
    shape.dim[1] = vka_dim(g, d, 1);
    if (m.residual && !vka_failed(g) && shape.dim[1] != channels)
        vka_scope_fail(s, "x has %lld channels and the result %lld: no residual is possible",
                       (long long)channels, (long long)shape.dim[1]);
    vka_give(s, "y", vka_reshape(g, vka_matmul(g, d, maps[DISTRIBUTE], &m), shape));
}

static const vka_attr_info attrs[] = {
    {"reconstruct", "bool", "false", "", "projection of the result back to C channels"},
    {"residual", "bool", "false", "", "add x (the paper's block); needs C channels"},
    {0},
};
static const vka_port_info inputs[] = {
    {"x", "[N, C, L], [N, C, H, W] or [N, C, T, H, W]", "f32", "", "features"},
    {0},
};
static const vka_weight_info weights[] = {
    {"conv_a.weight", "[m, C, 1...]", "f32", "", "convA.weight"},
    {"conv_a.bias", "[m]", "f32", "optional", "convA.bias"},
    {"conv_b.weight", "[n, C, 1...]", "f32", "", "convB.weight"},
    {"conv_b.bias", "[n]", "f32", "optional", "convB.bias"},
    {"conv_v.weight", "[n, C, 1...]", "f32", "", "convV.weight"},
    {"conv_v.bias", "[n]", "f32", "optional", "convV.bias"},
    {"conv_reconstruct.weight", "[C, m, 1...]", "f32", "reconstruct", "conv_reconstruct.weight"},
    {"conv_reconstruct.bias", "[C]", "f32", "optional, reconstruct", "conv_reconstruct.bias"},
    {0},
};
static const vka_port_info outputs[] = {
    {"y", "[N, m or C, ...]", "f32", "", "the positions' mixtures"},
    {"attn_gather", "[N, n, P]", "f32", "", "softmax over positions"},
    {"attn_distribute", "[N, n, P]", "f32", "", "softmax over descriptors"},
    {"descriptors", "[N, m, n]", "f32", "", "what was gathered"},
    {0},
};

const struct vka_block_row vka_block_rows_double_attention[] = {
    {{"double_attention", "Double attention: gather global descriptors, distribute them",
      "Chen, Kalantidis, Li, Yan, Feng: A^2-Nets, NeurIPS 2018, arXiv 1810.11579", attrs, inputs,
      weights, outputs,
      "{\"shapes\": {\"x\": [1, 256, 28, 28], \"w.conv_a.weight\": [128, 256, 1, 1], "
      "\"w.conv_b.weight\": [64, 256, 1, 1]}}"},
     build},
    {.build = NULL},
};
