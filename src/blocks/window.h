// SPDX-License-Identifier: MIT
//
// Windows around the pixels of a map, as the blocks of local attention share them.
#ifndef VKA_BLOCKS_WINDOW_H
#define VKA_BLOCKS_WINDOW_H

#include "blocks/nn.h"

// Square windows around each stride-th pixel of the map; the kernel is odd.
struct vka_windows vka_windows_centred(vka_graph *g, vka_tensor map, int64_t kernel, int64_t stride,
                                       int64_t dilation, bool reflect);
// Every stride-th pixel: the centres of those windows.
vka_tensor vka_every(vka_graph *g, vka_tensor map, int64_t stride);

#endif
