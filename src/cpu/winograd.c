// SPDX-License-Identifier: MIT
#include "cpu/winograd.h"

#include "cpu/kernels.h"
#include "cpu/threads.h"
#include "util/whole.h"

#include <string.h>

enum {
    IN = VKA_WINO_IN,
    OUT = VKA_WINO_OUT,
    POINTS = IN * IN,
    TAPS = 3,
    DEPTH = 256,         // terms summed before a sum is added to the one so far
    UNIT = 16,           // tiles beside each other that a thread takes
    LEAST_TILES = 48,    // of a block: the weight is read once for them
    BLOCK_MOST = 1 << 19 // floats at the points of a block: a second cache or two
};

// A unit is a piece of a line of tiles: of n, of lines of tiles, of a dilation's phase. Units, and
// tiles in them, are numbered in the order of n, line, phase, place.
struct plan {
    const struct vka_kernels *kernels;
    int64_t dilation[2];         // down, along
    int64_t lines, wide;         // of an item: lines of tiles of a phase; tiles of a phase along
    int64_t unit, units;         // tiles of a phase in a unit; units in a line
    int64_t all;                 // units
    int64_t block, tiles;        // units of a block; tiles in it at most
    int64_t in, out;             // vectors of channels of a group
    int64_t in_point, out_point; // floats from point to point
    int panel;                   // tiles of a product
    int64_t places;              // floats that a thread has
};

struct run {
    const struct vka_conv_job *job;
    struct plan plan;
    const float *weight;
    float *in, *out, *own;
    int64_t first, count; // units of the block at work
    int64_t tiles;
    int64_t column_pieces;
};

// --- the plan ---

bool vka_winograd_fits(const struct vka_conv_job *job)
{
    const struct vka_window *w = &job->w;
    return w->in[0] == 1 && w->out[0] == 1 && w->kernel[0] == 1 && w->before[0] == 0 &&
           w->kernel[1] == TAPS && w->kernel[2] == TAPS && w->stride[1] == 1 && w->stride[2] == 1;
}

static void set_sizes(const struct vka_conv_job *job, struct plan *t)
{
    const struct vka_window *w = &job->w;
    *t = (struct plan){.kernels = vka_kernels()};
    for (int i = 0; i < 2; i++)
        t->dilation[i] = w->dilation[1 + i];
    t->lines = vka_divide_up(w->out[1], OUT * t->dilation[0]);
    t->wide = vka_divide_up(w->out[2], OUT * t->dilation[1]);
    t->in = vka_divide_up(job->in_channels, t->kernels->lanes);
    t->out = vka_divide_up(job->out_channels, t->kernels->lanes);
}

// Tiles of all phases of an item's line.
static int64_t line_tiles(const struct plan *t)
{
    return t->wide * t->dilation[1];
}

static int64_t all_lines(const struct vka_conv_job *job, const struct plan *t)
{
    return job->n * t->lines * t->dilation[0];
}

// An odd number of vectors, so that neither caches nor their lines' numbers meet too often.
static int64_t point_size(const struct plan *t, int64_t vectors)
{
    return (vectors * t->tiles | 1) * t->kernels->lanes;
}

static void make_plan(const struct vka_conv_job *job, struct plan *t)
{
    set_sizes(job, t);
    int64_t most = vka_larger(1, UNIT / t->dilation[1]);
    t->units = vka_divide_up(t->wide, most);
    t->unit = vka_divide_up(t->wide, t->units);
    t->units = vka_divide_up(t->wide, t->unit);
    t->all = all_lines(job, t) * t->units;
    int64_t tile = POINTS * t->kernels->lanes * job->groups * (t->in + t->out);
    int64_t tiles = vka_larger(LEAST_TILES, BLOCK_MOST / tile);
    t->block = vka_larger(1, tiles / (t->unit * t->dilation[1]));
    t->block = vka_divide_up(t->all, vka_divide_up(t->all, t->block));
    t->tiles = t->block * t->unit * t->dilation[1];
    t->in_point = point_size(t, job->groups * t->in);
    t->out_point = point_size(t, job->groups * t->out);
    int64_t panels = vka_divide_up(t->tiles, t->kernels->tile_rows);
    t->panel = (int)vka_divide_up(t->tiles, panels);
    t->places = IN * (OUT * t->unit + IN - OUT) * t->dilation[1] * t->kernels->lanes;
}

