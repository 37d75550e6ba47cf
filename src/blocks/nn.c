// SPDX-License-Identifier: MIT
#include "blocks/nn.h"
#include "blocks/names.h"

#include <string.h>

int vka_act_named(struct vka_scope *s, const char *name)
{
    static const struct vka_act_of {
        const char *name;
        int kind;
    } acts[] = {{"none", VKA_ACT_NONE},       {"relu", VKA_ACT_RELU},
                {"silu", VKA_ACT_SILU},       {"gelu", VKA_ACT_GELU},
                {"sigmoid", VKA_ACT_SIGMOID}, {"hard_sigmoid", VKA_ACT_HARD_SIGMOID},
                {"tanh", VKA_ACT_TANH},       {"identity", VKA_ACT_NONE}};
    for (size_t i = 0; i < VKA_COUNT(acts); i++) {
        if (strcmp(acts[i].name, name) == 0)
            return acts[i].kind;
    }
    return (int)vka_scope_fail(s, "there is no activation '%s'", name);
}

// "fc1" and "weight" as "fc1.weight"; no name leaves "weight".
static const char *part(struct vka_scope *s, const char *name, const char *what)
{
    return *name ? vka_name(s, "%s.%s", name, what) : what;
}

static vka_tensor layer_bias(struct vka_scope *s, const char *name, int64_t out, enum vka_bias bias)
{
    if (bias == VKA_NO_BIAS)
        return 0;
    const char *full = part(s, name, "bias");
    return bias == VKA_BIAS ? vka_weight(s, full, VKA_SHAPE(out))
                            : vka_weight_if(s, full, VKA_SHAPE(out));
}

vka_tensor vka_linear(struct vka_scope *s, vka_tensor x, const char *name, int64_t out,
                      const struct vka_layer *p)
{
    static const struct vka_layer plain = {0};
    vka_graph *g = s->g;
    p = p ? p : &plain;
    vka_tensor w = vka_weight(s, part(s, name, "weight"), VKA_SHAPE(out, vka_dim(g, x, -1)));
    struct vka_matmul m = {.act = p->act,
                           .residual = p->residual,
                           .bias = layer_bias(s, name, vka_dim(g, w, 0), p->bias)};
    if (vka_rank(g, x) == 1)
        return vka_squeeze(g, vka_matmul(g, vka_unsqueeze(g, x, 0), vka_transpose(g, w, 0, 1), &m),
                           0);
    return vka_matmul(g, x, vka_transpose(g, w, 0, 1), &m);
}

vka_tensor vka_channels(vka_graph *g, vka_tensor v, int rank)
{
    if (vka_rank(g, v) == 1)
        v = vka_unsqueeze(g, v, 0);
    while (vka_rank(g, v) < rank && !vka_failed(g))
        v = vka_unsqueeze(g, v, -1);
    return v;
}

// "<name>.weight" or ".bias" of a norm: may be absent where the block's table says so.
static vka_tensor norm_part(struct vka_scope *s, const char *name, const char *what, int64_t size)
{
    const char *full = part(s, name, what);
    const vka_weight_info *row = vka_weight_find(s->row->info.weights, full, NULL);
    bool optional = row && strcmp(row->when, "optional") == 0;
    return optional ? vka_weight_if(s, full, VKA_SHAPE(size))
                    : vka_weight(s, full, VKA_SHAPE(size));
}

void vka_batch_norm_affine(struct vka_scope *s, const char *name, int64_t channels, double eps,
                           vka_tensor *scale, vka_tensor *shift)
{
    vka_graph *g = s->g;
    vka_shape size = VKA_SHAPE(channels);
    vka_tensor weight = norm_part(s, name, "weight", channels);
    vka_tensor bias = norm_part(s, name, "bias", channels);
    vka_tensor mean = vka_weight(s, part(s, name, "running_mean"), size);
    vka_tensor var = vka_weight(s, part(s, name, "running_var"), size);
    vka_tensor deviation = vka_act(g, vka_affine(g, var, 1.0, eps), VKA_ACT_SQRT);
    *scale = vka_div(g, weight ? weight : vka_constant_scalar(g, 1.0f), deviation);
    vka_tensor moved = vka_mul(g, mean, *scale);
    *shift = bias ? vka_sub(g, bias, moved) : vka_act(g, moved, VKA_ACT_NEG);
}

