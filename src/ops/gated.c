// SPDX-License-Identifier: MIT
//
// gated: a map times, or plus, a number for each channel of each image that a last small layer
// gives. On devices the layer's dispatch goes: whoever scales a part of a channel finds the
// channel's number itself. Elsewhere it is its definition, a product and an elementwise step.
#include "gated.h" // push constants
#include "ops/infer.h"
#include "ops/ops.h"
#include "ops/rows.h"
#include "util/whole.h"

struct params {
    struct vka_activation act;
    double eps;
    bool adds, slides, norm;
};

enum { X, V, WEIGHT, BIAS, SCALE, SHIFT, INPUTS };
enum { Y, GATE };

vka_tensor vka_gated(vka_graph *g, vka_tensor x, const struct vka_gate *gate, vka_tensor *made)
{
    struct params params = {gate->act, gate->eps, gate->adds, gate->slides, gate->norm};
    const vka_tensor in[INPUTS] = {x, gate->v, gate->weight, gate->bias, gate->scale, gate->shift};
    vka_tensor out[VKA_MAX_OUT] = {0};
    vka_add_node(g, &vka_op_gated, &params, INPUTS, in, out);
    *made = out[GATE];
    return out[Y];
}

// --- shapes ---

static bool fail_shapes(struct vka_infer *n, const char *what)
{
    char x[VKA_SHAPE_TEXT], v[VKA_SHAPE_TEXT], weight[VKA_SHAPE_TEXT];
    vka_fail(n->g, "gated: %s: x is %s, v %s, the weight %s", what,
             vka_shape_text(&n->in[X]->shape, x), vka_shape_text(&n->in[V]->shape, v),
             vka_shape_text(&n->in[WEIGHT]->shape, weight));
    return false;
}

static bool infer_sizes(struct vka_infer *n, int64_t channels)
{
    const struct params *p = n->params;
    const vka_shape *x = &n->in[X]->shape, *v = &n->in[V]->shape, *w = &n->in[WEIGHT]->shape;
    if (v->dim[0] != x->dim[0] || w->dim[0] != channels)
        return fail_shapes(n, "v must have a row for each image, the weight one for each channel");
    if (!p->slides && v->dim[1] != w->dim[1])
        return fail_shapes(n, "rows of v and of the weight must be of one size");
    if (p->slides && (v->dim[1] != channels || w->dim[1] % 2 == 0))
        return fail_shapes(n, "odd taps slide along a v of as many columns as there are channels");
    if (p->slides && p->norm)
        return fail_shapes(n, "taps don't slide along what is normalized");
    return true;
}

static bool infer(struct vka_infer *n)
{
    for (int i = 0; i < INPUTS; i++) {
        if ((i <= WEIGHT || n->in[i]) && !vka_infer_type(n, "gated", i, VKA_F32))
            return false;
    }
    const vka_shape *x = &n->in[X]->shape, *w = &n->in[WEIGHT]->shape;
    if (x->rank < 2 || n->in[V]->shape.rank != 2 || w->rank != 2)
        return fail_shapes(n, "[N, C, ...], [N, K] and [C, K] go");
    vka_shape channels = VKA_SHAPE(x->dim[1]), taps = VKA_SHAPE(w->dim[1]);
    n->n_out = 2;
    n->out_shape[Y] = *x;
    n->out_shape[GATE] = VKA_SHAPE(x->dim[0], x->dim[1]);
    return infer_sizes(n, x->dim[1]) && vka_infer_fits(n, "gated", BIAS, "the bias", &channels) &&
           vka_infer_fits(n, "gated", SCALE, "the norm's scale", &taps) &&
           vka_infer_fits(n, "gated", SHIFT, "the norm's shift", &taps);
}

// --- the definition ---

