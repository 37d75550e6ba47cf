// SPDX-License-Identifier: MIT
#include "blocks/window.h"

struct vka_windows vka_windows_centred(vka_graph *g, vka_tensor map, int64_t kernel, int64_t stride,
                                       int64_t dilation, bool reflect)
{
    int64_t before = dilation * (kernel / 2);
    return (struct vka_windows){
        .kernel = {kernel, kernel},
        .stride = {stride, stride},
        .dilation = {dilation, dilation},
        .before = {before, before},
        .out = {(vka_dim(g, map, 2) - 1) / stride + 1, (vka_dim(g, map, 3) - 1) / stride + 1},
        .reflect = reflect};
}

vka_tensor vka_every(vka_graph *g, vka_tensor map, int64_t stride)
{
    for (int axis = 2; axis < 4 && stride > 1; axis++)
        map = vka_slice_step(g, map, axis, 0, (vka_dim(g, map, axis) - 1) / stride + 1, stride);
    return map;
}
