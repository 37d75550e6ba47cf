// SPDX-License-Identifier: MIT
//
// The layers of a feedback network, forward and backward. A convolution runs backward as one plain
// convolution of the gradient: the weights are cut by phase of the stride once, when the plan is
// made, each phase becomes channels of the output, and these are laid between each other.
#include "blocks/feedback.h"

#include <stdio.h>
#include <string.h>

static const char *const kinds[] = {[VKA_LAYER_CONV] = "conv",
                                    [VKA_LAYER_RELU] = "relu",
                                    [VKA_LAYER_MAXPOOL] = "maxpool",
                                    [VKA_LAYER_LINEAR] = "linear"};

// --- reading ---

static bool read_kind(struct vka_scope *s, const vka_attr *a, struct vka_feedback_layer *l, int i)
{
    for (size_t k = 0; k < a->count; k++) {
        const vka_attr *item = &a->items[k];
        if (!item->name || strcmp(item->name, "type") != 0)
            continue;
        for (int kind = 0; item->type == VKA_ATTR_STRING && kind < (int)VKA_COUNT(kinds); kind++) {
            if (strcmp(item->s, kinds[kind]) == 0) {
                l->kind = kind;
                return true;
            }
        }
        vka_scope_fail(s,
                       "layer %d has the type '%.40s', but must be conv, relu, maxpool or linear",
                       i, item->type == VKA_ATTR_STRING ? item->s : "no string");
        return false;
    }
    vka_scope_fail(s, "layer %d has no type", i);
    return false;
}

// Where a key's number goes; NULL for a key that the layer's type doesn't have.
static int64_t *place_of(struct vka_feedback_layer *l, const char *key)
{
    if (l->kind == VKA_LAYER_CONV && strcmp(key, "padding") == 0)
        return &l->padding;
    if ((l->kind == VKA_LAYER_CONV || l->kind == VKA_LAYER_MAXPOOL) && strcmp(key, "stride") == 0)
        return &l->stride;
    return l->kind == VKA_LAYER_MAXPOOL && strcmp(key, "kernel") == 0 ? &l->kernel : NULL;
}

static bool read_key(struct vka_scope *s, const vka_attr *item, struct vka_feedback_layer *l, int i)
{
    const char *key = item->name ? item->name : "";
    int64_t *place = place_of(l, key);
    if (!place) {
        vka_scope_fail(s, "layer %d (%s) has no key '%.40s'", i, kinds[l->kind], key);
        return false;
    }
    int64_t least = place != &l->padding;
    if (item->type != VKA_ATTR_INT || item->i < least || item->i >= 1 << 30) {
        char value[32] = "no int";
        if (item->type == VKA_ATTR_INT)
            snprintf(value, sizeof value, "%lld", (long long)item->i);
        vka_scope_fail(s, "layer %d (%s): '%s' is %s, but must be an int from %lld to 2^30 - 1", i,
                       kinds[l->kind], key, value, (long long)least);
        return false;
    }
    *place = item->i;
    return true;
}

static bool read_layer(struct vka_scope *s, const vka_attr *a, struct vka_feedback_layer *l, int i)
{
    if (!read_kind(s, a, l, i))
        return false;
    for (size_t k = 0; k < a->count; k++) {
        const vka_attr *item = &a->items[k];
        for (size_t other = 0; item->name && other < k; other++) {
            if (a->items[other].name && strcmp(a->items[other].name, item->name) == 0)
                return vka_scope_fail(s, "layer %d has '%.40s' twice", i, item->name), false;
        }
        if ((!item->name || strcmp(item->name, "type") != 0) && !read_key(s, item, l, i))
            return false;
    }
    if (l->kind == VKA_LAYER_MAXPOOL && !l->kernel)
        return vka_scope_fail(s, "layer %d (maxpool) has no kernel", i), false;
    if (!l->stride)
        l->stride = l->kernel ? l->kernel : 1;
    return true;
}

int vka_feedback_layers(struct vka_scope *s, struct vka_feedback_layer **layers)
{
    enum { MOST = 10000 };
    const vka_attr *list = vka_get_attr(s, "layers");
    if (!list || list->count < 1 || list->count > MOST) {
        vka_scope_fail(s, "'layers' has %zu layers, but must have 1 to %d", list ? list->count : 0,
                       MOST);
        return 0;
    }
    *layers = vka_pool_alloc(s->g, list->count * sizeof **layers);
    if (!*layers)
        return 0;
    memset(*layers, 0, list->count * sizeof **layers);
    for (size_t i = 0; i < list->count; i++) {
        if (!read_layer(s, &list->items[i], &(*layers)[i], (int)i))
            return 0;
    }
    return (int)list->count;
}

// --- forward ---

