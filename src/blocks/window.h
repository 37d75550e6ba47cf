// SPDX-License-Identifier: MIT
//
// Attention in windows that slide over a map: taps as views, dot products with the taps, and sums
// of the taps by weights. The blocks of local attention share them.
#ifndef VKA_BLOCKS_WINDOW_H
#define VKA_BLOCKS_WINDOW_H

#include "blocks/nn.h"

// Square windows over a map [N, C, H, W]. Taps are numbered row by row.
struct vka_sliding {
    int64_t kernel, stride, dilation;
    int64_t out[2]; // windows along H and along W
    int64_t pad;    // on all sides of the map
    bool reflect;   // the padding mirrors, without the edge; else zeros
};

// Windows around each stride-th pixel of the map; the kernel is odd.
struct vka_sliding vka_sliding_centred(vka_graph *g, vka_tensor map, int64_t kernel, int64_t stride,
                                       int64_t dilation, bool reflect);

// [N, C, k, k, Ho, Wo]: a view of the padded map.
vka_tensor vka_taps(vka_graph *g, vka_tensor map, const struct vka_sliding *w);
// The pixels at a tap [N, C, Ho, Wo]: a view of the padded map.
vka_tensor vka_tap_at(vka_graph *g, vka_tensor map, const struct vka_sliding *w, int64_t row,
                      int64_t column);
// Every stride-th pixel: the centres of centred windows.
vka_tensor vka_every(vka_graph *g, vka_tensor map, int64_t stride);
// BOOL [k, k, Ho, Wo]: which taps lie inside a map of this size.
vka_tensor vka_taps_inside(vka_graph *g, int64_t height, int64_t width,
                           const struct vka_sliding *w);

// [N, G, k*k, Ho, Wo]: q [N, C, Ho, Wo] times the taps of the map, summed over each of G blocks of
// channels.
vka_tensor vka_taps_dot(vka_graph *g, vka_tensor q, vka_tensor map, const struct vka_sliding *w,
                        int64_t groups);
// [N, C, Ho, Wo]: the taps of the map, weighted by attn [N, G, k*k, Ho, Wo], summed. Channel c has
// the weights of group c mod G if cyclic, else of group floor(c / (C / G)).
vka_tensor vka_taps_sum(vka_graph *g, vka_tensor attn, vka_tensor map, const struct vka_sliding *w,
                        bool cyclic);

#endif
