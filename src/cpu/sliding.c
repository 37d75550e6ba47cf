// SPDX-License-Identifier: MIT
#include "cpu/sliding.h"
#include "cpu/kernels.h"
#include "util/whole.h"

#include <math.h>
#include <string.h>

// A piece is a box of windows of one map. What their taps read is copied into planes, a channel
// each, where all is inside and neighbouring windows' taps lie beside each other. Along an axis
// without stride and dilation windows share the copy; else every tap has its own.
enum {
    TAPS = 64,           // whose logits are held at once
    STRIP = 64,          // windows, at most
    COLUMNS = 256,       // of a box, at most
    COPY_MOST = 1 << 17, // floats of a box's planes, where that can be
    SLACK = 64,          // strips read past the last window
    ALIGNED = 16,
    WORTH = 1 << 16, // multiply-adds of a piece
};
static const double LOG2_E = 1.44269504088896340736;

struct plan {
    const struct vka_kernels *kernels;
    int64_t taps, planes;
    bool shared[2]; // windows share the copy along this axis
    int64_t box[2]; // windows
    int64_t boxes[2];
    int64_t line, lines; // of a plane
    int64_t pitch;       // columns between neighbouring taps
    int64_t plane;
    int64_t strip;
    int64_t tap_size, thread_size; // of scratch, in floats
};

struct run {
    const struct vka_sliding_job *job;
    struct plan plan;
    int32_t *offset; // of each tap in a plane
    float *scratch;
};

struct piece {
    const struct run *r;
    int64_t n, map;
    int64_t at[2], count[2]; // of the box
    float *k, *v, *extra, *inside;
    float *logits, *q, *y, *max, *sum, *factor;
};

// --- the plan ---

static void size_planes(const struct vka_sliding_job *job, struct plan *t)
{
    int64_t columns = vka_round_up(t->box[1], t->kernels->lanes);
    t->pitch = t->shared[1] ? 1 : columns;
    t->line = t->shared[1] ? columns + job->w.kernel[1] - 1 : columns * job->w.kernel[1];
    t->lines = t->box[0] + job->w.kernel[0] - 1; // a box is one row where it isn't shared
    t->plane = t->line * t->lines;
    for (int i = 0; i < 2; i++)
        t->boxes[i] = vka_divide_up(job->w.out[i], t->box[i]);
}

static void make_plan(const struct vka_sliding_job *job, struct plan *t, int threads)
{
    *t = (struct plan){.kernels = vka_kernels(), .taps = job->w.kernel[0] * job->w.kernel[1]};
    t->planes = job->depth + job->width + job->has_extra + job->fixed;
    for (int i = 0; i < 2; i++)
        t->shared[i] = job->w.stride[i] == 1 && job->w.dilation[i] == 1;
    double work = (double)(t->taps * (job->depth + job->width)) * (double)job->w.out[0] *
                  (double)job->w.out[1] * (double)(job->n * job->maps);
    int64_t wanted = threads == 1 ? 1 : 4 * threads;
    wanted = work / WORTH < (double)wanted ? (int64_t)(work / WORTH) : wanted;
    t->box[0] = t->shared[0] ? job->w.out[0] : 1;
    t->box[1] = vka_smaller(job->w.out[1], COLUMNS);
    size_planes(job, t);
    while (t->box[0] > 1 && (t->plane * t->planes > COPY_MOST ||
                             job->n * job->maps * t->boxes[0] * t->boxes[1] < wanted)) {
        t->box[0] = vka_divide_up(t->box[0], 2);
        size_planes(job, t);
    }
    if (t->plane * t->planes > COPY_MOST && t->box[1] > STRIP) {
        t->box[1] = STRIP;
        size_planes(job, t);
    }
    t->strip = vka_smaller(vka_round_up(t->box[1], t->kernels->lanes), STRIP);
    t->tap_size = vka_round_up(t->taps, ALIGNED);
    t->thread_size = vka_round_up(t->planes * t->plane + SLACK, ALIGNED) +
                     t->strip * (TAPS + job->depth + job->width + 3);
}

