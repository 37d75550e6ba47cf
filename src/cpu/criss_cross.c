// SPDX-License-Identifier: MIT
#include "cpu/criss_cross.h"
#include "cpu/kernels.h"
#include "cpu/threads.h"
#include "util/whole.h"

#include <math.h>
#include <string.h>

enum {
    BLOCK = 128,   // keys
    QUERIES = 128, // of a row at once
    ALIGNED = 16,
    COLS = VKA_LANEWISE_COLS, // rows whose queries go through a column together
    TOGETHER = 6,             // channels whose values are taken out of the columns at once
    HELD = 1 << 17,           // floats of logits of a band: a part of a second cache
};
static const double LOG2_E = 1.4426950408889634;

struct plan {
    const struct vka_kernels *kernels;
    int64_t bands, per_piece, pieces; // of columns: vectors of them; rows of a piece, pieces
    int64_t held;                     // rows of a piece whose logits are there at once
    int64_t panels, panel;            // of a row: its queries, in whole vectors
    int64_t value_panel;              // rows of tiles
    int64_t most;                     // queries at once, of a column or a row
    // Scratch in floats: maximum and sum of all pixels after the columns, then for each thread.
    int64_t pixels, logit_size, value_size, thread_size;
};

struct run {
    const struct vka_criss_cross_job *job;
    struct plan plan;
    float *scratch;
};

// The scratch of a thread.
struct place {
    float *logits, *values, *queries, *sums, *max, *sum, *factor;
};

static void make_plan(const struct vka_criss_cross_job *job, struct plan *t, int threads)
{
    *t = (struct plan){.kernels = vka_kernels()};
    int64_t lanes = t->kernels->lanes;
    t->bands = vka_divide_up(job->width, lanes);
    int64_t wanted = vka_divide_up(threads == 1 ? 1 : 4 * threads, job->batch * t->bands);
    t->per_piece = vka_round_up(vka_divide_up(job->height, wanted), COLS);
    t->pieces = vka_divide_up(job->height, t->per_piece);
    int64_t line = job->height * lanes, fit = HELD / line / COLS * COLS;
    t->held = vka_smaller(t->per_piece, vka_larger(fit, COLS));
    t->panels = vka_divide_up(job->width, QUERIES);
    t->panel = vka_round_up(vka_divide_up(job->width, t->panels), lanes);
    t->value_panel =
        vka_divide_up(job->channels, vka_divide_up(job->channels, t->kernels->tile_rows));
    t->most = t->panel > COLS * lanes ? t->panel : COLS * lanes;
    t->pixels = vka_round_up(job->batch * job->height * job->width, ALIGNED);
    int64_t block = vka_smaller(BLOCK, job->height > job->width ? job->height : job->width);
    t->logit_size = vka_larger(block * t->most, t->held * line);
    t->value_size = vka_larger(block * job->channels, vka_larger(job->depth, TOGETHER) * line);
    t->value_size = vka_round_up(t->value_size, ALIGNED);
    t->thread_size =
        t->logit_size + t->value_size + (job->depth + job->channels + 3) * t->most + ALIGNED;
}

size_t vka_criss_cross_scratch(const struct vka_criss_cross_job *job, int threads)
{
    struct plan t;
    make_plan(job, &t, threads);
    return (size_t)(2 * t.pixels + threads * t.thread_size) * sizeof(float);
}

static struct place place_of(const struct run *r, int thread)
{
    const struct plan *t = &r->plan;
    struct place p;
    p.logits = r->scratch + 2 * t->pixels + thread * t->thread_size;
    p.values = p.logits + t->logit_size;
    p.queries = p.values + t->value_size;
    p.sums = p.queries + r->job->depth * t->most;
    p.max = p.sums + r->job->channels * t->most;
    p.sum = p.max + t->most;
    p.factor = p.sum + t->most;
    return p;
}

