// SPDX-License-Identifier: MIT
#include "cpu/conv.h"
#include "cpu/kernels.h"
#include "cpu/threads.h"
#include "util/whole.h"

#include <string.h>

enum {
    DEPTH = 512,         // terms summed before a sum is added to the one so far
    COPY_MOST = 1 << 18, // floats of a padded copy: half of a second cache
    SLACK = 128,         // tiles read past the last place
    ALIGNED = 16,
    WORTH = 1 << 17, // multiply-adds of a piece
};

// One spatial axis of the padded copy.
struct axis {
    int64_t box; // output places of a piece; the last piece may have fewer
    int64_t boxes;
    int64_t size;   // of the copy of a phase
    int64_t phases; // that taps use
};

struct plan {
    const struct vka_kernels *kernels;
    struct axis axis[VKA_WINDOW_AXES];
    int64_t plane;       // floats of one phase
    int64_t channel;     // of all phases of a channel
    int64_t taps, depth; // of the kernel; channels summed at once
    int panel, cols;     // of a tile
    int64_t panels;
    int64_t items, per_piece;
    int64_t tap_size, weight_size, copy_size; // of scratch, in floats
};

struct run {
    const struct vka_conv_job *job;
    struct plan plan;
    int32_t *tap;
    float *weight, *copies;
};

// --- the plan ---

// Phases along an axis in the order in which taps meet them: tap k uses (k * dilation) % stride.
// They repeat after stride / gcd(stride, dilation) taps.
static int64_t phases_of(const struct vka_window *w, int axis)
{
    int64_t count = 0, phase = 0;
    do {
        phase = (phase + w->dilation[axis]) % w->stride[axis];
        count++;
    } while (phase != 0 && count < w->kernel[axis]);
    return count;
}

static void size_copy(const struct vka_conv_job *job, struct plan *t)
{
    t->plane = 1;
    int64_t phases = 1;
    for (int i = 0; i < VKA_WINDOW_AXES; i++) {
        const struct vka_window *w = &job->w;
        t->axis[i].boxes = vka_divide_up(w->out[i], t->axis[i].box);
        t->axis[i].size = t->axis[i].box + (w->kernel[i] - 1) * w->dilation[i] / w->stride[i];
        t->axis[i].phases = phases_of(w, i);
        t->plane *= t->axis[i].size;
        phases *= t->axis[i].phases;
    }
    t->channel = t->plane * phases;
    t->items = job->n * job->groups * t->axis[0].boxes * t->axis[1].boxes * t->axis[2].boxes;
}

// Halves boxes along the first axis that has any length until the copy is small and there are
// enough of them.
static void cut(const struct vka_conv_job *job, struct plan *t, int threads)
{
    double work = (double)vka_product3(job->w.out) * (double)(t->taps * job->in_channels) *
                  (double)(job->out_channels * job->groups * job->n);
    int64_t wanted = threads == 1 ? 1 : 2 * threads; // few: a box is copied with what is around it
    if (work / WORTH < (double)wanted)
        wanted = work < WORTH ? 1 : (int64_t)(work / WORTH);
    for (int i = 0; i < VKA_WINDOW_AXES; i++)
        t->axis[i].box = job->w.out[i];
    size_copy(job, t);
    for (int i = 0; i < VKA_WINDOW_AXES;) {
        bool large = t->channel * job->in_channels > COPY_MOST;
        int64_t least = i < 2 ? 1 : 2 * t->cols;
        if ((!large && t->items >= wanted) || t->axis[i].box <= least) {
            i++;
            continue;
        }
        t->axis[i].box = vka_divide_up(job->w.out[i], 2 * t->axis[i].boxes);
        size_copy(job, t);
    }
    t->per_piece = wanted < t->items ? t->items / wanted : 1;
}

static void make_plan(const struct vka_conv_job *job, struct plan *t, int threads)
{
    *t = (struct plan){.kernels = vka_kernels(), .taps = vka_product3(job->w.kernel)};
    t->panels = vka_divide_up(job->out_channels, t->kernels->tile_rows);
    t->panel = (int)vka_divide_up(job->out_channels, t->panels);
    t->panels = vka_divide_up(job->out_channels, t->panel);
    t->cols = t->panel <= VKA_STRIP_ROWS ? t->kernels->strip_cols : t->kernels->tile_cols;
    t->depth = t->taps > DEPTH ? 1 : DEPTH / t->taps;
    cut(job, t, threads);
    t->tap_size = vka_round_up(t->taps, ALIGNED);
    t->weight_size =
        vka_round_up(job->groups * t->panels * t->panel * t->taps * job->in_channels, ALIGNED);
    t->copy_size = vka_round_up(t->channel * job->in_channels + SLACK, ALIGNED);
}

size_t vka_conv_scratch(const struct vka_conv_job *job, int threads)
{
    struct plan t;
    make_plan(job, &t, threads);
    return (size_t)(t.tap_size + t.weight_size + threads * t.copy_size) * sizeof(float);
}

