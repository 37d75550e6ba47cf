// SPDX-License-Identifier: MIT
//
// Spatial and Channel-wise Attention of SCA-CNN: softmaxes over channels and over positions, both
// scored against a decoder's hidden state.
#include "blocks/nn.h"

// softmax over the entries of v [N, in, entries], scored against the state: [N, 1, entries].
static vka_tensor attend(struct vka_scope *s, const char *name, vka_tensor v)
{
    vka_graph *g = s->g;
    struct vka_layer layer = {.bias = VKA_BIAS, .act = {VKA_ACT_TANH, 0, 0}};
    struct vka_layer score = {.bias = VKA_BIAS};
    vka_tensor v_proj =
        vka_weight(s, vka_name(s, "%s.v_proj.weight", name), VKA_SHAPE(0, vka_dim(g, v, 1)));
    int64_t width = vka_dim(g, v_proj, 0);
    layer.residual = vka_linear(s, vka_in(s, "h"), vka_name(s, "%s.h_proj", name), width, NULL);
    vka_tensor t = vka_pointwise(s, v, vka_name(s, "%s.v_proj", name), width, NULL, 0, &layer);
    return vka_softmax(g, vka_pointwise(s, t, vka_name(s, "%s.score", name), 1, NULL, 0, &score),
                       NULL);
}

// v times a gate that broadcasts to it; `count` entries share a weight of 1.
static vka_tensor apply(struct vka_scope *s, vka_tensor v, vka_tensor gate, int64_t count)
{
    if (vka_get_bool(s, "rescale"))
        gate = vka_affine(s->g, gate, (double)count, 0);
    return vka_mul(s->g, v, gate);
}

static vka_tensor attend_channels(struct vka_scope *s, vka_tensor v)
{
    vka_graph *g = s->g;
    vka_tensor mean = vka_reduce(g, VKA_REDUCE_MEAN, v, 1u << 2 | 1u << 3, false);
    vka_tensor attn = vka_squeeze(g, attend(s, "channel", vka_unsqueeze(g, mean, 1)), 1);
    vka_give(s, "attn_channel", attn);
    return apply(s, v, vka_channels(g, attn, 4), vka_dim(g, v, 1));
}

static vka_tensor attend_positions(struct vka_scope *s, vka_tensor v)
{
    vka_graph *g = s->g;
    vka_shape map = vka_shape_of(g, v);
    map.dim[1] = 1;
    vka_tensor attn = vka_reshape(g, attend(s, "spatial", vka_flatten(g, v, 2, 3)), map);
    vka_give(s, "attn_spatial", attn);
    return apply(s, v, attn, map.dim[2] * map.dim[3]);
}

static void build(struct vka_scope *s)
{
    vka_tensor y = vka_in(s, "x");
    if (!vka_expect_rank(s, "x", y, 4, 4) ||
        !vka_expect(s, "h", vka_in(s, "h"), VKA_SHAPE(vka_dim(s->g, y, 0), 0)))
        return;
    for (const char *half = vka_get_string(s, "order"); *half; half++)
        y = *half == 'c' ? attend_channels(s, y) : attend_positions(s, y);
    vka_give(s, "y", y);
}

static const vka_attr_info attrs[] = {
    {"order", "string", "\"cs\"", "cs|sc|c|s", "channels, then positions; the reverse; one half"},
    {"rescale", "bool", "true", "", "weights times C (H*W) as they are applied; the paper: no"},
    {0},
};
static const vka_port_info inputs[] = {
    {"x", "[N, C, H, W]", "f32", "", "feature map"},
    {"h", "[N, D]", "f32", "", "hidden state of the decoder"},
    {0},
};
// Of the layer whose scores have the regular form, with the decoder's prefix or without it.
#define OFFICIAL(word, name) word "decoder_" name " | " word name
static const vka_weight_info weights[] = {
    {"channel.v_proj.weight", "[K, 1]", "f32", "order with c",
     OFFICIAL("transposed ", "Wc_att_res5c_branch2b_1")},
    {"channel.v_proj.bias", "[K]", "f32", "order with c", OFFICIAL("", "b_att_res5c_branch2b_1")},
    {"channel.h_proj.weight", "[K, D]", "f32", "order with c",
     OFFICIAL("transposed ", "Wd_att_res5c_branch2b_1")},
    {"channel.score.weight", "[1, K]", "f32", "order with c",
     OFFICIAL("transposed ", "U_att_res5c_branch2b_1")},
    {"channel.score.bias", "[1]", "f32", "order with c", OFFICIAL("", "c_att_res5c_branch2b_1")},
    {"spatial.v_proj.weight", "[K, C]", "f32", "order with s",
     OFFICIAL("transposed ", "Wc_att_res5c_branch2b_2")},
    {"spatial.v_proj.bias", "[K]", "f32", "order with s", OFFICIAL("", "b_att_res5c_branch2b_2")},
    {"spatial.h_proj.weight", "[K, D]", "f32", "order with s",
     OFFICIAL("transposed ", "Wd_att_res5c_branch2b_2")},
    {"spatial.score.weight", "[1, K]", "f32", "order with s",
     OFFICIAL("transposed ", "U_att_res5c_branch2b_2")},
    {"spatial.score.bias", "[1]", "f32", "order with s", OFFICIAL("", "c_att_res5c_branch2b_2")},
    {0},
};
static const vka_port_info outputs[] = {
    {"y", "[N, C, H, W]", "f32", "", "attended map"},
    {"attn_channel", "[N, C]", "f32", "order with c", "softmax over channels, not rescaled"},
    {"attn_spatial", "[N, 1, H, W]", "f32", "order with s", "softmax over positions, not rescaled"},
    {0},
};

const struct vka_block_row vka_block_rows_sca[] = {
    {{"sca", "Spatial and Channel-wise Attention: two softmaxes scored against a hidden state",
      "Chen, Zhang, Xiao, Nie, Shao, Liu, Chua: SCA-CNN, CVPR 2017, arXiv 1611.05594", attrs,
      inputs, weights, outputs,
      "{\"shapes\": {\"x\": [1, 2048, 7, 7], \"h\": [1, 1000], \"w.channel.v_proj.weight\": [512, "
      "1], \"w.spatial.v_proj.weight\": [512, 2048]}}"},
     build},
    {.build = NULL},
};
