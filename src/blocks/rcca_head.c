// SPDX-License-Identifier: MIT
//
// CCNet's segmentation head: reduce the channels, criss-cross attention, refine, join with the
// input, classify.
#include "blocks/nn.h"

// Batch norm as a scale and a shift, the scale from |weight| + eps where abn_abs says so.
static void norm_affine(struct vka_scope *s, const char *name, int64_t channels, vka_tensor *scale,
                        vka_tensor *shift)
{
    vka_graph *g = s->g;
    vka_shape size = VKA_SHAPE(channels);
    double eps = vka_get_double(s, "bn_eps");
    vka_tensor weight = vka_weight(s, vka_name(s, "%s.weight", name), size);
    vka_tensor bias = vka_weight(s, vka_name(s, "%s.bias", name), size);
    vka_tensor mean = vka_weight(s, vka_name(s, "%s.running_mean", name), size);
    vka_tensor var = vka_weight(s, vka_name(s, "%s.running_var", name), size);
    if (vka_get_bool(s, "abn_abs"))
        weight = vka_affine(g, vka_act(g, weight, VKA_ACT_ABS), 1.0, eps);
    *scale = vka_div(g, weight, vka_act(g, vka_affine(g, var, 1.0, eps), VKA_ACT_SQRT));
    *shift = vka_sub(g, bias, vka_mul(g, mean, *scale));
}

// 3x3 convolution of x and, where it isn't 0, of `more` as further channels; norm; activation. The
// two convolutions add up, so that the maps are never joined.
static vka_tensor convolve(struct vka_scope *s, vka_tensor x, vka_tensor more, const char *name)
{
    vka_graph *g = s->g;
    int64_t of_x = vka_dim(g, x, 1), of_more = more ? vka_dim(g, more, 1) : 0;
    vka_tensor w =
        vka_weight(s, vka_name(s, "%s.weight", name), VKA_SHAPE(0, of_x + of_more, 3, 3));
    vka_tensor scale, shift;
    norm_affine(s, vka_name(s, "%s_bn", name), vka_dim(g, w, 0), &scale, &shift);
    w = vka_mul(g, w, vka_reshape(g, scale, VKA_SHAPE(-1, 1, 1, 1)));
    struct vka_conv conv = {.before = {1, 1}, .after = {1, 1}};
    struct vka_conv last = conv;
    last.bias = shift;
    last.act.kind = VKA_ACT_RELU;
    if (vka_is(s, "activation", "leaky_relu"))
        last.act = (struct vka_activation){VKA_ACT_LEAKY_RELU,
                                           (float)vka_get_double(s, "negative_slope"), 0};
    if (more) {
        last.residual = vka_conv(g, more, vka_slice(g, w, 1, of_x, of_more), &conv);
        w = vka_slice(g, w, 1, 0, of_x);
    }
    return vka_conv(g, x, w, &last);
}

static void build(struct vka_scope *s)
{
    vka_tensor x = vka_in(s, "x");
    if (!vka_expect_rank(s, "x", x, 4, 4))
        return;
    vka_tensor a = convolve(s, x, 0, "conva");
    struct vka_scope *cca = vka_block_in(
        s, "criss_cross", "cca", "cca",
        VKA_ATTRS(vka_attr_int("recurrence", vka_get_int(s, "recurrence"))), VKA_INPUTS({"x", a}));
    vka_tensor b = convolve(s, vka_sub_out(cca, "y"), 0, "convb");
    vka_tensor d = convolve(s, x, b, "bottleneck");
    struct vka_layer layer = {.bias = VKA_BIAS};
    vka_give(s, "y", vka_pointwise(s, d, "classifier", 0, NULL, 0, &layer));
    vka_give(s, "attn_h", vka_sub_out(cca, "attn_h"));
    vka_give(s, "attn_w", vka_sub_out(cca, "attn_w"));
}

static const vka_attr_info attrs[] = {
    {"recurrence", "int", "2", "1..1000", "passes of criss_cross"},
    {"abn_abs", "bool", "true", "", "norms scale by |weight| + eps (in-place ABN)"},
    {"activation", "string", "\"leaky_relu\"", "leaky_relu|relu", "after each norm"},
    {"negative_slope", "float", "0.01", "", "of leaky_relu"},
    {"bn_eps", "float", "1e-5", "> 0", ""},
    {0},
};
static const vka_port_info inputs[] = {
    {"x", "[N, C, H, W]", "f32", "", "features of a backbone"},
    {0},
};
static const vka_weight_info weights[] = {
    {"conva.weight", "[Ci, C, 3, 3]", "f32", "", "conva.0.weight"},
    VKA_NORM_PORTS("conva_bn", "[Ci]", "", "conva.1"),
    {"cca.query.weight", "[Cqk, Ci, 1, 1]", "f32", "", "cca.query_conv.weight"},
    {"cca.query.bias", "[Cqk]", "f32", "", "cca.query_conv.bias"},
    {"cca.key.weight", "[Cqk, Ci, 1, 1]", "f32", "", "cca.key_conv.weight"},
    {"cca.key.bias", "[Cqk]", "f32", "", "cca.key_conv.bias"},
    {"cca.value.weight", "[Ci, Ci, 1, 1]", "f32", "", "cca.value_conv.weight"},
    {"cca.value.bias", "[Ci]", "f32", "", "cca.value_conv.bias"},
    {"cca.gamma", "[1]", "f32", "", "cca.gamma"},
    {"convb.weight", "[Ci, Ci, 3, 3]", "f32", "", "convb.0.weight"},
    VKA_NORM_PORTS("convb_bn", "[Ci]", "", "convb.1"),
    {"bottleneck.weight", "[Co, C + Ci, 3, 3]", "f32", "", "bottleneck.0.weight"},
    VKA_NORM_PORTS("bottleneck_bn", "[Co]", "", "bottleneck.1"),
    {"classifier.weight", "[K, Co, 1, 1]", "f32", "", "bottleneck.3.weight"},
    {"classifier.bias", "[K]", "f32", "", "bottleneck.3.bias"},
    {0},
};
static const vka_port_info outputs[] = {
    {"y", "[N, K, H, W]", "f32", "", "logits of the classes"},
    {"attn_h", "[N, H, W, H]", "f32", "", "last pass: weights of the column; 0 at the centre"},
    {"attn_w", "[N, H, W, W]", "f32", "", "last pass: weights of the row"},
    {0},
};

const struct vka_block_row vka_block_rows_rcca_head[] = {
    {{"rcca_head", "CCNet's segmentation head round recurrent criss-cross attention",
      "Huang, Wang, Huang, Huang, Wei, Liu: CCNet, ICCV 2019, arXiv 1811.11721", attrs, inputs,
      weights, outputs,
      "{\"shapes\": {\"x\": [1, 2048, 97, 97], \"w.conva.weight\": [512, 2048, 3, 3], "
      "\"w.cca.query.weight\": [64, 512, 1, 1], \"w.convb.weight\": [512, 512, 3, 3], "
      "\"w.bottleneck.weight\": [512, 2560, 3, 3], \"w.classifier.weight\": [19, 512, 1, 1]}}"},
     build},
    {.build = NULL},
};
