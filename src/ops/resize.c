// SPDX-License-Identifier: MIT
//
// resize: nearest or linear resampling of 1 to 3 spatial axes, as torch's interpolate. The
// coordinates are computed here, once, into tables that both executors read: so they agree where
// rounding decides.
#include "cpu/threads.h"
#include "ops/infer.h"
#include "ops/ops.h"
#include "resize.h"

#include <math.h>
#include <string.h>

enum { X, PLACES, PARTS, GROUP = 64, AXES = 3, MOST = 1 << 26 };

// --- the tables ---

struct table {
    int32_t (*places)[2];
    float *parts;
};

// torch's rule, in floats as torch has it: this decides ties.
static void nearest(const struct vka_resize *p, int axis, int64_t in, int64_t out, struct table *t)
{
    float step = p->scale[axis] > 0 ? (float)(1.0 / p->scale[axis]) : (float)in / (float)out;
    for (int64_t i = 0; i < out; i++) {
        int64_t at = (int64_t)floorf((float)i * step);
        t->places[i][0] = t->places[i][1] = (int32_t)(at < in ? at : in - 1);
    }
}

static void linear(const struct vka_resize *p, int axis, int64_t in, int64_t out, struct table *t)
{
    double step = p->scale[axis] > 0 ? 1.0 / p->scale[axis] : (double)in / (double)out;
    if (p->align_corners)
        step = out > 1 ? (double)(in - 1) / (double)(out - 1) : 0;
    for (int64_t i = 0; i < out; i++) {
        double at = p->align_corners ? (double)i * step : ((double)i + 0.5) * step - 0.5;
        at = at > 0 ? at : 0;
        int64_t low = at < (double)(in - 1) ? (int64_t)at : in - 1;
        t->places[i][0] = (int32_t)low;
        t->places[i][1] = (int32_t)(low + 1 < in ? low + 1 : low);
        t->parts[i] = low + 1 < in ? (float)(at - (double)low) : 0;
    }
}

static bool fill(vka_graph *g, vka_tensor x, const struct vka_resize *p, struct table t)
{
    int axes = vka_rank(g, x) - 2;
    for (int i = 0; i < AXES; i++) {
        int own = i - (AXES - axes);
        if (own < 0) {
            t.places[0][0] = t.places[0][1] = 0;
            t.parts[0] = 0;
        } else if (p->linear) {
            linear(p, own, vka_dim(g, x, own + 2), p->size[own], &t);
        } else {
            nearest(p, own, vka_dim(g, x, own + 2), p->size[own], &t);
        }
        int64_t rows = own < 0 ? 1 : p->size[own];
        t.places += rows;
        t.parts += rows;
    }
    return true;
}

static bool check(vka_graph *g, vka_tensor x, const struct vka_resize *p, int64_t *rows)
{
    vka_shape shape = vka_shape_of(g, x);
    char text[VKA_SHAPE_TEXT];
    if (vka_failed(g))
        return false;
    if (shape.rank < 3 || shape.rank > 5)
        return vka_fail(g, "resize: x has shape %s; [N, C, 1 to 3 spatial axes] go",
                        vka_shape_text(&shape, text)),
               false;
    *rows = 5 - shape.rank;
    for (int i = 0; i < shape.rank - 2; i++) {
        if (p->size[i] < 1 || p->size[i] >= MOST || shape.dim[i + 2] >= MOST)
            return vka_fail(g,
                            "resize: x has shape %s, its spatial axis %d becomes %lld; both go "
                            "from 1 to below 2^26",
                            vka_shape_text(&shape, text), i, (long long)p->size[i]),
                   false;
        *rows += p->size[i];
    }
    return true;
}

vka_tensor vka_resize(vka_graph *g, vka_tensor x, const struct vka_resize *p)
{
    int64_t rows;
    if (!check(g, x, p, &rows))
        return 0;
    struct table t = {vka_alloc(g->context, (uint64_t)rows, sizeof *t.places),
                      vka_calloc(g->context, (uint64_t)rows, sizeof *t.parts)};
    vka_tensor in[] = {x, 0, 0}, y = 0;
    vka_shape places = {2, {rows, 2}}, parts = {1, {rows}};
    if (!t.places || !t.parts) {
        vka_fail_as(g, VKA_ERROR_OUT_OF_MEMORY, "out of host memory");
    } else if (fill(g, x, p, t)) {
        in[PLACES] = vka_constant(g, VKA_I32, &places, t.places);
        in[PARTS] = vka_constant(g, VKA_F32, &parts, t.parts);
        y = vka_add_node(g, &vka_op_resize, p, 3, in, NULL);
    }
    vka_free(g->context, t.places);
    vka_free(g->context, t.parts);
    return y;
}

static bool infer(struct vka_infer *n)
{
    const struct vka_resize *p = n->params;
    if (!vka_infer_type(n, "resize", X, VKA_F32))
        return false;
    n->n_out = 1;
    n->out_shape[0] = n->in[X]->shape;
    for (int i = 2; i < n->out_shape[0].rank; i++)
        n->out_shape[0].dim[i] = p->size[i - 2];
    return true;
}

