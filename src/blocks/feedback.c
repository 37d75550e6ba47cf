// SPDX-License-Identifier: MIT
//
// Feedback CNN: a small network runs forward, a class score runs back, and gates on the layers'
// inputs close where its influence isn't positive; again and again.
#include "blocks/feedback.h"

#include <math.h>

enum mode { PRUNING, RECOVERING, ASCENT };

struct network {
    struct vka_scope *s;
    struct vka_feedback_layer *layers;
    int count;
    enum mode mode;
    bool all; // gates on every layer's input
    double eta, lambda;
    vka_tensor target; // 0: the highest score
};

static bool is_gated(const struct network *n, const struct vka_feedback_layer *l)
{
    return n->all || l->kind == VKA_LAYER_RELU || l->kind == VKA_LAYER_MAXPOOL;
}

static vka_tensor look(struct network *n, vka_tensor x)
{
    for (int i = 0; i < n->count && !vka_failed(n->s->g); i++) {
        n->layers[i].in = x;
        vka_feedback_forward(n->s, &n->layers[i], i);
        x = n->layers[i].out;
    }
    return x;
}

// The class [N] of each sample.
static vka_tensor choose(struct network *n, vka_tensor scores)
{
    vka_graph *g = n->s->g;
    vka_tensor best = vka_argmax(g, scores, 1, false);
    if (!n->target)
        return best;
    static const int32_t zero = 0;
    vka_tensor none = vka_constant(g, VKA_I32, &(vka_shape){0}, &zero);
    return vka_where(g, vka_binary(g, VKA_GE, n->target, none), n->target, best);
}

// [N, K]: 1 at each sample's class.
static vka_tensor one_hot(vka_graph *g, vka_tensor label, int64_t classes)
{
    int32_t *number = vka_pool_alloc(g, (size_t)classes * sizeof *number);
    if (!number)
        return 0;
    for (int64_t i = 0; i < classes; i++)
        number[i] = (int32_t)i;
    vka_tensor numbers = vka_constant(g, VKA_I32, &(vka_shape){1, {classes}}, number);
    vka_tensor same = vka_binary(g, VKA_EQ, vka_unsqueeze(g, label, 1), numbers);
    return vka_cast(g, same, VKA_F32);
}

// The gradient of the classes' scores through the last layer: of a linear one a row of its weights,
// where every device can bind them.
static vka_tensor start(const struct network *n, vka_tensor label)
{
    enum { BOUND = 128 << 20 }; // bytes that Vulkan promises
    vka_graph *g = n->s->g;
    const struct vka_feedback_layer *last = &n->layers[n->count - 1];
    bool row = last->kind == VKA_LAYER_LINEAR &&
               vka_elements(g, last->weight) <= BOUND / (int64_t)sizeof(float);
    if (row)
        return vka_reshape(g, vka_gather_known(g, last->weight, label), vka_shape_of(g, last->in));
    return vka_feedback_backward(g, last, one_hot(g, label, vka_dim(g, last->out, 1)));
}

// clip(z + eta * (a * q - lambda), 0, 1)
static vka_tensor climb(const struct network *n, vka_tensor gate, vka_tensor a, vka_tensor q)
{
    vka_graph *g = n->s->g;
    struct vka_activation clip = {VKA_ACT_CLAMP, 0, 1};
    vka_tensor gain = vka_affine(g, vka_mul(g, a, q), 1, -n->lambda);
    vka_tensor step = vka_affine(g, gain, n->eta, 0);
    return vka_binary_act(g, VKA_ADD, gate ? gate : vka_constant_scalar(g, 1), step, clip);
}