size_t vka_sliding_scratch(const struct vka_sliding_job *job, int threads)
{
    struct plan t;
    make_plan(job, &t, threads);
    return (size_t)(t.tap_size + threads * t.thread_size) * sizeof(float);
}

static void set_offsets(const struct vka_sliding_job *job, const struct plan *t, int32_t *offset)
{
    for (int64_t i = 0; i < t->taps; i++)
        offset[i] = (int32_t)(i / job->w.kernel[1] * t->line + i % job->w.kernel[1] * t->pitch);
}

// --- the planes ---

// The place of the map that a place along an axis stands for, -1: none.
static int64_t place_in(const struct vka_sliding_job *job, int axis, int64_t place)
{
    int64_t size = job->in[axis];
    if (job->w.reflect && place < 0)
        place = -place;
    if (job->w.reflect && place >= size)
        place = 2 * (size - 1) - place;
    return place >= 0 && place < size ? place : -1;
}

// `count` places, `stride` apart from `first` on, of a line of the map; NULL: a line outside. A
// step of 0 makes all places inside the same.
static void copy_line(const struct vka_sliding_job *job, float *to, const float *from, int64_t step,
                      int64_t first, int64_t stride, int64_t count)
{
    int64_t size = job->in[1], begin = first < 0 ? vka_divide_up(-first, stride) : 0;
    int64_t end = first < size ? vka_divide_up(size - first, stride) : 0;
    begin = vka_smaller(begin, count);
    end = end > count ? count : end < begin ? begin : end;
    if (!from)
        begin = end = count;
    for (int64_t i = 0; i < begin; i++) {
        int64_t at = from && job->w.reflect ? place_in(job, 1, first + i * stride) : -1;
        to[i] = at < 0 ? 0 : from[at * step];
    }
    if (end > begin && step == 1 && stride == 1)
        memcpy(to + begin, from + first + begin, (size_t)(end - begin) * sizeof *to);
    else
        for (int64_t i = begin; i < end; i++)
            to[i] = from[(first + i * stride) * step];
    for (int64_t i = end; i < count; i++) {
        int64_t at = from && job->w.reflect ? place_in(job, 1, first + i * stride) : -1;
        to[i] = at < 0 ? 0 : from[at * step];
    }
}

// One channel of a map; steps along its rows and columns.
static void copy_plane(const struct piece *x, float *to, const float *map, int64_t row_step,
                       int64_t column_step)
{
    const struct vka_sliding_job *job = x->r->job;
    const struct plan *t = &x->r->plan;
    int64_t lines = t->shared[0] ? x->count[0] + job->w.kernel[0] - 1 : job->w.kernel[0];
    for (int64_t i = 0; i < lines; i++, to += t->line) {
        int64_t row = x->at[0] * job->w.stride[0] - job->w.before[0] + i * job->w.dilation[0];
        row = place_in(job, 0, row);
        const float *from = row < 0 ? NULL : map + row * row_step;
        int64_t column = x->at[1] * job->w.stride[1] - job->w.before[1];
        if (t->shared[1]) {
            copy_line(job, to, from, column_step, column, 1, t->line);
            continue;
        }
        for (int64_t b = 0; b < job->w.kernel[1]; b++)
            copy_line(job, to + b * t->pitch, from, column_step, column + b * job->w.dilation[1],
                      job->w.stride[1], t->pitch);
    }
}

static int64_t channel_of(const struct vka_sliding_job *job, int64_t map, int64_t c)
{
    return job->cyclic ? c * job->maps + map : map * job->width + c;
}

