// SPDX-License-Identifier: MIT
//
// MA-CNN: groups of channels, learned from the features, each summed up to a part attention map
// that pools a part's features.
#include "blocks/nn.h"

#include <math.h>

struct parts {
    struct vka_scope *s;
    vka_graph *g;
    vka_tensor x; // [N, C, H, W]
    int64_t groups, samples, channels, height, width;
    vka_tensor total; // [N, G, H * W], before the sigmoid
    vka_tensor maps;  // [N, G, H * W]
    vka_tensor best;  // [N, G] I32: the peak's place
    vka_tensor peak;  // [N, G, 2] I32
};

// Weight and bias of a linear layer of every group, one below the other.
static struct vka_kernel layers(struct parts *p, const char *format, int64_t out, int64_t in)
{
    struct vka_kernel all = {0};
    size_t bytes = (size_t)p->groups * sizeof(vka_tensor);
    vka_tensor *w = vka_pool_alloc(p->g, bytes), *bias = vka_pool_alloc(p->g, bytes);
    for (int i = 0; i < p->groups && !vka_failed(p->g); i++) {
        const char *name = vka_name(p->s, format, i);
        w[i] = vka_weight(p->s, vka_name(p->s, "%s.weight", name), VKA_SHAPE(out, in));
        out = vka_dim(p->g, w[i], 0);
        bias[i] = vka_weight(p->s, vka_name(p->s, "%s.bias", name), VKA_SHAPE(out));
    }
    if (vka_failed(p->g))
        return all;
    all.weight = vka_concat(p->g, 0, (int)p->groups, w);
    all.bias = vka_concat(p->g, 0, (int)p->groups, bias);
    return all;
}

// x [G, N, in] through each group's own layer: [G, N, out].
static vka_tensor by_group(struct parts *p, vka_tensor x, struct vka_kernel k, int act)
{
    vka_graph *g = p->g;
    int64_t out = vka_dim(g, k.weight, 0) / p->groups, in = vka_dim(g, k.weight, 1);
    vka_tensor w = vka_reshape(g, k.weight, VKA_SHAPE(p->groups, out, in));
    struct vka_matmul m = {.bias = vka_reshape(g, k.bias, VKA_SHAPE(p->groups, 1, out)),
                           .act = {act, 0, 0}};
    return vka_matmul(g, x, vka_transpose(g, w, 1, 2), &m);
}

// d [N, G, C].
static vka_tensor channel_weights(struct parts *p)
{
    vka_graph *g = p->g;
    int act = vka_act_named(p->s, vka_get_string(p->s, "act"));
    vka_tensor u = vka_is(p->s, "fc_input", "gap")
                       ? vka_reduce(g, VKA_REDUCE_MEAN, p->x, 1u << 2 | 1u << 3, false)
                       : vka_flatten(g, p->x, 1, 3);
    struct vka_kernel first = layers(p, "group.%d.fc1", 0, vka_dim(g, u, 1));
    int64_t hidden = vka_dim(g, first.weight, 0) / p->groups;
    struct vka_kernel second = layers(p, "group.%d.fc2", p->channels, hidden);
    struct vka_matmul m = {.bias = first.bias, .act = {VKA_ACT_TANH, 0, 0}};
    vka_tensor h = vka_matmul(g, u, vka_transpose(g, first.weight, 0, 1), &m);
    h = vka_transpose(g, vka_reshape(g, h, VKA_SHAPE(p->samples, p->groups, hidden)), 0, 1);
    return vka_transpose(g, by_group(p, h, second, act), 0, 1);
}

// "sum": the sigmoid over its sum, as a softmax of its logarithm, which no sigmoid of 0 breaks.
static vka_tensor make_maps(struct parts *p)
{
    vka_graph *g = p->g;
    if (vka_is(p->s, "normalize", "none"))
        return vka_act(g, p->total, VKA_ACT_SIGMOID);
    struct vka_softmax softmax = {.axis = -1, .scale = -1};
    vka_tensor log = vka_unary(g, vka_act(g, p->total, VKA_ACT_NEG),
                               (struct vka_activation){VKA_ACT_SOFTPLUS, 1, 20});
    return vka_softmax(g, log, &softmax);
}

// --- the peak and what hangs on it ---

static vka_tensor find_peak(struct parts *p)
{
    int64_t count = p->height * p->width;
    int32_t *place = vka_pool_alloc(p->g, 2 * (size_t)count * sizeof *place);
    if (!place)
        return 0;
    for (int64_t i = 0; i < count; i++) {
        place[2 * i] = (int32_t)(i / p->width);
        place[2 * i + 1] = (int32_t)(i % p->width);
    }
    vka_tensor table = vka_constant(p->g, VKA_I32, &(vka_shape){2, {count, 2}}, place);
    return vka_gather_known(p->g, table, p->best);
}