// A map that the window fits into.
static bool window_fits(struct vka_scope *s, const struct vka_feedback_layer *l, int index,
                        const int64_t kernel[2])
{
    char text[VKA_SHAPE_TEXT];
    vka_shape x = vka_shape_of(s->g, l->in);
    bool fits = x.rank == 4 && x.dim[2] + 2 * l->padding >= kernel[0] &&
                x.dim[3] + 2 * l->padding >= kernel[1];
    if (!fits && x.rank != 4)
        vka_scope_fail(s, "layer %d (%s) needs a map [N, C, H, W], but its input is %s", index,
                       kinds[l->kind], vka_shape_text(&x, text));
    else if (!fits)
        vka_scope_fail(s,
                       "layer %d (%s) has a window of %lld x %lld and padding %lld, too large "
                       "for its input %s",
                       index, kinds[l->kind], (long long)kernel[0], (long long)kernel[1],
                       (long long)l->padding, vka_shape_text(&x, text));
    return fits;
}

// The stride of an axis for the way back. A single window may as well stride over everything.
static struct vka_feedback_axis cut_axis(int64_t size, int64_t kernel, int64_t stride,
                                         int64_t padding)
{
    bool single = size + 2 * padding - kernel < stride;
    struct vka_feedback_axis a = {.stride = stride};
    if (single)
        a.stride = kernel > size + padding ? kernel : size + padding;
    a.taps = (kernel + a.stride - 1) / a.stride;
    a.phases = kernel < a.stride ? kernel : a.stride;
    return a;
}

// [Co, Ci, kh, kw] as [Ci * phases, Co, taps]: tap a of phase b is tap a * stride + b; turned
// round, for the gradient comes from the other side.
static vka_tensor cut_weight(vka_graph *g, vka_tensor weight, const struct vka_feedback_axis *a)
{
    int64_t co = vka_dim(g, weight, 0), ci = vka_dim(g, weight, 1), after[4] = {0};
    static const int64_t before[4];
    for (int i = 0; i < 2; i++)
        after[2 + i] = a[i].taps * a[i].phases - vka_dim(g, weight, 2 + i);
    vka_tensor w = vka_pad(g, weight, VKA_PAD_ZEROS, before, after, 0);
    w = vka_reshape(g, w, VKA_SHAPE(co, ci, a[0].taps, a[0].phases, a[1].taps, a[1].phases));
    for (int i = 0; i < 2; i++)
        w = vka_slice_step(g, w, 2 + 2 * i, a[i].taps - 1, a[i].taps, -1);
    w = vka_permute(g, w, (const int[]){1, 3, 5, 0, 2, 4});
    return vka_reshape(g, w, VKA_SHAPE(ci * a[0].phases * a[1].phases, co, a[0].taps, a[1].taps));
}

static vka_tensor forward_conv(struct vka_scope *s, struct vka_feedback_layer *l, int index)
{
    vka_graph *g = s->g;
    if (!window_fits(s, l, index, (const int64_t[]){0, 0}))
        return 0;
    if (!l->weight) {
        l->weight = vka_weight(s, vka_name(s, "layers.%d.weight", index),
                               VKA_SHAPE(0, vka_dim(g, l->in, 1), 0, 0));
        l->bias = vka_weight(s, vka_name(s, "layers.%d.bias", index),
                             VKA_SHAPE(vka_dim(g, l->weight, 0)));
        int64_t kernel[2] = {vka_dim(g, l->weight, 2), vka_dim(g, l->weight, 3)};
        if (vka_failed(g) || !window_fits(s, l, index, kernel))
            return 0;
        for (int i = 0; i < 2; i++)
            l->axis[i] = cut_axis(vka_dim(g, l->in, 2 + i), kernel[i], l->stride, l->padding);
        l->phases = cut_weight(g, l->weight, l->axis);
    }
    struct vka_conv p = {.stride = {l->stride, l->stride},
                         .before = {l->padding, l->padding},
                         .after = {l->padding, l->padding},
                         .bias = l->bias};
    return vka_conv(g, l->gated, l->weight, &p);
}

static vka_tensor forward_linear(struct vka_scope *s, struct vka_feedback_layer *l, int index)
{
    vka_graph *g = s->g;
    vka_tensor x = vka_rank(g, l->gated) == 2 ? l->gated : vka_flatten(g, l->gated, 1, -1);
    if (!l->weight) {
        l->weight =
            vka_weight(s, vka_name(s, "layers.%d.weight", index), VKA_SHAPE(0, vka_dim(g, x, 1)));
        l->bias = vka_weight(s, vka_name(s, "layers.%d.bias", index),
                             VKA_SHAPE(vka_dim(g, l->weight, 0)));
    }
    struct vka_matmul m = {.bias = l->bias};
    return vka_matmul(g, x, vka_transpose(g, l->weight, 0, 1), &m);
}

