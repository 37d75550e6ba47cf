// SPDX-License-Identifier: MIT
//
// Cross-dimensional Weighting: a map becomes one vector; positions count by their total
// activation, channels by how seldom they are active.
#include "blocks/nn.h"

#include <math.h>

// x^p, also of negative numbers where p is whole; NaN for them elsewhere.
static vka_tensor power(vka_graph *g, vka_tensor x, double p)
{
    if (p == 1.0)
        return x;
    if (p == 0.5)
        return vka_act(g, x, VKA_ACT_SQRT);
    vka_tensor size = vka_act(g, x, VKA_ACT_ABS);
    vka_tensor y = vka_binary(g, VKA_POW, size, vka_constant_scalar(g, (float)p));
    if (fmod(p, 2.0) == 0.0)
        return y;
    if (fmod(p, 1.0) == 0.0)
        return vka_mul(g, y, vka_act(g, x, VKA_ACT_SIGN));
    vka_tensor negative = vka_binary(g, VKA_LT, x, vka_constant_scalar(g, 0));
    return vka_where(g, negative, vka_constant_scalar(g, NAN), y);
}

// (T / |T|_a)^(1/b) [N, 1, P] of the totals T. Only the totals' ratios count, so the largest is
// made 1: high powers stay in range.
static vka_tensor spatial_weights(struct vka_scope *s, vka_tensor flat)
{
    vka_graph *g = s->g;
    double a = vka_get_double(s, "a"), b = vka_get_double(s, "b");
    vka_tensor t = vka_reduce(g, VKA_REDUCE_MEAN, flat, 1u << 1, true);
    vka_tensor most = vka_reduce(g, VKA_REDUCE_MAX, vka_act(g, t, VKA_ACT_ABS), 1u << 2, true);
    t = vka_div(g, t, most);
    vka_tensor z = vka_reduce(g, VKA_REDUCE_SUM, power(g, t, a), 1u << 2, true);
    return power(g, vka_div(g, t, power(g, z, 1 / a)), 1 / b);
}

// ln(sum of q / q) [N, C] of the channels' shares q of places that aren't 0; 0 where q is. As a
// difference of logarithms, it is exactly 0 for one channel alone. Counted row by row: a count of
// the whole map would be too large for 16 bits.
static vka_tensor channel_weights(struct vka_scope *s, vka_tensor x)
{
    vka_graph *g = s->g;
    vka_tensor active =
        vka_reduce(g, VKA_REDUCE_SUM_SQUARES, vka_act(g, x, VKA_ACT_SIGN), 1u << 3, false);
    vka_tensor rows = vka_reduce(g, VKA_REDUCE_MEAN, active, 1u << 2, false);
    vka_tensor q = vka_affine(g, rows, 1.0 / (double)vka_dim(g, x, 3), 0);
    vka_tensor zero = vka_constant_scalar(g, 0);
    vka_tensor sum = vka_reduce(g, VKA_REDUCE_SUM, q, 1u << 1, true);
    vka_tensor weight = vka_sub(g, vka_act(g, sum, VKA_ACT_LOG), vka_act(g, q, VKA_ACT_LOG));
    return vka_where(g, vka_binary(g, VKA_EQ, q, zero), zero, weight);
}

// The sums [N, C], times a factor that keeps those of a large map within 16 bits.
static vka_tensor weighted_sums(struct vka_scope *s, vka_tensor x, double *factor)
{
    vka_graph *g = s->g;
    vka_tensor flat = vka_flatten(g, x, 2, 3);
    double places = (double)vka_dim(g, flat, 2);
    if (vka_is(s, "weighting", "ucrow")) {
        *factor = 1 / places;
        return vka_reduce(g, VKA_REDUCE_MEAN, flat, 1u << 2, false);
    }
    vka_tensor spatial = spatial_weights(s, flat), channel = channel_weights(s, x);
    vka_shape map = vka_shape_of(g, x);
    map.dim[1] = 1;
    vka_give(s, "attn_spatial", vka_reshape(g, spatial, map));
    vka_give(s, "attn_channel", channel);
    *factor = exp2(-ceil(log2(places) / 2)); // the spatial weights' squares sum up to 1
    struct vka_matmul scaled = {.alpha = (float)*factor};
    vka_tensor sum = vka_matmul(g, flat, vka_transpose(g, spatial, 1, 2), &scaled); // [N, C, 1]
    return vka_mul(g, vka_squeeze(g, sum, 2), channel);
}