// In multiply-adds of the kernels of products, as measured. This way keeps a weight of four times
// the size, so it must win clearly, and there is an end: 256 MiB, which the widest heads of
// segmentation networks take (2560 channels to 512).
bool vka_winograd_pays(const struct vka_conv_job *job)
{
    // A tile's channel; a number of this way's weight, near or far away; one of the other weight.
    enum { TILE = 450, NEAR = 4, FAR = 12, PACKED = 30 };
    const double most_near = 1 << 20, most = 1 << 26, clearly = 1.15;
    struct plan t;
    set_sizes(job, &t);
    double lanes = t.kernels->lanes, groups = (double)job->groups;
    double in = (double)job->in_channels, out = (double)t.out * lanes;
    double tiles = (double)(all_lines(job, &t) * line_tiles(&t));
    double numbers = POINTS * groups * in * out;
    double cost = numbers * (tiles + (numbers <= most_near ? NEAR : FAR));
    cost += TILE * tiles * groups * ((double)t.in * lanes + out);
    double places = (double)(job->n * job->w.out[1] * job->w.out[2]);
    double direct = TAPS * TAPS * groups * in * (double)job->out_channels * (places + PACKED);
    return numbers <= most && cost * clearly < direct;
}

// --- the weight: [group][point][two vectors of channels out][channel in] ---

static int64_t group_weight(const struct vka_conv_job *job, const struct plan *t)
{
    return POINTS * t->out * t->kernels->lanes * job->in_channels;
}

size_t vka_winograd_weight_size(const struct vka_conv_job *job)
{
    struct plan t;
    set_sizes(job, &t);
    return (size_t)(job->groups * group_weight(job, &t)) * sizeof(float);
}

// Three taps -> values at the points, with the factors that cpu/winograd_kernel.h leaves out.
static void weigh_line(const double *g, int step, double *u, int u_step)
{
    static const double point[IN - 1] = {0, 2.0 / 3, -2.0 / 3, 1.5, -1.5};
    const double sum = 4.0 / 9 + 9.0 / 4;
    for (int i = 0; i < IN - 1; i++) {
        double p = point[i], factor = 5 * p * p * p * p - 3 * sum * p * p + 1;
        u[i * u_step] = (g[0] + p * (g[step] + p * g[2 * step])) / factor;
    }
    u[(IN - 1) * u_step] = g[2 * step];
}

static void weigh(const float *g, double u[POINTS])
{
    double taps[TAPS * TAPS], half[TAPS * IN];
    for (int i = 0; i < TAPS * TAPS; i++)
        taps[i] = (double)g[i];
    for (int i = 0; i < TAPS; i++)
        weigh_line(taps + TAPS * i, 1, half + IN * i, 1);
    for (int j = 0; j < IN; j++)
        weigh_line(half + j, IN, u + j, IN);
}

struct weighing {
    const struct vka_conv_job *job;
    const struct plan *plan;
    float *weight;
};

// A vector of channels out of a group.
static void weigh_vector(void *arg, int64_t number, int thread)
{
    (void)thread;
    const struct weighing *r = arg;
    const struct vka_conv_job *job = r->job;
    const struct plan *t = r->plan;
    const int lanes = t->kernels->lanes;
    int64_t group = number / t->out, vector = number % t->out, terms = job->in_channels;
    int64_t pair = vector / 2 * 2, width = vka_smaller(2, t->out - pair) * lanes;
    float *to =
        r->weight + group * group_weight(job, t) + pair * lanes * terms + (vector - pair) * lanes;
    for (int64_t c = 0; c < terms; c++, to += width) {
        for (int i = 0; i < lanes; i++) {
            int64_t channel = vector * lanes + i;
            double u[POINTS] = {0};
            if (channel < job->out_channels)
                weigh(job->weight +
                          ((group * job->out_channels + channel) * terms + c) * TAPS * TAPS,
                      u);
            for (int k = 0; k < POINTS; k++)
                to[k * t->out * lanes * terms + i] = (float)u[k];
        }
    }
}

void vka_winograd_weight(const struct vka_conv_job *job, struct vka_threads *threads, void *weight)
{
    struct plan t;
    set_sizes(job, &t);
    struct weighing r = {.job = job, .plan = &t, .weight = weight};
    vka_parallel(threads, job->groups * t.out, weigh_vector, &r);
}

// --- units ---

struct unit {
    int64_t item, line;  // the first output line
    int64_t first, wide; // output places along: the first one, how many
    int64_t tile, tiles; // in the block; of a phase
};

static int64_t first_tile(const struct plan *t, int64_t unit)
{
    return unit / t->units * line_tiles(t) + unit % t->units * t->unit * t->dilation[1];
}

