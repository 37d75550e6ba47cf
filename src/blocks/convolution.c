// SPDX-License-Identifier: MIT
//
// The plain layers conv1d, conv2d, conv3d and linear, as torch.nn has them.
#include "blocks/nn.h"

#include <string.h>

// "same" puts an odd one's larger half behind, "valid" is none.
static void read_padding(struct vka_scope *s, int axes, vka_shape weight, struct vka_conv *c)
{
    const char *word = vka_get_string(s, "padding");
    if (!word) {
        vka_get_ints(s, "padding", axes, c->before);
        memcpy(c->after, c->before, sizeof c->after);
        return;
    }
    for (int i = 0; i < axes && strcmp(word, "same") == 0; i++) {
        int64_t total = c->dilation[i] * (weight.dim[i + 2] - 1);
        c->before[i] = total / 2;
        c->after[i] = total - total / 2;
        if (c->stride[i] != 1)
            vka_scope_fail(s, "padding \"same\" needs stride 1, not %lld", (long long)c->stride[i]);
    }
}

// What isn't zeros is added to the input first.
static vka_tensor pad_input(struct vka_scope *s, vka_tensor x, int axes, struct vka_conv *c)
{
    enum vka_pad_mode mode = vka_is(s, "padding_mode", "reflect")     ? VKA_PAD_REFLECT
                             : vka_is(s, "padding_mode", "replicate") ? VKA_PAD_REPLICATE
                             : vka_is(s, "padding_mode", "circular")  ? VKA_PAD_CIRCULAR
                                                                      : VKA_PAD_ZEROS;
    if (mode == VKA_PAD_ZEROS)
        return x;
    int64_t before[5] = {0}, after[5] = {0};
    for (int i = 0; i < axes; i++) {
        before[i + 2] = c->before[i];
        after[i + 2] = c->after[i];
        c->before[i] = c->after[i] = 0;
    }
    return vka_pad(s->g, x, mode, before, after, 0);
}

static void build_conv(struct vka_scope *s, int axes)
{
    vka_graph *g = s->g;
    vka_tensor x = vka_in(s, "x");
    if (!vka_expect_rank(s, "x", x, axes + 2, axes + 2))
        return;
    struct vka_conv c = {.groups = vka_get_int(s, "groups")};
    int64_t channels = vka_dim(g, x, 1);
    if (channels % c.groups != 0) {
        vka_scope_fail(s, "%lld channels don't divide into %lld groups", (long long)channels,
                       (long long)c.groups);
        return;
    }
    vka_shape shape = {.rank = axes + 2, .dim = {0, channels / c.groups}};
    vka_tensor weight = vka_weight(s, "weight", shape);
    vka_get_ints(s, "stride", axes, c.stride);
    vka_get_ints(s, "dilation", axes, c.dilation);
    read_padding(s, axes, vka_shape_of(g, weight), &c);
    c.bias = vka_weight_if(s, "bias", VKA_SHAPE(vka_dim(g, weight, 0)));
    x = pad_input(s, x, axes, &c);
    vka_give(s, "y", vka_conv(g, x, weight, &c));
}

static void build_conv1d(struct vka_scope *s)
{
    build_conv(s, 1);
}

static void build_conv2d(struct vka_scope *s)
{
    build_conv(s, 2);
}

static void build_conv3d(struct vka_scope *s)
{
    build_conv(s, 3);
}

static void build_linear(struct vka_scope *s)
{
    struct vka_layer layer = {.bias = VKA_BIAS_OPTIONAL};
    vka_tensor x = vka_in(s, "x");
    if (vka_expect_rank(s, "x", x, 1, VKA_MAX_RANK))
        vka_give(s, "y", vka_linear(s, x, "", 0, &layer));
}

static const vka_attr_info conv_attrs[] = {
    {"stride", "int or list of int", "1", ">= 1", "one for all axes, or one each"},
    {"padding", "int or list of int or string", "0", ">= 0; same|valid",
     "zeros (padding_mode) on both sides; \"same\" or \"valid\""},
    {"dilation", "int or list of int", "1", ">= 1", ""},
    {"groups", "int", "1", ">= 1", "divides the channels"},
    {"padding_mode", "string", "\"zeros\"", "zeros|reflect|replicate|circular", ""},
    {0},
};
static const vka_attr_info linear_attrs[] = {{0}};
#define CONV_PORTS(name, x_shape, w_shape, y_shape)                                                \
    static const vka_port_info name##_inputs[] = {{"x", x_shape, "f32", "", ""}, {0}};             \
    static const vka_weight_info name##_weights[] = {{"weight", w_shape, "f32", "", "weight"},     \
                                                     {"bias", "[O]", "f32", "optional", "bias"},   \
                                                     {0}};                                         \
    static const vka_port_info name##_outputs[] = {{"y", y_shape, "f32", "", ""}, {0}}
CONV_PORTS(conv1d, "[N, C, L]", "[O, C/groups, k]", "[N, O, L']");
CONV_PORTS(conv2d, "[N, C, H, W]", "[O, C/groups, kh, kw]", "[N, O, H', W']");
CONV_PORTS(conv3d, "[N, C, D, H, W]", "[O, C/groups, kd, kh, kw]", "[N, O, D', H', W']");
CONV_PORTS(linear, "[..., I]", "[O, I]", "[..., O]");

const struct vka_block_row vka_block_rows_convolution[] = {
    {{"conv1d", "1-D convolution (torch.nn.Conv1d)", "", conv_attrs, conv1d_inputs, conv1d_weights,
      conv1d_outputs, "{\"shapes\": {\"x\": [1, 128, 1024], \"w.weight\": [128, 128, 3]}}"},
     build_conv1d},
    {{"conv2d", "2-D convolution (torch.nn.Conv2d)", "", conv_attrs, conv2d_inputs, conv2d_weights,
      conv2d_outputs,
      "{\"attrs\": {\"padding\": 1}, \"shapes\": {\"x\": [1, 128, 28, 28], \"w.weight\": [128, "
      "128, 3, "
      "3]}}"},
     build_conv2d},
    {{"conv3d", "3-D convolution (torch.nn.Conv3d)", "", conv_attrs, conv3d_inputs, conv3d_weights,
      conv3d_outputs,
      "{\"attrs\": {\"padding\": 1}, \"shapes\": {\"x\": [1, 32, 8, 28, 28], \"w.weight\": [32, "
      "32, 3, "
      "3, 3]}}"},
     build_conv3d},
    {{"linear", "Fully connected layer (torch.nn.Linear)", "", linear_attrs, linear_inputs,
      linear_weights, linear_outputs,
      "{\"shapes\": {\"x\": [1024, 512], \"w.weight\": [512, 512]}}"},
     build_linear},
    {.build = NULL},
};