// By the vector's length; a zero vector stays zero.
static vka_tensor normalize(vka_graph *g, vka_tensor f)
{
    vka_tensor length = vka_reduce(g, VKA_REDUCE_L2, f, 1u << 1, true);
    vka_tensor none = vka_binary(g, VKA_EQ, length, vka_constant_scalar(g, 0));
    return vka_div(g, f, vka_where(g, none, vka_constant_scalar(g, 1), length));
}

static vka_tensor project(struct vka_scope *s, vka_tensor f)
{
    vka_graph *g = s->g;
    int64_t channels = vka_dim(g, f, 1);
    vka_tensor mean = vka_weight(s, "pca.mean", VKA_SHAPE(channels));
    vka_tensor rows = vka_weight(s, "pca.components", VKA_SHAPE(0, channels));
    int64_t count = vka_dim(g, rows, 0);
    if (!vka_failed(g) && count > channels)
        return vka_scope_fail(s, "weight 'pca.components' has %lld rows for %lld channels",
                              (long long)count, (long long)channels);
    if (vka_get_bool(s, "whiten")) {
        vka_tensor variance = vka_weight(s, "pca.variance", VKA_SHAPE(count));
        rows = vka_div(g, rows, vka_unsqueeze(g, vka_act(g, variance, VKA_ACT_SQRT), -1));
    }
    return vka_matmul(g, vka_sub(g, f, mean), vka_transpose(g, rows, 0, 1), NULL);
}

static void build(struct vka_scope *s)
{
    vka_graph *g = s->g;
    vka_tensor x = vka_in(s, "x");
    if (!vka_expect_rank(s, "x", x, 4, 4))
        return;
    double factor = 1;
    vka_tensor f = weighted_sums(s, x, &factor), whole = vka_affine(g, f, 1 / factor, 0);
    vka_give(s, "aggregate", whole);
    if (vka_get_bool(s, "normalize")) {
        f = normalize(g, f);
        if (vka_get_bool(s, "pca"))
            f = normalize(g, project(s, f));
    }
    vka_give(s, "y", vka_get_bool(s, "normalize") ? f : whole);
}

static const vka_attr_info attrs[] = {
    {"weighting", "string", "\"crow\"", "crow|ucrow", "ucrow: a plain sum over the positions"},
    {"a", "float", "2.0", "> 0", "order of the norm that divides the totals"},
    {"b", "float", "2.0", "> 0", "root of the spatial weights"},
    {"normalize", "bool", "true", "", "to length 1; false: no PCA either"},
    {"pca", "bool", "false", "", "project and normalise again; needs normalize"},
    {"whiten", "bool", "true", "", "each component by its standard deviation; with pca"},
    {0},
};
static const vka_port_info inputs[] = {
    {"x", "[N, C, H, W]", "f32", "", "feature map, >= 0"},
    {0},
};
static const vka_weight_info weights[] = {
    {"pca.mean", "[C]", "f32", "normalize and pca", "mean_"},
    {"pca.components", "[D, C]", "f32", "normalize and pca", "components_"},
    {"pca.variance", "[D]", "f32", "normalize, pca and whiten", "explained_variance_"},
    {0},
};
static const vka_port_info outputs[] = {
    {"y", "[N, C], [N, D] with pca", "f32", "", "the vector"},
    {"aggregate", "[N, C]", "f32", "", "before any normalisation"},
    {"attn_spatial", "[N, 1, H, W]", "f32", "crow", "the positions' weights"},
    {"attn_channel", "[N, C]", "f32", "crow", "the channels' weights"},
    {0},
};

const struct vka_block_row vka_block_rows_crow[] = {
    {{"crow",
      "Cross-dimensional Weighting: a map becomes one vector, positions and channels weighted",
      "Kalantidis, Mellina, Osindero: Cross-dimensional Weighting for Aggregated Deep "
      "Convolutional "
      "Features, ECCV workshops 2016, arXiv 1512.04065",
      attrs, inputs, weights, outputs, "{\"shapes\": {\"x\": [1, 512, 37, 37]}}"},
     build},
    {.build = NULL},
};
