// SPDX-License-Identifier: MIT
#include "blocks/san.h"

#define BN_EPS 1e-5

const char *vka_san_name(const struct vka_san *m, const char *name)
{
    return vka_name(m->s, "%s%s", m->prefix, name);
}

void vka_san_norm(struct vka_san *m, int64_t channels)
{
    vka_batch_norm_affine(m->s, vka_san_name(m, "conv_w.0"), channels, BN_EPS, &m->scale,
                          &m->shift);
}

vka_tensor vka_san_slice(const struct vka_san *m, vka_tensor t, int64_t first, int64_t count,
                         int rank)
{
    return vka_channels(m->s->g, vka_slice(m->s->g, t, 0, first, count), rank);
}

vka_tensor vka_san_normed(const struct vka_san *m, vka_tensor x, int64_t first)
{
    vka_graph *g = m->s->g;
    int64_t count = vka_dim(g, x, 1);
    int rank = vka_rank(g, x);
    x = vka_mul(g, x, vka_san_slice(m, m->scale, first, count, rank));
    return vka_binary_act(g, VKA_ADD, x, vka_san_slice(m, m->shift, first, count, rank),
                          (struct vka_activation){VKA_ACT_RELU, 0, 0});
}

vka_tensor vka_san_weigh(const struct vka_san *m, int count, const struct vka_san_features *f,
                         int64_t hidden, int64_t out)
{
    struct vka_scope *s = m->s;
    vka_graph *g = s->g;
    struct vka_kernel k =
        vka_kernel_of(s, vka_san_name(m, "conv_w.2"), hidden, vka_dim(g, m->scale, 0), VKA_NO_BIAS);
    vka_tensor scale, shift, z = 0;
    vka_batch_norm_affine(s, vka_san_name(m, "conv_w.3"), hidden, BN_EPS, &scale, &shift);
    vka_tensor weight = vka_mul(g, k.weight, vka_unsqueeze(g, scale, 1));
    // The last part first: the first one's product has all images and all that is added.
    for (int i = count - 1; i >= 0; i--) {
        struct vka_matmul p = {.residual = z};
        if (i == 0) {
            p.bias = vka_unsqueeze(g, shift, 1);
            p.act.kind = VKA_ACT_RELU;
        }
        vka_tensor rows = vka_slice(g, weight, 1, f[i].first, vka_dim(g, f[i].t, 1));
        z = vka_matmul(g, rows, vka_flatten(g, f[i].t, 2, -1), &p);
    }
    vka_shape shape = vka_shape_of(g, f[0].t);
    shape.dim[1] = hidden;
    struct vka_layer second = {.bias = VKA_BIAS};
    return vka_pointwise(s, vka_reshape(g, z, shape), vka_san_name(m, "conv_w.5"), out, NULL, 0,
                         &second);
}

static bool check(struct vka_san *m, vka_tensor x, int64_t stride)
{
    struct vka_scope *s = m->s;
    int64_t k = vka_get_int(s, "kernel_size"), share = vka_get_int(s, "share");
    int64_t out = vka_get_int(s, "out_channels"), p = m->w.before[0];
    if (!vka_expect_rank(s, "x", x, 4, 4))
        return false;
    int64_t height = vka_dim(s->g, x, 2), width = vka_dim(s->g, x, 3);
    if (out % share != 0)
        vka_scope_fail(s, "out_channels %lld doesn't divide by share %lld", (long long)out,
                       (long long)share);
    else if (k % 2 == 0)
        vka_scope_fail(s, "attribute 'kernel_size' is %lld, but must be odd", (long long)k);
    else if (m->w.reflect && (p >= height || p >= width))
        vka_scope_fail(s, "a map of %lld x %lld is too small to reflect %lld at its borders",
                       (long long)height, (long long)width, (long long)p);
    else if (vka_get_bool(s, "bottleneck") && stride != 1)
        vka_scope_fail(s, "attribute 'stride' is %lld, but a bottleneck needs 1",
                       (long long)stride);
    m->groups = out / share;
    return !vka_failed(s->g);
}

static void embed(struct vka_san *m, vka_tensor x)
{
    struct vka_scope *s = m->s;
    int64_t channels = vka_dim(s->g, x, 1), inner = vka_get_int(s, "rel_channels");
    int64_t out = vka_get_int(s, "out_channels");
    const struct vka_kernel k[VKA_SAN_PARTS] = {
        vka_kernel_of(s, vka_san_name(m, "conv1"), inner, channels, VKA_BIAS),
        vka_kernel_of(s, vka_san_name(m, "conv2"), inner, channels, VKA_BIAS),
        vka_kernel_of(s, vka_san_name(m, "conv3"), out, channels, VKA_BIAS)};
    vka_pointwise_all(s->g, x, VKA_SAN_PARTS, k, m->part);
}

void vka_san_build(struct vka_scope *s, int64_t stride, int64_t dilation, bool reflect,
                   vka_san_attend *attend)
{
    vka_graph *g = s->g;
    vka_tensor x = vka_in(s, "x");
    bool bottleneck = vka_get_bool(s, "bottleneck");
    struct vka_san m = {.s = s, .prefix = bottleneck ? "sam." : ""};
    m.w = vka_windows_centred(g, x, vka_get_int(s, "kernel_size"), stride, dilation, reflect);
    if (!check(&m, x, stride))
        return;
    embed(&m, bottleneck ? vka_batch_norm(s, x, "bn1", BN_EPS, VKA_ACT_RELU) : x);
    if (vka_failed(g))
        return;
    vka_tensor attn = attend(&m);
    vka_tensor y = vka_window_sum(g, attn, m.part[VKA_SAN_VALUE], &m.w, true);
    if (bottleneck) {
        struct vka_layer out = {.bias = VKA_BIAS, .residual = x};
        y = vka_batch_norm(s, y, "bn2", BN_EPS, VKA_ACT_RELU);
        y = vka_pointwise(s, y, "conv", vka_dim(g, x, 1), NULL, 0, &out);
    }
    vka_give(s, "y", y);
    vka_give(s, "attn", attn);
}
