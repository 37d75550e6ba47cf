// SPDX-License-Identifier: MIT
//
// Global Context: one attention map pools the whole map into a context, which is transformed and
// fused into every position.
#include "blocks/nn.h"

// What the context is made of; the map of attention that pools it stays unmade unless it is asked
// for. Its bias moves all logits, which a softmax doesn't see.
struct context {
    vka_tensor positions, query; // 0: the mean
    vka_tensor value;            // [N, C]
};

static struct context pool_context(struct vka_scope *s, vka_tensor x)
{
    vka_graph *g = s->g;
    struct context c = {0};
    if (vka_is(s, "pooling", "avg")) {
        c.value = vka_reduce(g, VKA_REDUCE_MEAN, x, 1u << 2 | 1u << 3, false);
        return c;
    }
    int64_t channels = vka_dim(g, x, 1);
    struct vka_kernel mask = vka_kernel_of(s, "conv_mask", 1, channels, VKA_BIAS);
    c.positions = vka_flatten(g, x, 2, 3); // [N, C, P]
    c.query = vka_reshape(g, mask.weight, VKA_SHAPE(channels));
    c.value = vka_focus(g, c.positions, c.query, 0, 0);
    vka_tensor logits = vka_matmul(g, mask.weight, c.positions, NULL); // [N, 1, P]
    vka_shape map = vka_shape_of(g, x);
    map.dim[1] = 1;
    vka_give(s, "attn", vka_reshape(g, vka_softmax(g, logits, NULL), map));
    return c;
}

// The first layer of a context that isn't needed itself goes along with the pooling.
static vka_tensor squeeze(struct vka_scope *s, const struct context *c, struct vka_kernel first,
                          bool alone)
{
    vka_graph *g = s->g;
    if (alone && c->query)
        return vka_focus(g, c->positions, c->query, first.weight, first.bias);
    struct vka_matmul layer = {.bias = first.bias};
    return vka_matmul(g, c->value, vka_transpose(g, first.weight, 0, 1), &layer);
}

// y with a term for each channel multiplied in ("channel_mul") or added ("channel_add"); `alone`:
// the other isn't.
static vka_tensor fuse(struct vka_scope *s, vka_tensor y, const struct context *context,
                       const char *name, int64_t planes, bool adds, bool alone)
{
    int64_t channels = vka_dim(s->g, y, 1);
    vka_shape size = VKA_SHAPE(planes);
    struct vka_kernel first =
        vka_kernel_of(s, vka_name(s, "%s.fc1", name), planes, channels, VKA_BIAS);
    vka_tensor term, v = squeeze(s, context, first, alone);
    vka_tensor scale = vka_weight(s, vka_name(s, "%s.ln.weight", name), size);
    vka_tensor shift = vka_weight(s, vka_name(s, "%s.ln.bias", name), size);
    struct vka_kernel second =
        vka_kernel_of(s, vka_name(s, "%s.fc2", name), channels, planes, VKA_BIAS);
    struct vka_gate gate = {.v = v,
                            .weight = second.weight,
                            .bias = second.bias,
                            .act = {adds ? VKA_ACT_NONE : VKA_ACT_SIGMOID, 0, 0},
                            .norm = true,
                            .eps = vka_get_double(s, "ln_eps"),
                            .scale = scale,
                            .shift = shift,
                            .adds = adds};
    y = vka_gated(s->g, y, &gate, &term);
    vka_give(s, adds ? "add_term" : "mul_term", term);
    return y;
}

static void build(struct vka_scope *s)
{
    vka_graph *g = s->g;
    vka_tensor x = vka_in(s, "x");
    if (!vka_expect_rank(s, "x", x, 4, 4))
        return;
    int64_t planes = vka_get_int(s, "planes");
    if (planes == 0)
        planes = (int64_t)((double)vka_dim(g, x, 1) * vka_get_double(s, "ratio"));
    bool mul = vka_list_has(s, "fusion", "channel_mul"),
         add = vka_list_has(s, "fusion", "channel_add");
    if (planes < 1) {
        vka_scope_fail(s, "%lld channels with ratio %g leave a bottleneck of no width",
                       (long long)vka_dim(g, x, 1), vka_get_double(s, "ratio"));
        return;
    }
    if (!mul && !add) {
        vka_scope_fail(s, "attribute 'fusion' is empty");
        return;
    }
    struct context context = pool_context(s, x);
    vka_tensor y = x;
    vka_give(s, "context", context.value);
    if (mul)
        y = fuse(s, y, &context, "channel_mul", planes, false, !add);
    if (add)
        y = fuse(s, y, &context, "channel_add", planes, true, !mul);
    vka_give(s, "y", y);
}

static const vka_attr_info attrs[] = {
    {"ratio", "float", "0.0625", "0..1000000", "bottleneck width is trunc(C * ratio)"},
    {"planes", "int", "0", ">= 0", "bottleneck width itself; 0: derive it"},
    {"pooling", "string", "\"att\"", "att|avg", "attention pooling or global average"},
    {"fusion", "list of string", "[\"channel_add\"]", "channel_add|channel_mul",
     "one or both; multiplication comes first"},
    {"ln_eps", "float", "1e-5", "> 0", ""},
    {0},
};
static const vka_port_info inputs[] = {
    {"x", "[N, C, H, W]", "f32", "", "feature map"},
    {0},
};
#define TRANSFORM(f)                                                                               \
    {f ".fc1.weight", "[P, C]", "f32", f, f "_conv.0.weight"},                                     \
        {f ".fc1.bias", "[P]", "f32", f, f "_conv.0.bias"},                                        \
        {f ".ln.weight", "[P]", "f32", f, f "_conv.1.weight"},                                     \
        {f ".ln.bias", "[P]", "f32", f, f "_conv.1.bias"},                                         \
        {f ".fc2.weight", "[C, P]", "f32", f, f "_conv.3.weight"},                                 \
    {                                                                                              \
        f ".fc2.bias", "[C]", "f32", f, f "_conv.3.bias"                                           \
    }
static const vka_weight_info weights[] = {
    {"conv_mask.weight", "[1, C, 1, 1]", "f32", "pooling att", "conv_mask.weight"},
    {"conv_mask.bias", "[1]", "f32", "pooling att", "conv_mask.bias"},
    TRANSFORM("channel_add"),
    TRANSFORM("channel_mul"),
    {0},
};
static const vka_port_info outputs[] = {
    {"y", "[N, C, H, W]", "f32", "", "result"},
    {"context", "[N, C]", "f32", "", "pooled context"},
    {"attn", "[N, 1, H, W]", "f32", "pooling att", "attention map, sums to 1"},
    {"add_term", "[N, C]", "f32", "channel_add", "what is added"},
    {"mul_term", "[N, C]", "f32", "channel_mul", "gate in (0, 1)"},
    {0},
};

const struct vka_block_row vka_block_rows_gc[] = {
    {{"gc", "Global Context: one attention map pools a context that is fused into every position",
      "Cao, Xu, Lin, Wei, Hu: GCNet, ICCV 2019 workshops, arXiv 1904.11492", attrs, inputs, weights,
      outputs, "{\"shapes\": {\"x\": [1, 256, 56, 56]}}"},
     build},
    {.build = NULL},
};