vka_tensor vka_batch_norm(struct vka_scope *s, vka_tensor x, const char *name, double eps, int act)
{
    vka_graph *g = s->g;
    vka_tensor scale, shift;
    vka_batch_norm_affine(s, name, vka_dim(g, x, 1), eps, &scale, &shift);
    int rank = vka_rank(g, x);
    return vka_scale_shift(g, x, vka_channels(g, scale, rank), vka_channels(g, shift, rank),
                           (struct vka_activation){act, 0, 0});
}

// A layer's weight [out, ...] and bias with the batch norm behind it: w * scale, b * scale + shift.
static void fold_batch_norm(struct vka_scope *s, const char *bn, double eps, vka_tensor *weight,
                            vka_tensor *bias)
{
    vka_graph *g = s->g;
    vka_tensor scale, shift;
    int64_t out = vka_dim(g, *weight, 0);
    vka_batch_norm_affine(s, bn, out, eps, &scale, &shift);
    vka_tensor by_row = scale;
    for (int i = 1; i < vka_rank(g, *weight); i++)
        by_row = vka_unsqueeze(g, by_row, -1);
    *weight = vka_mul(g, *weight, by_row);
    *bias = *bias ? vka_add(g, vka_mul(g, *bias, scale), shift) : shift;
}

vka_tensor vka_pointwise(struct vka_scope *s, vka_tensor x, const char *name, int64_t out,
                         const char *bn, double bn_eps, const struct vka_layer *p)
{
    static const struct vka_layer plain = {0};
    vka_graph *g = s->g;
    p = p ? p : &plain;
    vka_shape shape = vka_shape_of(g, x);
    vka_tensor w = vka_weight(s, part(s, name, "weight"), VKA_SHAPE(out, vka_dim(g, x, 1)));
    out = vka_dim(g, w, 0);
    vka_tensor b = layer_bias(s, name, out, p->bias);
    if (bn)
        fold_batch_norm(s, bn, bn_eps, &w, &b);
    vka_tensor flat = shape.rank == 2 ? vka_unsqueeze(g, x, -1) : vka_flatten(g, x, 2, -1);
    shape.dim[1] = out;
    struct vka_matmul m = {.act = p->act, .bias = b ? vka_unsqueeze(g, b, -1) : 0};
    if (p->residual)
        m.residual = vka_reshape(g, p->residual, VKA_SHAPE(shape.dim[0], out, -1));
    return vka_reshape(g, vka_matmul(g, w, flat, &m), shape);
}

struct vka_kernel vka_kernel_of(struct vka_scope *s, const char *name, int64_t out,
                                int64_t channels, enum vka_bias bias)
{
    struct vka_kernel k = {.weight =
                               vka_weight(s, part(s, name, "weight"), VKA_SHAPE(out, channels))};
    k.bias = layer_bias(s, name, vka_dim(s->g, k.weight, 0), bias);
    return k;
}

struct vka_kernel vka_kernel_times(vka_graph *g, struct vka_kernel k, vka_tensor factor)
{
    k.weight = vka_mul(g, k.weight, factor);
    k.bias = k.bias ? vka_mul(g, k.bias, factor) : 0;
    return k;
}

// The biases one after the other, zeros where there is none; 0 where none has one.
static vka_tensor join_biases(vka_graph *g, int count, const struct vka_kernel *k)
{
    vka_tensor all[VKA_MAX_IN];
    bool any = false;
    for (int i = 0; i < count; i++)
        any = any || k[i].bias;
    for (int i = 0; i < count && any; i++)
        all[i] = k[i].bias ? k[i].bias
                           : vka_broadcast_to(g, vka_constant_scalar(g, 0),
                                              VKA_SHAPE(vka_dim(g, k[i].weight, 0)));
    return any ? vka_unsqueeze(g, vka_concat(g, 0, count, all), -1) : 0;
}

