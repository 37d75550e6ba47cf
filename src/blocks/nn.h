// SPDX-License-Identifier: MIT
//
// Phrases that blocks share: layers with weights, in PyTorch's layout and names. A layer's name may
// be "": its weights are "weight", "bias", ... then.
#ifndef VKA_BLOCKS_NN_H
#define VKA_BLOCKS_NN_H

#include "blocks/block.h"

// VKA_ACT_... by an attribute's string: "relu", "gelu", ...
int vka_act_named(struct vka_scope *s, const char *name);

// y = act(x weight^T + bias + residual) over the last axis of x. "<name>.weight" [out, in]
// (trailing ones allowed), "<name>.bias" [out]: used if bias is VKA_BIAS, and if present with
// VKA_BIAS_OPTIONAL. `out` 0: free, read from the weight.
enum vka_bias { VKA_NO_BIAS, VKA_BIAS, VKA_BIAS_OPTIONAL };
struct vka_layer {
    enum vka_bias bias;
    struct vka_activation act;
    vka_tensor residual; // added before the activation
};
vka_tensor vka_linear(struct vka_scope *s, vka_tensor x, const char *name, int64_t out,
                      const struct vka_layer *p);

// 1x1(x1) convolution of [N, C, ...] as one product: weight [out, C, 1...], batch norm `bn` (a
// name, NULL: none) folded in after it.
vka_tensor vka_pointwise(struct vka_scope *s, vka_tensor x, const char *name, int64_t out,
                         const char *bn, double bn_eps, const struct vka_layer *p);

// Several 1x1 convolutions of one x as one product, which reads x once.
struct vka_kernel {
    vka_tensor weight; // [out, C]
    vka_tensor bias;   // [out], or 0
};
struct vka_kernel vka_kernel_of(struct vka_scope *s, const char *name, int64_t out,
                                int64_t channels, enum vka_bias bias);
struct vka_kernel vka_kernel_times(vka_graph *g, struct vka_kernel k, vka_tensor factor); // [1]
// The one product [N, sum of out, ...]; y[i] [N, out of k[i], ...]: views of it.
vka_tensor vka_pointwise_all(vka_graph *g, vka_tensor x, int count, const struct vka_kernel *k,
                             vka_tensor *y);

// A convolution with weights "<name>.weight" [out, C / groups, kernel...] and optional bias, then
// batch norm `bn` folded into them. `conv` has stride, padding, dilation, groups, act, residual.
// Kernel sizes and `out` come from the weight where they are 0.
vka_tensor vka_conv_layer(struct vka_scope *s, vka_tensor x, const char *name, int64_t out,
                          const int64_t *kernel, enum vka_bias bias, const char *bn, double bn_eps,
                          const struct vka_conv *conv);

// Norms: their weight and bias may be absent (1, 0) where the block's table has them "optional".

// Eval-mode batch norm as a scale and a shift [C]: "<name>.weight", ".bias", ".running_mean",
// ".running_var". These are computed once, when a plan is made.
void vka_batch_norm_affine(struct vka_scope *s, const char *name, int64_t channels, double eps,
                           vka_tensor *scale, vka_tensor *shift);
// x * scale + shift over axis 1, then act.
vka_tensor vka_batch_norm(struct vka_scope *s, vka_tensor x, const char *name, double eps, int act);

// The four weights of a batch norm in a block's table, under the official name of the layer, and of
// one that has none.
#define VKA_NORM_PORTS(name, shape, when, official)                                                \
    {name ".weight", shape, "f32", when, official ".weight"},                                      \
        {name ".bias", shape, "f32", when, official ".bias"},                                      \
        {name ".running_mean", shape, "f32", when, official ".running_mean"},                      \
    {                                                                                              \
        name ".running_var", shape, "f32", when, official ".running_var"                           \
    }

#define VKA_OWN_NORM_PORTS(name, shape, when)                                                      \
    {name ".weight", shape, "f32", when, ""}, {name ".bias", shape, "f32", when, ""},              \
        {name ".running_mean", shape, "f32", when, ""},                                            \
    {                                                                                              \
        name ".running_var", shape, "f32", when, ""                                                \
    }
// A row's name as its official one, and none.
#define VKA_SAME(name) name
#define VKA_NONE(name) ""

// Layer norm over the last axis: "<name>.weight", "<name>.bias".
vka_tensor vka_layer_norm(struct vka_scope *s, vka_tensor x, const char *name, double eps);

// Group norm of [N, C, ...]: "<name>.weight", "<name>.bias"; groups divide C.
vka_tensor vka_group_norm(struct vka_scope *s, vka_tensor x, const char *name, int64_t groups,
                          double eps);

// A vector [C] (or [N, C]) as [1, C, 1...] ([N, C, 1...]) that broadcasts over x of rank `rank`.
vka_tensor vka_channels(vka_graph *g, vka_tensor v, int rank);

// [N, T, H * d] -> [N, H, T, d] and back: views.
vka_tensor vka_split_heads(vka_graph *g, vka_tensor x, int64_t heads);
vka_tensor vka_join_heads(vka_graph *g, vka_tensor x);

#endif
