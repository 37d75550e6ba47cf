// SPDX-License-Identifier: MIT
//
// Dynamic Graph Message Passing module: every pixel takes messages from nodes around it at four
// rates, placed by predicted offsets, weighed by predicted filters and affinities.
#include "blocks/nn.h"

enum { RATES = 4, TAPS = 9 };

struct options {
    int64_t groups, dilations[RATES], gn_groups;
    bool moved, affinity, sum, reduce, fix_att4;
};

struct rate {           // of one dilation
    vka_tensor offset;  // [N, 18, H, W]; 0 on the fixed grid
    vka_tensor weights; // [N, G, 9, H, W]
};

static struct options read_options(struct vka_scope *s)
{
    struct options o = {.groups = vka_get_int(s, "groups"),
                        .gn_groups = vka_get_int(s, "gn_groups"),
                        .moved = !vka_is(s, "deform", "none"),
                        .affinity = vka_is(s, "deform", "deformatt"),
                        .sum = vka_is(s, "fusion", "sum"),
                        .reduce = vka_get_bool(s, "reduce"),
                        .fix_att4 = vka_get_bool(s, "fix_att4")};
    if (vka_get_count(s, "dilations") != RATES)
        vka_scope_fail(s, "attribute 'dilations' has %d values, but needs %d",
                       vka_get_count(s, "dilations"), RATES);
    else
        vka_get_ints(s, "dilations", RATES, o.dilations);
    return o;
}

static bool check(struct vka_scope *s, const struct options *o, int64_t channels)
{
    int64_t inner = o->reduce ? channels / 4 : channels;
    bool norms = o->reduce || !o->sum; // else gn_groups is of no account
    if (vka_failed(s->g))
        return false;
    if (!o->sum && o->moved && !o->affinity && o->groups != 1)
        vka_scope_fail(s, "fusion \"concat\" with deform \"deform\" takes groups 1, not %lld",
                       (long long)o->groups);
    else if (o->reduce && channels % 4 != 0)
        vka_scope_fail(s, "reduce divides the channels of x by 4; there are %lld",
                       (long long)channels);
    else if (inner % o->groups != 0)
        vka_scope_fail(s, "%lld channels don't divide into groups %lld", (long long)inner,
                       (long long)o->groups);
    else if (norms && inner % o->gn_groups != 0)
        vka_scope_fail(s, "%lld channels don't divide into gn_groups %lld", (long long)inner,
                       (long long)o->gn_groups);
    return !vka_failed(s->g);
}

// 1x1 convolution, group norm, ReLU.
static vka_tensor scaled(struct vka_scope *s, const struct options *o, vka_tensor x,
                         const char *name, int64_t out, enum vka_bias bias)
{
    struct vka_layer layer = {.bias = bias};
    const char *norm = vka_name(s, "%s.norm", name);
    x = vka_pointwise(s, x, vka_name(s, "%s.conv", name), out, NULL, 0, &layer);
    return vka_act(s->g, vka_group_norm(s, x, norm, o->gn_groups, 1e-5), VKA_ACT_RELU);
}

// A 3x3 convolution at a rate. Taps further away than the map is wide see nothing, at any rate.
static vka_tensor plain(struct vka_scope *s, vka_tensor z, const char *name, int64_t out,
                        int64_t rate)
{
    struct vka_conv c = {.groups = 1};
    for (int i = 0; i < 2; i++) {
        int64_t size = vka_dim(s->g, z, 2 + i);
        c.dilation[i] = c.before[i] = c.after[i] = rate < size ? rate : size;
    }
    return vka_conv_layer(s, z, name, out, (const int64_t[]){3, 3}, VKA_NO_BIAS, NULL, 0, &c);
}

static vka_tensor moved(struct vka_scope *s, vka_tensor z, vka_tensor offset, const char *name,
                        int64_t out, int64_t rate)
{
    struct vka_deform_conv c = {.dilation = {rate, rate}, .padding = {rate, rate}};
    vka_tensor weight =
        vka_weight(s, vka_name(s, "%s.weight", name), VKA_SHAPE(out, vka_dim(s->g, z, 1), 3, 3));
    return vka_deform_conv(s->g, z, offset, weight, &c);
}

// Channels first .. first + 9 * groups - 1 of t as [N, groups, 9, H, W].
static vka_tensor taps_of(vka_graph *g, vka_tensor t, int64_t first, int64_t groups)
{
    vka_shape shape = vka_shape_of(g, t);
    t = vka_slice(g, t, 1, first, TAPS * groups);
    return vka_reshape(g, t, VKA_SHAPE(shape.dim[0], groups, TAPS, shape.dim[2], shape.dim[3]));
}