// `count` queries of a row to a part of [depth][size], zeros behind them up to `room`; logits are
// in units of log 2.
static void take_queries(float *to, int64_t size, int64_t room, const float *q, int64_t step,
                         int64_t depth, int64_t count)
{
    for (int64_t c = 0; c < depth; c++, to += size, q += step) {
        for (int64_t i = 0; i < count; i++)
            to[i] = q[i] * (float)LOG2_E;
        memset(to + count, 0, (size_t)(room - count) * sizeof *to);
    }
}

// --- columns: [key][row of the image][column] ---

// A vector of columns. Its keys and values are taken out of the map once for many rows.
struct band {
    int64_t batch, first; // column
    int lanes;
};

static void start(float *max, float *sum, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        max[i] = -INFINITY;
        sum[i] = 0;
    }
}

// To [key][channel][lane].
static void take_keys(const struct run *r, const struct place *p, const struct band *x)
{
    const struct vka_criss_cross_job *job = r->job;
    const struct vka_kernels *kernels = r->plan.kernels;
    const float *k = job->k + x->batch * job->step[0] + x->first;
    for (int64_t i = 0; i < job->height; i++)
        kernels->pack(p->values + i * job->depth * kernels->lanes, kernels->lanes,
                      k + i * job->step[2], 1, job->step[1], x->lanes, job->depth);
}

// To [channel][key][lane].
static void take_values(const struct run *r, const struct place *p, const struct band *x,
                        int64_t channel, int64_t count)
{
    const struct vka_criss_cross_job *job = r->job;
    const struct vka_kernels *kernels = r->plan.kernels;
    const float *v = job->v + x->batch * job->step[0] + x->first;
    for (int64_t i = 0; i < count; i++)
        kernels->pack(p->values + i * job->height * kernels->lanes, kernels->lanes,
                      v + (channel + i) * job->step[1], 1, job->step[2], x->lanes, job->height);
}

// The weights of `count` rows from `row`; their maxima and sums go to where the rows go on from.
static void weigh_column(const struct run *r, const struct place *p, const struct band *x,
                         int64_t row, int64_t count, float *logits)
{
    const struct vka_criss_cross_job *job = r->job;
    const struct vka_kernels *kernels = r->plan.kernels;
    int lanes = kernels->lanes, width = COLS * lanes;
    for (int64_t j = 0; j < COLS; j++) {
        int64_t from = row + vka_smaller(j, count - 1); // past the end: of any finite numbers
        take_queries(p->queries + j * lanes, width, lanes,
                     job->q + x->batch * job->step[0] + from * job->step[2] + x->first,
                     job->step[1], job->depth, x->lanes);
    }
    struct vka_lanewise product = {.k = job->depth,
                                   .rows = job->height,
                                   .a = p->values,
                                   .a_row = job->depth * lanes,
                                   .a_step = lanes,
                                   .b = p->queries,
                                   .b_step = width,
                                   .c = logits,
                                   .c_row = width};
    kernels->lanewise(&product);
    for (int64_t j = 0; j < count; j++) { // the centre belongs to the row
        for (int i = 0; i < lanes; i++)
            logits[((row + j) * COLS + j) * lanes + i] = -INFINITY;
    }
    start(p->max, p->sum, width);
    kernels->soften(logits, width, job->height, p->max, p->sum, p->factor);
    for (int64_t j = 0; j < count; j++) {
        int64_t pixel = (x->batch * job->height + row + j) * job->width + x->first;
        size_t bytes = (size_t)x->lanes * sizeof(float);
        memcpy(r->scratch + pixel, p->max + j * lanes, bytes);
        memcpy(r->scratch + r->plan.pixels + pixel, p->sum + j * lanes, bytes);
    }
}