vka_tensor vka_pointwise_all(vka_graph *g, vka_tensor x, int count, const struct vka_kernel *k,
                             vka_tensor *y)
{
    vka_tensor weights[VKA_MAX_IN];
    for (int i = 0; i < count; i++)
        weights[i] = k[i].weight;
    vka_shape shape = vka_shape_of(g, x);
    struct vka_matmul m = {.bias = join_biases(g, count, k)};
    vka_tensor all = vka_matmul(g, vka_concat(g, 0, count, weights), vka_flatten(g, x, 2, -1), &m);
    shape.dim[1] = vka_dim(g, all, 1);
    all = vka_reshape(g, all, shape);
    for (int64_t i = 0, at = 0; i < count; at += vka_dim(g, weights[i++], 0))
        y[i] = vka_slice(g, all, 1, at, vka_dim(g, weights[i], 0));
    return all;
}

vka_tensor vka_conv_layer(struct vka_scope *s, vka_tensor x, const char *name, int64_t out,
                          const int64_t *kernel, enum vka_bias bias, const char *bn, double bn_eps,
                          const struct vka_conv *conv)
{
    vka_graph *g = s->g;
    struct vka_conv c = *conv;
    int64_t groups = c.groups ? c.groups : 1, channels = vka_dim(g, x, 1);
    if (channels % groups != 0)
        return vka_scope_fail(s, "%lld channels don't divide into %lld groups", (long long)channels,
                              (long long)groups);
    vka_shape shape = {.rank = vka_rank(g, x), .dim = {out, channels / groups}};
    for (int i = 2; i < shape.rank && kernel; i++)
        shape.dim[i] = kernel[i - 2];
    vka_tensor w = vka_weight(s, part(s, name, "weight"), shape);
    c.bias = layer_bias(s, name, vka_dim(g, w, 0), bias);
    if (bn)
        fold_batch_norm(s, bn, bn_eps, &w, &c.bias);
    return vka_conv(g, x, w, &c);
}

vka_tensor vka_layer_norm(struct vka_scope *s, vka_tensor x, const char *name, double eps)
{
    vka_graph *g = s->g;
    int64_t size = vka_dim(g, x, -1);
    vka_tensor weight = norm_part(s, name, "weight", size);
    vka_tensor bias = norm_part(s, name, "bias", size);
    if (vka_failed(g)) // x may have no axis at all
        return 0;
    return vka_norm(g, x, 1u << (vka_rank(g, x) - 1), eps, weight, bias);
}

vka_tensor vka_split_heads(vka_graph *g, vka_tensor x, int64_t heads)
{
    int64_t width = vka_dim(g, x, 2);
    if (heads < 1 || width % heads != 0)
        return vka_fail(g, "a width of %lld doesn't divide into %lld heads", (long long)width,
                        (long long)heads);
    x = vka_reshape(g, x, VKA_SHAPE(vka_dim(g, x, 0), vka_dim(g, x, 1), heads, width / heads));
    return vka_permute(g, x, (const int[]){0, 2, 1, 3});
}

vka_tensor vka_join_heads(vka_graph *g, vka_tensor x)
{
    x = vka_permute(g, x, (const int[]){0, 2, 1, 3});
    return vka_flatten(g, x, 2, 3);
}

vka_tensor vka_group_norm(struct vka_scope *s, vka_tensor x, const char *name, int64_t groups,
                          double eps)
{
    vka_graph *g = s->g;
    vka_shape shape = vka_shape_of(g, x);
    int64_t n = shape.dim[0], channels = shape.dim[1];
    vka_tensor weight = norm_part(s, name, "weight", channels);
    vka_tensor bias = norm_part(s, name, "bias", channels);
    vka_shape split = VKA_SHAPE(groups, channels / groups, 1);
    if (weight)
        weight = vka_reshape(g, weight, split);
    if (bias)
        bias = vka_reshape(g, bias, split);
    x = vka_reshape(g, x, VKA_SHAPE(n, groups, channels / groups, -1));
    return vka_reshape(g, vka_norm(g, x, 1u << 2 | 1u << 3, eps, weight, bias), shape);
}
