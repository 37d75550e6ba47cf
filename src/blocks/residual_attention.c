// SPDX-License-Identifier: MIT
//
// Attention module of the Residual Attention Network: a trunk of residual units times a mask from
// an hourglass of such units.
#include "blocks/nn.h"

#define BN_EPS 1e-5

enum { MAX_LEVELS = 32 };

static vka_tensor norm_relu(struct vka_scope *s, vka_tensor x, const char *name)
{
    return vka_batch_norm(s, x, name, BN_EPS, VKA_ACT_RELU);
}

// z + three convolutions, each behind a norm and a relu; the last two norms are folded into the
// convolutions before them.
static vka_tensor unit(struct vka_scope *s, vka_tensor z, const char *name)
{
    struct vka_layer first = {.act = {VKA_ACT_RELU, 0, 0}}, last = {.residual = z};
    struct vka_conv conv = {.before = {1, 1}, .after = {1, 1}, .act = {VKA_ACT_RELU, 0, 0}};
    vka_tensor h = norm_relu(s, z, vka_name(s, "%s.bn1", name));
    h = vka_pointwise(s, h, vka_name(s, "%s.conv1", name), 0, vka_name(s, "%s.bn2", name), BN_EPS,
                      &first);
    h = vka_conv_layer(s, h, vka_name(s, "%s.conv2", name), vka_dim(s->g, h, 1),
                       (const int64_t[]){3, 3}, VKA_NO_BIAS, vka_name(s, "%s.bn3", name), BN_EPS,
                       &conv);
    return vka_pointwise(s, h, vka_name(s, "%s.conv3", name), vka_dim(s->g, z, 1), NULL, 0, &last);
}

static vka_tensor units(struct vka_scope *s, vka_tensor z, const char *name, int64_t count)
{
    for (int64_t i = 0; i < count && !vka_failed(s->g); i++)
        z = unit(s, z, vka_name(s, "%s.%lld", name, (long long)i));
    return z;
}

// 3 x 3 by 2. "ceil": the last window is cut at the border, which padding behind an even side
// means; "pad1": one pixel of padding all around.
static vka_tensor halve(struct vka_scope *s, vka_tensor x)
{
    vka_graph *g = s->g;
    bool ceil = vka_is(s, "pool", "ceil");
    struct vka_pool pool = {.max = true, .kernel = {3, 3}, .stride = {2, 2}};
    for (int i = 0; i < 2 && !vka_failed(g); i++) {
        int64_t size = vka_dim(g, x, 2 + i);
        if (ceil && size < 2)
            return vka_scope_fail(s,
                                  "a map of %lld x %lld is too small for the pooling 'ceil': "
                                  "x is too small for %lld levels",
                                  (long long)vka_dim(g, x, 2), (long long)vka_dim(g, x, 3),
                                  (long long)vka_get_int(s, "levels"));
        pool.before[i] = !ceil;
        pool.after[i] = ceil ? size % 2 == 0 : 1;
    }
    return vka_pool(g, x, &pool);
}

static vka_tensor resize_as(vka_graph *g, vka_tensor x, vka_tensor like)
{
    struct vka_resize p = {
        .size = {vka_dim(g, like, 2), vka_dim(g, like, 3)}, .linear = true, .align_corners = true};
    return vka_resize(g, x, &p);
}

static vka_tensor hourglass(struct vka_scope *s, vka_tensor d0, vka_tensor trunk)
{
    vka_graph *g = s->g;
    int levels = (int)vka_get_int(s, "levels");
    int64_t r = vka_get_int(s, "r");
    bool extra = vka_get_bool(s, "extra_skip");
    if (levels == 0)
        return units(s, d0, "bottom", 2 * r);
    vka_tensor down[MAX_LEVELS] = {d0}, skip[MAX_LEVELS] = {0};
    for (int l = 1; l < levels; l++) {
        down[l] = units(s, halve(s, down[l - 1]), vka_name(s, "down.%d", l), r);
        skip[l] = unit(s, down[l], vka_name(s, "skip.%d", l));
        if (extra)
            skip[l] = vka_add(g, skip[l], down[l]);
    }
    vka_tensor u = units(s, halve(s, down[levels - 1]), "bottom", 2 * r);
    for (int l = levels - 1; l > 0; l--) {
        u = vka_add(g, resize_as(g, u, down[l]), skip[l]);
        u = units(s, u, vka_name(s, "up.%d", l), r);
    }
    u = resize_as(g, u, d0);
    return extra ? vka_add(g, u, trunk) : u;
}

static vka_tensor tail(struct vka_scope *s, vka_tensor u)
{
    int64_t channels = vka_dim(s->g, u, 1);
    struct vka_layer first = {.act = {VKA_ACT_RELU, 0, 0}}, last = {0};
    if (vka_is(s, "mask", "mixed"))
        last.act.kind = VKA_ACT_SIGMOID;
    u = norm_relu(s, u, "tail.bn1");
    u = vka_pointwise(s, u, "tail.conv1", channels, "tail.bn2", BN_EPS, &first);
    return vka_pointwise(s, u, "tail.conv2", channels, NULL, 0, &last);
}

// Each position's channels over their length; zeros stay zeros, also where 1e-12 is 0 in f16.
static vka_tensor normalize(vka_graph *g, vka_tensor a)
{
    vka_tensor length = vka_reduce(g, VKA_REDUCE_L2, a, 1u << 1, true);
    vka_tensor least = vka_binary(g, VKA_MAX, length, vka_constant_scalar(g, 1e-12f));
    vka_tensor none = vka_binary(g, VKA_EQ, least, vka_constant_scalar(g, 0));
    return vka_div(g, a, vka_where(g, none, vka_constant_scalar(g, 1), least));
}