// The weighted sums of some channels, for `count` rows from `row`: to y.
static void sum_column(const struct run *r, const struct place *p, const struct band *x,
                       int64_t row, int64_t count, const float *weights, int64_t channel,
                       int64_t channels)
{
    const struct vka_criss_cross_job *job = r->job;
    const struct vka_kernels *kernels = r->plan.kernels;
    int lanes = kernels->lanes, width = COLS * lanes;
    struct vka_lanewise product = {.rows = channels,
                                   .a_row = job->height * lanes,
                                   .a_step = lanes,
                                   .b_step = width,
                                   .c = p->sums,
                                   .c_row = width};
    for (int64_t key = 0; key < job->height; key += product.k) {
        product.k = vka_smaller(BLOCK, job->height - key);
        product.a = p->values + key * lanes;
        product.b = weights + key * width;
        product.add = key > 0;
        kernels->lanewise(&product);
    }
    for (int64_t i = 0; i < channels * count; i++) {
        int64_t c = x->batch * job->channels + channel + i / count, j = i % count;
        memcpy(job->y + (c * job->height + row + j) * job->width + x->first,
               p->sums + (i / count * COLS + j) * lanes, (size_t)x->lanes * sizeof(float));
    }
}

static void run_band(const struct run *r, const struct place *p, const struct band *x,
                     int64_t begin, int64_t end)
{
    const struct vka_criss_cross_job *job = r->job;
    int64_t line = job->height * r->plan.kernels->lanes;
    take_keys(r, p, x);
    for (int64_t row = begin; row < end; row += COLS)
        weigh_column(r, p, x, row, vka_smaller(COLS, end - row), p->logits + (row - begin) * line);
    for (int64_t c = 0; c < job->channels; c += TOGETHER) {
        int64_t channels = vka_smaller(TOGETHER, job->channels - c);
        take_values(r, p, x, c, channels);
        for (int64_t row = begin; row < end; row += COLS)
            sum_column(r, p, x, row, vka_smaller(COLS, end - row), p->logits + (row - begin) * line,
                       c, channels);
    }
}

static void run_columns(void *arg, int64_t number, int thread)
{
    const struct run *r = arg;
    const struct vka_criss_cross_job *job = r->job;
    const struct plan *t = &r->plan;
    struct place p = place_of(r, thread);
    int64_t band = number / t->pieces % t->bands, lanes = t->kernels->lanes;
    struct band x = {.batch = number / t->pieces / t->bands, .first = band * lanes};
    x.lanes = (int)vka_smaller(lanes, job->width - x.first);
    int64_t begin = number % t->pieces * t->per_piece;
    int64_t end = vka_smaller(job->height, begin + t->per_piece);
    for (int64_t row = begin; row < end; row += t->held)
        run_band(r, &p, &x, row, vka_smaller(end, row + t->held));
}

// --- rows: [key][query] ---

struct panel {
    int64_t batch, row, first; // query
    int64_t count, room;       // queries, and in whole vectors
};

static void go_on(const struct run *r, const struct place *p, const struct panel *x)
{
    const struct vka_criss_cross_job *job = r->job;
    size_t bytes = (size_t)x->count * sizeof(float);
    int64_t pixel = (x->batch * job->height + x->row) * job->width + x->first;
    const float *q = job->q + x->batch * job->step[0] + x->row * job->step[2] + x->first;
    take_queries(p->queries, x->room, x->room, q, job->step[1], job->depth, x->count);
    start(p->max, p->sum, x->room);
    memcpy(p->max, r->scratch + pixel, bytes);
    memcpy(p->sum, r->scratch + r->plan.pixels + pixel, bytes);
    for (int64_t c = 0; c < job->channels; c++) {
        int64_t at = ((x->batch * job->channels + c) * job->height + x->row) * job->width;
        float *sums = p->sums + c * x->room;
        memcpy(sums, job->y + at + x->first, bytes);
        memset(sums + x->count, 0, (size_t)(x->room - x->count) * sizeof *sums);
    }
}