static vka_tensor softmax_taps(vka_graph *g, vka_tensor t)
{
    return vka_softmax(g, t, &(struct vka_softmax){.axis = 2});
}

// "sum": filters and affinities of the sampled nodes themselves.
static struct rate rate_of_sum(struct vka_scope *s, const struct options *o, vka_tensor z, int i)
{
    vka_graph *g = s->g;
    struct rate r = {0};
    const char *filter = vka_name(s, "filter.%d", i);
    int64_t e = o->dilations[i], rows = TAPS * (o->groups + o->affinity);
    if (o->moved)
        r.offset = plain(s, z, vka_name(s, "offset.%d", i), 2 * TAPS, e);
    vka_tensor f = o->moved ? moved(s, z, r.offset, filter, rows, e) : plain(s, z, filter, rows, e);
    if (vka_failed(g))
        return r;
    vka_tensor filters = taps_of(g, f, 0, o->groups);
    if (!o->affinity) {
        r.weights = softmax_taps(g, filters);
        return r;
    }
    // The authors' code takes the last filters for the fourth affinities.
    bool slip = i == RATES - 1 && !o->fix_att4;
    vka_tensor affinity = taps_of(g, f, TAPS * (o->groups - slip), 1);
    r.weights = vka_mul(g, filters, softmax_taps(g, affinity));
    return r;
}

// "concat": one plain convolution predicts filters, offsets and affinities.
static struct rate rate_of_concat(struct vka_scope *s, const struct options *o, vka_tensor z, int i)
{
    vka_graph *g = s->g;
    struct rate r = {0};
    int64_t filters = TAPS * o->groups, rows = filters + 2 * TAPS * o->moved + TAPS * o->affinity;
    vka_tensor p = plain(s, z, vka_name(s, "filter.%d", i), rows, o->dilations[i]);
    if (vka_failed(g))
        return r;
    r.weights = softmax_taps(g, taps_of(g, p, 0, o->groups));
    if (o->moved)
        r.offset = vka_slice(g, p, 1, filters, 2 * TAPS);
    if (o->affinity) {
        vka_tensor affinity = taps_of(g, p, filters + 2 * TAPS, 1);
        r.weights = vka_mul(g, r.weights, vka_act(g, affinity, VKA_ACT_SIGMOID));
    }
    return r;
}

// The sum over taps of a pixel's weights (times `factor`, where there is one) and samples.
static vka_tensor message(vka_graph *g, const struct options *o, vka_tensor z, const struct rate *r,
                          int64_t e, vka_tensor factor)
{
    vka_shape shape = vka_shape_of(g, z);
    int64_t n = shape.dim[0], height = shape.dim[2], width = shape.dim[3];
    if (!r->offset) // as `plain` does: far is far
        e = e < height || e < width ? e : height > width ? height : width;
    struct vka_sample grid = {.start = {-e, -e}, .step = {{e, 0, 1, 0}, {0, e, 0, 1}}};
    vka_tensor at, weights = factor ? vka_mul(g, r->weights, factor) : r->weights;
    if (r->offset) {
        at = vka_reshape(g, r->offset, VKA_SHAPE(n, 1, 3, 3, 2, height, width));
        at = vka_permute(g, at, (const int[]){0, 1, 4, 2, 3, 5, 6});
    } else {
        at =
            vka_broadcast_to(g, vka_constant_scalar(g, 0), VKA_SHAPE(1, 1, 2, 3, 3, height, width));
    }
    weights = vka_reshape(g, weights, VKA_SHAPE(n, o->groups, 3, 3, height, width));
    return vka_sample_sum(g, z, at, weights, 2, &grid);
}

static vka_tensor fuse(struct vka_scope *s, const struct options *o, vka_tensor z,
                       const struct rate *rates)
{
    vka_graph *g = s->g;
    vka_tensor all[1 + RATES] = {z}, u = z;
    for (int i = 0; i < RATES && !vka_failed(g); i++) {
        const char *gamma = vka_name(s, "gamma.%d", i);
        vka_tensor factor = o->sum ? vka_weight(s, gamma, VKA_SHAPE(1)) : 0;
        all[1 + i] = message(g, o, z, &rates[i], o->dilations[i], factor);
        u = o->sum ? vka_add(g, u, all[1 + i]) : 0;
    }
    if (o->sum || vka_failed(g))
        return u;
    return scaled(s, o, vka_concat(g, 1, 1 + RATES, all), "scale2", vka_dim(g, z, 1),
                  o->reduce ? VKA_NO_BIAS : VKA_BIAS);
}