// Where a box begins along an axis: around the cell's middle, moved into the image.
static double box_begin(double cell, double cells, double stride, double side)
{
    double begin = stride * (cell + 0.5) - side / 2;
    return fmin(fmax(begin, 0), fmax(cells * stride - side, 0));
}

static vka_tensor make_boxes(struct parts *p)
{
    int64_t count = p->height * p->width;
    double side = (double)vka_get_int(p->s, "crop"), stride = (double)vka_get_int(p->s, "stride");
    float *box = side > 0 ? vka_pool_alloc(p->g, 4 * (size_t)count * sizeof *box) : NULL;
    if (!box)
        return 0;
    for (int64_t i = 0; i < count; i++) {
        double column = (double)(i % p->width), row = (double)(i / p->width);
        double x0 = box_begin(column, (double)p->width, stride, side);
        double y0 = box_begin(row, (double)p->height, stride, side);
        box[4 * i] = (float)x0;
        box[4 * i + 1] = (float)y0;
        box[4 * i + 2] = (float)(x0 + side);
        box[4 * i + 3] = (float)(y0 + side);
    }
    vka_tensor table = vka_constant(p->g, VKA_F32, &(vka_shape){2, {count, 4}}, box);
    return vka_gather_known(p->g, table, p->best);
}

// --- losses ---

// sum of the maps * (place - peak)^2 along one axis (0: rows) of the map.
static vka_tensor spread(struct parts *p, int axis)
{
    vka_graph *g = p->g;
    int64_t size = axis ? p->width : p->height;
    vka_shape map = VKA_SHAPE(p->samples, p->groups, p->height, p->width);
    float *number = vka_pool_alloc(g, (size_t)size * sizeof *number);
    if (!number)
        return 0;
    for (int64_t i = 0; i < size; i++)
        number[i] = (float)i;
    vka_tensor numbers = vka_constant(g, VKA_F32, &(vka_shape){1, {size}}, number);
    vka_tensor peak = vka_cast(g, vka_slice(g, p->peak, 2, axis, 1), VKA_F32); // [N, G, 1]
    vka_tensor far =
        vka_binary_act(g, VKA_SUB, numbers, peak, (struct vka_activation){VKA_ACT_SQUARE, 0, 0});
    vka_tensor sums = vka_reduce(g, VKA_REDUCE_SUM, vka_reshape(g, p->maps, map), 1u << (3 - axis),
                                 false); // [N, G, size]
    return vka_reduce(g, VKA_REDUCE_SUM, vka_mul(g, sums, far), 1u << 2, false);
}

// The largest of the other groups' maps: at each place the largest of all, or for the group whose
// it is the second.
static vka_tensor largest_other(struct parts *p)
{
    vka_graph *g = p->g;
    int32_t *number = vka_pool_alloc(g, (size_t)p->groups * sizeof *number);
    if (!number)
        return 0;
    for (int32_t i = 0; i < p->groups; i++)
        number[i] = i;
    vka_tensor numbers = vka_constant(g, VKA_I32, &(vka_shape){2, {p->groups, 1}}, number);
    vka_tensor owner = vka_argmax(g, p->maps, 1, true);
    vka_tensor own = vka_binary(g, VKA_EQ, numbers, owner); // [N, G, H * W]
    vka_tensor rest = vka_where(g, own, vka_constant_scalar(g, -1), p->maps);
    vka_tensor first = vka_reduce(g, VKA_REDUCE_MAX, p->maps, 1u << 1, true);
    return vka_where(g, own, vka_reduce(g, VKA_REDUCE_MAX, rest, 1u << 1, true), first);
}

static vka_tensor diversity(struct parts *p)
{
    vka_graph *g = p->g;
    if (p->groups == 1)
        return vka_affine(g, vka_reduce(g, VKA_REDUCE_MAX, p->maps, 1u << 2, false), 0, 0);
    double margin = vka_get_double(p->s, "margin");
    vka_tensor above = vka_affine(g, largest_other(p), 1, -margin);
    return vka_reduce(g, VKA_REDUCE_SUM, vka_mul(g, p->maps, above), 1u << 2, false);
}

// --- the block ---

static bool has_classes(struct parts *p)
{
    for (int i = 0; i < p->groups; i++) {
        if (vka_has_weight(p->s, vka_name(p->s, "cls.%d.weight", i)) ||
            vka_has_weight(p->s, vka_name(p->s, "cls.%d.bias", i)))
            return true;
    }
    return false;
}