// act(the sum over k of v[n, c + k - before] weight[c, k] + bias[c]): a product a channel with what
// a window shows it, which moves by one.
static vka_tensor slid(vka_graph *g, const struct vka_op_node *node, struct vka_activation act)
{
    vka_tensor v = node->in[V], weight = node->in[WEIGHT];
    int64_t images = vka_dim(g, v, 0), channels = vka_dim(g, v, 1), taps = vka_dim(g, weight, 1);
    const int64_t around[] = {0, (taps - 1) / 2};
    if (vka_value_of(g, weight)->stride[0] == 0 || channels == 1) { // one kernel for all
        struct vka_conv conv = {.before = {around[1]}, .after = {around[1]}, .act = act};
        weight = vka_unsqueeze(g, vka_slice(g, weight, 0, 0, 1), 1);
        if (node->in[BIAS])
            conv.residual =
                vka_dense(g, vka_broadcast_to(g, node->in[BIAS], VKA_SHAPE(images, 1, channels)));
        return vka_squeeze(g, vka_conv(g, vka_unsqueeze(g, v, 1), weight, &conv), 1);
    }
    vka_tensor padded = vka_pad(g, v, VKA_PAD_ZEROS, around, around, 0);
    vka_tensor windows = vka_strided(g, padded, VKA_SHAPE(images, channels, taps),
                                     (const int64_t[]){channels + taps - 1, 1, 1}, 0);
    vka_tensor sum = vka_reduce(g, VKA_REDUCE_SUM, vka_mul(g, windows, weight), 1u << 2, false);
    return node->in[BIAS] ? vka_binary_act(g, VKA_ADD, sum, node->in[BIAS], act)
                          : vka_unary(g, sum, act);
}

static vka_tensor define_gate(vka_graph *g, const struct vka_op_node *node)
{
    const struct params *p = node->params;
    vka_tensor v = node->in[V];
    if (p->slides)
        return slid(g, node, p->act);
    if (p->norm)
        v = vka_act(g, vka_norm(g, v, 1u << 1, p->eps, node->in[SCALE], node->in[SHIFT]),
                    VKA_ACT_RELU);
    struct vka_matmul m = {.bias = node->in[BIAS], .act = p->act};
    return vka_matmul(g, v, vka_transpose(g, node->in[WEIGHT], 0, 1), &m);
}

static void expand(vka_graph *g, const struct vka_op_node *node, vka_tensor out[VKA_MAX_OUT])
{
    const struct params *p = node->params;
    vka_tensor gate = define_gate(g, node), x = node->in[X], spread = gate;
    out[GATE] = gate;
    while (vka_rank(g, spread) < vka_rank(g, x) && !vka_failed(g))
        spread = vka_unsqueeze(g, spread, -1);
    if (node->out[Y])
        out[Y] = vka_binary(g, p->adds ? VKA_ADD : VKA_MUL, x, spread);
}

static double flops(const struct vka_args *args)
{
    const struct vka_array *x = &args->in[X], *w = &args->in[WEIGHT];
    return (double)vka_array_count(x) +
           2.0 * (double)x->dim[0] * (double)x->dim[1] * (double)w->dim[1];
}

// --- Vulkan ---

enum { GROUP = 128, MOST_EACH = 16, PROGRAM_LANES = 8, PROGRAM_EACH = 512, BUFFERS = 8 };

// How a map is cut: lanes for a row, rows of a workgroup, and columns of a part, by fours or not.
struct cut {
    bool fours;
    int64_t columns, part, parts;
    uint32_t lanes, rows;
};

// The elements of a channel, or -1 where they don't lie one behind the other.
static int64_t columns_of(const struct vka_array *x)
{
    int64_t columns = 1;
    for (int i = x->rank - 1; i > 1; i--) {
        if (x->dim[i] > 1 && x->stride[i] != columns)
            return -1;
        columns *= x->dim[i];
    }
    return columns;
}

static bool in_fours(const struct vka_array *x, int64_t columns)
{
    bool fits = columns % 4 == 0 && x->offset % 4 == 0;
    for (int i = 0; i < 2; i++)
        fits &= x->dim[i] == 1 || x->stride[i] % 4 == 0;
    return fits;
}

static struct cut cut_of(const struct vka_limits *limits, const struct vka_args *args)
{
    int64_t columns = columns_of(&args->in[X]), each = MOST_EACH;
    struct cut c = {.fours = in_fours(&args->in[X], columns), .lanes = GROUP, .rows = 1};
    c.columns = c.fours ? columns / 4 : columns;
    if (limits->is_cpu) {
        c.lanes = PROGRAM_LANES;
        each = PROGRAM_EACH;
    }
    for (; !limits->is_cpu && c.lanes > PROGRAM_LANES && c.lanes / 2 >= c.columns; c.lanes /= 2)
        c.rows *= 2;
    c.parts = vka_divide_up(c.columns, each * c.lanes);
    c.part = vka_round_up(vka_divide_up(c.columns, c.parts), c.lanes);
    c.parts = vka_divide_up(c.columns, c.part);
    return c;
}

// A gate is found anew for each part of its row, so that the row must be worth it: as long as the
// sum; less so for a single image, where a product would read each weight but once, too.
static bool fits(const struct vka_limits *limits, const struct vka_args *args)
{
    const struct vka_array *x = &args->in[X];
    int64_t columns = columns_of(x), taps = args->in[WEIGHT].dim[1];
    return limits->storage_buffers >= BUFFERS && vka_present(&args->out[Y]) && columns > 0 &&
           taps <= (x->dim[0] == 1 ? 8 * columns : columns);
}

