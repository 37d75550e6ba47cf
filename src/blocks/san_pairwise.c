// SPDX-License-Identifier: MIT
//
// Pairwise self-attention of SAN: a small network turns the relation of the centre to each
// neighbour into weights, a softmax over the window for each group of channels.
#include "blocks/san.h"

static vka_tensor with_taps(vka_graph *g, vka_tensor centre)
{
    return vka_unsqueeze(g, vka_unsqueeze(g, centre, 2), 2); // [N, C, 1, 1, Ho, Wo]
}

static vka_tensor dot(const struct vka_san *m, vka_tensor a)
{
    const struct vka_window_logits p = {.windows = m->w, .maps = 1, .scale = 1};
    const int64_t *k = m->w.kernel, *out = m->w.out;
    vka_graph *g = m->s->g;
    vka_shape shape = VKA_SHAPE(vka_dim(g, a, 0), 1, k[0], k[1], out[0], out[1]);
    return vka_reshape(g, vka_window_dot(g, a, m->part[VKA_SAN_NEAR], &p), shape);
}

// The relation, normed and activated, [N, D, k, k, Ho, Wo]. As much of the norm as can be is done
// to the maps, before the taps.
static vka_tensor relate(const struct vka_san *m)
{
    const struct vka_activation relu = {VKA_ACT_RELU, 0, 0};
    vka_graph *g = m->s->g;
    vka_tensor a = vka_every(g, m->part[VKA_SAN_CENTRE], m->w.stride[0]);
    vka_tensor b = m->part[VKA_SAN_NEAR];
    int64_t count = vka_dim(g, a, 1);
    if (vka_is(m->s, "relation", "dot"))
        return vka_san_normed(m, dot(m, a), 0);
    if (vka_is(m->s, "relation", "concatenation")) {
        b = vka_window_taps(g, b, &m->w);
        a = vka_broadcast_to(g, with_taps(g, a), vka_shape_of(g, b));
        return vka_san_normed(m, VKA_CONCAT(g, 1, a, b), 0);
    }
    vka_tensor scale = vka_san_slice(m, m->scale, 0, count, 4);
    a = vka_mul(g, a, scale);
    if (vka_is(m->s, "relation", "hadamard")) {
        a = vka_mul(g, with_taps(g, a), vka_window_taps(g, b, &m->w));
        return vka_binary_act(g, VKA_ADD, a, vka_san_slice(m, m->shift, 0, count, 6), relu);
    }
    a = vka_add(g, a, vka_san_slice(m, m->shift, 0, count, 4));
    b = vka_window_taps(g, vka_mul(g, b, scale), &m->w);
    bool minus = vka_is(m->s, "relation", "subtraction");
    return vka_binary_act(g, minus ? VKA_SUB : VKA_ADD, with_taps(g, a), b, relu);
}

// Channels of the relation.
static int64_t relation_depth(const struct vka_san *m)
{
    int64_t inner = vka_get_int(m->s, "rel_channels");
    return vka_is(m->s, "relation", "dot")             ? 1
           : vka_is(m->s, "relation", "concatenation") ? 2 * inner
                                                       : inner;
}

// -1 .. 1 end to end, [1, 1, size]; a single one is -1.
static vka_tensor ruler(vka_graph *g, int64_t size)
{
    vka_shape shape = VKA_SHAPE(1, 1, size);
    float *at = vka_alloc(g->context, (uint64_t)size, sizeof *at);
    if (!at)
        return vka_fail_memory(g, "the table of positions");
    for (int64_t i = 0; i < size; i++)
        at[i] = (float)(-1 + 2 * (double)i / (double)(size > 1 ? size - 1 : 1));
    vka_tensor t = vka_constant(g, VKA_F32, &shape, at);
    vka_free(g->context, at);
    return t;
}

// The projected position of the centre minus the tap's, [1, 2, k, k, Ho, Wo].
static vka_tensor positions(const struct vka_san *m)
{
    vka_graph *g = m->s->g;
    int64_t height = vka_dim(g, m->part[0], 2), width = vka_dim(g, m->part[0], 3);
    vka_shape one = VKA_SHAPE(1, 1, height, width);
    vka_tensor across = vka_broadcast_to(g, vka_unsqueeze(g, ruler(g, width), 2), one);
    vka_tensor down = vka_broadcast_to(g, vka_unsqueeze(g, ruler(g, height), 3), one);
    struct vka_layer layer = {.bias = VKA_BIAS};
    vka_tensor p = vka_pointwise(m->s, VKA_CONCAT(g, 1, across, down), vka_san_name(m, "conv_p"), 2,
                                 NULL, 0, &layer);
    return vka_sub(g, with_taps(g, vka_every(g, p, m->w.stride[0])), vka_window_taps(g, p, &m->w));
}

