// SPDX-License-Identifier: MIT
//
// channel_pool: of a map whose channels are gated by what a perceptron makes of descriptors, the
// largest of a position's channels and their mean, as CBAM's spatial half reads them. On GPUs the
// perceptron's dispatches go: whoever pools some positions finds the gates itself. Elsewhere it is
// its definition.
#include "channel_pool.h" // push constants
#include "ops/infer.h"
#include "ops/ops.h"
#include "util/whole.h"

enum { X, V, FIRST, FIRST_BIAS, LAST, LAST_BIAS, INPUTS };
enum { Y, GATE };

vka_tensor vka_channel_pool(vka_graph *g, vka_tensor x, const struct vka_perceptron *gate,
                            vka_tensor *made)
{
    const vka_tensor in[INPUTS] = {x,          gate->v,        gate->first, gate->first_bias,
                                   gate->last, gate->last_bias};
    vka_tensor out[VKA_MAX_OUT] = {0};
    vka_add_node(g, &vka_op_channel_pool, NULL, INPUTS, in, out);
    *made = out[GATE];
    return out[Y];
}

// --- shapes ---

static bool fail_shapes(struct vka_infer *n, const char *what)
{
    char x[VKA_SHAPE_TEXT], v[VKA_SHAPE_TEXT], first[VKA_SHAPE_TEXT], last[VKA_SHAPE_TEXT];
    vka_fail(n->g, "channel_pool: %s: x is %s, v %s, the layers %s and %s", what,
             vka_shape_text(&n->in[X]->shape, x), vka_shape_text(&n->in[V]->shape, v),
             vka_shape_text(&n->in[FIRST]->shape, first),
             vka_shape_text(&n->in[LAST]->shape, last));
    return false;
}

// One number a unit: none is repeated.
static bool infer_bias(struct vka_infer *n, int bias, int64_t units)
{
    vka_shape whole = VKA_SHAPE(units);
    char got[VKA_SHAPE_TEXT], text[VKA_SHAPE_TEXT];
    if (!n->in[bias] || vka_shape_equal(&n->in[bias]->shape, &whole))
        return true;
    vka_fail(n->g, "channel_pool: %s bias is %s, it must be %s",
             bias == FIRST_BIAS ? "the first" : "the last",
             vka_shape_text(&n->in[bias]->shape, got), vka_shape_text(&whole, text));
    return false;
}

static bool infer(struct vka_infer *n)
{
    for (int i = 0; i < INPUTS; i++) {
        bool needed = i != FIRST_BIAS && i != LAST_BIAS;
        if ((needed || n->in[i]) && !vka_infer_type(n, "channel_pool", i, VKA_F32))
            return false;
    }
    const vka_shape *x = &n->in[X]->shape, *v = &n->in[V]->shape;
    const vka_shape *first = &n->in[FIRST]->shape, *last = &n->in[LAST]->shape;
    if (x->rank != 4 || v->rank != 3 || first->rank != 2 || last->rank != 2)
        return fail_shapes(n, "[N, C, H, W], [N, M, C], [K, C] and [C, K] go");
    if (v->dim[0] != x->dim[0] || v->dim[2] != x->dim[1] || first->dim[1] != x->dim[1] ||
        last->dim[0] != x->dim[1] || last->dim[1] != first->dim[0])
        return fail_shapes(n, "images, channels and hidden units must be as many everywhere");
    n->n_out = 2;
    n->out_shape[Y] = VKA_SHAPE(x->dim[0], 2, x->dim[2], x->dim[3]);
    n->out_shape[GATE] = VKA_SHAPE(x->dim[0], x->dim[1]);
    return infer_bias(n, FIRST_BIAS, first->dim[0]) && infer_bias(n, LAST_BIAS, x->dim[1]);
}

// --- the definition ---

// The perceptron runs once a descriptor: its last bias enters each time, and its last layer's sums
// are one sum along the hidden units of all.
struct vka_gate vka_perceptron_gate(vka_graph *g, const struct vka_perceptron *p)
{
    int64_t images = vka_dim(g, p->v, 0), times = vka_dim(g, p->v, 1);
    int64_t hidden = vka_dim(g, p->first, 0), channels = vka_dim(g, p->last, 0);
    struct vka_gate gate = {.bias = p->last_bias, .act = {VKA_ACT_SIGMOID, 0, 0}};
    struct vka_matmul first = {.bias = p->first_bias, .act = {VKA_ACT_RELU, 0, 0}};
    vka_tensor units = vka_matmul(g, p->v, vka_transpose(g, p->first, 0, 1), &first);
    vka_tensor repeated =
        vka_broadcast_to(g, vka_unsqueeze(g, p->last, 1), VKA_SHAPE(channels, times, hidden));
    gate.v = vka_reshape(g, units, VKA_SHAPE(images, times * hidden));
    gate.weight = vka_reshape(g, repeated, VKA_SHAPE(channels, times * hidden));
    if (times > 1 && gate.bias)
        gate.bias = vka_affine(g, gate.bias, (double)times, 0);
    return gate;
}

static vka_tensor define_gate(vka_graph *g, const struct vka_op_node *node)
{
    struct vka_perceptron p = {node->in[V], node->in[FIRST], node->in[FIRST_BIAS], node->in[LAST],
                               node->in[LAST_BIAS]};
    struct vka_gate gate = vka_perceptron_gate(g, &p);
    struct vka_matmul layer = {.bias = gate.bias, .act = gate.act};
    return vka_matmul(g, gate.v, vka_transpose(g, gate.weight, 0, 1), &layer);
}