static void give_maps(struct vka_scope *s, const struct rate *rates)
{
    vka_tensor weights[RATES], offsets[RATES];
    for (int i = 0; i < RATES; i++) {
        weights[i] = vka_unsqueeze(s->g, rates[i].weights, 1);
        offsets[i] = rates[i].offset ? vka_unsqueeze(s->g, rates[i].offset, 1) : 0;
    }
    vka_give(s, "attn", vka_concat(s->g, 1, RATES, weights));
    if (rates[0].offset)
        vka_give(s, "offset", vka_concat(s->g, 1, RATES, offsets));
}

static void build(struct vka_scope *s)
{
    vka_graph *g = s->g;
    vka_tensor x = vka_in(s, "x"), z = x;
    struct options o = read_options(s);
    struct rate rates[RATES] = {0};
    int64_t channels = vka_dim(g, x, 1);
    if (!vka_expect_rank(s, "x", x, 4, 4) || !check(s, &o, channels))
        return;
    if (o.reduce)
        z = scaled(s, &o, x, "scale1", channels / 4, VKA_NO_BIAS);
    for (int i = 0; i < RATES && !vka_failed(g); i++)
        rates[i] = o.sum ? rate_of_sum(s, &o, z, i) : rate_of_concat(s, &o, z, i);
    if (vka_failed(g))
        return;
    vka_tensor y = fuse(s, &o, z, rates);
    if (o.reduce)
        y = scaled(s, &o, y, "scale3", channels, VKA_NO_BIAS);
    vka_give(s, "y", o.sum && !o.reduce ? y : vka_add(g, y, x));
    give_maps(s, rates);
}

static const vka_attr_info attrs[] = {
    {"groups", "int", "1", ">= 1", "G, of channels with filters of their own; divides C'"},
    {"dilations", "list of int", "[1, 4, 8, 12]", ">= 1", "the four sampling rates"},
    {"deform", "string", "\"deformatt\"", "none|deform|deformatt",
     "fixed grid; predicted offsets; offsets and affinities"},
    {"fusion", "string", "\"sum\"", "sum|concat", "concat with deform: groups 1 only"},
    {"reduce", "bool", "false", "", "work on C' = C/4 channels; else C' = C"},
    {"gn_groups", "int", "32", ">= 1", "of every group norm there is; divides C'"},
    {"fix_att4", "bool", "false", "", "fourth affinity from its own channels; sum, deformatt"},
    {0},
};
static const vka_port_info inputs[] = {
    {"x", "[N, C, H, W]", "f32", "", "features"},
    {0},
};
#define SCALE(name, shape, channels, when, official)                                               \
    {name ".conv.weight", shape, "f32", when, official ".0.weight"},                               \
        {name ".norm.weight", channels, "f32", when, official ".1.weight"},                        \
    {                                                                                              \
        name ".norm.bias", channels, "f32", when, official ".1.bias"                               \
    }
static const vka_weight_info weights[] = {
    SCALE("scale1", "[C', C, 1, 1]", "[C']", "reduce", "scale1"),
    {"offset.{i}.weight", "[18, C', 3, 3]", "f32", "sum, deform not none", "off_conv{a}.weight"},
    {"filter.{i}.weight", "[9G (sum deformatt + 9, concat deform + 18, deformatt + 27), C', 3, 3]",
     "f32", "", "kernel_conv{a}.weight | cat{a}.weight"},
    {"gamma.{i}", "[1]", "f32", "sum", "gamma{i+1}"},
    SCALE("scale2", "[C', 5C', 1, 1]", "[C']", "concat", "scale2"),
    {"scale2.conv.bias", "[C']", "f32", "concat and not reduce", "scale2.0.bias"},
    SCALE("scale3", "[C, C', 1, 1]", "[C]", "reduce", "scale3"),
    {0},
};
static const vka_port_info outputs[] = {
    {"y", "[N, C, H, W]", "f32", "", "the pixels with their messages"},
    {"attn", "[N, 4, G, 9, H, W]", "f32", "", "tap weights, affinities in them"},
    {"offset", "[N, 4, 18, H, W]", "f32", "deform not none", "(vertical, horizontal) pairs"},
    {0},
};

const struct vka_block_row vka_block_rows_dgmn[] = {
    {{"dgmn", "Dynamic graph message passing: sampled nodes at four rates, predicted weights",
      "Zhang, Xu, Arnab, Torr: Dynamic Graph Message Passing Networks, CVPR 2020, arXiv 1908.06955",
      attrs, inputs, weights, outputs,
      "{\"attrs\": {\"groups\": 4}, \"shapes\": {\"x\": [1, 512, 14, 14]}}"},
     build},
    {.build = NULL},
};
