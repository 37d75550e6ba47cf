// SPDX-License-Identifier: MIT
//
// relu_pairs: the sum over all j of relu(u[i] + w[j]) times v[:, j], for every i. The weights of
// all pairs are made a block at a time and never stored.
#include "cpu/kernels.h"
#include "cpu/threads.h"
#include "ops/op.h"
#include "ops/ops.h"
#include "util/whole.h"
#include "relu_pairs.h" // push constants

#include <string.h>

struct relu_pairs_params {
    float alpha;
};

enum { U, W, V, INPUTS };

extern const struct vka_op vka_op_relu_pairs;

vka_tensor vka_relu_pairs(vka_graph *g, vka_tensor u, vka_tensor w, vka_tensor v, float alpha)
{
    struct relu_pairs_params params = {alpha};
    vka_tensor in[INPUTS] = {u, w, v};
    return vka_add_node(g, &vka_op_relu_pairs, &params, INPUTS, in, NULL);
}

static bool infer(struct vka_infer *n)
{
    for (int i = 0; i < INPUTS; i++) {
        if (!n->in[i] || n->in[i]->dtype != VKA_F32)
            return vka_fail(n->g, "relu_pairs: u, w and v must be given, in F32"), false;
    }
    const vka_shape *u = &n->in[U]->shape, *w = &n->in[W]->shape, *v = &n->in[V]->shape;
    char a[VKA_SHAPE_TEXT], b[VKA_SHAPE_TEXT], c[VKA_SHAPE_TEXT];
    if (u->rank != 2 || w->rank != 2 || v->rank != 3 || u->dim[0] != w->dim[0] ||
        u->dim[0] != v->dim[0] || w->dim[1] != v->dim[2])
        return vka_fail(n->g,
                        "relu_pairs: u is %s, w %s, v %s; they must be [N, P], [N, Q], "
                        "[N, C, Q]",
                        vka_shape_text(u, a), vka_shape_text(w, b), vka_shape_text(v, c)),
               false;
    n->n_out = 1;
    n->out_shape[0] = (vka_shape){3, {u->dim[0], v->dim[1], u->dim[1]}};
    return true;
}

static double flops(const struct vka_args *args)
{
    const struct vka_array *v = &args->in[V];
    return 2.0 * (double)args->in[U].dim[1] * (double)v->dim[2] * (double)v->dim[0] *
           (double)(v->dim[1] + 1);
}

// --- CPU: a panel of places, a block of others ---

enum { BLOCK = 128, PANEL = 128 };

struct run {
    const struct vka_args *args;
    const struct vka_kernels *kernels;
    int64_t panels, thread_size;
    float *scratch;
};

// Weights of a block, its values, the sums.
static int64_t thread_size(const struct vka_args *args)
{
    return BLOCK * PANEL + args->in[V].dim[1] * (BLOCK + PANEL);
}

static size_t cpu_scratch(const struct vka_args *args, int threads)
{
    return (size_t)(threads * thread_size(args)) * sizeof(float);
}

// [other][place], zeros in places past the end.
static void make_weights(const struct vka_args *args, float *to, int64_t batch, int64_t place,
                         int64_t other, int64_t count)
{
    const struct vka_array *u = &args->in[U], *w = &args->in[W];
    const float *from = (const float *)u->data + batch * u->stride[0] + place * u->stride[1];
    const float *with = (const float *)w->data + batch * w->stride[0] + other * w->stride[1];
    int64_t places = vka_smaller(PANEL, u->dim[1] - place);
    float own[PANEL] = {0};
    for (int64_t i = 0; i < places; i++)
        own[i] = from[i * u->stride[1]];
    for (int64_t j = 0; j < count; j++, to += PANEL) {
        float x = with[j * w->stride[1]];
        for (int64_t i = 0; i < PANEL; i++)
            to[i] = own[i] + x < 0 ? 0 : own[i] + x; // NaN stays
    }
}

static void add_block(const struct run *r, const float *weights, const float *values, float *sums,
                      int64_t channels, int64_t count)
{
    struct vka_tile tile = {.k = count,
                            .taps = 1,
                            .tap = vka_one_tap,
                            .a_step = channels,
                            .b_step = PANEL,
                            .c_row = PANEL,
                            .add = true};
    for (int64_t i = 0; i < PANEL; i += r->kernels->tile_cols) {
        tile.b = weights + i;
        for (int64_t c = 0; c < channels; c += r->kernels->tile_rows) {
            tile.a = values + c;
            tile.c = sums + c * PANEL + i;
            r->kernels->tile((int)vka_smaller(r->kernels->tile_rows, channels - c),
                             r->kernels->tile_cols, &tile);
        }
    }
}