static void expand(vka_graph *g, const struct vka_op_node *node, vka_tensor out[VKA_MAX_OUT])
{
    vka_tensor gate = out[GATE] = define_gate(g, node);
    if (node->out[Y])
        out[Y] =
            vka_mean_max_stacked(g, node->in[X], vka_unsqueeze(g, vka_unsqueeze(g, gate, -1), -1),
                                 1u << 1, VKA_STACK_MAX_MEAN);
}

static double flops(const struct vka_args *args)
{
    const struct vka_array *x = &args->in[X], *v = &args->in[V];
    double layer = 2.0 * (double)vka_array_count(&args->in[FIRST]);
    return 3.0 * (double)vka_array_count(x) + layer * (double)(x->dim[0] * (v->dim[1] + 1));
}

// --- Vulkan ---

enum { BUFFERS = 8, WIDE = 32, FEW_LANES = 128, MANY_LANES = 256 };
enum { MOST_TERMS = 128, MOST_CHANNELS = 1024, LEAST_ROOM = 64 };

static uint32_t lanes_of(const struct vka_limits *limits)
{
    bool many =
        limits->max_invocations >= MANY_LANES && limits->max_group_size[1] >= MANY_LANES / WIDE;
    return many ? MANY_LANES : FEW_LANES;
}

// Each workgroup reads both layers, from a cache, where separate dispatches would have read them
// once. A lane's share of 48 terms ([1, 256, 56, 56] with 16 hidden units: 32 KiB, 98 workgroups)
// is two microseconds or so of waiting for a second-level cache, and saves two dispatches with
// their barriers, of 3 to 5 each; at MOST_TERMS nothing would be left of that. Programs don't wait:
// they do the sums once.
static bool fits(const struct vka_limits *limits, const struct vka_args *args)
{
    int64_t channels = args->in[X].dim[1], hidden = args->in[FIRST].dim[0];
    double terms = (double)hidden * (double)channels * ((double)args->in[V].dim[1] + 1);
    uint32_t lanes = lanes_of(limits);
    return !limits->is_cpu && limits->storage_buffers >= BUFFERS && vka_present(&args->out[Y]) &&
           vka_present(&args->out[GATE]) && channels <= MOST_CHANNELS && hidden <= lanes &&
           terms <= (double)MOST_TERMS * lanes;
}

static void bind(struct vka_launch *l, struct vka_dispatch *d, const struct vka_args *args,
                 struct vka_push_channel_pool *push)
{
    push->x = vka_bind(l, d, &args->in[X], VKA_READ);
    push->v = vka_bind(l, d, &args->in[V], VKA_READ);
    push->first = vka_bind(l, d, &args->in[FIRST], VKA_READ);
    push->first_bias = vka_bind(l, d, &args->in[FIRST_BIAS], VKA_READ);
    push->last = vka_bind(l, d, &args->in[LAST], VKA_READ);
    push->last_bias = vka_bind(l, d, &args->in[LAST_BIAS], VKA_READ);
    push->y = vka_bind(l, d, &args->out[Y], VKA_WRITE);
    push->gate = vka_bind(l, d, &args->out[GATE], VKA_WRITE);
}

static void launch(struct vka_launch *l, const struct vka_args *args)
{
    const struct vka_array *x = &args->in[X];
    int64_t images = x->dim[0], channels = x->dim[1], positions = x->dim[2] * x->dim[3];
    int64_t hidden = args->in[FIRST].dim[0], times = args->in[V].dim[1];
    uint32_t lanes = lanes_of(vka_launch_limits(l)), room = LEAST_ROOM, sharers = lanes;
    while (room < channels) // so that maps of other sizes may share a pipeline
        room *= 2;
    while (sharers * hidden > lanes)
        sharers /= 2;
    struct vka_push_channel_pool push = {.blocks = (uint)vka_divide_up(positions, WIDE),
                                         .channels = (uint)channels,
                                         .positions = (uint)positions,
                                         .hidden = (uint)hidden,
                                         .descriptors = (uint)times,
                                         .scale = (float)(1.0 / (double)channels)};
    struct vka_dispatch d;
    vka_launch_most(l, "elements of channel_pool", vka_array_count(x), INT32_MAX);
    push.groups = (uint)images * push.blocks;
    vka_begin(l, &d, "channel_pool", WIDE, lanes / WIDE, 1);
    vka_constant_u32(&d, room);
    vka_constant_u32(&d, sharers);
    vka_constant_u32(&d, vka_present(&args->in[FIRST_BIAS]));
    vka_constant_u32(&d, vka_present(&args->in[LAST_BIAS]));
    bind(l, &d, args, &push);
    VKA_PUSH(&d, push);
    vka_turns(&d,
              (double)times * (double)(vka_divide_up(channels, sharers) + 16) +
                  (double)vka_divide_up(channels, lanes) * (double)(hidden + 2) +
                  (double)vka_divide_up(channels, lanes / WIDE),
              "the gates");
    vka_emit(l, &d, push.groups, 1, 1);
}

static const struct vka_variant variants[] = {{"baseline", fits, launch}, {0}};

const struct vka_op vka_op_channel_pool = {
    .name = "channel_pool",
    .summary = "largest and mean of the channels of a map that a perceptron gates",
    .flags = VKA_OP_FUSED,
    .infer = infer,
    .flops = flops,
    .variants = variants,
    .expand = expand,
};
