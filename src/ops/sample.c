// SPDX-License-Identifier: MIT
//
// sample: bilinear samples of maps at given positions.
#include "sample.h" // push constants
#include "cpu/kernels.h"
#include "cpu/threads.h"
#include "ops/places.h"

enum { X = VKA_PLACES_X, AT = VKA_PLACES_AT, GROUP = 64 };

vka_tensor vka_sample(vka_graph *g, vka_tensor x, vka_tensor at, const struct vka_sample *p)
{
    const struct vka_sample none = {.clamp = false};
    vka_shape shape = vka_shape_of(g, at);
    if (!vka_failed(g) && shape.rank > 0 && shape.dim[0] == 1) {
        shape.dim[0] = vka_dim(g, x, 0);
        at = vka_broadcast_to(g, at, shape);
    }
    return vka_add_node(g, &vka_op_sample, p ? p : &none, 2, (const vka_tensor[]){x, at}, NULL);
}

static bool infer(struct vka_infer *n)
{
    if (!vka_places_infer(n, "sample", n->params))
        return false;
    const vka_shape *at = &n->in[AT]->shape;
    n->n_out = 1;
    n->out_shape[0] = VKA_SHAPE(at->dim[0], n->in[X]->shape.dim[1]);
    for (int i = 3; i < at->rank; i++)
        n->out_shape[0].dim[n->out_shape[0].rank++] = at->dim[i];
    return true;
}

static double flops(const struct vka_args *args)
{
    return 8.0 * (double)vka_array_count(&args->out[0]);
}

// --- CPU: a piece is some blocks of places of a part, with all channels that share them ---

struct sampling {
    struct vka_places w;
    const float *x, *at;
    float *y;
    int64_t blocks, items, per_piece;
};

static void sample_block(const struct sampling *c, int64_t item)
{
    const struct vka_places *w = &c->w;
    const struct vka_kernels *kernels = vka_kernels();
    int64_t first = item % c->blocks * VKA_SAMPLE_BLOCK;
    int64_t part = item / c->blocks % w->parts, n = item / c->blocks / w->parts;
    int64_t left = w->count - first;
    int count = left < VKA_SAMPLE_BLOCK ? (int)left : VKA_SAMPLE_BLOCK;
    struct vka_corners corners;
    vka_places_corners(w, c->at + n * w->at_step[0] + part * w->at_step[1], first, count, &corners);
    for (int64_t i = part * w->share; i < (part + 1) * w->share; i++)
        kernels->blend(c->y + (n * w->channels + i) * w->count + first, count,
                       c->x + n * w->x_step[0] + i * w->x_step[1], &corners, false);
}

static void run_piece(void *arg, int64_t piece, int thread)
{
    const struct sampling *c = arg;
    int64_t end = (piece + 1) * c->per_piece;
    (void)thread;
    for (int64_t item = piece * c->per_piece; item < end && item < c->items; item++)
        sample_block(c, item);
}

static void cpu(const struct vka_cpu_run *run)
{
    const struct vka_args *args = run->args;
    struct sampling c = {.x = args->in[X].data, .at = args->in[AT].data, .y = args->out[0].data};
    vka_places_of(args, args->params, &c.w);
    c.blocks = (c.w.count + VKA_SAMPLE_BLOCK - 1) / VKA_SAMPLE_BLOCK;
    c.items = c.blocks * c.w.parts * args->in[X].dim[0];
    int64_t work = vka_array_count(&args->out[0]) * 8;
    int64_t pieces = vka_pieces(run->threads, c.items, work);
    c.per_piece = (c.items + pieces - 1) / pieces;
    vka_parallel(run->threads, pieces, run_piece, &c);
}

// --- Vulkan ---

static void launch(struct vka_launch *l, const struct vka_args *args)
{
    struct vka_places w;
    vka_places_of(args, args->params, &w);
    int64_t count = vka_array_count(&args->out[0]);
    vka_launch_most(l, "elements of sample", count, UINT32_MAX);
    vka_launch_most(l, "elements into sample", vka_array_count(&args->in[X]), UINT32_MAX);
    struct vka_dispatch d;
    vka_begin(l, &d, "sample", GROUP, 1, 1);
    vka_places_constants(&d, &w);
    struct vka_push_sample push = {.count = (uint32_t)count};
    VKA_PLACES_PUSH(&push, &w, args);
    push.x = vka_bind(l, &d, &args->in[X], VKA_READ);
    push.at = vka_bind(l, &d, &args->in[AT], VKA_READ);
    push.y = vka_bind(l, &d, &args->out[0], VKA_WRITE);
    VKA_PUSH(&d, push);
    vka_no_loops(&d);
    vka_emit(l, &d, ((uint64_t)count + GROUP - 1) / GROUP, 1, 1);
}

static const struct vka_variant variants[] = {{"baseline", NULL, launch}, {0}};

const struct vka_op vka_op_sample = {
    .name = "sample",
    .summary = "bilinear samples of maps at given positions",
    .params_size = sizeof(struct vka_sample),
    .flags = VKA_OP_STRIDED,
    .infer = infer,
    .cpu = cpu,
    .flops = flops,
    .variants = variants,
};