// Where tap k along an axis looks: the phase by its number, and the place in it.
static void look(const struct vka_window *w, const struct plan *t, int axis, int64_t k,
                 int64_t *phase, int64_t *place)
{
    *phase = k % t->axis[axis].phases;
    *place = k * w->dilation[axis] / w->stride[axis];
}

static void set_taps(const struct vka_window *w, const struct plan *t, int32_t *tap)
{
    for (int64_t k = 0; k < t->taps; k++) {
        int64_t at[VKA_WINDOW_AXES] = {k / w->kernel[2] / w->kernel[1],
                                       k / w->kernel[2] % w->kernel[1], k % w->kernel[2]};
        int64_t phases = 0, places = 0;
        for (int i = 0; i < VKA_WINDOW_AXES; i++) {
            int64_t phase, place;
            look(w, t, i, at[i], &phase, &place);
            phases = phases * t->axis[i].phases + phase;
            places = places * t->axis[i].size + place;
        }
        tap[k] = (int32_t)(phases * t->plane + places);
    }
}

static void pack_weight(void *arg, int64_t number, int thread)
{
    (void)thread;
    const struct run *r = arg;
    const struct vka_conv_job *job = r->job;
    const struct plan *t = &r->plan;
    int64_t terms = t->taps * job->in_channels, group = number / t->panels;
    int64_t row = number % t->panels * t->panel;
    t->kernels->pack(r->weight + number * t->panel * terms, t->panel,
                     job->weight + (group * job->out_channels + row) * terms, terms, 1,
                     (int)vka_smaller(t->panel, job->out_channels - row), terms);
}

// --- the padded copy ---

// places first .. first + count - 1 of a phase along the last axis, from a line of x (NULL:
// outside).
static void copy_line(const struct vka_window *w, float *to, const float *line, int64_t count,
                      int64_t first)
{
    const int64_t size = w->in[2], stride = w->stride[2], step = w->step[2] * stride;
    int64_t begin = first < 0 ? (-first + stride - 1) / stride : 0;
    int64_t end = first >= size ? 0 : (size - first + stride - 1) / stride;
    begin = line ? vka_smaller(begin, count) : count;
    end = end > count ? count : end < begin ? begin : end;
    memset(to, 0, (size_t)begin * sizeof *to);
    if (end > begin && step == 1)
        memcpy(to + begin, line + first + begin, (size_t)(end - begin) * sizeof *to);
    else
        for (int64_t i = begin; i < end; i++)
            to[i] = line[first * w->step[2] + i * step];
    memset(to + end, 0, (size_t)(count - end) * sizeof *to);
}

// The place of x that an axis' place 0 of a phase is, for a box that starts at output `start`.
static int64_t origin(const struct vka_window *w, int axis, int64_t start, int64_t phase)
{
    return start * w->stride[axis] + phase * w->dilation[axis] % w->stride[axis] - w->before[axis];
}

static bool inside(const struct vka_window *w, int axis, int64_t place)
{
    return place >= 0 && place < w->in[axis];
}

static void copy_plane(const struct vka_window *w, const struct plan *t, float *to, const float *x,
                       const int64_t origins[VKA_WINDOW_AXES])
{
    for (int64_t i = 0; i < t->axis[0].size; i++) {
        int64_t a = origins[0] + i * w->stride[0];
        for (int64_t j = 0; j < t->axis[1].size; j++, to += t->axis[2].size) {
            int64_t b = origins[1] + j * w->stride[1];
            const float *line = x + a * w->step[0] + b * w->step[1];
            bool there = inside(w, 0, a) && inside(w, 1, b);
            copy_line(w, to, there ? line : NULL, t->axis[2].size, origins[2]);
        }
    }
}

static void copy_box(const struct vka_conv_job *job, const struct plan *t, float *to,
                     const float *x, const int64_t start[VKA_WINDOW_AXES])
{
    int64_t phases = t->channel / t->plane;
    for (int64_t c = 0; c < job->in_channels; c++) {
        for (int64_t p = 0; p < phases; p++, to += t->plane) {
            int64_t phase[VKA_WINDOW_AXES] = {p / t->axis[2].phases / t->axis[1].phases,
                                              p / t->axis[2].phases % t->axis[1].phases,
                                              p % t->axis[2].phases};
            int64_t origins[VKA_WINDOW_AXES];
            for (int i = 0; i < VKA_WINDOW_AXES; i++)
                origins[i] = origin(&job->w, i, start[i], phase[i]);
            copy_plane(&job->w, t, to, x + c * job->x_channel, origins);
        }
    }
}

// --- pieces ---

struct box {
    int64_t sample, group;
    int64_t start[VKA_WINDOW_AXES], size[VKA_WINDOW_AXES];
    float *out; // place 0 of the first channel of the group
};

static struct box box_of(const struct run *r, int64_t item)
{
    const struct vka_conv_job *job = r->job;
    struct box b;
    for (int i = VKA_WINDOW_AXES - 1; i >= 0; i--) {
        const struct axis *axis = &r->plan.axis[i];
        b.start[i] = item % axis->boxes * axis->box;
        b.size[i] = vka_smaller(axis->box, job->w.out[i] - b.start[i]);
        item /= axis->boxes;
    }
    b.group = item % job->groups;
    b.sample = item / job->groups;
    b.out = job->out + item * job->out_channels * vka_product3(job->w.out);
    return b;
}

