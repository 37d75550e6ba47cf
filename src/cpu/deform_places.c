// SPDX-License-Identifier: MIT
#include "cpu/deform_places.h"

#include "cpu/kernels.h"
#include "cpu/sample.h"
#include "cpu/threads.h"
#include "util/whole.h"

#include <string.h>

enum {
    DEPTH = 256, // terms summed before a sum is added to the one so far
    BAND = 16,   // lines of x that a thread copies at a time
    ALIGNED = 16,
    MAPS = 1 << 20, // floats of x that are copied at a time, or one item's
};

// Channels go in segments, whole vectors each: those of a segment have the same group and offsets.
struct plan {
    const struct vka_kernels *kernels;
    int64_t taps, chunk;                        // of the kernel; of them at once
    int64_t segment, length;                    // channels; vectors
    int64_t in, out;                            // vectors of a group
    int64_t all_in, all_out;                    // of all groups
    int64_t places, block, blocks;              // of the output
    int64_t pitch;                              // places from vector to vector of a block
    int panel;                                  // places of a product
    int64_t map;                                // places of x and one more, which is 0
    int64_t batch;                              // items copied at a time
    int64_t weight_size, map_size, thread_size; // in floats
};

struct run {
    const struct vka_deform_job *job;
    struct plan plan;
    const float *weight;
    float *map, *own;
    int64_t item, items, blocks, per_piece; // the first one at work, how many; of them all
};

struct block { // some places of an item of the batch
    int64_t item, first;
    int count;
    float *terms, *sums;
};