static uint32_t flags_of(const struct vka_args *args)
{
    const struct params *p = args->params;
    return (vka_present(&args->in[BIAS]) ? GATED_BIAS : 0u) | (p->adds ? GATED_ADDS : 0u) |
           (p->norm ? GATED_NORM : 0u) | (vka_present(&args->in[SCALE]) ? GATED_SCALE : 0u) |
           (vka_present(&args->in[SHIFT]) ? GATED_SHIFT : 0u) |
           (vka_present(&args->out[GATE]) ? GATED_WRITE : 0u);
}

static uint last_stride(const struct vka_array *a)
{
    return vka_present(a) && a->rank > 0 && a->dim[a->rank - 1] > 1 ? (uint)a->stride[a->rank - 1]
                                                                    : 0;
}

static struct vka_push_gated push_of(const struct vka_args *args, const struct cut *c)
{
    const struct params *p = args->params;
    const struct vka_array *x = &args->in[X], *v = &args->in[V], *w = &args->in[WEIGHT];
    struct vka_push_gated push = {.rows = (uint)(x->dim[0] * x->dim[1]),
                                  .channels = (uint)x->dim[1],
                                  .columns = (uint)c->columns,
                                  .part = (uint)c->part,
                                  .parts = (uint)c->parts,
                                  .taps = (uint)w->dim[1],
                                  .slides = p->slides,
                                  .before = p->slides ? (uint)(w->dim[1] - 1) / 2 : 0,
                                  .limit = (uint)v->dim[1],
                                  .bias_stride = last_stride(&args->in[BIAS]),
                                  .scale_stride = last_stride(&args->in[SCALE]),
                                  .shift_stride = last_stride(&args->in[SHIFT]),
                                  .act_a = p->act.a,
                                  .act_b = p->act.b,
                                  .eps = (float)p->eps};
    for (int i = 0; i < 2; i++) {
        push.x_stride[i] = (uint)x->stride[i];
        push.v_stride[i] = (uint)v->stride[i];
        push.weight_stride[i] = (uint)w->stride[i];
    }
    return push;
}

static void launch(struct vka_launch *l, const struct vka_args *args)
{
    const struct params *p = args->params;
    struct cut c = cut_of(vka_launch_limits(l), args);
    struct vka_push_gated push = push_of(args, &c);
    struct vka_dispatch d;
    int64_t taps = vka_divide_up(args->in[WEIGHT].dim[1], c.lanes);
    vka_launch_most(l, "channels of gated", args->in[X].dim[0] * args->in[X].dim[1], INT32_MAX);
    vka_begin(l, &d, c.fours ? "gated_fours" : "gated", c.lanes * c.rows, 1, 1);
    vka_constant_u32(&d, c.lanes);
    vka_constant_u32(&d, flags_of(args));
    vka_constant_u32(&d, (uint32_t)p->act.kind);
    push.x = vka_bind(l, &d, &args->in[X], VKA_READ);
    push.v = vka_bind(l, &d, &args->in[V], VKA_READ);
    push.weight = vka_bind(l, &d, &args->in[WEIGHT], VKA_READ);
    push.bias = vka_bind(l, &d, &args->in[BIAS], VKA_READ);
    push.y = vka_bind(l, &d, &args->out[Y], VKA_WRITE);
    push.gate = vka_bind(l, &d, &args->out[GATE], VKA_WRITE);
    push.scale = vka_bind(l, &d, &args->in[SCALE], VKA_READ);
    push.shift = vka_bind(l, &d, &args->in[SHIFT], VKA_READ);
    VKA_PUSH(&d, push);
    vka_turns(&d, (double)(taps * (p->norm ? 3 : 1) + c.part / c.lanes), "a row and its gate");
    vka_emit(l, &d, (uint64_t)(vka_divide_up(push.rows, c.rows) * c.parts), 1, 1);
}

static const struct vka_variant variants[] = {{"baseline", fits, launch}, {0}};

const struct vka_op vka_op_gated = {
    .name = "gated",
    .summary = "a map times or plus a number a channel that a last layer gives",
    .params_size = sizeof(struct params),
    .flags = VKA_OP_STRIDED | VKA_OP_IN_PLACE | VKA_OP_FUSED,
    .infer = infer,
    .flops = flops,
    .variants = variants,
    .expand = expand,
};