static int64_t out_place(const struct vka_window *w, const struct box *b, int64_t i, int64_t j)
{
    return ((b->start[0] + i) * w->out[1] + b->start[1] + j) * w->out[2] + b->start[2];
}

// A tile's columns are flat places of the copy from `first`: those inside the box go to the output.
static void spread(const struct run *r, const struct box *b, const float *sums, int rows,
                   int64_t row, int64_t first, int64_t count)
{
    const struct vka_window *w = &r->job->w;
    const struct plan *t = &r->plan;
    int64_t line = t->axis[2].size, lines = t->axis[1].size, places = vka_product3(w->out);
    for (int64_t at = first; at < first + count;) {
        int64_t k = at % line, j = at / line % lines, i = at / line / lines;
        int64_t length = vka_smaller(first + count - at, line - k);
        if (j < b->size[1] && k < b->size[2]) {
            float *to = b->out + row * places + out_place(w, b, i, j) + k;
            size_t bytes = (size_t)vka_smaller(length, b->size[2] - k) * sizeof *to;
            for (int m = 0; m < rows; m++)
                memcpy(to + m * places, sums + m * t->cols + (at - first), bytes);
        }
        at += length;
    }
}

static void make_tiles(const struct run *r, const struct box *b, const float *copy)
{
    const struct vka_conv_job *job = r->job;
    const struct plan *t = &r->plan;
    int64_t flat =
        ((b->size[0] - 1) * t->axis[1].size + b->size[1] - 1) * t->axis[2].size + b->size[2];
    const float *weight = r->weight + b->group * t->panels * t->panel * t->taps * job->in_channels;
    float sums[VKA_TILE_ROWS * VKA_STRIP_COLS];
    for (int64_t first = 0; first < flat; first += t->cols) {
        int cols = (int)vka_smaller(t->cols, flat - first);
        struct vka_tile tile = {.taps = (int)t->taps,
                                .tap = r->tap,
                                .a = weight,
                                .a_step = t->panel,
                                .b_step = t->channel,
                                .c = sums,
                                .c_row = t->cols};
        for (int64_t row = 0; row < job->out_channels; row += t->panel) {
            int rows = (int)vka_smaller(t->panel, job->out_channels - row);
            tile.b = copy + first;
            for (int64_t c = 0; c < job->in_channels; c += tile.k) {
                tile.k = vka_smaller(t->depth, job->in_channels - c);
                tile.add = c > 0;
                t->kernels->tile(rows, cols, &tile);
                tile.a += tile.k * t->taps * t->panel;
                tile.b += tile.k * t->channel;
            }
            spread(r, b, sums, rows, row, first, cols);
        }
    }
}

static void finish(const struct run *r, const struct box *b)
{
    const struct vka_conv_job *job = r->job;
    const struct vka_window *w = &job->w;
    struct vka_epilogue e = {.alpha = 1, .act = job->act};
    int64_t channel = b->group * job->out_channels, places = vka_product3(w->out);
    // Lines of the box follow each other where it has the output's whole width.
    int64_t together = b->size[2] == w->out[2] ? b->size[1] : 1;
    e.row[0] = job->bias_step;
    e.row[1] = places;
    e.col[1] = 1;
    for (int64_t i = 0; i < b->size[0]; i++) {
        for (int64_t j = 0; j < b->size[1]; j += together) {
            int64_t place = out_place(w, b, i, j);
            e.added[0] = job->bias ? job->bias + channel * job->bias_step : NULL;
            if (job->residual)
                e.added[1] = job->residual + (b->out - job->out) + place;
            vka_epilogue_run(&e, b->out + place, job->out_channels, together * b->size[2], places,
                             1);
        }
    }
}

static void piece(void *arg, int64_t number, int thread)
{
    const struct run *r = arg;
    const struct vka_conv_job *job = r->job;
    const struct plan *t = &r->plan;
    float *copy = r->copies + thread * t->copy_size;
    int64_t end = vka_smaller(t->items, (number + 1) * t->per_piece);
    for (int64_t item = number * t->per_piece; item < end; item++) {
        struct box b = box_of(r, item);
        copy_box(job, t, copy,
                 job->x + b.sample * job->x_batch + b.group * job->in_channels * job->x_channel,
                 b.start);
        make_tiles(r, &b, copy);
        finish(r, &b);
    }
}

void vka_conv_run(const struct vka_conv_job *job, struct vka_threads *threads, void *scratch)
{
    struct run r = {.job = job};
    make_plan(job, &r.plan, vka_threads_count(threads));
    r.tap = scratch;
    r.weight = (float *)scratch + r.plan.tap_size;
    r.copies = r.weight + r.plan.weight_size;
    set_taps(&job->w, &r.plan, r.tap);
    vka_parallel(threads, job->groups * r.plan.panels, pack_weight, &r);
    vka_parallel(threads, vka_divide_up(r.plan.items, r.plan.per_piece), piece, &r);
}