// c[rows][queries] of the panel (+)= a^T b; `step` tells where a tile's rows of `a` begin.
static void multiply(const struct run *r, const struct panel *x, struct vka_tile tile, int64_t rows,
                     int64_t panel)
{
    const struct vka_kernels *kernels = r->plan.kernels;
    const float *a = tile.a, *b = tile.b;
    float *c = tile.c;
    tile.taps = 1;
    tile.tap = vka_one_tap;
    tile.b_step = tile.c_row = x->room;
    for (int64_t j = 0; j < x->room; j += kernels->tile_cols) {
        tile.b = b + j;
        for (int64_t i = 0; i < rows; i += panel) {
            tile.a = a + i;
            tile.c = c + i * x->room + j;
            kernels->tile((int)vka_smaller(panel, rows - i),
                          (int)vka_smaller(kernels->tile_cols, x->room - j), &tile);
        }
    }
}

static void take_row_block(const struct run *r, const struct place *p, const struct panel *x,
                           int64_t key)
{
    const struct vka_criss_cross_job *job = r->job;
    const struct plan *t = &r->plan;
    int64_t keys = vka_smaller(BLOCK, job->width - key);
    int64_t from = x->batch * job->step[0] + x->row * job->step[2] + key;
    struct vka_tile logits = {.k = job->depth,
                              .a = job->k + from,
                              .a_step = job->step[1],
                              .b = p->queries,
                              .c = p->logits};
    multiply(r, x, logits, keys, t->kernels->tile_rows);
    if (t->kernels->soften(p->logits, (int)x->room, keys, p->max, p->sum, p->factor))
        t->kernels->scale_queries(p->sums, (int)x->room, job->channels, p->factor);
    t->kernels->pack(p->values, (int)job->channels, job->v + from, job->step[1], 1,
                     (int)job->channels, keys);
    struct vka_tile values = {.k = keys,
                              .a = p->values,
                              .a_step = job->channels,
                              .b = p->logits,
                              .c = p->sums,
                              .add = true};
    multiply(r, x, values, job->channels, t->value_panel);
}

static void finish(const struct run *r, const struct place *p, const struct panel *x)
{
    const struct vka_criss_cross_job *job = r->job;
    for (int64_t i = 0; i < x->count; i++)
        p->factor[i] = 1 / p->sum[i];
    for (int64_t c = 0; c < job->channels; c++) {
        int64_t at = ((x->batch * job->channels + c) * job->height + x->row) * job->width;
        const float *z = job->z + x->batch * job->z_step[0] + c * job->z_step[1] +
                         x->row * job->z_step[2] + x->first;
        const float *sums = p->sums + c * x->room;
        float *y = job->y + at + x->first;
        for (int64_t i = 0; i < x->count; i++)
            y[i] = z[i] + sums[i] * p->factor[i];
    }
}

static void run_row(void *arg, int64_t number, int thread)
{
    const struct run *r = arg;
    const struct vka_criss_cross_job *job = r->job;
    const struct plan *t = &r->plan;
    struct place p = place_of(r, thread);
    int64_t row = number / t->panels;
    struct panel x = {.batch = row / job->height,
                      .row = row % job->height,
                      .first = number % t->panels * t->panel};
    x.count = vka_smaller(t->panel, job->width - x.first);
    if (x.count <= 0) // the last panels may be empty, as they are whole vectors
        return;
    x.room = vka_round_up(x.count, t->kernels->lanes);
    go_on(r, &p, &x);
    for (int64_t key = 0; key < job->width; key += BLOCK)
        take_row_block(r, &p, &x, key);
    finish(r, &p, &x);
}

void vka_criss_cross_run(const struct vka_criss_cross_job *job, struct vka_threads *threads,
                         void *scratch)
{
    struct run r = {.job = job, .scratch = scratch};
    make_plan(job, &r.plan, vka_threads_count(threads));
    vka_parallel(threads, job->batch * r.plan.bands * r.plan.pieces, run_columns, &r);
    vka_parallel(threads, job->batch * job->height * r.plan.panels, run_row, &r);
}