// --- CPU: a piece is some lines of the output ---

struct resizing {
    const float *x, *parts;
    const int32_t (*places)[2];
    float *y;
    int64_t in[AXES], out[AXES], lines, per_piece;
    bool linear;
};

static void line_nearest(const struct resizing *c, const float *plane, int64_t a, int64_t b,
                         float *y)
{
    const float *row = plane + (c->places[a][0] * c->in[1] + c->places[b][0]) * c->in[2];
    const int32_t(*places)[2] = c->places + c->out[0] + c->out[1];
    for (int64_t i = 0; i < c->out[2]; i++)
        y[i] = row[places[i][0]];
}

static void line_linear(const struct resizing *c, const float *plane, int64_t a, int64_t b,
                        float *y)
{
    const int32_t(*places)[2] = c->places + c->out[0] + c->out[1];
    const float *parts = c->parts + c->out[0] + c->out[1];
    for (int64_t i = 0; i < c->out[2]; i++)
        y[i] = 0;
    for (int k = 0; k < 4; k++) { // the rows around; those of no weight may not be touched: inf * 0
        int ka = k >> 1, kb = k & 1;
        float weight = (ka ? c->parts[a] : 1 - c->parts[a]) * (kb ? c->parts[b] : 1 - c->parts[b]);
        const float *row = plane + (c->places[a][ka] * c->in[1] + c->places[b][kb]) * c->in[2];
        for (int64_t i = 0; weight != 0 && i < c->out[2]; i++) {
            y[i] += weight * (1 - parts[i]) * row[places[i][0]];
            if (parts[i] != 0)
                y[i] += weight * parts[i] * row[places[i][1]];
        }
    }
}

static void run_piece(void *arg, int64_t piece, int thread)
{
    const struct resizing *c = arg;
    int64_t end = (piece + 1) * c->per_piece;
    (void)thread;
    for (int64_t line = piece * c->per_piece; line < end && line < c->lines; line++) {
        int64_t plane = line / c->out[1] / c->out[0];
        int64_t a = line / c->out[1] % c->out[0], b = c->out[0] + line % c->out[1];
        const float *x = c->x + plane * c->in[0] * c->in[1] * c->in[2];
        (c->linear ? line_linear : line_nearest)(c, x, a, b, c->y + line * c->out[2]);
    }
}

static struct resizing sizes(const struct vka_args *args)
{
    const struct vka_resize *p = args->params;
    const struct vka_array *x = &args->in[X], *y = &args->out[0];
    struct resizing c = {.x = x->data,
                         .parts = args->in[PARTS].data,
                         .places = args->in[PLACES].data,
                         .y = y->data,
                         .linear = p->linear};
    int lead = 5 - x->rank;
    for (int i = 0; i < AXES; i++) {
        c.in[i] = i < lead ? 1 : x->dim[i - lead + 2];
        c.out[i] = i < lead ? 1 : y->dim[i - lead + 2];
    }
    c.lines = x->dim[0] * x->dim[1] * c.out[0] * c.out[1];
    return c;
}

static void cpu(const struct vka_cpu_run *run)
{
    struct resizing c = sizes(run->args);
    int64_t pieces = vka_pieces(run->threads, c.lines, c.lines * c.out[2] * 8);
    c.per_piece = (c.lines + pieces - 1) / pieces;
    vka_parallel(run->threads, pieces, run_piece, &c);
}

// --- Vulkan ---

static void launch(struct vka_launch *l, const struct vka_args *args)
{
    struct resizing c = sizes(args);
    int64_t count = vka_array_count(&args->out[0]);
    vka_launch_most(l, "elements of resize", count, UINT32_MAX);
    vka_launch_most(l, "elements into resize", vka_array_count(&args->in[X]), UINT32_MAX);
    struct vka_dispatch d;
    vka_begin(l, &d, "resize", GROUP, 1, 1);
    vka_constant_u32(&d, c.linear);
    struct vka_push_resize push = {.count = (uint32_t)count};
    for (int i = 0; i < AXES; i++) {
        push.in_size[i] = (uint32_t)c.in[i];
        push.out_size[i] = (uint32_t)c.out[i];
    }
    push.x = vka_bind(l, &d, &args->in[X], VKA_READ);
    push.places = vka_bind(l, &d, &args->in[PLACES], VKA_READ);
    push.parts = vka_bind(l, &d, &args->in[PARTS], VKA_READ);
    push.y = vka_bind(l, &d, &args->out[0], VKA_WRITE);
    VKA_PUSH(&d, push);
    vka_turns(&d, 8, "corners");
    vka_emit(l, &d, ((uint64_t)count + GROUP - 1) / GROUP, 1, 1);
}

static const struct vka_variant variants[] = {{"baseline", NULL, launch}, {0}};

const struct vka_op vka_op_resize = {
    .name = "resize",
    .summary = "nearest or linear resampling",
    .params_size = sizeof(struct vka_resize),
    .infer = infer,
    .cpu = cpu,
    .variants = variants,
};
