// SPDX-License-Identifier: MIT
//
// pool: the maximum or the mean of a window that slides over 1 to 3 spatial axes.
#include "cpu/threads.h"
#include "ops/infer.h"
#include "ops/ops.h"
#include "ops/window.h"
#include "pool.h"

#include <math.h>

enum { GROUP = 64 };

vka_tensor vka_pool(vka_graph *g, vka_tensor x, const struct vka_pool *p)
{
    return vka_add_node(g, &vka_op_pool, p, 1, &x, NULL);
}

static bool infer(struct vka_infer *n)
{
    const struct vka_pool *p = n->params;
    if (!vka_infer_type(n, "pool", 0, VKA_F32))
        return false;
    const vka_shape *x = &n->in[0]->shape;
    if (x->rank < 3 || x->rank > 5) {
        char text[VKA_SHAPE_TEXT];
        vka_fail(n->g, "pool: x has shape %s; [N, C, 1 to 3 spatial axes] goes",
                 vka_shape_text(x, text));
        return false;
    }
    struct vka_window_params w = vka_window_of_pool(p);
    n->n_out = 1;
    n->out_shape[0] = *x;
    return vka_window_infer(n->g, "pool", x, &w, p->ceil_mode, n->out_shape[0].dim + 2);
}

// --- CPU: a piece is some rows of the output ---

struct pooling {
    const struct vka_pool *p;
    struct vka_window w;
    int64_t padded[VKA_WINDOW_AXES];
    const float *x;
    float *y;
    int64_t rows, per_piece;
};

struct span { // the taps of one axis that lie inside: t = first .. last - 1
    int64_t begin, first, last, counted;
};

static struct span taps(const struct pooling *c, int axis, int64_t at)
{
    const struct vka_window *w = &c->w;
    struct span s = {.begin = at * w->stride[axis] - w->before[axis], .first = -1};
    for (int64_t t = 0; t < w->kernel[axis]; t++) {
        int64_t place = s.begin + t * w->dilation[axis];
        s.counted += place < c->padded[axis];
        if (place < 0 || place >= w->in[axis])
            continue;
        if (s.first < 0)
            s.first = t;
        s.last = t + 1;
    }
    s.first = s.first < 0 ? 0 : s.first;
    return s;
}

static float pool_one(const struct pooling *c, const float *plane, const struct span s[3])
{
    const struct vka_window *w = &c->w;
    float best = -INFINITY, sum = 0;
    int64_t inside = 0;
    for (int64_t a = s[0].first; a < s[0].last; a++) {
        int64_t d = s[0].begin + a * w->dilation[0];
        for (int64_t b = s[1].first; b < s[1].last; b++) {
            int64_t h = s[1].begin + b * w->dilation[1];
            const float *row = plane + (d * w->in[1] + h) * w->in[2] + s[2].begin;
            for (int64_t k = s[2].first; k < s[2].last; k++) {
                float v = row[k * w->dilation[2]];
                best = v > best || v != v ? v : best; // NaN stays: nothing is larger
                sum += v;
                inside++;
            }
        }
    }
    if (c->p->max)
        return best;
    if (c->p->divisor)
        return sum / (float)c->p->divisor;
    if (c->p->exclude_padding)
        return sum / (float)inside;
    return sum / (float)(s[0].counted * s[1].counted * s[2].counted);
}

static void run_piece(void *arg, int64_t piece, int thread)
{
    const struct pooling *c = arg;
    const struct vka_window *w = &c->w;
    int64_t end = (piece + 1) * c->per_piece;
    (void)thread;
    for (int64_t row = piece * c->per_piece; row < end && row < c->rows; row++) {
        int64_t plane = row / w->out[1] / w->out[0];
        struct span s[3] = {taps(c, 0, row / w->out[1] % w->out[0]), taps(c, 1, row % w->out[1])};
        const float *x = c->x + plane * vka_product3(w->in);
        for (int64_t i = 0; i < w->out[2]; i++) {
            s[2] = taps(c, 2, i);
            c->y[row * w->out[2] + i] = pool_one(c, x, s);
        }
    }
}

static struct pooling sizes(const struct vka_args *args)
{
    const struct vka_array *x = &args->in[0], *y = &args->out[0];
    struct pooling c = {.p = args->params, .x = x->data, .y = y->data};
    struct vka_window_params params = vka_window_of_pool(c.p);
    vka_window_of(x, y, &params, &c.w);
    int lead = VKA_WINDOW_AXES - vka_window_axes(x->rank);
    for (int i = 0; i < VKA_WINDOW_AXES; i++)
        c.padded[i] = c.w.in[i] + (i < lead ? 0 : params.after[i - lead]);
    c.rows = x->dim[0] * x->dim[1] * c.w.out[0] * c.w.out[1];
    return c;
}