static int64_t common_divisor(int64_t a, int64_t b)
{
    while (b != 0) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static void set_sizes(const struct vka_deform_job *job, struct plan *t)
{
    *t = (struct plan){.kernels = vka_kernels(), .taps = job->kernel[0] * job->kernel[1]};
    t->segment = common_divisor(job->share, job->in_channels);
    t->length = vka_divide_up(t->segment, t->kernels->lanes);
    t->in = job->in_channels / t->segment * t->length;
    t->out = vka_divide_up(job->out_channels, t->kernels->lanes);
    t->all_in = job->groups * t->in;
    t->all_out = job->groups * t->out;
    t->weight_size = t->all_out * t->in * t->taps * t->kernels->lanes * t->kernels->lanes;
}

static void make_plan(const struct vka_deform_job *job, struct plan *t, int threads)
{
    set_sizes(job, t);
    const int lanes = t->kernels->lanes;
    t->chunk = vka_smaller(t->taps, vka_larger(1, DEPTH / (t->in * lanes)));
    t->places = job->out[0] * job->out[1];
    t->map = job->in[0] * job->in[1] + 1;
    t->map_size = t->all_in * t->map * lanes;
    t->batch = vka_smaller(job->n, vka_larger(1, MAPS / t->map_size));
    t->map_size *= t->batch;
    t->block = VKA_SAMPLE_BLOCK;
    while (t->block > t->kernels->tile_rows &&
           t->batch * vka_divide_up(t->places, t->block) < 2 * threads)
        t->block /= 2;
    t->blocks = vka_divide_up(t->places, t->block);
    t->pitch = t->block | 1; // odd: vectors of a place lie in different sets of a cache
    t->panel = (int)vka_divide_up(t->block, vka_divide_up(t->block, t->kernels->tile_rows));
    t->thread_size = vka_round_up((t->all_in * t->chunk + t->all_out) * t->pitch * lanes, ALIGNED);
}

// In multiply-adds of the kernels of products, as measured: the other way gathers each channel's
// samples, this one copies all of x.
bool vka_deform_places_pays(const struct vka_deform_job *job)
{
    struct plan t;
    set_sizes(job, &t);
    double lanes = t.kernels->lanes, in = (double)t.in * lanes;
    double out = (double)vka_larger(2, t.out) * lanes;
    double samples = (double)job->out[0] * (double)job->out[1] * (double)t.taps;
    double map = (double)job->in[0] * (double)job->in[1], copied = lanes < 8 ? 4 : lanes / 2;
    double gathered = (double)job->in_channels * ((double)job->out_channels + 4 * lanes);
    return in * (samples * (out + lanes / 4) + map * copied) < samples * gathered;
}

// --- the weight: [group][two vectors of channels out][tap][channel in] ---

size_t vka_deform_places_weight_size(const struct vka_deform_job *job)
{
    struct plan t;
    set_sizes(job, &t);
    return (size_t)t.weight_size * sizeof(float);
}

struct packing {
    const struct vka_deform_job *job;
    const struct plan *plan;
    float *weight;
};

// Two vectors of a group.
static void pack_pair(void *arg, int64_t number, int thread)
{
    (void)thread;
    const struct packing *r = arg;
    const struct vka_deform_job *job = r->job;
    const struct plan *t = r->plan;
    const int lanes = t->kernels->lanes;
    int64_t pairs = vka_divide_up(t->out, 2), group = number / pairs, pair = number % pairs * 2;
    int width = (int)vka_smaller(2, t->out - pair) * lanes;
    int64_t first = pair * lanes, terms = t->in * t->taps * lanes;
    int have = (int)vka_smaller(width, job->out_channels - first);
    float *to = r->weight + (group * t->out + pair) * lanes * terms;
    const float *from = job->weight + (group * job->out_channels + first) * job->weight_step[0];
    int64_t padding = (t->length * lanes - t->segment) * width;
    for (int64_t i = 0; i < t->taps * (t->in / t->length); i++) {
        int64_t tap = i / (t->in / t->length), segment = i % (t->in / t->length);
        t->kernels->pack(to, width,
                         from + segment * t->segment * job->weight_step[1] +
                             tap * job->weight_step[2],
                         job->weight_step[0], job->weight_step[1], have, t->segment);
        to += t->segment * width;
        memset(to, 0, (size_t)padding * sizeof *to);
        to += padding;
    }
}

void vka_deform_places_weight(const struct vka_deform_job *job, struct vka_threads *threads,
                              void *weight)
{
    struct plan t;
    set_sizes(job, &t);
    struct packing r = {.job = job, .plan = &t, .weight = weight};
    vka_parallel(threads, job->groups * vka_divide_up(t.out, 2), pack_pair, &r);
}

// --- x with a place's channels side by side, of the items at work: [item][vector][place] ---

static void copy_band(void *arg, int64_t number, int thread)
{
    (void)thread;
    const struct run *r = arg;
    const struct vka_deform_job *job = r->job;
    const struct plan *t = &r->plan;
    const int lanes = t->kernels->lanes;
    int64_t bands = vka_divide_up(job->in[0], BAND), band = number % bands;
    int64_t vector = number / bands % t->all_in, item = r->item + number / bands / t->all_in;
    int64_t segment = vector / t->length, part = vector % t->length * lanes;
    const float *x =
        job->x + item * job->x_step[0] + (segment * t->segment + part) * job->x_step[1];
    float *map = r->map + number / bands * t->map * lanes;
    int64_t end = vka_smaller(job->in[0], (band + 1) * BAND);
    for (int64_t y = band * BAND; y < end; y++)
        t->kernels->pack(map + y * job->in[1] * lanes, lanes, x + y * job->x_step[2],
                         job->x_step[1], job->x_step[3], (int)vka_smaller(lanes, t->segment - part),
                         job->in[1]);
    if (end == job->in[0])
        memset(map + (t->map - 1) * lanes, 0, (size_t)lanes * sizeof *map);
}

// --- blocks ---

static void sample_tap(const struct run *r, const struct block *b, int64_t tap, int64_t slot)
{
    const struct vka_deform_job *job = r->job;
    const struct plan *t = &r->plan;
    const int lanes = t->kernels->lanes;
    const int64_t step[2] = {job->in[1], 1}, column = t->pitch * lanes;
    int64_t part = -1, inside = t->in / t->length; // segments of a group
    struct vka_corners corners;
    for (int64_t s = 0; s < job->groups * inside; s++) {
        if (s * t->segment / job->share != part) {
            part = s * t->segment / job->share;
            vka_deform_corners(job, b->item, b->first, b->count, part, tap, step, &corners);
        }
        int64_t vector = (s / inside * t->chunk + slot) * t->in + s % inside * t->length;
        t->kernels->blend_places(
            b->terms + vector * column, column,
            r->map + ((b->item - r->item) * t->all_in + s * t->length) * t->map * lanes,
            t->map * lanes, (int32_t)(t->map - 1), &corners, b->count, (int)t->length);
    }
}

// Terms k .. k + count - 1 of the taps that are there, for two vectors of channels.
static void multiply_terms(const struct run *r, const struct block *b, int64_t pair, int vectors,
                           const float *weight, int64_t k, int64_t count)
{
    const struct plan *t = &r->plan;
    const int lanes = t->kernels->lanes;
    const int64_t column = t->pitch * lanes;
    const float *terms = b->terms + (pair / t->out * t->chunk * t->in + k / lanes) * column;
    struct vka_places_product p = {.k = count,
                                   .b = weight + k * vectors * lanes,
                                   .a_block = column,
                                   .c_block = column,
                                   .add = true};
    for (int row = 0; row < b->count; row += t->panel) {
        int rows = b->count - row < t->panel ? b->count - row : t->panel;
        p.a = terms + row * lanes;
        p.c = b->sums + pair * column + row * lanes;
        t->kernels->multiply_places(rows, vectors, &p);
    }
}

static void multiply(const struct run *r, const struct block *b, int64_t first, int64_t taps)
{
    const struct plan *t = &r->plan;
    const int lanes = t->kernels->lanes;
    const int64_t tap = t->in * lanes, terms = taps * tap;
    for (int64_t pair = 0; pair < t->all_out; pair += (pair + 1) % t->out == 0 ? 1 : 2) {
        int vectors = (int)vka_smaller(2, t->out - pair % t->out);
        const float *weight = r->weight + (pair * t->taps + first * vectors) * tap * lanes;
        for (int64_t k = 0; k < terms; k += DEPTH)
            multiply_terms(r, b, pair, vectors, weight, k, vka_smaller(DEPTH, terms - k));
    }
}

// Sums start with the bias.
static void start_sums(const struct run *r, const struct block *b)
{
    const struct vka_deform_job *job = r->job;
    const struct plan *t = &r->plan;
    const int lanes = t->kernels->lanes;
    for (int64_t vector = 0; vector < t->all_out; vector++) {
        float bias[VKA_TILE_COLS] = {0}, *to = b->sums + vector * t->pitch * lanes;
        int64_t first = vector % t->out * lanes;
        int64_t channel = vector / t->out * job->out_channels + first;
        for (int64_t i = 0; job->bias && i < lanes && first + i < job->out_channels; i++)
            bias[i] = job->bias[(channel + i) * job->bias_step];
        for (int i = 0; i < b->count; i++)
            memcpy(to + i * lanes, bias, (size_t)lanes * sizeof *bias);
    }
}

static void make_block(const struct run *r, const struct block *b)
{
    const struct vka_deform_job *job = r->job;
    const struct plan *t = &r->plan;
    const int lanes = t->kernels->lanes;
    start_sums(r, b);
    for (int64_t tap = 0; tap < t->taps; tap += t->chunk) {
        int64_t taps = vka_smaller(t->chunk, t->taps - tap);
        for (int64_t i = 0; i < taps; i++)
            sample_tap(r, b, tap + i, i);
        multiply(r, b, tap, taps);
    }
    for (int64_t vector = 0; vector < t->all_out; vector++) {
        int64_t first = vector % t->out * lanes;
        int64_t channel = (b->item * job->groups + vector / t->out) * job->out_channels + first;
        t->kernels->turn_places(job->y + channel * t->places + b->first, t->places,
                                b->sums + vector * t->pitch * lanes,
                                (int)vka_smaller(lanes, job->out_channels - first), b->count);
    }
}

static void piece(void *arg, int64_t number, int thread)
{
    const struct run *r = arg;
    const struct plan *t = &r->plan;
    float *own = r->own + thread * t->thread_size;
    int64_t end = vka_smaller(r->blocks, (number + 1) * r->per_piece);
    for (int64_t i = number * r->per_piece; i < end; i++) {
        struct block b = {.item = r->item + i / t->blocks, .first = i % t->blocks * t->block};
        b.count = (int)vka_smaller(t->block, t->places - b.first);
        b.terms = own;
        b.sums = own + t->all_in * t->chunk * t->pitch * t->kernels->lanes;
        make_block(r, &b);
    }
}

// --- running ---

size_t vka_deform_places_scratch(const struct vka_deform_job *job, bool keeps, int threads)
{
    struct plan t;
    make_plan(job, &t, threads);
    int64_t weight = keeps ? 0 : vka_round_up(t.weight_size, ALIGNED);
    return (size_t)(weight + vka_round_up(t.map_size, ALIGNED) + threads * t.thread_size) *
           sizeof(float);
}

static void run_items(struct run *r, struct vka_threads *threads)
{
    const struct vka_deform_job *job = r->job;
    const struct plan *t = &r->plan;
    r->blocks = r->items * t->blocks;
    int64_t work = r->items * t->places * t->taps * t->all_in * t->out * t->kernels->lanes;
    int64_t pieces = vka_pieces(threads, r->blocks, work);
    r->per_piece = vka_divide_up(r->blocks, pieces);
    vka_parallel(threads, r->items * t->all_in * vka_divide_up(job->in[0], BAND), copy_band, r);
    vka_parallel(threads, pieces, piece, r);
}

void vka_deform_places_run(const struct vka_deform_job *job, const void *weight,
                           struct vka_threads *threads, void *scratch)
{
    struct run r = {.job = job, .weight = weight ? weight : scratch, .map = scratch};
    make_plan(job, &r.plan, vka_threads_count(threads));
    const struct plan *t = &r.plan;
    if (!weight) {
        vka_deform_places_weight(job, threads, scratch);
        r.map += vka_round_up(t->weight_size, ALIGNED);
    }
    r.own = r.map + vka_round_up(t->map_size, ALIGNED);
    for (r.item = 0; r.item < job->n; r.item += t->batch) {
        r.items = vka_smaller(t->batch, job->n - r.item);
        run_items(&r, threads);
    }
}
