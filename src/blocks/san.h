// SPDX-License-Identifier: MIT
//
// What the two self-attention modules of SAN share: the embeddings, the network that makes weights,
// the bottleneck around, and their weights' rows.
#ifndef VKA_BLOCKS_SAN_H
#define VKA_BLOCKS_SAN_H

#include "blocks/window.h"

enum { VKA_SAN_CENTRE, VKA_SAN_NEAR, VKA_SAN_VALUE, VKA_SAN_PARTS };

struct vka_san {
    struct vka_scope *s;
    const char *prefix; // "sam." in a bottleneck
    int64_t groups;
    struct vka_windows w;
    vka_tensor part[VKA_SAN_PARTS]; // conv1, conv2, conv3 of the map
    vka_tensor scale, shift;        // of the norm that features go through: vka_san_norm
};

// Features [N, D, ...] that are normed and activated: channels from `first` on of all there are.
// Several parts are as good as one, but needn't be stored beside each other; N may be 1.
struct vka_san_features {
    vka_tensor t;
    int64_t first;
};

// The weights' name with the prefix; the vka_... that take a name take it.
const char *vka_san_name(const struct vka_san *m, const char *name);

// The weights [N, G, k*k, Ho, Wo] of the taps.
typedef vka_tensor vka_san_attend(struct vka_san *m);
// Checks the attributes that both have, embeds x, sums the values by the weights, and gives y and
// attn; the bottleneck is around if it is asked for.
void vka_san_build(struct vka_scope *s, int64_t stride, int64_t dilation, bool reflect,
                   vka_san_attend *attend);
// Gets the norm of `channels` features.
void vka_san_norm(struct vka_san *m, int64_t channels);
// A part of its scale or shift [...], of as many axes as a feature has, for channels from `first`
// on.
vka_tensor vka_san_slice(const struct vka_san *m, vka_tensor t, int64_t first, int64_t count,
                         int rank);
// Normed and activated.
vka_tensor vka_san_normed(const struct vka_san *m, vka_tensor x, int64_t first);
// Features to weights [N, out, ...], through `hidden` channels.
vka_tensor vka_san_weigh(const struct vka_san *m, int count, const struct vka_san_features *f,
                         int64_t hidden, int64_t out);

// The rows of the weights under a prefix, "" or "sam."; the width D of the features and of the
// network's layers as text.
#define VKA_SAN_PORTS(prefix, when, d, hidden, out)                                                \
    {prefix "conv1.weight", "[R, C, 1, 1]", "f32", when, prefix "conv1.weight"},                   \
        {prefix "conv1.bias", "[R]", "f32", when, prefix "conv1.bias"},                            \
        {prefix "conv2.weight", "[R, C, 1, 1]", "f32", when, prefix "conv2.weight"},               \
        {prefix "conv2.bias", "[R]", "f32", when, prefix "conv2.bias"},                            \
        {prefix "conv3.weight", "[O, C, 1, 1]", "f32", when, prefix "conv3.weight"},               \
        {prefix "conv3.bias", "[O]", "f32", when, prefix "conv3.bias"},                            \
        VKA_NORM_PORTS(prefix "conv_w.0", "[" d "]", when, prefix "conv_w.0"),                     \
        {prefix "conv_w.2.weight", "[" hidden ", " d ", 1, 1]", "f32", when,                       \
         prefix "conv_w.2.weight"},                                                                \
        VKA_NORM_PORTS(prefix "conv_w.3", "[" hidden "]", when, prefix "conv_w.3"),                \
        {prefix "conv_w.5.weight", "[" out ", " hidden ", 1, 1]", "f32", when,                     \
         prefix "conv_w.5.weight"},                                                                \
    {                                                                                              \
        prefix "conv_w.5.bias", "[" out "]", "f32", when, prefix "conv_w.5.bias"                   \
    }
#define VKA_SAN_BOTTLENECK_PORTS                                                                   \
    VKA_NORM_PORTS("bn1", "[C]", "bottleneck", "bn1"),                                             \
        VKA_NORM_PORTS("bn2", "[O]", "bottleneck", "bn2"),                                         \
        {"conv.weight", "[C, O, 1, 1]", "f32", "bottleneck", "conv.weight"},                       \
    {                                                                                              \
        "conv.bias", "[C]", "f32", "bottleneck", "conv.bias"                                       \
    }

#endif