static vka_tensor make_mask(struct vka_scope *s, vka_tensor u)
{
    vka_graph *g = s->g;
    vka_tensor a = tail(s, u);
    if (vka_is(s, "mask", "spatial")) {
        double eps = vka_get_double(s, "eps");
        return vka_act(g, vka_norm(g, a, 1u << 2 | 1u << 3, eps, 0, 0), VKA_ACT_SIGMOID);
    }
    return vka_is(s, "mask", "channel") ? normalize(g, a) : a;
}

static void build(struct vka_scope *s)
{
    vka_graph *g = s->g;
    vka_tensor x = vka_in(s, "x");
    if (!vka_expect_rank(s, "x", x, 4, 4))
        return;
    int64_t p = vka_get_int(s, "p");
    vka_tensor d0 = units(s, x, "first", p);
    vka_tensor trunk = units(s, d0, "trunk", vka_get_int(s, "t"));
    vka_tensor mask = make_mask(s, hourglass(s, d0, trunk));
    vka_tensor y = vka_mul(g, mask, trunk);
    if (vka_is(s, "fusion", "residual"))
        y = vka_add(g, y, trunk);
    vka_give(s, "y", units(s, y, "last", p));
    vka_give(s, "attn", mask);
}

static const vka_attr_info attrs[] = {
    {"levels", "int", "3", "0..31", "L, the poolings"},
    {"p", "int", "1", "0..1000", "units before the split, and after the fusion"},
    {"t", "int", "2", "0..1000", "units of the trunk"},
    {"r", "int", "1", "1..1000", "units at each level; twice as many at the bottom"},
    {"pool", "string", "\"ceil\"", "ceil|pad1", "cut windows at the border, or padding of 1"},
    {"extra_skip", "bool", "false", "", "add the maps themselves on the way up, too"},
    {"mask", "string", "\"mixed\"", "mixed|channel|spatial",
     "sigmoid, length 1 over channels, or sigmoid of each standardized channel"},
    {"fusion", "string", "\"residual\"", "residual|naive", "(1 + mask) times the trunk, or mask"},
    {"eps", "float", "1e-5", "> 0", "of the spatial mask's variance"},
    {0},
};

#define UNIT_PORTS(name, when)                                                                     \
    VKA_OWN_NORM_PORTS(name ".bn1", "[C]", when),                                                  \
        {name ".conv1.weight", "[Cm, C, 1, 1]", "f32", when, ""},                                  \
        VKA_OWN_NORM_PORTS(name ".bn2", "[Cm]", when),                                             \
        {name ".conv2.weight", "[Cm, Cm, 3, 3]", "f32", when, ""},                                 \
        VKA_OWN_NORM_PORTS(name ".bn3", "[Cm]", when),                                             \
    {                                                                                              \
        name ".conv3.weight", "[C, Cm, 1, 1]", "f32", when, ""                                     \
    }

static const vka_port_info inputs[] = {
    {"x", "[N, C, H, W]", "f32", "", "feature map"},
    {0},
};
static const vka_weight_info weights[] = {
    UNIT_PORTS("first.{i}", "i < p"),
    UNIT_PORTS("trunk.{i}", "i < t"),
    UNIT_PORTS("down.{i}.{i}", "1 <= first i < L, second i < r"),
    UNIT_PORTS("skip.{i}", "1 <= i < L"),
    UNIT_PORTS("bottom.{i}", "i < 2r"),
    UNIT_PORTS("up.{i}.{i}", "1 <= first i < L, second i < r"),
    VKA_OWN_NORM_PORTS("tail.bn1", "[C]", ""),
    {"tail.conv1.weight", "[C, C, 1, 1]", "f32", "", ""},
    VKA_OWN_NORM_PORTS("tail.bn2", "[C]", ""),
    {"tail.conv2.weight", "[C, C, 1, 1]", "f32", "", ""},
    UNIT_PORTS("last.{i}", "i < p"),
    {0},
};
static const vka_port_info outputs[] = {
    {"y", "[N, C, H, W]", "f32", "", "after the last units"},
    {"attn", "[N, C, H, W]", "f32", "", "the mask"},
    {0},
};

static const char example[] = // a unit's width is read from its weight
    "{\"attrs\": {\"levels\": 1}, \"shapes\": {\"x\": [1, 512, 14, 14], "
    "\"w.first.0.conv1.weight\": [128, 512, 1, 1], "
    "\"w.trunk.0.conv1.weight\": [128, 512, 1, 1], "
    "\"w.trunk.1.conv1.weight\": [128, 512, 1, 1], "
    "\"w.bottom.0.conv1.weight\": [128, 512, 1, 1], "
    "\"w.bottom.1.conv1.weight\": [128, 512, 1, 1], "
    "\"w.last.0.conv1.weight\": [128, 512, 1, 1]}}";

const struct vka_block_row vka_block_rows_residual_attention[] = {
    {{"residual_attention", "Attention module of the Residual Attention Network: trunk times mask",
      "Wang et al.: Residual Attention Network for Image Classification, CVPR 2017, arXiv "
      "1704.06904",
      attrs, inputs, weights, outputs, example},
     build},
    {.build = NULL},
};
