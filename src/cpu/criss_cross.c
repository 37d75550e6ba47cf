// SPDX-License-Identifier: MIT
#include "cpu/criss_cross.h"
#include "cpu/kernels.h"
#include "cpu/simd.h"
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
    HELD = 3 << 16,           // floats of logits of a band: a part of a second cache
};
static const double LOG2_E = 1.4426950408889634;

struct plan {
    const struct vka_kernels *kernels;
    int64_t bands, per_piece, pieces; // of columns: vectors of them; rows of a piece, pieces
    int64_t held;                     // rows of a piece whose logits are there at once
    int64_t panels, panel;            // of a row: its queries, in whole vectors
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
    float *logits, *values, *queries, *max, *sum, *factor;
};

static void make_plan(const struct vka_criss_cross_job *job, struct plan *t, int threads)
{
    *t = (struct plan){.kernels = vka_kernels()};
    int64_t lanes = t->kernels->lanes;
    t->bands = vka_divide_up(job->width, lanes);
    int64_t wanted = vka_divide_up(threads == 1 ? 1 : 2 * threads, job->batch * t->bands);
    t->per_piece = vka_round_up(vka_divide_up(job->height, wanted), COLS);
    t->pieces = vka_divide_up(job->height, t->per_piece);
    int64_t line = job->height * lanes, fit = HELD / line / COLS * COLS;
    t->held = vka_smaller(t->per_piece, vka_larger(fit, COLS));
    t->panels = vka_divide_up(job->width, QUERIES);
    t->panel = vka_round_up(vka_divide_up(job->width, t->panels), lanes);
    t->most = t->panel > COLS * lanes ? t->panel : COLS * lanes;
    t->pixels = vka_round_up(job->batch * job->height * job->width, ALIGNED);
    int64_t block = vka_smaller(BLOCK, job->height > job->width ? job->height : job->width);
    t->logit_size = vka_larger(block * t->most, t->held * line);
    t->value_size = vka_round_up(vka_larger(job->depth, TOGETHER) * line, ALIGNED);
    t->thread_size = t->logit_size + t->value_size + (job->depth + 3) * t->most + ALIGNED;
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
    p.max = p.queries + r->job->depth * t->most;
    p.sum = p.max + t->most;
    p.factor = p.sum + t->most;
    return p;
}

// `count` queries, `along` from one to the next, to a part of [depth][size], zeros behind them up
// to `room`; logits are in units of log 2.
static void take_queries(float *to, int64_t size, int64_t room, const float *q, int64_t along,
                         int64_t step, int64_t depth, int64_t count)
{
    for (int64_t c = 0; c < depth; c++, to += size, q += step) {
        for (int64_t i = 0; i < count; i++)
            to[i] = q[i * along] * (float)LOG2_E;
        memset(to + count, 0, (size_t)(room - count) * sizeof *to);
    }
}