static void give_classes(struct parts *p, vka_tensor y)
{
    if (!has_classes(p))
        return;
    struct vka_kernel cls = layers(p, "cls.%d", 0, p->channels);
    vka_tensor logits = by_group(p, vka_transpose(p->g, y, 0, 1), cls, VKA_ACT_NONE);
    vka_give(p->s, "logits", vka_transpose(p->g, logits, 0, 1));
}

static void give_peaks(struct parts *p)
{
    p->best = vka_argmax(p->g, p->total, 2, false);
    p->peak = find_peak(p);
    vka_give(p->s, "peak", p->peak);
    vka_give(p->s, "boxes", make_boxes(p));
    if (!vka_get_bool(p->s, "losses"))
        return;
    vka_give(p->s, "dis", vka_add(p->g, spread(p, 0), spread(p, 1)));
    vka_give(p->s, "div", diversity(p));
}

static void build(struct vka_scope *s)
{
    vka_graph *g = s->g;
    struct parts p = {.s = s, .g = g, .x = vka_in(s, "x"), .groups = vka_get_int(s, "groups")};
    if (!vka_expect_rank(s, "x", p.x, 4, 4))
        return;
    p.samples = vka_dim(g, p.x, 0);
    p.channels = vka_dim(g, p.x, 1);
    p.height = vka_dim(g, p.x, 2);
    p.width = vka_dim(g, p.x, 3);
    vka_tensor rows = vka_flatten(g, p.x, 2, 3), d = channel_weights(&p);
    p.total = vka_matmul(g, d, rows, NULL);
    p.maps = make_maps(&p);
    vka_tensor y = vka_matmul(g, p.maps, vka_transpose(g, rows, 1, 2), NULL);
    if (vka_failed(g))
        return;
    vka_give(s, "y", y);
    vka_give(s, "attn", vka_reshape(g, p.maps, VKA_SHAPE(p.samples, p.groups, p.height, p.width)));
    vka_give(s, "d", d);
    give_classes(&p, y);
    give_peaks(&p);
}

static const vka_attr_info attrs[] = {
    {"groups", "int", "4", "1..1000", "parts"},
    {"fc_input", "string", "\"gap\"", "gap|flatten", "the layers read the mean, or all features"},
    {"act", "string", "\"tanh\"", "tanh|sigmoid|none", "of the second layer"},
    {"normalize", "string", "\"none\"", "none|sum", "sum: maps over their sum"},
    {"crop", "int", "0", ">= 0", "side of the parts' boxes in pixels of the image; 0: no boxes"},
    {"stride", "int", "1", ">= 1", "pixels of the image per cell"},
    {"losses", "bool", "false", "", "give the grouping losses"},
    {"margin", "float", "0.02", "", "of the diversity loss"},
    {0},
};
static const vka_port_info inputs[] = {
    {"x", "[N, C, H, W]", "f32", "", "last features"},
    {0},
};
static const vka_weight_info weights[] = {
    {"group.{i}.fc1.weight", "[B, C] or [B, C H W]", "f32", "i < groups", ""},
    {"group.{i}.fc1.bias", "[B]", "f32", "i < groups", ""},
    {"group.{i}.fc2.weight", "[C, B]", "f32", "i < groups", ""},
    {"group.{i}.fc2.bias", "[C]", "f32", "i < groups", ""},
    {"cls.{i}.weight", "[K, C]", "f32", "optional, all groups or none", ""},
    {"cls.{i}.bias", "[K]", "f32", "with cls.{i}.weight", ""},
    {0},
};
static const vka_port_info outputs[] = {
    {"y", "[N, groups, C]", "f32", "", "part features"},
    {"attn", "[N, groups, H, W]", "f32", "", "part attention maps"},
    {"d", "[N, groups, C]", "f32", "", "weights of the channels"},
    {"logits", "[N, groups, K]", "f32", "cls weights", "class scores of each part"},
    {"peak", "[N, groups, 2]", "i32", "", "row, column of the map's maximum"},
    {"boxes", "[N, groups, 4]", "f32", "crop > 0", "x0, y0, x1, y1 in pixels"},
    {"dis", "[N, groups]", "f32", "losses", "distances from the peak"},
    {"div", "[N, groups]", "f32", "losses", "overlap of the maps"},
    {0},
};

const struct vka_block_row vka_block_rows_ma_cnn[] = {
    {{"ma_cnn", "MA-CNN: groups of channels make part attention maps that pool part features",
      "Zheng, Fu, Mei, Luo: Learning Multi-Attention Convolutional Neural Network for "
      "Fine-Grained Image Recognition, ICCV 2017",
      attrs, inputs, weights, outputs,
      "{\"shapes\": {\"x\": [1, 512, 28, 28], \"w.group.0.fc1.weight\": [512, 512]}}"},
     build},
    {.build = NULL},
};
