// SPDX-License-Identifier: MIT
//
// Graph-based Global Reasoning: positions are projected onto a few nodes, one graph convolution
// runs there, and the same projection brings the result back.
//
// The state map X = Ws x + b is only wanted times B^T, which is Ws (x B^T) + b (sum of B)^T: it
// never exists, nor does the map before the last projection, which acts on the nodes.
#include "blocks/nn.h"

// Node states [N, S, K].
static vka_tensor project(struct vka_scope *s, vka_tensor x, vka_tensor proj)
{
    vka_graph *g = s->g;
    struct vka_kernel state = vka_kernel_of(s, "conv_state", 0, vka_dim(g, x, 1), VKA_BIAS);
    bool mean = vka_get_bool(s, "normalize");
    float by_count = mean ? 1.0f / (float)vka_dim(g, x, 2) : 1.0f;
    struct vka_matmul scaled = {.alpha = by_count};
    vka_tensor sum =
        vka_reduce(g, mean ? VKA_REDUCE_MEAN : VKA_REDUCE_SUM, proj, 1u << 2, false); // [N, K]
    vka_tensor shift =
        vka_mul(g, vka_unsqueeze(g, state.bias, -1), vka_unsqueeze(g, sum, 1)); // [N, S, K]
    vka_tensor gathered = vka_matmul(g, x, vka_transpose(g, proj, 1, 2), &scaled);
    return vka_matmul(g, state.weight, gathered, &(struct vka_matmul){.residual = shift});
}

// The graph convolution: relu(V + V A^T + b), then the states are mixed.
static vka_tensor reason(struct vka_scope *s, vka_tensor v)
{
    vka_graph *g = s->g;
    struct vka_kernel nodes =
        vka_kernel_of(s, "gcn.conv1", vka_dim(g, v, 2), vka_dim(g, v, 2), VKA_BIAS);
    struct vka_layer states = {.bias = VKA_BIAS_OPTIONAL};
    struct vka_matmul m = {.bias = nodes.bias, .residual = v, .act = {VKA_ACT_RELU, 0, 0}};
    vka_tensor r = vka_matmul(g, v, vka_transpose(g, nodes.weight, 0, 1), &m);
    return vka_pointwise(s, r, "gcn.conv2", vka_dim(g, v, 1), NULL, 0, &states);
}

static void build(struct vka_scope *s)
{
    vka_graph *g = s->g;
    vka_tensor x = vka_in(s, "x"), scale, shift;
    if (!vka_expect_rank(s, "x", x, 3, 5))
        return;
    vka_shape shape = vka_shape_of(g, x);
    vka_tensor flat = vka_flatten(g, x, 2, -1);
    struct vka_layer layer = {.bias = VKA_BIAS};
    vka_tensor proj = vka_pointwise(s, flat, "conv_proj", 0, NULL, 0, &layer); // [N, K, P]
    vka_tensor v = project(s, flat, proj);
    vka_tensor extend =
        vka_weight(s, "conv_extend.weight", VKA_SHAPE(shape.dim[1], vka_dim(g, v, 1)));
    vka_batch_norm_affine(s, "bn", shape.dim[1], vka_get_double(s, "bn_eps"), &scale, &shift);
    extend = vka_mul(g, extend, vka_unsqueeze(g, scale, -1));
    vka_tensor back = vka_matmul(g, extend, reason(s, v), NULL); // [N, C, K]
    struct vka_matmul m = {.bias = vka_unsqueeze(g, shift, -1), .residual = flat};
    vka_give(s, "y", vka_reshape(g, vka_matmul(g, back, proj, &m), shape));
    vka_give(s, "proj", proj);
    vka_give(s, "nodes", v);
}

static const vka_attr_info attrs[] = {
    {"normalize", "bool", "false", "", "divide the node states by the number of positions"},
    {"bn_eps", "float", "1e-4", "> 0", "of the last batch norm; not 1e-5"},
    {0},
};
static const vka_port_info inputs[] = {
    {"x", "[N, C, L], [N, C, H, W] or [N, C, T, H, W]", "f32", "", "features"},
    {0},
};
static const vka_weight_info weights[] = {
    {"conv_state.weight", "[S, C, 1...]", "f32", "", "conv_state.weight"},
    {"conv_state.bias", "[S]", "f32", "", "conv_state.bias"},
    {"conv_proj.weight", "[K, C, 1...]", "f32", "", "conv_proj.weight"},
    {"conv_proj.bias", "[K]", "f32", "", "conv_proj.bias"},
    {"gcn.conv1.weight", "[K, K, 1]", "f32", "", "gcn.conv1.weight"},
    {"gcn.conv1.bias", "[K]", "f32", "", "gcn.conv1.bias"},
    {"gcn.conv2.weight", "[S, S, 1]", "f32", "", "gcn.conv2.weight"},
    {"gcn.conv2.bias", "[S]", "f32", "optional", ""},
    {"conv_extend.weight", "[C, S, 1...]", "f32", "", "conv_extend.weight"},
    VKA_NORM_PORTS("bn", "[C]", "", "blocker"),
    {0},
};
static const vka_port_info outputs[] = {
    {"y", "as x", "f32", "", "x plus what came back from the nodes"},
    {"proj", "[N, K, P]", "f32", "", "projection map"},
    {"nodes", "[N, S, K]", "f32", "", "node states before the graph convolution"},
    {0},
};

const struct vka_block_row vka_block_rows_glore[] = {
    {{"glore", "Graph-based Global Reasoning: project to nodes, a graph convolution, project back",
      "Chen, Rohrbach, Yan, Yan, Feng, Kalantidis: Graph-Based Global Reasoning Networks, CVPR "
      "2019, arXiv 1811.12814",
      attrs, inputs, weights, outputs,
      "{\"shapes\": {\"x\": [1, 512, 28, 28], \"w.conv_state.weight\": [128, 512, 1, 1], "
      "\"w.conv_proj.weight\": [64, 512, 1, 1]}}"},
     build},
    {.build = NULL},
};
