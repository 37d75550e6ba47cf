// SPDX-License-Identifier: MIT
//
// sample_sum: for every place a weighted sum of the bilinear samples at its taps. What was sampled
// is never stored.
#include "sample_sum.h" // push constants
#include "cpu/kernels.h"
#include "cpu/threads.h"
#include "ops/infer.h"
#include "ops/places.h"

struct sum_params {
    struct vka_sample sample;
    int taps; // the first axes of the places
};

enum { X = VKA_PLACES_X, AT = VKA_PLACES_AT, WEIGHT, INPUTS };
enum { FIRST_PLACE = 3, GROUP = 64, CHANNELS = 4 };

vka_tensor vka_sample_sum(vka_graph *g, vka_tensor x, vka_tensor at, vka_tensor weight, int taps,
                          const struct vka_sample *p)
{
    struct sum_params params = {.taps = taps};
    vka_shape shape = vka_shape_of(g, at);
    if (!vka_failed(g) && shape.rank >= 2) {
        shape.dim[0] = shape.dim[0] == 1 ? vka_dim(g, x, 0) : shape.dim[0];
        shape.dim[1] = shape.dim[1] == 1 ? vka_dim(g, weight, 1) : shape.dim[1];
        at = vka_broadcast_to(g, at, shape);
    }
    if (p)
        params.sample = *p;
    vka_tensor in[INPUTS] = {x, at, vka_dense(g, weight)};
    return vka_add_node(g, &vka_op_sample_sum, &params, INPUTS, in, NULL);
}

static bool infer(struct vka_infer *n)
{
    const struct sum_params *p = n->params;
    if (!vka_infer_type(n, "sample_sum", WEIGHT, VKA_F32) ||
        !vka_places_infer(n, "sample_sum", &p->sample))
        return false;
    const vka_shape *at = &n->in[AT]->shape, *weight = &n->in[WEIGHT]->shape;
    vka_shape want = VKA_SHAPE(at->dim[0], at->dim[1]), *out = &n->out_shape[0];
    for (int i = FIRST_PLACE; i < at->rank; i++)
        want.dim[want.rank++] = at->dim[i];
    char own[VKA_SHAPE_TEXT], text[VKA_SHAPE_TEXT];
    if (!vka_shape_equal(weight, &want))
        return vka_fail(n->g, "sample_sum: the weight is %s, it must be %s",
                        vka_shape_text(weight, own), vka_shape_text(&want, text)),
               false;
    if (p->taps < 1 || p->taps > at->rank - FIRST_PLACE)
        return vka_fail(n->g, "sample_sum: %d axes of taps of positions %s", p->taps,
                        vka_shape_text(at, text)),
               false;
    n->n_out = 1;
    *out = VKA_SHAPE(at->dim[0], n->in[X]->shape.dim[1]);
    for (int i = FIRST_PLACE + p->taps; i < at->rank; i++)
        out->dim[out->rank++] = at->dim[i];
    return true;
}

static double flops(const struct vka_args *args)
{
    double places = (double)vka_array_count(&args->in[WEIGHT]) / (double)args->in[WEIGHT].dim[1];
    return 10.0 * places * (double)args->in[X].dim[1];
}

// --- CPU: a piece is some blocks of places of a part, with all channels that share them ---

struct summing {
    struct vka_places w;
    const float *x, *at, *weight;
    float *y;
    int64_t taps, left; // taps, and places of each
    int64_t blocks, items, per_piece;
};

static struct summing sizes(const struct vka_args *args)
{
    const struct sum_params *p = args->params;
    struct summing c = {.x = args->in[X].data,
                        .at = args->in[AT].data,
                        .weight = args->in[WEIGHT].data,
                        .y = args->out[0].data,
                        .taps = 1};
    vka_places_of(args, &p->sample, &c.w);
    for (int i = 0; i < p->taps; i++)
        c.taps *= args->in[AT].dim[FIRST_PLACE + i];
    c.left = c.w.count / c.taps;
    c.blocks = (c.left + VKA_SAMPLE_BLOCK - 1) / VKA_SAMPLE_BLOCK;
    c.items = c.blocks * c.w.parts * args->in[X].dim[0];
    return c;
}

