// SPDX-License-Identifier: MIT
#include "blocks/window.h"

struct vka_sliding vka_sliding_centred(vka_graph *g, vka_tensor map, int64_t kernel, int64_t stride,
                                       int64_t dilation, bool reflect)
{
    return (struct vka_sliding){
        .kernel = kernel,
        .stride = stride,
        .dilation = dilation,
        .out = {(vka_dim(g, map, 2) - 1) / stride + 1, (vka_dim(g, map, 3) - 1) / stride + 1},
        .pad = dilation * (kernel / 2),
        .reflect = reflect};
}

static vka_tensor padded(vka_graph *g, vka_tensor map, const struct vka_sliding *w)
{
    const int64_t pad[] = {0, 0, w->pad, w->pad};
    return vka_dense(g, vka_pad(g, map, w->reflect ? VKA_PAD_REFLECT : VKA_PAD_ZEROS, pad, pad, 0));
}

vka_tensor vka_taps(vka_graph *g, vka_tensor map, const struct vka_sliding *w)
{
    map = padded(g, map, w);
    int64_t channels = vka_dim(g, map, 1), height = vka_dim(g, map, 2), row = vka_dim(g, map, 3);
    vka_shape shape =
        VKA_SHAPE(vka_dim(g, map, 0), channels, w->kernel, w->kernel, w->out[0], w->out[1]);
    const int64_t stride[] = {channels * height * row, height * row, w->dilation * row, w->dilation,
                              w->stride * row,         w->stride};
    return vka_strided(g, map, shape, stride, 0);
}

vka_tensor vka_tap_at(vka_graph *g, vka_tensor map, const struct vka_sliding *w, int64_t row,
                      int64_t column)
{
    map = padded(g, map, w);
    map = vka_slice_step(g, map, 2, row * w->dilation, w->out[0], w->stride);
    return vka_slice_step(g, map, 3, column * w->dilation, w->out[1], w->stride);
}

vka_tensor vka_every(vka_graph *g, vka_tensor map, int64_t stride)
{
    for (int axis = 2; axis < 4 && stride > 1; axis++)
        map = vka_slice_step(g, map, axis, 0, (vka_dim(g, map, axis) - 1) / stride + 1, stride);
    return map;
}

vka_tensor vka_taps_inside(vka_graph *g, int64_t height, int64_t width, const struct vka_sliding *w)
{
    const int32_t yes = 1;
    const vka_shape scalar = {0};
    vka_tensor all = vka_broadcast_to(g, vka_constant(g, VKA_BOOL, &scalar, &yes),
                                      VKA_SHAPE(1, 1, height, width));
    return vka_squeeze(g, vka_squeeze(g, vka_taps(g, all, w), 0), 0);
}

vka_tensor vka_taps_dot(vka_graph *g, vka_tensor q, vka_tensor map, const struct vka_sliding *w,
                        int64_t groups)
{
    int64_t n = vka_dim(g, q, 0), depth = vka_dim(g, q, 1) / groups, k = w->kernel;
    vka_tensor centre = vka_reshape(g, q, VKA_SHAPE(n, groups, depth, 1, 1, w->out[0], w->out[1]));
    vka_tensor taps = vka_taps(g, map, w);
    taps = vka_reshape(g, taps, VKA_SHAPE(n, groups, depth, k, k, w->out[0], w->out[1]));
    vka_tensor terms = vka_mul(g, centre, taps);
    vka_tensor dot = depth == 1 ? terms : vka_reduce(g, VKA_REDUCE_SUM, terms, 1u << 2, true);
    return vka_reshape(g, dot, VKA_SHAPE(n, groups, k * k, w->out[0], w->out[1]));
}

vka_tensor vka_taps_sum(vka_graph *g, vka_tensor attn, vka_tensor map, const struct vka_sliding *w,
                        bool cyclic)
{
    int64_t n = vka_dim(g, map, 0), channels = vka_dim(g, map, 1), k = w->kernel;
    int64_t groups = vka_dim(g, attn, 1), each = channels / groups;
    int own = cyclic ? 1 : 2; // the axis of a group's channels
    attn = vka_reshape(g, attn, VKA_SHAPE(vka_dim(g, attn, 0), groups, k, k, w->out[0], w->out[1]));
    vka_shape split =
        VKA_SHAPE(n, cyclic ? each : groups, cyclic ? groups : each, k, k, w->out[0], w->out[1]);
    vka_tensor taps = vka_reshape(g, vka_taps(g, map, w), split);
    vka_tensor terms = vka_mul(g, vka_unsqueeze(g, attn, own), taps);
    vka_tensor sum = vka_reduce(g, VKA_REDUCE_SUM, terms, 1u << 3 | 1u << 4, false);
    return vka_reshape(g, sum, VKA_SHAPE(n, channels, w->out[0], w->out[1]));
}
