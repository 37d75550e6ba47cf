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
    BEYOND = 1280,   // products of a line that are made for nothing, rather than taking it apart
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
    int64_t line;        // floats from line to line of the copy
    bool shares_margins; // what is 0 behind a line is 0 before the next one, too
    int64_t plane;       // floats of one phase
    int64_t channel;     // of all phases of a channel
    int64_t taps, depth; // of the kernel; channels summed at once
    int panel, cols;     // of a tile
    int64_t panels;
    bool by_lines; // each line of the output by itself, else flat places of the copy
    int64_t items, per_piece;
    int64_t tap_size, weight_size, copy_size; // of scratch, in floats
};

struct run {
    const struct vka_conv_job *job;
    struct plan plan;
    const int32_t *tap;
    const float *weight;
    float *copies;
};

// Made once where the weight is known: offsets of the taps, then the packed weight.
struct packing {
    const struct vka_conv_job *job;
    const struct plan *plan;
    float *weight;
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

// Few channels come by lines: sums are left where they belong.
static bool goes_by_lines(const struct vka_conv_job *job, const struct plan *t)
{
    int64_t length = t->axis[2].box, terms = t->taps * job->in_channels;
    int64_t beyond = vka_round_up(length, t->kernels->lanes) - length;
    return t->panel <= VKA_STRIP_ROWS && job->in_channels <= t->depth && beyond * terms <= BEYOND;
}

static void size_copy(const struct vka_conv_job *job, struct plan *t)
{
    int64_t phases = 1;
    for (int i = 0; i < VKA_WINDOW_AXES; i++) {
        const struct vka_window *w = &job->w;
        t->axis[i].boxes = vka_divide_up(w->out[i], t->axis[i].box);
        t->axis[i].size = t->axis[i].box + (w->kernel[i] - 1) * w->dilation[i] / w->stride[i];
        t->axis[i].phases = phases_of(w, i);
        phases *= t->axis[i].phases;
    }
    t->by_lines = goes_by_lines(job, t);
    t->shares_margins = t->by_lines && job->w.stride[2] == 1 && job->w.step[2] == 1;
    t->line = t->shares_margins ? vka_round_up(t->axis[2].size, ALIGNED) : t->axis[2].size;
    t->plane = t->axis[0].size * t->axis[1].size * t->line;
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
    t->copy_size = vka_round_up(t->line + t->channel * job->in_channels + SLACK, ALIGNED);
}

size_t vka_conv_weight_size(const struct vka_conv_job *job)
{
    struct plan t;
    make_plan(job, &t, 1);
    return (size_t)(t.tap_size + t.weight_size) * sizeof(float);
}

size_t vka_conv_scratch(const struct vka_conv_job *job, int threads)
{
    struct plan t;
    make_plan(job, &t, threads);
    return (size_t)(threads * t.copy_size) * sizeof(float);
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
            places = places * (i < 2 ? t->axis[i].size : t->line) + place;
        }
        tap[k] = (int32_t)(phases * t->plane + places);
    }
}

static void pack_weight(void *arg, int64_t number, int thread)
{
    (void)thread;
    const struct packing *to = arg;
    const struct vka_conv_job *job = to->job;
    const struct plan *t = to->plan;
    int64_t terms = t->taps * job->in_channels, group = number / t->panels;
    int64_t row = number % t->panels * t->panel;
    t->kernels->pack(to->weight + number * t->panel * terms, t->panel,
                     job->weight + (group * job->out_channels + row) * terms, terms, 1,
                     (int)vka_smaller(t->panel, job->out_channels - row), terms);
}

void vka_conv_weight(const struct vka_conv_job *job, struct vka_threads *threads, void *weight)
{
    struct plan t;
    make_plan(job, &t, vka_threads_count(threads));
    struct packing to = {job, &t, (float *)weight + t.tap_size};
    set_taps(&job->w, &t, weight);
    vka_parallel(threads, job->groups * t.panels, pack_weight, &to);
}

// --- the padded copy ---

// Of places first, first + step, ..: the first one in 0 .. size - 1, and the first one behind that.
static void find_inside(int64_t first, int64_t step, int64_t size, int64_t count, int64_t *begin,
                        int64_t *end)
{
    *begin = first < 0 ? vka_divide_up(-first, step) : 0;
    *begin = vka_smaller(*begin, count);
    *end = first >= size ? 0 : vka_smaller(vka_divide_up(size - first, step), count);
    *end = vka_larger(*begin, *end);
}

