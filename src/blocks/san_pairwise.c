// SPDX-License-Identifier: MIT
//
// Pairwise self-attention of SAN: a small network turns the relation of the centre to each
// neighbour into weights, a softmax over the window for each group of channels.
#include "blocks/san.h"

static vka_tensor with_taps(vka_graph *g, vka_tensor centre)
{
    return vka_unsqueeze(g, vka_unsqueeze(g, centre, 2), 2); // [N, C, 1, 1, Ho, Wo]
}

// [N, D, k, k, Ho, Wo]
static vka_tensor relate(const struct vka_san *m)
{
    vka_graph *g = m->s->g;
    vka_tensor a = vka_every(g, m->part[VKA_SAN_CENTRE], m->w.stride[0]);
    vka_tensor near = m->part[VKA_SAN_NEAR];
    if (vka_is(m->s, "relation", "dot")) {
        const struct vka_window_logits p = {.windows = m->w, .maps = 1, .scale = 1};
        const int64_t *k = m->w.kernel, *out = m->w.out;
        vka_shape shape = VKA_SHAPE(vka_dim(g, a, 0), 1, k[0], k[1], out[0], out[1]);
        return vka_reshape(g, vka_window_dot(g, a, near, &p), shape);
    }
    vka_tensor b = vka_window_taps(g, near, &m->w);
    a = with_taps(g, a);
    if (vka_is(m->s, "relation", "concatenation"))
        return VKA_CONCAT(g, 1, vka_broadcast_to(g, a, vka_shape_of(g, b)), b);
    enum vka_binary_kind kind = vka_is(m->s, "relation", "subtraction") ? VKA_SUB
                                : vka_is(m->s, "relation", "summation") ? VKA_ADD
                                                                        : VKA_MUL;
    return vka_binary(g, kind, a, b);
}

// -1 .. 1 end to end, [1, 1, size]; a single one is -1.
static vka_tensor ruler(vka_graph *g, int64_t size)
{
    vka_shape shape = VKA_SHAPE(1, 1, size);
    float *at = vka_alloc(g->context, (uint64_t)size, sizeof *at);
    if (!at)
        return vka_fail_as(g, VKA_ERROR_OUT_OF_MEMORY, "out of host memory");
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
    vka_tensor e = relate(m);
    if (vka_get_bool(m->s, "position")) {
        vka_tensor p = positions(m);
        vka_shape all = vka_shape_of(g, e);
        all.dim[1] = 2;
        e = VKA_CONCAT(g, 1, e, vka_broadcast_to(g, p, all));
    }
    e = vka_flatten(g, e, 2, 3);
    vka_tensor w = vka_san_weigh(m, e, vka_get_int(m->s, "rel_channels"), m->groups);
    return vka_softmax(g, w, &(struct vka_softmax){.axis = 2});
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
static const vka_port_info weights[] = {
    VKA_SAN_PORTS("", "no bottleneck", "E", "R", "G"),
    {"conv_p.weight", "[2, 2, 1, 1]", "f32", "position, no bottleneck", "sam.conv_p.weight"},
    {"conv_p.bias", "[2]", "f32", "position, no bottleneck", "sam.conv_p.bias"},
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