static struct vka_pool pool_of(const struct vka_feedback_layer *l)
{
    return (struct vka_pool){
        .max = true, .kernel = {l->kernel, l->kernel}, .stride = {l->stride, l->stride}};
}

vka_tensor vka_feedback_gate(vka_graph *g, const struct vka_feedback_layer *l, vka_tensor t,
                             int act)
{
    if (!l->gate)
        return act ? vka_act(g, t, act) : t;
    enum vka_binary_kind kind = l->keyed ? VKA_PASS : VKA_MUL;
    return vka_binary_act(g, kind, l->gate, t, (struct vka_activation){act, 0, 0});
}

void vka_feedback_forward(struct vka_scope *s, struct vka_feedback_layer *l, int index)
{
    vka_graph *g = s->g;
    if (l->kind == VKA_LAYER_RELU) {
        l->out = vka_feedback_gate(g, l, l->in, VKA_ACT_RELU);
        return;
    }
    l->gated = vka_feedback_gate(g, l, l->in, VKA_ACT_NONE);
    if (l->kind == VKA_LAYER_CONV) {
        l->out = forward_conv(s, l, index);
    } else if (l->kind == VKA_LAYER_LINEAR) {
        l->out = forward_linear(s, l, index);
    } else if (window_fits(s, l, index, (const int64_t[]){l->kernel, l->kernel})) {
        struct vka_pool p = pool_of(l);
        l->out = vka_pool(g, l->gated, &p);
    }
}

// --- backward ---

// What of the gradient reaches an axis of the input: places first .. first + count - 1 of it, zeros
// around these, and where the input begins in what comes out.
struct reach {
    int64_t first, count, before, after, begin;
};

static struct reach reach_of(const struct vka_feedback_axis *a, int64_t size, int64_t padding,
                             int64_t given)
{
    int64_t low = padding / a->stride - (a->taps - 1), high = (padding + size - 1) / a->stride;
    struct reach r = {.first = low < 0 ? 0 : low, .begin = padding % a->stride};
    int64_t last = high < given ? high : given - 1;
    r.count = last - r.first + 1;
    r.before = r.first - low;
    r.after = high - last;
    return r;
}

// [N, Ci * phases, J, K] -> [N, Ci, H, W]: place j of phase b is j * stride + b; the phases without
// a tap are zeros.
static vka_tensor lay_out(vka_graph *g, vka_tensor t, const struct vka_feedback_axis *a,
                          const struct reach *r, const vka_shape *x)
{
    static const int64_t before[6];
    int64_t rows = vka_dim(g, t, 2), columns = vka_dim(g, t, 3);
    int64_t after[6] = {[3] = a[0].stride - a[0].phases, [5] = a[1].stride - a[1].phases};
    t = vka_reshape(g, t, VKA_SHAPE(x->dim[0], x->dim[1], a[0].phases, a[1].phases, rows, columns));
    t = vka_permute(g, t, (const int[]){0, 1, 4, 2, 5, 3});
    t = vka_pad(g, t, VKA_PAD_ZEROS, before, after, 0);
    t = vka_reshape(g, t,
                    VKA_SHAPE(x->dim[0], x->dim[1], rows * a[0].stride, columns * a[1].stride));
    return vka_slice(g, vka_slice(g, t, 2, r[0].begin, x->dim[2]), 3, r[1].begin, x->dim[3]);
}

static vka_tensor backward_conv(vka_graph *g, const struct vka_feedback_layer *l, vka_tensor d)
{
    vka_shape x = vka_shape_of(g, l->in);
    struct reach r[2];
    struct vka_conv p = {0};
    if (vka_failed(g))
        return 0;
    for (int i = 0; i < 2; i++) {
        r[i] = reach_of(&l->axis[i], x.dim[2 + i], l->padding, vka_dim(g, d, 2 + i));
        d = vka_slice(g, d, 2 + i, r[i].first, r[i].count);
        p.before[i] = r[i].before;
        p.after[i] = r[i].after;
    }
    return lay_out(g, vka_conv(g, d, l->phases, &p), l->axis, r, &x);
}

vka_tensor vka_feedback_backward(vka_graph *g, const struct vka_feedback_layer *l, vka_tensor d)
{
    if (l->kind == VKA_LAYER_CONV)
        return backward_conv(g, l, d);
    if (l->kind == VKA_LAYER_LINEAR)
        return vka_reshape(g, vka_matmul(g, d, l->weight, NULL), vka_shape_of(g, l->in));
    if (l->kind == VKA_LAYER_MAXPOOL) {
        struct vka_pool p = pool_of(l);
        return vka_pool_back(g, l->gated, d, &p);
    }
    return vka_binary(g, VKA_PASS, l->out, d);
}