// `count` places of a phase from `first` on along the last axis, from a line of x (NULL: outside).
static void copy_line(const struct vka_window *w, float *to, const float *line, int64_t count,
                      int64_t first)
{
    const int64_t step = w->step[2] * w->stride[2];
    int64_t begin = count, end = count;
    if (line)
        find_inside(first, w->stride[2], w->in[2], count, &begin, &end);
    memset(to, 0, (size_t)begin * sizeof *to);
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

// Lines of a plane whose places lie side by side in x, too (NULL: outside).
static void pad_lines(const struct vka_window *w, const struct plan *t, float *to, const float *x,
                      const int64_t origins[VKA_WINDOW_AXES])
{
    struct vka_pad pad = {
        .to = to, .lines = t->axis[1].size, .size = t->line, .x_line = w->step[1] * w->stride[1]};
    int64_t end, left;
    find_inside(origins[1], w->stride[1], w->in[1], pad.lines, &pad.top, &end);
    pad.count = end - pad.top;
    find_inside(origins[2], 1, w->in[2], t->axis[2].size, &left, &end);
    pad.inside = end - left;
    pad.left = t->shares_margins ? 0 : left;
    if (x && pad.count > 0 && pad.inside > 0)
        pad.x = x + (origins[1] + pad.top * w->stride[1]) * w->step[1] + origins[2] + left;
    else
        pad.count = 0;
    t->kernels->pad(&pad);
}

static void copy_plane(const struct vka_window *w, const struct plan *t, float *to, const float *x,
                       const int64_t origins[VKA_WINDOW_AXES])
{
    for (int64_t i = 0; i < t->axis[0].size; i++, to += t->axis[1].size * t->line) {
        int64_t a = origins[0] + i * w->stride[0];
        const float *from = inside(w, 0, a) ? x + a * w->step[0] : NULL;
        if (w->step[2] == 1 && w->stride[2] == 1) {
            pad_lines(w, t, to, from, origins);
            continue;
        }
        for (int64_t j = 0; j < t->axis[1].size; j++) {
            int64_t b = origins[1] + j * w->stride[1];
            bool there = from && inside(w, 1, b);
            copy_line(w, to + j * t->line, there ? from + b * w->step[1] : NULL, t->axis[2].size,
                      origins[2]);
        }
    }
}

// To `room`; returns where place 0 is.
static const float *copy_box(const struct vka_conv_job *job, const struct plan *t, float *room,
                             const float *x, const int64_t start[VKA_WINDOW_AXES])
{
    int64_t phases = t->channel / t->plane, left = 0, end;
    float *to = room;
    if (t->shares_margins) { // a line of them before the first one
        find_inside(origin(&job->w, 2, start[2], 0), 1, job->w.in[2], t->axis[2].size, &left, &end);
        memset(to, 0, (size_t)t->line * sizeof *to);
        to += t->line;
    }
    const float *first = to - left;
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
    return first;
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
    int64_t line = t->line, lines = t->axis[1].size, places = vka_product3(w->out);
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
    int64_t flat = ((b->size[0] - 1) * t->axis[1].size + b->size[1] - 1) * t->line + b->size[2];
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

// What a sum becomes as soon as it is there; else `finish` makes it of all at once.
static bool ends_lines(const struct run *r)
{
    const struct vka_conv_job *job = r->job;
    return r->plan.by_lines && !job->residual &&
           (job->act.kind == VKA_ACT_NONE || job->act.kind == VKA_ACT_RELU);
}

static void make_lines(const struct run *r, const struct box *b, const float *copy)
{
    const struct vka_conv_job *job = r->job;
    const struct plan *t = &r->plan;
    const struct vka_window *w = &job->w;
    int64_t places = vka_product3(w->out), terms = t->taps * job->in_channels;
    struct vka_lines lines = {.k = job->in_channels,
                              .taps = (int)t->taps,
                              .tap = r->tap,
                              .a = r->weight + b->group * t->panels * t->panel * terms,
                              .a_step = t->panel,
                              .b_step = t->channel,
                              .c_row = places,
                              .lines = b->size[1],
                              .length = b->size[2],
                              .b_line = t->line,
                              .c_line = w->out[2],
                              .bias_step = job->bias_step,
                              .relu = ends_lines(r) && job->act.kind == VKA_ACT_RELU};
    for (int64_t row = 0; row < job->out_channels; row += t->panel, lines.a += t->panel * terms) {
        int rows = (int)vka_smaller(t->panel, job->out_channels - row);
        if (ends_lines(r) && job->bias)
            lines.bias = job->bias + (b->group * job->out_channels + row) * job->bias_step;
        for (int64_t i = 0; i < b->size[0]; i++) {
            lines.b = copy + i * t->axis[1].size * t->line;
            lines.c = b->out + row * places + out_place(w, b, i, 0);
            t->kernels->lines(rows, &lines);
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
    float *room = r->copies + thread * t->copy_size;
    int64_t end = vka_smaller(t->items, (number + 1) * t->per_piece);
    for (int64_t item = number * t->per_piece; item < end; item++) {
        struct box b = box_of(r, item);
        const float *x =
            job->x + b.sample * job->x_batch + b.group * job->in_channels * job->x_channel;
        const float *copy = copy_box(job, t, room, x, b.start);
        if (t->by_lines)
            make_lines(r, &b, copy);
        else
            make_tiles(r, &b, copy);
        if (!ends_lines(r))
            finish(r, &b);
    }
}

void vka_conv_run(const struct vka_conv_job *job, const void *weight, struct vka_threads *threads,
                  void *scratch)
{
    struct run r = {.job = job, .tap = weight, .copies = scratch};
    make_plan(job, &r.plan, vka_threads_count(threads));
    r.weight = (const float *)weight + r.plan.tap_size;
    vka_parallel(threads, vka_divide_up(r.plan.items, r.plan.per_piece), piece, &r);
}