static struct unit unit_of(const struct run *r, int64_t number)
{
    const struct plan *t = &r->plan;
    const struct vka_window *w = &r->job->w;
    struct unit u = {.tile = first_tile(t, number) - first_tile(t, r->first)};
    int64_t along = number % t->units, down = number / t->units;
    u.tiles = vka_smaller(t->unit, t->wide - along * t->unit);
    u.first = along * t->unit * OUT * t->dilation[1];
    u.wide = vka_smaller(u.tiles * OUT * t->dilation[1], w->out[2] - u.first);
    int64_t phase = down % t->dilation[0], line = down / t->dilation[0];
    u.item = line / t->lines;
    u.line = line % t->lines * OUT * t->dilation[0] + phase;
    return u;
}

// --- from the map to the points ---

// One line of x, LANES channels of it, `count` places from `first`; outside it is 0.
static void read_line(const struct run *r, float *to, const float *x, int64_t line, int64_t first,
                      int64_t count, int channels)
{
    const struct vka_window *w = &r->job->w;
    const int lanes = r->plan.kernels->lanes;
    int64_t begin = 0, end = 0;
    if (line >= 0 && line < w->in[1]) {
        begin = vka_smaller(count, vka_larger(0, -first));
        end = vka_larger(begin, vka_smaller(count, w->in[2] - first));
    }
    memset(to, 0, (size_t)(begin * lanes) * sizeof *to);
    if (end > begin)
        r->plan.kernels->pack(to + begin * lanes, lanes,
                              x + line * w->step[1] + (first + begin) * w->step[2],
                              r->job->x_channel, w->step[2], channels, end - begin);
    memset(to + end * lanes, 0, (size_t)((count - end) * lanes) * sizeof *to);
}

static void enter(void *arg, int64_t number, int thread)
{
    struct run *r = arg;
    const struct vka_conv_job *job = r->job;
    const struct plan *t = &r->plan;
    const int lanes = t->kernels->lanes;
    int64_t blocks = job->groups * t->in, block = number % blocks;
    int64_t group = block / t->in, channel = block % t->in * lanes;
    struct unit u = unit_of(r, r->first + number / blocks);
    const float *x =
        job->x + u.item * job->x_batch + (group * job->in_channels + channel) * job->x_channel;
    int64_t places = (OUT * u.tiles + IN - OUT) * t->dilation[1];
    float *own = r->own + thread * t->places;
    for (int i = 0; i < IN; i++)
        read_line(r, own + i * places * lanes, x, u.line + i * t->dilation[0] - job->w.before[1],
                  u.first - job->w.before[2], places,
                  (int)vka_smaller(lanes, job->in_channels - channel));
    struct vka_wino_tiles tiles = {
        .point = t->in_point, .line = places * lanes, .step = t->dilation[1] * lanes};
    for (int64_t phase = 0; phase < t->dilation[1]; phase++) {
        tiles.places = own + phase * lanes;
        tiles.points = r->in + (block * t->tiles + u.tile + phase * u.tiles) * lanes;
        t->kernels->wino_enter(&tiles, u.tiles);
    }
}

// --- products ---

// Two vectors of channels of the output at one point.
static void multiply_pair(const struct run *r, const float *weight, const float *in, float *out,
                          int64_t pair)
{
    const struct plan *t = &r->plan;
    const int lanes = t->kernels->lanes;
    int vectors = (int)vka_smaller(2, t->out - pair);
    int64_t terms = r->job->in_channels, column = t->tiles * lanes;
    for (int64_t k = 0; k < terms; k += DEPTH) {
        struct vka_places_product p = {.k = vka_smaller(DEPTH, terms - k),
                                       .b = weight + (pair * terms + k * vectors) * lanes,
                                       .a_block = column,
                                       .c_block = column,
                                       .add = k > 0};
        for (int64_t row = 0; row < r->tiles; row += t->panel) {
            p.a = in + k / lanes * column + row * lanes;
            p.c = out + pair * column + row * lanes;
            t->kernels->multiply_places((int)vka_smaller(t->panel, r->tiles - row), vectors, &p);
        }
    }
}

static void multiply(void *arg, int64_t number, int thread)
{
    (void)thread;
    struct run *r = arg;
    const struct vka_conv_job *job = r->job;
    const struct plan *t = &r->plan;
    const int lanes = t->kernels->lanes;
    int64_t part = number % r->column_pieces, point = number / r->column_pieces % POINTS;
    int64_t group = number / r->column_pieces / POINTS, pairs = vka_divide_up(t->out, 2);
    const float *weight =
        r->weight + group * group_weight(job, t) + point * t->out * lanes * job->in_channels;
    const float *in = r->in + point * t->in_point + group * t->in * t->tiles * lanes;
    float *out = r->out + point * t->out_point + group * t->out * t->tiles * lanes;
    int64_t end = pairs * (part + 1) / r->column_pieces;
    for (int64_t i = pairs * part / r->column_pieces; i < end; i++)
        multiply_pair(r, weight, in, out, 2 * i);
}

