// SPDX-License-Identifier: MIT
//
// nms: boxes in order of preference, less those that overlap one already taken.
#include "cpu/threads.h"
#include "ops/infer.h"
#include "ops/ops.h"
#include "nms.h"

#include <math.h>
#include <string.h>

enum { BOXES, ORDER, BATCH = 1024, SIDES = 4 };

struct params {
    float limit;
    int64_t most;
};

vka_tensor vka_nms(vka_graph *g, vka_tensor boxes, vka_tensor order, double threshold, int64_t most)
{
    struct params p = {(float)threshold, most};
    return vka_add_node(g, &vka_op_nms, &p, 2, (const vka_tensor[]){boxes, order}, NULL);
}

static int64_t taken_most(const struct params *p, int64_t count)
{
    return p->most < count ? p->most : count;
}

static bool infer(struct vka_infer *n)
{
    const struct params *p = n->params;
    if (!vka_infer_type(n, "nms", BOXES, VKA_F32) || !vka_infer_type(n, "nms", ORDER, VKA_I32))
        return false;
    const vka_shape *boxes = &n->in[BOXES]->shape, *order = &n->in[ORDER]->shape;
    char a[VKA_SHAPE_TEXT], b[VKA_SHAPE_TEXT];
    if (boxes->rank != 2 || boxes->dim[1] != SIDES || order->rank != 1 ||
        boxes->dim[0] > INT32_MAX || order->dim[0] >= INT32_MAX) {
        vka_fail(n->g, "nms: boxes of shape %s and an order of shape %s; [P, 4] and [K] go",
                 vka_shape_text(boxes, a), vka_shape_text(order, b));
        return false;
    }
    if (p->most < 1 || !(p->limit >= 0)) {
        vka_fail(n->g, "nms: at most %lld boxes over a threshold of %g; 1 and 0 or more go",
                 (long long)p->most, (double)p->limit);
        return false;
    }
    n->n_out = 1;
    n->out_dtype[0] = VKA_I32;
    n->out_shape[0] = (vka_shape){1, {1 + taken_most(p, order->dim[0])}};
    return true;
}

static float half_step(float limit)
{
    return (nextafterf(limit, HUGE_VALF) - limit) / 2;
}

// --- CPU: a batch of candidates against those taken before, side by side; then against each other
// in order ---

struct job {
    const float *boxes;
    const int32_t *order;
    int64_t rows, count, most; // count: candidates
    float limit, half_step;
    float *taken[SIDES]; // the boxes taken, by side
    int64_t took;
    bool *free; // of the batch: candidates that none taken before overlaps
    int64_t first, per_piece, batch;
    int32_t *y;
};

static const float *box_of(const struct job *c, int64_t i)
{
    int64_t id = c->order[i];
    return c->boxes + (id < c->rows ? id : c->rows - 1) * SIDES;
}

// Whether none of those taken from `begin` on overlaps the box.
static bool is_free(const struct job *c, const float *b, int64_t begin)
{
    enum { STEP = 64 };
    float *const *t = c->taken;
    for (int64_t i = begin; i < c->took; i += STEP) {
        int64_t end = c->took - i < STEP ? c->took : i + STEP;
        int over = 0;
        for (int64_t k = i; k < end; k++)
            over |= vka_boxes_over(t[0][k], t[1][k], t[2][k], t[3][k], b[0], b[1], b[2], b[3],
                                   c->limit, c->half_step);
        if (over)
            return false;
    }
    return true;
}

static void run_piece(void *arg, int64_t piece, int thread)
{
    const struct job *c = arg;
    int64_t end = (piece + 1) * c->per_piece;
    (void)thread;
    for (int64_t i = piece * c->per_piece; i < end && i < c->batch; i++)
        c->free[i] = c->order[c->first + i] >= 0 && is_free(c, box_of(c, c->first + i), 0);
}

static void decide(struct job *c)
{
    int64_t before = c->took;
    for (int64_t i = 0; i < c->batch && c->took < c->most; i++) {
        const float *b = c->free[i] ? box_of(c, c->first + i) : NULL;
        if (!b || !is_free(c, b, before))
            continue;
        for (int k = 0; k < SIDES; k++)
            c->taken[k][c->took] = b[k];
        c->y[1 + c->took++] = c->order[c->first + i];
    }
}