// Logits [keys][room] of keys that lie together, `step` from channel to channel.
static void multiply_keys(const struct run *r, const struct place *p, const float *k, int64_t step,
                          int64_t keys, int64_t room)
{
    const struct vka_kernels *kernels = r->plan.kernels;
    struct vka_tile tile = {.k = r->job->depth,
                            .taps = 1,
                            .tap = vka_one_tap,
                            .a_step = step,
                            .b_step = room,
                            .c_row = room};
    for (int64_t j = 0; j < room; j += kernels->tile_cols) {
        tile.b = p->queries + j;
        for (int64_t i = 0; i < keys; i += kernels->tile_rows) {
            tile.a = k + i;
            tile.c = p->logits + i * room + j;
            kernels->tile((int)vka_smaller(kernels->tile_rows, keys - i),
                          (int)vka_smaller(kernels->tile_cols, room - j), &tile);
        }
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
                     job->q + x->batch * job->step[0] + from * job->step[2] + x->first, 1,
                     job->step[1], job->depth, x->lanes);
    }
    struct vka_lanewise product = {.k = job->depth,
                                   .rows = job->height,
                                   .cols = COLS,
                                   .lanes = lanes,
                                   .a = p->values,
                                   .a_row = job->depth * lanes,
                                   .a_step = lanes,
                                   .b = p->queries,
                                   .b_step = width,
                                   .c = logits,
                                   .c_row = width,
                                   .c_col = lanes};
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
    int64_t plane = job->height * job->width, first = x->batch * job->channels + channel;
    struct vka_lanewise product = {.rows = channels,
                                   .cols = (int)count,
                                   .lanes = x->lanes,
                                   .a_row = job->height * lanes,
                                   .a_step = lanes,
                                   .b_step = width,
                                   .c = job->y + first * plane + row * job->width + x->first,
                                   .c_row = plane,
                                   .c_col = job->width};
    for (int64_t key = 0; key < job->height; key += product.k) {
        product.k = vka_smaller(BLOCK, job->height - key);
        product.a = p->values + key * lanes;
        product.b = weights + key * width;
        product.add = key > 0;
        kernels->lanewise(&product);
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

// --- columns too few for vectors of them: [key][row of the image] ---

// Queries of a column.
struct some {
    int64_t batch, column, row, count, room;
};

static void weigh_some(const struct run *r, const struct place *p, const struct some *x)
{
    const struct vka_criss_cross_job *job = r->job;
    int64_t from = x->batch * job->step[0] + x->column;
    for (int64_t c = 0; c < job->depth; c++) {
        for (int64_t i = 0; i < job->height; i++)
            p->values[c * job->height + i] = job->k[from + c * job->step[1] + i * job->step[2]];
    }
    take_queries(p->queries, x->room, x->room, job->q + from + x->row * job->step[2], job->step[2],
                 job->step[1], job->depth, x->count);
    multiply_keys(r, p, p->values, job->height, job->height, x->room);
    for (int64_t i = 0; i < x->count; i++)
        p->logits[(x->row + i) * x->room + i] = -INFINITY;
    start(p->max, p->sum, x->room);
    r->plan.kernels->soften(p->logits, (int)x->room, job->height, p->max, p->sum, p->factor);
    float *pixel = r->scratch + (x->batch * job->height + x->row) * job->width + x->column;
    for (int64_t i = 0; i < x->count; i++) {
        pixel[i * job->width] = p->max[i];
        pixel[r->plan.pixels + i * job->width] = p->sum[i];
        p->factor[i] = 1;
    }
}

// The weighted sums of up to VKA_WIDE_ROWS channels for `cols` queries from `first` on: to y.
static void sum_some(const struct run *r, const struct place *p, const struct some *x,
                     int64_t channel, int channels, int64_t first, int cols)
{
    const struct vka_criss_cross_job *job = r->job;
    float sums[VKA_WIDE_ROWS * VKA_WIDE_COLS];
    const float *v = job->v + x->batch * job->step[0] + channel * job->step[1] + x->column;
    struct vka_tile tile = {.a_step = job->step[2],
                            .a_row = job->step[1],
                            .b_step = x->room,
                            .scale = p->factor,
                            .c = sums,
                            .c_row = VKA_WIDE_COLS};
    for (int64_t key = 0; key < job->height; key += tile.k) {
        tile.k = vka_smaller(BLOCK, job->height - key);
        tile.a = v + key * tile.a_step;
        tile.b = p->logits + key * x->room + first;
        tile.add = key > 0;
        r->plan.kernels->wide(channels, cols, &tile);
    }
    for (int c = 0; c < channels; c++) {
        int64_t line = (x->batch * job->channels + channel + c) * job->height + x->row + first;
        for (int i = 0; i < cols; i++)
            job->y[(line + i) * job->width + x->column] = sums[c * VKA_WIDE_COLS + i];
    }
}

static void run_some(const struct run *r, const struct place *p, int64_t batch, int64_t column)
{
    const struct vka_criss_cross_job *job = r->job;
    int64_t most = COLS * r->plan.kernels->lanes, wide = r->plan.kernels->wide_cols;
    struct some x = {.batch = batch, .column = column};
    for (; x.row < job->height; x.row += x.count) {
        x.count = vka_smaller(most, job->height - x.row);
        x.room = vka_round_up(x.count, r->plan.kernels->lanes);
        weigh_some(r, p, &x);
        for (int64_t j = 0; j < x.count; j += wide) {
            for (int64_t c = 0; c < job->channels; c += VKA_WIDE_ROWS)
                sum_some(r, p, &x, c, (int)vka_smaller(VKA_WIDE_ROWS, job->channels - c), j,
                         (int)vka_smaller(wide, x.count - j));
        }
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
    if (x.lanes <= lanes / 2) {
        for (int64_t i = number % t->pieces; i < x.lanes; i += t->pieces)
            run_some(r, &p, x.batch, x.first + i);
        return;
    }
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
    take_queries(p->queries, x->room, x->room, q, 1, job->step[1], job->depth, x->count);
    start(p->max, p->sum, x->room);
    memcpy(p->max, r->scratch + pixel, bytes);
    memcpy(p->sum, r->scratch + r->plan.pixels + pixel, bytes);
}

// Where a panel's sums are, of channel 0.
static float *sums_of(const struct run *r, const struct panel *x)
{
    const struct vka_criss_cross_job *job = r->job;
    int64_t line = x->batch * job->channels * job->height + x->row;
    return job->y + line * job->width + x->first;
}

// The sums, times the factor of their query, and the weighted values of `keys` keys.
static void add_values(const struct run *r, const struct place *p, const struct panel *x,
                       const float *v, int64_t keys)
{
    const struct vka_criss_cross_job *job = r->job;
    const struct vka_kernels *kernels = r->plan.kernels;
    struct vka_tile tile = {.k = keys,
                            .a_step = 1,
                            .a_row = job->step[1],
                            .b_step = x->room,
                            .c_row = job->height * job->width,
                            .add = true};
    for (int64_t j = 0; j < x->count; j += kernels->wide_cols) {
        tile.b = p->logits + j;
        tile.scale = p->factor + j;
        for (int64_t i = 0; i < job->channels; i += VKA_WIDE_ROWS) {
            tile.a = v + i * tile.a_row;
            tile.c = sums_of(r, x) + i * tile.c_row + j;
            kernels->wide((int)vka_smaller(VKA_WIDE_ROWS, job->channels - i),
                          (int)vka_smaller(kernels->wide_cols, x->count - j), &tile);
        }
    }
}

static void take_row_block(const struct run *r, const struct place *p, const struct panel *x,
                           int64_t key)
{
    const struct vka_criss_cross_job *job = r->job;
    int64_t keys = vka_smaller(BLOCK, job->width - key);
    int64_t from = x->batch * job->step[0] + x->row * job->step[2] + key;
    multiply_keys(r, p, job->k + from, job->step[1], keys, x->room);
    r->plan.kernels->soften(p->logits, (int)x->room, keys, p->max, p->sum, p->factor);
    add_values(r, p, x, job->v + from, keys);
}

// y = z + y * factor, line by line.
VKA_CLONES static void end_lines(float *y, int64_t y_step, const float *z, int64_t z_step,
                                 const float *factor, int64_t lines, int64_t count)
{
    for (int64_t c = 0; c < lines; c++, y += y_step, z += z_step) {
        VKA_INDEPENDENT for (int64_t i = 0; i < count; i++) y[i] = z[i] + y[i] * factor[i];
    }
}

static void finish(const struct run *r, const struct place *p, const struct panel *x)
{
    const struct vka_criss_cross_job *job = r->job;
    for (int64_t i = 0; i < x->count; i++)
        p->factor[i] = 1 / p->sum[i];
    const float *z = job->z + x->batch * job->z_step[0] + x->row * job->z_step[2] + x->first;
    end_lines(sums_of(r, x), job->height * job->width, z, job->z_step[1], p->factor, job->channels,
              x->count);
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