// --- from the points to the map ---

// Residual and activation of `count` lines from an output place on.
static void finish(const struct run *r, float *out, int64_t channels, int64_t count, int64_t wide)
{
    const struct vka_conv_job *job = r->job;
    int64_t places = vka_product3(job->w.out);
    struct vka_epilogue e = {.alpha = 1, .act = job->act, .row = {places}, .col = {1}};
    if (!job->residual && job->act.kind == VKA_ACT_NONE)
        return;
    // Lines follow each other where they are whole.
    int64_t together = wide == job->w.out[2] && r->plan.dilation[0] == 1 ? count : 1;
    for (int64_t i = 0; i < count; i += together) {
        float *to = out + i * r->plan.dilation[0] * job->w.out[2];
        e.added[0] = job->residual ? job->residual + (to - job->out) : NULL;
        vka_epilogue_run(&e, to, channels, together * wide, places, 1);
    }
}

static void read_bias(const struct vka_conv_job *job, int64_t channel, int64_t channels, float *to)
{
    for (int64_t i = 0; job->bias && i < channels; i++)
        to[i] = job->bias[(channel + i) * job->bias_step];
}

static void leave(void *arg, int64_t number, int thread)
{
    struct run *r = arg;
    const struct vka_conv_job *job = r->job;
    const struct plan *t = &r->plan;
    const struct vka_window *w = &job->w;
    const int lanes = t->kernels->lanes;
    int64_t blocks = job->groups * t->out, block = number % blocks;
    int64_t group = block / t->out, first = block % t->out * lanes;
    int64_t channels = vka_smaller(lanes, job->out_channels - first);
    int64_t channel = group * job->out_channels + first;
    struct unit u = unit_of(r, r->first + number / blocks);
    float bias[VKA_TILE_COLS] = {0}, *own = r->own + thread * t->places;
    read_bias(job, channel, channels, bias);
    int64_t line = OUT * u.tiles * t->dilation[1] * lanes;
    struct vka_wino_tiles tiles = {
        .point = t->out_point, .line = line, .step = t->dilation[1] * lanes};
    for (int64_t phase = 0; phase < t->dilation[1]; phase++) {
        tiles.places = own + phase * lanes;
        tiles.points = r->out + (block * t->tiles + u.tile + phase * u.tiles) * lanes;
        t->kernels->wino_leave(&tiles, u.tiles, bias);
    }
    int64_t places = vka_product3(w->out), all = job->groups * job->out_channels;
    float *out = job->out + (u.item * all + channel) * places + u.line * w->out[2] + u.first;
    int64_t count = 0;
    for (; count < OUT && u.line + count * t->dilation[0] < w->out[1]; count++)
        t->kernels->turn_places(out + count * t->dilation[0] * w->out[2], places,
                                own + count * line, (int)channels, u.wide);
    finish(r, out, channels, count, u.wide);
}

// --- running ---

static int64_t points_size(const struct plan *t)
{
    return vka_round_up(POINTS * (t->in_point + t->out_point), t->kernels->lanes);
}

size_t vka_winograd_scratch(const struct vka_conv_job *job, int threads)
{
    struct plan t;
    make_plan(job, &t);
    return (size_t)(points_size(&t) + threads * t.places) * sizeof(float);
}

void vka_winograd_run(const struct vka_conv_job *job, const void *weight,
                      struct vka_threads *threads, void *scratch)
{
    struct run r = {.job = job, .weight = weight, .in = scratch};
    make_plan(job, &r.plan);
    const struct plan *t = &r.plan;
    r.out = r.in + POINTS * t->in_point;
    r.own = r.in + points_size(t);
    int64_t products = job->groups * POINTS, wanted = 4 * vka_threads_count(threads);
    r.column_pieces = vka_smaller(vka_divide_up(t->out, 2), vka_divide_up(wanted, products));
    for (r.first = 0; r.first < t->all; r.first += t->block) {
        r.count = vka_smaller(t->block, t->all - r.first);
        struct unit last = unit_of(&r, r.first + r.count - 1);
        r.tiles = last.tile + last.tiles * t->dilation[1];
        vka_parallel(threads, r.count * job->groups * t->in, enter, &r);
        vka_parallel(threads, products * r.column_pieces, multiply, &r);
        vka_parallel(threads, r.count * job->groups * t->out, leave, &r);
    }
}