static size_t cpu_scratch(const struct vka_args *args, int threads)
{
    int64_t most = taken_most(args->params, args->in[ORDER].dim[0]);
    (void)threads;
    return (size_t)most * SIDES * sizeof(float) + BATCH;
}

static struct job job_of(const struct vka_args *args)
{
    const struct params *p = args->params;
    return (struct job){.boxes = args->in[BOXES].data,
                        .order = args->in[ORDER].data,
                        .rows = args->in[BOXES].dim[0],
                        .count = args->in[ORDER].dim[0],
                        .most = taken_most(p, args->in[ORDER].dim[0]),
                        .limit = p->limit,
                        .half_step = half_step(p->limit),
                        .y = args->out[0].data};
}

static void cpu(const struct vka_cpu_run *run)
{
    struct job c = job_of(run->args);
    for (int k = 0; k < SIDES; k++)
        c.taken[k] = (float *)run->scratch + k * c.most;
    c.free = (bool *)((float *)run->scratch + SIDES * c.most);
    for (; c.first < c.count && c.took < c.most; c.first += BATCH) {
        c.batch = c.count - c.first < BATCH ? c.count - c.first : BATCH;
        int64_t pieces = vka_pieces(run->threads, c.batch, c.batch * (c.took * 8 + 1));
        c.per_piece = (c.batch + pieces - 1) / pieces;
        vka_parallel(run->threads, pieces, run_piece, &c);
        decide(&c);
    }
    c.y[0] = (int32_t)c.took;
    memset(c.y + 1 + c.took, 0, (size_t)(c.most - c.took) * sizeof *c.y);
}

// --- Vulkan ---

enum { TURNS = 15000 }; // of a dispatch, where one batch isn't more

// Of a batch's loops, by those that may be taken before it.
static int64_t turns_of(const struct job *c, int64_t from)
{
    int64_t before = from < c->most ? from : c->most, batches = before / VKA_NMS_BATCH + 1;
    return batches * (VKA_NMS_BATCH / VKA_NMS_STEP + 2) + 2 * VKA_NMS_BATCH;
}

static void walk(struct vka_launch *l, const struct vka_args *args, int64_t from, int64_t to,
                 int64_t turns)
{
    struct job c = job_of(args);
    bool fill = from == to;
    struct vka_dispatch d;
    vka_begin(l, &d, "nms", VKA_NMS_BATCH, 1, 1);
    vka_constant_u32(&d, fill);
    struct vka_push_nms push = {.boxes = (uint32_t)c.rows,
                                .from = (uint32_t)from,
                                .to = (uint32_t)to,
                                .most = (uint32_t)c.most,
                                .limit = c.limit,
                                .half_step = c.half_step};
    push.box = vka_bind(l, &d, &args->in[BOXES], VKA_READ);
    push.order = vka_bind(l, &d, &args->in[ORDER], VKA_READ);
    push.taken = vka_bind(l, &d, &args->out[0], VKA_READ_WRITE);
    VKA_PUSH(&d, push);
    uint64_t groups = ((uint64_t)c.most + VKA_NMS_BATCH - 1) / VKA_NMS_BATCH;
    vka_turns(&d, turns, "the boxes taken");
    vka_emit(l, &d, fill ? groups : 1, 1, 1);
}

static void launch(struct vka_launch *l, const struct vka_args *args)
{
    struct job c = job_of(args);
    int64_t from = 0, turns = 0;
    if (c.rows > UINT32_MAX / SIDES)
        vka_launch_fail(l, "nms: more than 2^30 boxes");
    for (int64_t to = 0; to < c.count; to += VKA_NMS_BATCH) {
        int64_t more = turns_of(&c, to);
        if (turns + more > TURNS && to > from) {
            walk(l, args, from, to, turns);
            from = to;
            turns = 0;
        }
        turns += more;
    }
    walk(l, args, from, c.count, turns);
    walk(l, args, c.count, c.count, 2 * VKA_NMS_BATCH);
}

static const struct vka_variant variants[] = {{"baseline", NULL, launch}, {0}};

const struct vka_op vka_op_nms = {
    .name = "nms",
    .summary = "boxes in order, less those that overlap one taken before",
    .params_size = sizeof(struct params),
    .infer = infer,
    .cpu = cpu,
    .cpu_scratch = cpu_scratch,
    .variants = variants,
};