static void copy_planes(const struct piece *x)
{
    static const float one = 1;
    const struct vka_sliding_job *job = x->r->job;
    int64_t plane = x->r->plan.plane;
    const int64_t *ks = job->k_step, *vs = job->v_step, *es = job->extra_step;
    for (int64_t c = 0; c < job->depth; c++)
        copy_plane(x, x->k + c * plane, job->k + x->n * ks[0] + (x->map * job->depth + c) * ks[1],
                   ks[2], ks[3]);
    for (int64_t c = 0; c < job->width; c++)
        copy_plane(x, x->v + c * plane, job->v + x->n * vs[0] + channel_of(job, x->map, c) * vs[1],
                   vs[2], vs[3]);
    if (job->has_extra)
        copy_plane(x, x->extra, job->extra + x->n * es[0] + x->map * es[1], es[2], es[3]);
    if (job->fixed)
        copy_plane(x, x->inside, &one, 0, 0);
}

// --- a strip of windows of one row ---

struct strip {
    int64_t row, column; // in the box
    int count, width;    // windows; the same in whole vectors
};

static void gather(float *to, const float *from, int64_t step, int count)
{
    if (step == 1)
        memcpy(to, from, (size_t)count * sizeof *to);
    else
        for (int i = 0; i < count; i++)
            to[i] = from[i * step];
}

static void start_strip(const struct piece *x, const struct strip *s)
{
    const struct vka_sliding_job *job = x->r->job;
    const int64_t *step = job->q_step;
    int64_t row = x->at[0] + s->row, column = x->at[1] + s->column;
    for (int64_t c = 0; job->q && c < job->depth; c++) {
        const float *from = job->q + x->n * step[0] + (x->map * job->depth + c) * step[1] +
                            row * step[2] + column * step[3];
        gather(x->q + c * s->width, from, step[3], s->count);
    }
    for (int64_t i = 0; i < job->width * s->width; i++)
        x->y[i] = 0;
    for (int i = 0; i < s->width; i++) {
        x->max[i] = -INFINITY;
        x->sum[i] = 0;
    }
}

static void make_logits(const struct piece *x, const struct strip *s, int64_t start,
                        struct vka_taps t, int64_t first)
{
    const struct vka_sliding_job *job = x->r->job;
    const struct plan *plan = &x->r->plan;
    int64_t taps = plan->taps;
    t.channels = job->depth;
    t.table_step = taps;
    plan->kernels->tap_logits(&t, job->relation, x->logits, s->width, x->q, x->k + start,
                              job->table ? job->table + x->map * job->depth * taps + first : NULL);
    const struct vka_tap_finish finish = {
        .scale = job->scale,
        .outside = job->outside,
        .unit = job->v ? (float)LOG2_E : 1,
        .extra = job->has_extra ? x->extra + start : NULL,
        .inside = job->fixed ? x->inside + start : NULL,
        .bias = job->bias ? job->bias + x->map * taps + first : NULL,
    };
    plan->kernels->tap_finish(&t, x->logits, s->width, &finish);
}

static void take_weights(const struct piece *x, const struct strip *s, int64_t first, int count)
{
    const int64_t *step = x->r->job->weight_step;
    const float *from = x->r->job->weights + x->n * step[0] + x->map * step[1] + first * step[2] +
                        (x->at[0] + s->row) * step[3] + (x->at[1] + s->column) * step[4];
    for (int j = 0; j < count; j++)
        gather(x->logits + j * s->width, from + j * step[2], step[4], s->count);
}

static void soften(const struct piece *x, const struct strip *s, int64_t first, int count)
{
    const struct vka_sliding_job *job = x->r->job;
    const struct vka_kernels *kernels = x->r->plan.kernels;
    if (kernels->soften(x->logits, s->width, count, x->max, x->sum, x->factor) && first > 0)
        kernels->scale_queries(x->y, s->width, job->width, x->factor);
    for (int j = 0; job->shares && j < count; j++) {
        for (int i = 0; i < s->width; i++)
            x->logits[j * s->width + i] *= job->shares[first + j];
    }
}

// Lines of the output, `count` from channel or tap 0 of the map on, each of the strip's windows.
static void store(const struct piece *x, const struct strip *s, const float *from, int64_t base,
                  int64_t apart, int64_t count)
{
    const struct vka_sliding_job *job = x->r->job;
    int64_t row = x->at[0] + s->row, column = x->at[1] + s->column;
    int64_t map = job->w.out[0] * job->w.out[1];
    float *to = job->out + base * map + row * job->w.out[1] + column;
    for (int64_t c = 0; c < count; c++, to += apart * map)
        memcpy(to, from + c * s->width, (size_t)s->count * sizeof *to);
}