// One way down from the classes; the image's gradient. Sets the gates: where alpha is positive, so
// alpha itself can stand for them.
static vka_tensor think(struct network *n, vka_tensor label)
{
    vka_graph *g = n->s->g;
    int cut = n->mode == RECOVERING ? VKA_ACT_RELU : VKA_ACT_NONE;
    vka_tensor alpha = 0;
    for (int i = n->count - 1; i >= 0 && !vka_failed(g); i--) {
        struct vka_feedback_layer *l = &n->layers[i];
        vka_tensor q = alpha ? vka_feedback_backward(g, l, alpha) : start(n, label);
        alpha = q;
        if (!is_gated(n, l))
            continue;
        if (n->mode == ASCENT) {
            alpha = vka_feedback_gate(g, l, q, VKA_ACT_NONE);
            l->gate = climb(n, l->gate, l->in, q);
            continue;
        }
        if (l->kind != VKA_LAYER_RELU) // which gave 0 where its gate is closed, and passes 0 there
            alpha = vka_feedback_gate(g, l, q, cut);
        else if (cut)
            alpha = vka_act(g, q, cut);
        l->gate = alpha;
        l->keyed = true;
        if (i == 0) // the only gradient cut by the new gates that goes out
            alpha = vka_act(g, alpha, VKA_ACT_RELU);
    }
    return alpha;
}

// The largest |y| of a pixel's channels over the largest of the map.
static vka_tensor saliency_of(vka_graph *g, vka_tensor y)
{
    vka_tensor size = vka_reduce(g, VKA_REDUCE_MAX, vka_act(g, y, VKA_ACT_ABS), 1u << 1, false);
    vka_tensor top = vka_reduce(g, VKA_REDUCE_MAX, size, 1u << 1 | 1u << 2, true);
    vka_tensor any = vka_binary(g, VKA_GT, top, vka_constant_scalar(g, 0));
    return vka_div(g, size, vka_where(g, any, top, vka_constant_scalar(g, 1)));
}

// What the layer's gate is in numbers.
static vka_tensor gate_of(vka_graph *g, const struct vka_feedback_layer *l)
{
    vka_tensor one = vka_constant_scalar(g, 1);
    vka_tensor ones = vka_broadcast_to(g, one, vka_shape_of(g, l->gate));
    return l->keyed ? vka_binary(g, VKA_PASS, l->gate, ones) : l->gate;
}

static bool read(struct network *n)
{
    struct vka_scope *s = n->s;
    n->mode = vka_is(s, "mode", "fr") ? RECOVERING : vka_is(s, "mode", "ascent") ? ASCENT : PRUNING;
    n->all = vka_is(s, "gate_at", "all");
    n->eta = vka_get_double(s, "eta");
    n->lambda = vka_get_double(s, "lambda");
    if (n->mode == ASCENT && isnan(n->eta))
        vka_scope_fail(s, "attribute 'eta' (float) is missing: the mode 'ascent' steps by it");
    if (!vka_failed(s->g))
        n->count = vka_feedback_layers(s, &n->layers);
    return n->count > 0;
}

static bool check(struct network *n, vka_tensor x, vka_tensor scores)
{
    vka_graph *g = n->s->g;
    char text[VKA_SHAPE_TEXT];
    vka_shape shape = vka_shape_of(g, scores);
    if (vka_failed(g))
        return false;
    if (shape.rank != 2)
        return vka_scope_fail(n->s, "the last layer must give [N, K], but gives %s",
                              vka_shape_text(&shape, text)),
               false;
    if (!n->target || !vka_expect(n->s, "target", n->target, VKA_SHAPE(vka_dim(g, x, 0))))
        return !vka_failed(g);
    vka_check_range(g, n->target, -1, shape.dim[1] - 1, "target");
    return !vka_failed(g);
}

