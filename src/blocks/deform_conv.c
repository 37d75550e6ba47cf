// SPDX-License-Identifier: MIT
//
// Deformable convolution, v1 and v2 (modulated): taps moved by offsets that are given, or predicted
// by a convolution in the block ("pack").
#include "blocks/nn.h"

struct options {
    int64_t stride[2], padding[2], dilation[2];
    int64_t groups, offset_groups;
    bool modulated, pack;
};

static struct options read_options(struct vka_scope *s)
{
    struct options o = {.groups = vka_get_int(s, "groups"),
                        .offset_groups = vka_get_int(s, "offset_groups"),
                        .modulated = vka_get_bool(s, "modulated"),
                        .pack = vka_get_bool(s, "pack")};
    vka_get_ints(s, "stride", 2, o.stride);
    vka_get_ints(s, "padding", 2, o.padding);
    vka_get_ints(s, "dilation", 2, o.dilation);
    return o;
}

// The block's weight, its groups checked by name.
static vka_tensor read_weight(struct vka_scope *s, const struct options *o, int64_t channels)
{
    if (channels % o->groups != 0 || channels % o->offset_groups != 0) {
        bool own = channels % o->groups != 0;
        return vka_scope_fail(s, "the %lld channels of x don't divide into %s %lld",
                              (long long)channels, own ? "groups" : "offset_groups",
                              (long long)(own ? o->groups : o->offset_groups));
    }
    vka_tensor weight = vka_weight(s, "weight", VKA_SHAPE(0, channels / o->groups, 0, 0));
    if (!vka_failed(s->g) && vka_dim(s->g, weight, 0) % o->groups != 0)
        return vka_scope_fail(s, "the %lld rows of the weight don't divide into groups %lld",
                              (long long)vka_dim(s->g, weight, 0), (long long)o->groups);
    return weight;
}

static void predict(struct vka_scope *s, const struct options *o, vka_tensor x, vka_tensor weight,
                    vka_tensor *offset, vka_tensor *mask)
{
    vka_graph *g = s->g;
    int64_t kernel[] = {vka_dim(g, weight, 2), vka_dim(g, weight, 3)}, taps = kernel[0] * kernel[1];
    int64_t moved = o->offset_groups * taps;
    struct vka_conv c = {.stride = {o->stride[0], o->stride[1]},
                         .dilation = {o->dilation[0], o->dilation[1]},
                         .before = {o->padding[0], o->padding[1]},
                         .after = {o->padding[0], o->padding[1]}};
    vka_tensor t = vka_conv_layer(s, x, "conv_offset", (o->modulated ? 3 : 2) * moved, kernel,
                                  VKA_BIAS, NULL, 0, &c);
    if (vka_failed(g))
        return;
    *offset = o->modulated ? vka_slice(g, t, 1, 0, 2 * moved) : t;
    *mask = o->modulated ? vka_act(g, vka_slice(g, t, 1, 2 * moved, moved), VKA_ACT_SIGMOID) : 0;
}

// What is given must be what the mode takes, no less and no more.
static bool read_moves(struct vka_scope *s, const struct options *o, vka_tensor *offset,
                       vka_tensor *mask)
{
    *offset = o->pack ? vka_in(s, "offset") : vka_in_needed(s, "offset");
    *mask = o->modulated && !o->pack ? vka_in_needed(s, "mask") : vka_in(s, "mask");
    if (o->pack && (*offset || *mask))
        vka_scope_fail(s, "input '%s' is given, but pack predicts it", *offset ? "offset" : "mask");
    else if (!o->modulated && *mask)
        vka_scope_fail(s, "input 'mask' is given, but modulated is false");
    return !vka_failed(s->g);
}

static void build(struct vka_scope *s)
{
    vka_graph *g = s->g;
    vka_tensor x = vka_in(s, "x"), offset, mask;
    struct options o = read_options(s);
    if (!vka_expect_rank(s, "x", x, 4, 4) || !read_moves(s, &o, &offset, &mask))
        return;
    vka_tensor weight = read_weight(s, &o, vka_dim(g, x, 1));
    if (vka_failed(g))
        return;
    if (o.pack)
        predict(s, &o, x, weight, &offset, &mask);
    struct vka_deform_conv p = {.stride = {o.stride[0], o.stride[1]},
                                .dilation = {o.dilation[0], o.dilation[1]},
                                .padding = {o.padding[0], o.padding[1]},
                                .groups = o.groups,
                                .offset_groups = o.offset_groups,
                                .mask = mask};
    if (vka_get_bool(s, "bias"))
        p.bias = vka_weight(s, "bias", VKA_SHAPE(vka_dim(g, weight, 0)));
    vka_give(s, "y", vka_deform_conv(g, x, offset, weight, &p));
    if (o.pack)
        vka_give(s, "offset", offset);
    if (o.pack && o.modulated)
        vka_give(s, "mask", mask);
}

static const vka_attr_info attrs[] = {
    {"stride", "int or list of int", "1", ">= 1", "one for both axes, or vertical, horizontal"},
    {"padding", "int or list of int", "0", ">= 0", "zeros on both sides"},
    {"dilation", "int or list of int", "1", ">= 1", ""},
    {"groups", "int", "1", ">= 1", "of the weight; divides Cin and Cout"},
    {"offset_groups", "int", "1", ">= 1", "D, channels moved alike; divides Cin"},
    {"modulated", "bool", "false", "", "v2: samples times a mask"},
    {"bias", "bool", "true", "", ""},
    {"pack", "bool", "false", "", "offsets (and the mask) are predicted from x"},
    {0},
};
static const vka_port_info inputs[] = {
    {"x", "[N, Cin, H, W]", "f32", "", ""},
    {"offset", "[N, 2*D*kh*kw, Ho, Wo]", "f32", "optional, not pack",
     "(vertical, horizontal) pairs, by tap, in pixels"},
    {"mask", "[N, D*kh*kw, Ho, Wo]", "f32", "optional, modulated and not pack", "used as given"},
    {0},
};
static const vka_weight_info weights[] = {
    {"weight", "[Cout, Cin/groups, kh, kw]", "f32", "", "weight"},
    {"bias", "[Cout]", "f32", "bias", "bias"},
    {"conv_offset.weight", "[2*D*kh*kw (modulated: 3*D*kh*kw), Cin, kh, kw]", "f32", "pack",
     "conv_offset.weight"},
    {"conv_offset.bias", "[2*D*kh*kw]", "f32", "pack", "conv_offset.bias"},
    {0},
};
static const vka_port_info outputs[] = {
    {"y", "[N, Cout, Ho, Wo]", "f32", "", ""},
    {"offset", "[N, 2*D*kh*kw, Ho, Wo]", "f32", "pack", "as predicted"},
    {"mask", "[N, D*kh*kw, Ho, Wo]", "f32", "pack and modulated", "after the sigmoid"},
    {0},
};

const struct vka_block_row vka_block_rows_deform_conv[] = {
    {{"deform_conv", "Deformable convolution, v1 and v2: taps moved by offsets, bilinear samples",
      "Dai, Qi, Xiong, Li, Zhang, Hu, Wei: Deformable Convolutional Networks, ICCV 2017, arXiv "
      "1703.06211; Zhu, Hu, Lin, Dai: Deformable ConvNets v2, CVPR 2019, arXiv 1811.11168",
      attrs, inputs, weights, outputs,
      "{\"attrs\": {\"padding\": 1, \"pack\": true, \"modulated\": true}, \"shapes\": {\"x\": [1, "
      "64, 56, 56], \"w.weight\": [64, 64, 3, 3]}}"},
     build},
    {.build = NULL},
};