static void finish_strip(const struct piece *x, const struct strip *s)
{
    const struct vka_sliding_job *job = x->r->job;
    if (!job->weights) {
        for (int i = 0; i < s->width; i++)
            x->factor[i] = x->sum[i] == 0 ? 0 : 1 / x->sum[i];
        x->r->plan.kernels->scale_queries(x->y, s->width, job->width, x->factor);
    }
    store(x, s, x->y, x->n * job->maps * job->width + channel_of(job, x->map, 0),
          job->cyclic ? job->maps : 1, job->width);
}

static void run_strip(const struct piece *x, const struct strip *s)
{
    const struct vka_sliding_job *job = x->r->job;
    const struct plan *plan = &x->r->plan;
    int64_t start = s->row * plan->line + s->column;
    start_strip(x, s);
    for (int64_t first = 0; first < plan->taps; first += TAPS) {
        struct vka_taps t = {.count = (int)vka_smaller(TAPS, plan->taps - first),
                             .offset = x->r->offset + first,
                             .plane = plan->plane};
        if (job->weights)
            take_weights(x, s, first, t.count);
        else
            make_logits(x, s, start, t, first);
        if (!job->v) {
            store(x, s, x->logits, (x->n * job->maps + x->map) * plan->taps + first, 1, t.count);
            continue;
        }
        if (!job->weights)
            soften(x, s, first, t.count);
        t.channels = job->width;
        plan->kernels->tap_sums(&t, x->y, s->width, x->logits, x->v + start);
    }
    if (job->v)
        finish_strip(x, s);
}

static void place_piece(struct piece *x, int64_t number, int thread)
{
    const struct vka_sliding_job *job = x->r->job;
    const struct plan *t = &x->r->plan;
    for (int i = 1; i >= 0; i--) {
        x->at[i] = number % t->boxes[i] * t->box[i];
        x->count[i] = vka_smaller(t->box[i], job->w.out[i] - x->at[i]);
        number /= t->boxes[i];
    }
    x->map = number % job->maps;
    x->n = number / job->maps;
    x->k = x->r->scratch + thread * t->thread_size;
    x->v = x->k + job->depth * t->plane;
    x->extra = x->v + job->width * t->plane;
    x->inside = x->extra + job->has_extra * t->plane;
    x->logits = x->k + vka_round_up(t->planes * t->plane + SLACK, ALIGNED);
    x->q = x->logits + TAPS * t->strip;
    x->y = x->q + job->depth * t->strip;
    x->max = x->y + job->width * t->strip;
    x->sum = x->max + t->strip;
    x->factor = x->sum + t->strip;
}

static void run_piece(void *arg, int64_t number, int thread)
{
    struct piece x = {.r = arg};
    const struct plan *t = &x.r->plan;
    place_piece(&x, number, thread);
    copy_planes(&x);
    for (int64_t row = 0; row < x.count[0]; row++) {
        for (int64_t column = 0; column < x.count[1]; column += t->strip) {
            struct strip s = {.row = row, .column = column};
            s.count = (int)vka_smaller(t->strip, x.count[1] - column);
            s.width = (int)vka_round_up(s.count, t->kernels->lanes);
            run_strip(&x, &s);
        }
    }
}

void vka_sliding_run(const struct vka_sliding_job *job, struct vka_threads *threads, void *scratch)
{
    struct run r = {.job = job, .offset = scratch};
    make_plan(job, &r.plan, vka_threads_count(threads));
    r.scratch = (float *)scratch + r.plan.tap_size;
    set_offsets(job, &r.plan, r.offset);
    vka_parallel(threads, job->n * job->maps * r.plan.boxes[0] * r.plan.boxes[1], run_piece, &r);
}