static void sum_block(const struct summing *c, int64_t item)
{
    const struct vka_places *w = &c->w;
    const struct vka_kernels *kernels = vka_kernels();
    int64_t first = item % c->blocks * VKA_SAMPLE_BLOCK, row = item / c->blocks;
    int64_t part = row % w->parts, n = row / w->parts, end = (part + 1) * w->share;
    int64_t left = c->left - first;
    int count = left < VKA_SAMPLE_BLOCK ? (int)left : VKA_SAMPLE_BLOCK;
    const float *at = c->at + n * w->at_step[0] + part * w->at_step[1];
    const float *weight = c->weight + row * w->count;
    struct vka_corners corners;
    for (int64_t tap = 0; tap < c->taps; tap++) {
        int64_t number = tap * c->left + first;
        vka_places_corners(w, at, number, count, &corners);
        vka_corners_times(&corners, weight + number, count);
        for (int64_t i = part * w->share; i < end; i++)
            kernels->blend(c->y + (n * w->channels + i) * c->left + first, count,
                           c->x + n * w->x_step[0] + i * w->x_step[1], &corners, tap > 0);
    }
}

static void run_piece(void *arg, int64_t piece, int thread)
{
    const struct summing *c = arg;
    int64_t end = (piece + 1) * c->per_piece;
    (void)thread;
    for (int64_t item = piece * c->per_piece; item < end && item < c->items; item++)
        sum_block(c, item);
}

static void cpu(const struct vka_cpu_run *run)
{
    struct summing c = sizes(run->args);
    int64_t work = vka_array_count(&run->args->out[0]) * c.taps * 8;
    int64_t pieces = vka_pieces(run->threads, c.items, work);
    c.per_piece = (c.items + pieces - 1) / pieces;
    vka_parallel(run->threads, pieces, run_piece, &c);
}

// --- Vulkan ---

static void launch(struct vka_launch *l, const struct vka_args *args)
{
    struct summing c = sizes(args);
    uint64_t slices = ((uint64_t)c.w.share + CHANNELS - 1) / CHANNELS;
    uint64_t count = (uint64_t)(args->in[X].dim[0] * c.w.parts * c.left) * slices;
    vka_launch_most(l, "sums of sample_sum", (int64_t)count, UINT32_MAX);
    vka_launch_most(l, "weights of sample_sum", vka_array_count(&args->in[WEIGHT]), UINT32_MAX);
    struct vka_dispatch d;
    vka_begin(l, &d, "sample_sum", GROUP, 1, 1);
    vka_places_constants(&d, &c.w);
    vka_constant_u32(&d, CHANNELS);
    struct vka_push_sample_sum push = {
        .count = (uint32_t)count, .taps = (uint32_t)c.taps, .left = (uint32_t)c.left};
    VKA_PLACES_PUSH(&push, &c.w, args);
    push.x = vka_bind(l, &d, &args->in[X], VKA_READ);
    push.at = vka_bind(l, &d, &args->in[AT], VKA_READ);
    push.weight = vka_bind(l, &d, &args->in[WEIGHT], VKA_READ);
    push.y = vka_bind(l, &d, &args->out[0], VKA_WRITE);
    VKA_PUSH(&d, push);
    vka_turns(&d, push.taps, "the taps");
    vka_emit(l, &d, (count + GROUP - 1) / GROUP, 1, 1);
}

static const struct vka_variant variants[] = {{"baseline", NULL, launch}, {0}};

// --- in other operations ---

static void expand(vka_graph *g, const struct vka_op_node *node, vka_tensor out[VKA_MAX_OUT])
{
    enum { TAPS = 3 };
    const struct sum_params *p = node->params;
    vka_shape at = vka_shape_of(g, node->in[AT]), y = vka_shape_of(g, node->out[0]);
    int64_t taps = 1, share = y.dim[1] / at.dim[1];
    for (int i = 0; i < p->taps; i++)
        taps *= at.dim[FIRST_PLACE + i];
    vka_tensor t = vka_sample(g, node->in[X], node->in[AT], &p->sample);
    t = vka_reshape(g, t, VKA_SHAPE(at.dim[0], at.dim[1], share, taps, -1));
    vka_tensor weight =
        vka_reshape(g, node->in[WEIGHT], VKA_SHAPE(at.dim[0], at.dim[1], 1, taps, -1));
    t = vka_reduce(g, VKA_REDUCE_SUM, vka_mul(g, t, weight), 1u << TAPS, false);
    out[0] = vka_reshape(g, t, y);
}

const struct vka_op vka_op_sample_sum = {
    .name = "sample_sum",
    .summary = "weighted sums of bilinear samples",
    .params_size = sizeof(struct sum_params),
    .flags = VKA_OP_STRIDED | VKA_OP_FUSED,
    .infer = infer,
    .cpu = cpu,
    .flops = flops,
    .variants = variants,
    .expand = expand,
};
