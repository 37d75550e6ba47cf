// SPDX-License-Identifier: MIT
//
// pool: the maximum or the mean of a window that slides over 1 to 3 spatial axes.
#include "cpu/kernels.h"
#include "cpu/threads.h"
#include "ops/infer.h"
#include "ops/ops.h"
#include "ops/window.h"
#include "util/whole.h"
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

// --- CPU ---

// A piece is some rows of the output.
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

// How many taps lie before `size`, the first of them at `begin`.
static int64_t taps_before(const struct vka_window *w, int axis, int64_t begin, int64_t size)
{
    int64_t all = begin < size ? vka_divide_up(size - begin, w->dilation[axis]) : 0;
    return vka_smaller(all, w->kernel[axis]);
}

static struct span taps(const struct pooling *c, int axis, int64_t at)
{
    const struct vka_window *w = &c->w;
    struct span s = {.begin = at * w->stride[axis] - w->before[axis]};
    s.first = taps_before(w, axis, s.begin, 0);
    s.last = taps_before(w, axis, s.begin, w->in[axis]);
    s.counted = taps_before(w, axis, s.begin, c->padded[axis]);
    return s;
}

// What a mean's sum is divided by.
static float divisor(const struct pooling *c, const struct span s[3])
{
    if (c->p->divisor)
        return (float)c->p->divisor;
    int64_t count = 1;
    for (int i = 0; i < VKA_WINDOW_AXES; i++)
        count *= c->p->exclude_padding ? s[i].last - s[i].first : s[i].counted;
    return (float)count;
}

static float pool_one(const struct pooling *c, const float *plane, const struct span s[3])
{
    const struct vka_window *w = &c->w;
    float best = -INFINITY, sum = 0;
    for (int64_t a = s[0].first; a < s[0].last; a++) {
        int64_t d = s[0].begin + a * w->dilation[0];
        for (int64_t b = s[1].first; b < s[1].last; b++) {
            int64_t h = s[1].begin + b * w->dilation[1];
            const float *row = plane + (d * w->in[1] + h) * w->in[2] + s[2].begin;
            for (int64_t k = s[2].first; k < s[2].last; k++) {
                float v = row[k * w->dilation[2]];
                best = v > best || v != v ? v : best; // NaN stays: nothing is larger
                sum += v;
            }
        }
    }
    return c->p->max ? best : sum / divisor(c, s);
}

static void run_rows(void *arg, int64_t piece, int thread)
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

// --- CPU, two axes: a piece is a band of some planes' rows, the planes side by side as lanes ---

struct places {
    const struct pooling *c;
    const struct vka_kernels *kernels;
    int64_t lanes, groups, planes; // of planes; planes in all
    int64_t band, bands, lines;    // rows of the output; lines of x that it needs at most
    int64_t size;                  // of a thread's scratch, in floats
    float *scratch;
};

static void size_band(struct places *t, int64_t rows)
{
    const struct vka_window *w = &t->c->w;
    t->band = rows;
    t->bands = vka_divide_up(w->out[1], rows);
    t->lines = (rows - 1) * w->stride[1] + (w->kernel[1] - 1) * w->dilation[1] + 1;
    t->lines = vka_smaller(t->lines, w->in[1]);
    t->size = (t->lines * w->in[2] + rows * w->out[2]) * t->lanes;
}

// False where there are too few planes, and for windows of other forms or of too many places.
static bool as_places(const struct pooling *c, int threads, struct places *t)
{
    enum { WANTED = 1 << 16, MOST = 1 << 20 }; // floats: the first stay in a core's own cache
    const struct vka_window *w = &c->w;
    *t = (struct places){.c = c, .kernels = vka_kernels()};
    t->lanes = t->kernels->lanes;
    t->planes = c->rows / w->out[1] / w->out[0];
    t->groups = vka_divide_up(t->planes, t->lanes);
    bool flat = w->in[0] * w->out[0] * w->kernel[0] == 1 && w->before[0] == 0;
    if (!flat || w->dilation[2] != 1 || t->planes < t->lanes / 2)
        return false;
    size_band(t, w->out[1]);
    while (t->band > 1 && (t->size > WANTED || t->groups * t->bands < 2 * threads))
        size_band(t, vka_divide_up(t->band, 2));
    return t->size <= MOST;
}

static void pool_place(const struct places *t, const float *map, int64_t line,
                       const struct span s[3], float *y)
{
    const struct vka_window *w = &t->c->w;
    struct vka_box_of_places box = {.places = map,
                                    .line = w->dilation[1] * w->in[2] * t->lanes,
                                    .rows = s[1].last - s[1].first,
                                    .columns = s[2].last - s[2].first};
    int64_t row = s[1].begin + s[1].first * w->dilation[1] - line;
    if (box.rows > 0 && box.columns > 0)
        box.places += (row * w->in[2] + s[2].begin + s[2].first) * t->lanes;
    if (t->c->p->max) {
        t->kernels->max_of_box(&box, y);
        return;
    }
    t->kernels->sum_of_box(&box, y);
    float by = divisor(t->c, s);
    for (int64_t i = 0; i < t->lanes; i++)
        y[i] /= by;
}

static void run_places(void *arg, int64_t piece, int thread)
{
    const struct places *t = arg;
    const struct pooling *c = t->c;
    const struct vka_window *w = &c->w;
    int64_t plane = piece / t->bands * t->lanes, first = piece % t->bands * t->band;
    int64_t have = vka_smaller(t->lanes, t->planes - plane);
    int64_t rows = vka_smaller(t->band, w->out[1] - first), area = w->in[1] * w->in[2];
    int64_t line = vka_larger(0, first * w->stride[1] - w->before[1]);
    int64_t lines = vka_smaller(t->lines, w->in[1] - line);
    float *map = t->scratch + thread * t->size, *y = map + t->lines * w->in[2] * t->lanes;
    if (lines > 0)
        t->kernels->pack(map, (int)t->lanes, c->x + plane * area + line * w->in[2], area, 1,
                         (int)have, lines * w->in[2]);
    struct span s[3] = {taps(c, 0, 0)};
    float *to = y;
    for (int64_t i = 0; i < rows; i++) {
        s[1] = taps(c, 1, first + i);
        for (int64_t j = 0; j < w->out[2]; j++, to += t->lanes) {
            s[2] = taps(c, 2, j);
            pool_place(t, map, line, s, to);
        }
    }
    int64_t out = w->out[1] * w->out[2];
    t->kernels->turn_places(c->y + plane * out + first * w->out[2], out, y, (int)have,
                            rows * w->out[2]);
}

static size_t cpu_scratch(const struct vka_args *args, int threads)
{
    struct pooling c = sizes(args);
    struct places t;
    return as_places(&c, threads, &t) ? (size_t)(threads * t.size) * sizeof(float) : 0;
}

static void cpu(const struct vka_cpu_run *run)
{
    struct pooling c = sizes(run->args);
    struct places t;
    if (as_places(&c, vka_threads_count(run->threads), &t)) {
        t.scratch = run->scratch;
        vka_parallel(run->threads, t.groups * t.bands, run_places, &t);
        return;
    }
    int64_t work = c.rows * c.w.out[2] * vka_product3(c.w.kernel);
    int64_t pieces = vka_pieces(run->threads, c.rows, work);
    c.per_piece = (c.rows + pieces - 1) / pieces;
    vka_parallel(run->threads, pieces, run_rows, &c);
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
    .cpu_scratch = cpu_scratch,
    .variants = variants,
    .expand = expand,
};