static void cpu(const struct vka_cpu_run *run)
{
    struct pooling c = sizes(run->args);
    int64_t work = c.rows * c.w.out[2] * vka_product3(c.w.kernel);
    int64_t pieces = vka_pieces(run->threads, c.rows, work);
    c.per_piece = (c.rows + pieces - 1) / pieces;
    vka_parallel(run->threads, pieces, run_piece, &c);
}

// --- Vulkan ---

static void launch(struct vka_launch *l, const struct vka_args *args)
{
    struct pooling c = sizes(args);
    int64_t count = vka_array_count(&args->out[0]);
    vka_launch_most(l, "elements of pool", count, UINT32_MAX);
    vka_launch_most(l, "elements into pool", vka_array_count(&args->in[0]), UINT32_MAX);
    struct vka_dispatch d;
    vka_begin(l, &d, "pool", GROUP, 1, 1);
    vka_constant_u32(&d, c.p->max);
    vka_constant_u32(&d, c.p->exclude_padding);
    struct vka_push_pool push = {.count = (uint32_t)count, .divisor = (float)c.p->divisor};
    double sides = 0; // for the divisor
    for (int i = 0; i < VKA_WINDOW_AXES; i++) {
        sides += (double)c.w.kernel[i];
        push.in_size[i] = (uint32_t)c.w.in[i];
        push.out_size[i] = (uint32_t)c.w.out[i];
        push.kernel[i] = (uint32_t)c.w.kernel[i];
        push.stride[i] = (uint32_t)c.w.stride[i];
        push.dilation[i] = (uint32_t)c.w.dilation[i];
        push.before[i] = (uint32_t)c.w.before[i];
        push.padded[i] = (uint32_t)c.padded[i];
    }
    push.x = vka_bind(l, &d, &args->in[0], VKA_READ);
    push.y = vka_bind(l, &d, &args->out[0], VKA_WRITE);
    VKA_PUSH(&d, push);
    vka_turns(&d, vka_window_turns(c.w.kernel) + sides, "a window's taps");
    vka_emit(l, &d, ((uint64_t)count + GROUP - 1) / GROUP, 1, 1);
}

// One window that takes the whole map, and more of it than one lane should: a reduction.
static bool is_reduction(const struct vka_pool *p, int axes, const int64_t *x, const int64_t *y)
{
    enum { MOST = VKA_MOST_TURNS / 2 };
    double taps = 1;
    for (int i = 0; i < axes; i++) {
        taps *= (double)p->kernel[i];
        if (p->kernel[i] != x[i] || y[i] != 1 || p->before[i] != 0 || p->dilation[i] > 1)
            return false;
    }
    return taps > MOST;
}

static bool fits(const struct vka_limits *limits, const struct vka_args *args)
{
    const struct vka_array *x = &args->in[0];
    (void)limits;
    return !is_reduction(args->params, x->rank - 2, x->dim + 2, args->out[0].dim + 2);
}

static void expand(vka_graph *g, const struct vka_op_node *node, vka_tensor out[VKA_MAX_OUT])
{
    const struct vka_pool *p = node->params;
    vka_shape x = vka_shape_of(g, node->in[0]), y = vka_shape_of(g, node->out[0]);
    if (!is_reduction(p, x.rank - 2, x.dim + 2, y.dim + 2))
        return;
    double taps = (double)vka_elements(g, node->in[0]) / (double)(x.dim[0] * x.dim[1]);
    unsigned axes = ((1u << x.rank) - 1) & ~3u;
    out[0] = vka_reduce(g, p->max ? VKA_REDUCE_MAX : VKA_REDUCE_MEAN, node->in[0], axes, true);
    if (!p->max && p->divisor)
        out[0] = vka_affine(g, out[0], taps / (double)p->divisor, 0);
}

static const struct vka_variant variants[] = {{"baseline", fits, launch}, {0}};

const struct vka_op vka_op_pool = {
    .name = "pool",
    .summary = "maximum or mean of a sliding window",
    .params_size = sizeof(struct vka_pool),
    .infer = infer,
    .cpu = cpu,
    .variants = variants,
    .expand = expand,
};