static void build(struct vka_scope *s)
{
    vka_graph *g = s->g;
    struct network n = {.s = s, .target = vka_in(s, "target")};
    vka_tensor x = vka_in(s, "x"), scores = 0, y = 0;
    if (!vka_expect_rank(s, "x", x, 4, 4) || !read(&n))
        return;
    int64_t rounds = vka_get_int(s, "iterations");
    vka_tensor *labels = vka_pool_alloc(g, (size_t)rounds * sizeof *labels);
    for (int64_t i = 0; i < rounds && !vka_failed(g); i++) {
        scores = look(&n, x);
        if (i == 0 && !check(&n, x, scores))
            return;
        vka_tensor label = choose(&n, scores);
        labels[i] = vka_unsqueeze(g, label, 1);
        y = think(&n, label);
    }
    if (vka_failed(g))
        return;
    vka_give(s, "y", y);
    vka_give(s, "saliency", saliency_of(g, y));
    vka_give(s, "scores", scores);
    vka_give(s, "labels", vka_concat(g, 1, (int)rounds, labels));
    for (int i = 0; i < n.count; i++) {
        if (is_gated(&n, &n.layers[i]))
            vka_give(s, vka_name(s, "gate%d", i), gate_of(g, &n.layers[i]));
    }
}

static const vka_attr_info attrs[] = {
    {"layers", "list of object", NULL, "",
     "{\"type\": \"conv\", \"stride\": 1, \"padding\": 0}, {\"type\": \"relu\"}, "
     "{\"type\": \"maxpool\", \"kernel\": k, \"stride\": k}, {\"type\": \"linear\"}"},
    {"iterations", "int", "4", "1..1000", "rounds of forward and backward"},
    {"mode", "string", "\"fsp\"", "fsp|fr|ascent",
     "selective pruning, recovering, or relaxed gates that climb"},
    {"gate_at", "string", "\"all\"", "all|select",
     "gates on every layer's input, or on those of relu and maxpool"},
    {"eta", "float or null", "null", "", "ascent: step; required there"},
    {"lambda", "float", "0.0", "", "ascent: weight of sparsity"},
    {0},
};
static const vka_port_info inputs[] = {
    {"x", "[N, C, H, W]", "f32", "", "image"},
    {"target", "[N]", "i32", "optional", "class; absent or -1: the highest score of each round"},
    {0},
};
static const vka_weight_info weights[] = {
    {"layers.{i}.weight", "[Co, Ci, kh, kw] or [out, in]", "f32", "conv, linear", ""},
    {"layers.{i}.bias", "[Co] or [out]", "f32", "conv, linear", ""},
    {0},
};
static const vka_port_info outputs[] = {
    {"y", "[N, C, H, W]", "f32", "", "image gradient of the last round"},
    {"saliency", "[N, H, W]", "f32", "", "largest |y| of the channels over the map's"},
    {"scores", "[N, K]", "f32", "", "of the last round"},
    {"labels", "[N, iterations]", "i32", "", "class of each round"},
    {"gate{i}", "of layer i's input", "f32", "gated layers", "after the last round"},
    {0},
};

const struct vka_block_row vka_block_rows_feedback[] = {
    {{"feedback", "Feedback CNN: iterative top-down gating of hidden neurons",
      "Cao, Liu, Yang, Yu, Wang, Wang, Huang, Wang, Huang, Xu, Ramanan, Huang: Look and Think "
      "Twice, ICCV 2015",
      attrs, inputs, weights, outputs,
      "{\"attrs\": {\"layers\": [{\"type\": \"conv\", \"padding\": 1}, {\"type\": \"relu\"}, "
      "{\"type\": \"maxpool\", \"kernel\": 2}, {\"type\": \"conv\", \"padding\": 1}, "
      "{\"type\": \"relu\"}, {\"type\": \"maxpool\", \"kernel\": 2}, {\"type\": \"linear\"}]}, "
      "\"shapes\": {\"x\": [1, 3, 64, 64], \"w.layers.0.weight\": [32, 3, 3, 3], "
      "\"w.layers.3.weight\": [64, 32, 3, 3], \"w.layers.6.weight\": [1000, 16384]}}"},
     build},
    {.build = NULL},
};