static void run_panel(void *arg, int64_t piece, int thread)
{
    const struct run *r = arg;
    const struct vka_array *v = &r->args->in[V], *y = &r->args->out[0];
    int64_t batch = piece / r->panels, place = piece % r->panels * PANEL, channels = v->dim[1];
    float *weights = r->scratch + thread * r->thread_size, *values = weights + BLOCK * PANEL;
    float *sums = values + BLOCK * channels;
    memset(sums, 0, (size_t)(channels * PANEL) * sizeof *sums);
    for (int64_t j = 0; j < v->dim[2]; j += BLOCK) {
        int64_t count = vka_smaller(BLOCK, v->dim[2] - j);
        make_weights(r->args, weights, batch, place, j, count);
        r->kernels->pack(values, (int)channels,
                         (const float *)v->data + batch * v->stride[0] + j * v->stride[2],
                         v->stride[1], v->stride[2], (int)channels, count);
        add_block(r, weights, values, sums, channels, count);
    }
    const struct relu_pairs_params *p = r->args->params;
    float *to = (float *)y->data + batch * channels * y->dim[2] + place;
    for (int64_t c = 0; c < channels; c++, to += y->dim[2]) {
        for (int64_t i = 0; i < vka_smaller(PANEL, y->dim[2] - place); i++)
            to[i] = p->alpha * sums[c * PANEL + i];
    }
}

static void cpu(const struct vka_cpu_run *run)
{
    struct run r = {.args = run->args,
                    .kernels = vka_kernels(),
                    .panels = (run->args->in[U].dim[1] + PANEL - 1) / PANEL,
                    .thread_size = thread_size(run->args),
                    .scratch = run->scratch};
    vka_parallel(run->threads, run->args->in[U].dim[0] * r.panels, run_panel, &r);
}

// --- Vulkan ---

enum { PLACES = 4, CHANNELS = 8, LANES = 64, FEW_LANES = 8 };

static void fill_push(const struct vka_args *args, struct vka_push_relu_pairs *push)
{
    const struct relu_pairs_params *p = args->params;
    const struct vka_array *u = &args->in[U], *w = &args->in[W], *v = &args->in[V];
    *push = (struct vka_push_relu_pairs){.channels = (uint)v->dim[1],
                                         .places = (uint)u->dim[1],
                                         .others = (uint)w->dim[1],
                                         .alpha = p->alpha};
    for (int i = 0; i < 3; i++) {
        push->v_step[i] = (uint)v->stride[i];
        if (i == 2)
            continue;
        push->u_step[i] = (uint)u->stride[i];
        push->w_step[i] = (uint)w->stride[i];
    }
}

static void launch(struct vka_launch *l, const struct vka_args *args)
{
    uint32_t lanes = vka_launch_limits(l)->is_cpu ? FEW_LANES : LANES;
    struct vka_dispatch d;
    vka_begin(l, &d, "relu_pairs", lanes, 1, 1);
    vka_constant_u32(&d, PLACES);
    vka_constant_u32(&d, CHANNELS);
    struct vka_push_relu_pairs push;
    fill_push(args, &push);
    push.chunks = (push.channels + CHANNELS - 1) / CHANNELS;
    push.u_offset = vka_bind(l, &d, &args->in[U], VKA_READ);
    push.w_offset = vka_bind(l, &d, &args->in[W], VKA_READ);
    push.v_offset = vka_bind(l, &d, &args->in[V], VKA_READ);
    push.y_offset = vka_bind(l, &d, &args->out[0], VKA_WRITE);
    uint64_t tiles = ((uint64_t)push.places + lanes * PLACES - 1) / (lanes * PLACES);
    uint64_t groups = tiles * push.chunks * (uint64_t)args->in[U].dim[0];
    push.end = (uint)groups;
    VKA_PUSH(&d, push);
    vka_turns(&d, push.others, "the other places");
    vka_emit(l, &d, groups, 1, 1);
}

static const struct vka_variant variants[] = {{"baseline", NULL, launch}, {0}};

// --- in other operations ---

vka_tensor vka_relu_pairs_map(vka_graph *g, vka_tensor u, vka_tensor w)
{
    struct vka_activation relu = {VKA_ACT_RELU, 0, 0};
    return vka_binary_act(g, VKA_ADD, vka_unsqueeze(g, u, 2), vka_unsqueeze(g, w, 1), relu);
}

static void expand(vka_graph *g, const struct vka_op_node *node, vka_tensor out[VKA_MAX_OUT])
{
    const struct relu_pairs_params *p = node->params;
    vka_tensor map = vka_relu_pairs_map(g, node->in[U], node->in[W]);
    struct vka_matmul scaled = {.alpha = p->alpha};
    if (p->alpha == 0) // matmul's "no factor"
        map = vka_affine(g, map, 0, 0);
    out[0] = vka_matmul(g, node->in[V], vka_transpose(g, map, 1, 2), &scaled);
}

const struct vka_op vka_op_relu_pairs = {
    .name = "relu_pairs",
    .summary = "sum of v[:, j] relu(u[i] + w[j]) over j",
    .params_size = sizeof(struct relu_pairs_params),
    .flags = VKA_OP_STRIDED | VKA_OP_FUSED,
    .infer = infer,
    .cpu = cpu,
    .cpu_scratch = cpu_scratch,
    .flops = flops,
    .variants = variants,
    .expand = expand,
};