static vka_tensor attend(struct vka_san *m)
{
    vka_graph *g = m->s->g;
    bool position = vka_get_bool(m->s, "position");
    int64_t depth = relation_depth(m);
    vka_san_norm(m, depth + (position ? 2 : 0));
    struct vka_san_features f[2] = {{.t = relate(m)}};
    // The positions' part hangs on weights alone: it is computed once.
    if (position)
        f[1] = (struct vka_san_features){vka_san_normed(m, positions(m), depth), depth};
    vka_tensor w =
        vka_san_weigh(m, position ? 2 : 1, f, vka_get_int(m->s, "rel_channels"), m->groups);
    return vka_softmax(g, vka_flatten(g, w, 2, 3), &(struct vka_softmax){.axis = 2});
}

static void build(struct vka_scope *s)
{
    vka_san_build(s, vka_get_int(s, "stride"), vka_get_int(s, "dilation"),
                  vka_is(s, "pad_mode", "reflect"), attend);
}

static const vka_attr_info attrs[] = {
    {"rel_channels", "int", NULL, "1..1000000000", "R, channels of centre and neighbour"},
    {"out_channels", "int", NULL, "1..1000000000", "O, channels of the value"},
    {"share", "int", "8", ">= 1", "channels with the same weights; G = O / share"},
    {"kernel_size", "int", "7", "1..1000000000", "k, the window's side; odd"},
    {"stride", "int", "1", "1..1000000000", "1 in a bottleneck"},
    {"dilation", "int", "1", "1..1000000000", "distance of the window's taps"},
    {"pad_mode", "string", "\"reflect\"", "reflect|zero", "what lies outside the map"},
    {"relation", "string", "\"subtraction\"", "subtraction|summation|hadamard|concatenation|dot",
     "of the centre to a neighbour"},
    {"position", "bool", "true", "", "add the relative position's feature"},
    {"bottleneck", "bool", "false", "", "norm, module, norm, convolution, residual"},
    {0},
};
static const vka_port_info inputs[] = {
    {"x", "[N, C, H, W]", "f32", "", "feature map"},
    {0},
};
static const vka_weight_info weights[] = {
    VKA_SAN_PORTS("", "no bottleneck", "E", "R", "G"),
    {"conv_p.weight", "[2, 2, 1, 1]", "f32", "position, no bottleneck", "conv_p.weight"},
    {"conv_p.bias", "[2]", "f32", "position, no bottleneck", "conv_p.bias"},
    VKA_SAN_PORTS("sam.", "bottleneck", "E", "R", "G"),
    {"sam.conv_p.weight", "[2, 2, 1, 1]", "f32", "position, bottleneck", "sam.conv_p.weight"},
    {"sam.conv_p.bias", "[2]", "f32", "position, bottleneck", "sam.conv_p.bias"},
    VKA_SAN_BOTTLENECK_PORTS,
    {0},
};
static const vka_port_info outputs[] = {
    {"y", "[N, O, Ho, Wo]; bottleneck [N, C, H, W]", "f32", "", "Ho = floor((H - 1) / stride) + 1"},
    {"attn", "[N, G, k*k, Ho, Wo]", "f32", "", "weights of the taps; channel c has map c mod G"},
    {0},
};

const struct vka_block_row vka_block_rows_san_pairwise[] = {
    {{"san_pairwise",
      "Pairwise self-attention of SAN: vector weights from the relation to each "
      "neighbour",
      "Zhao, Jia, Koltun: Exploring Self-attention for Image Recognition, CVPR 2020, arXiv "
      "2004.13621",
      attrs, inputs, weights, outputs,
      "{\"attrs\": {\"rel_channels\": 16, \"out_channels\": 64}, \"shapes\": {\"x\": [1, 256, 28, "
      "28]}}"},
     build},
    {.build = NULL},
};
