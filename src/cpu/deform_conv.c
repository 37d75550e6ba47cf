// SPDX-License-Identifier: MIT
#include "cpu/deform_conv.h"
#include "cpu/gemm.h"
#include "cpu/kernels.h"
#include "cpu/sample.h"
#include "cpu/threads.h"
#include "util/whole.h"

enum {
    DEPTH = 256, // terms summed before a sum is added to the one so far
    SLOTS = 32,  // taps whose corners are kept for the next group of channels
    ALIGNED = 16,
};

struct slot {
    int64_t key; // which offsets and tap; -1: none
    struct vka_corners corners;
};

struct plan {
    const struct vka_kernels *kernels;
    int64_t taps, terms; // of the kernel; of a sum
    int64_t places, block, blocks;
    int panel; // rows of the weight that lie together
    int64_t panels, slots;
    int64_t weight_size, thread_size; // of scratch, in floats
};

struct run {
    const struct vka_deform_job *job;
    struct plan plan;
    float *weight, *own; // `own`: of the threads, one behind the other
    int64_t items, per_piece;
};

struct block { // some places of an item of the batch
    int64_t item, first;
    int count;
    float *columns; // [DEPTH][VKA_SAMPLE_BLOCK]
    struct slot *slots;
};

static void make_plan(const struct vka_deform_job *job, struct plan *t, int threads)
{
    *t = (struct plan){.kernels = vka_kernels(), .taps = job->kernel[0] * job->kernel[1]};
    t->terms = t->taps * job->in_channels;
    t->panels = vka_divide_up(job->out_channels, t->kernels->tile_rows);
    t->panel = (int)vka_divide_up(job->out_channels, t->panels);
    t->panels = vka_divide_up(job->out_channels, t->panel);
    t->places = job->out[0] * job->out[1];
    t->block = VKA_SAMPLE_BLOCK;
    while (t->block > t->kernels->tile_cols &&
           job->n * vka_divide_up(t->places, t->block) < 2 * threads)
        t->block /= 2;
    t->blocks = vka_divide_up(t->places, t->block);
    t->slots = vka_smaller(t->taps, SLOTS);
    t->weight_size =
        vka_divide_up(job->groups * t->panels * t->panel * t->terms, ALIGNED) * ALIGNED;
    int64_t slots = t->slots * (int64_t)(sizeof(struct slot) / sizeof(float));
    t->thread_size = DEPTH * VKA_SAMPLE_BLOCK + vka_divide_up(slots, ALIGNED) * ALIGNED;
}

size_t vka_deform_scratch(const struct vka_deform_job *job, int threads)
{
    struct plan t;
    make_plan(job, &t, threads);
    return (size_t)(t.weight_size + threads * t.thread_size) * sizeof(float);
}

// Terms in the order in which samples are made: all channels of a tap, then the next tap.
static void pack_weight(void *arg, int64_t number, int thread)
{
    (void)thread;
    const struct run *r = arg;
    const struct vka_deform_job *job = r->job;
    const struct plan *t = &r->plan;
    int64_t group = number / t->panels, row = number % t->panels * t->panel;
    int rows = (int)vka_smaller(t->panel, job->out_channels - row);
    float *to = r->weight + number * t->panel * t->terms;
    const float *from = job->weight + (group * job->out_channels + row) * job->weight_step[0];
    for (int64_t tap = 0; tap < t->taps; tap++, to += t->panel * job->in_channels)
        t->kernels->pack(to, t->panel, from + tap * job->weight_step[2], job->weight_step[0],
                         job->weight_step[1], rows, job->in_channels);
}

// --- samples ---

void vka_deform_corners(const struct vka_deform_job *job, int64_t item, int64_t first, int count,
                        int64_t part, int64_t tap, const int64_t step[2], struct vka_corners *c)
{
    const struct vka_map map = {{job->in[0], job->in[1]}, {step[0], step[1]}, false};
    int64_t channel = part * job->kernel[0] * job->kernel[1] + tap,
            axis[2] = {tap / job->kernel[1], tap % job->kernel[1]};
    const float *offset =
        job->offset + item * job->offset_step[0] + 2 * channel * job->offset_step[1];
    float position[2][VKA_SAMPLE_BLOCK], factor[VKA_SAMPLE_BLOCK];
    const float *mask =
        job->mask ? job->mask + item * job->mask_step[0] + channel * job->mask_step[1] : NULL;
    int64_t at[2] = {first / job->out[1], first % job->out[1]};
    for (int i = 0; i < count; i++) {
        const float *here = offset + at[0] * job->offset_step[2] + at[1] * job->offset_step[3];
        for (int k = 0; k < 2; k++) {
            int64_t start = at[k] * job->stride[k] + axis[k] * job->dilation[k] - job->before[k];
            position[k][i] = (float)start + here[k * job->offset_step[1]];
        }
        if (mask)
            factor[i] = mask[at[0] * job->mask_step[2] + at[1] * job->mask_step[3]];
        if (++at[1] == job->out[1]) {
            at[1] = 0;
            at[0]++;
        }
    }
    vka_corners_of(&map, position, count, c);
    if (job->mask)
        vka_corners_times(c, factor, count);
}

static const struct vka_corners *corners_at(const struct run *r, const struct block *b, int64_t own,
                                            int64_t tap)
{
    struct slot *slot = &b->slots[tap % r->plan.slots];
    int64_t key = own * r->plan.taps + tap;
    if (slot->key != key)
        vka_deform_corners(r->job, b->item, b->first, b->count, own, tap, &r->job->x_step[2],
                           &slot->corners);
    slot->key = key;
    return &slot->corners;
}

// Terms first .. first + count - 1 of a group of channels.
static void sample_terms(const struct run *r, const struct block *b, int64_t group, int64_t first,
                         int64_t count)
{
    const struct vka_deform_job *job = r->job;
    const float *x = job->x + b->item * job->x_step[0];
    const struct vka_corners *corners = NULL;
    for (int64_t i = 0; i < count; i++) {
        int64_t tap = (first + i) / job->in_channels;
        int64_t channel = group * job->in_channels + (first + i) % job->in_channels;
        bool next = i == 0 || channel % job->share == 0 || channel % job->in_channels == 0;
        if (next)
            corners = corners_at(r, b, channel / job->share, tap);
        r->plan.kernels->blend(b->columns + i * VKA_SAMPLE_BLOCK, b->count,
                               x + channel * job->x_step[1], corners, false);
    }
}

// --- products ---

static void multiply(const struct run *r, const struct block *b, int64_t group, int64_t first,
                     int64_t count, float *y)
{
    const struct plan *t = &r->plan;
    const int cols = t->kernels->tile_cols;
    const float *weight = r->weight + group * t->panels * t->panel * t->terms;
    for (int64_t k = 0; k < t->panels; k++) {
        int rows = (int)vka_smaller(t->panel, r->job->out_channels - k * t->panel);
        for (int j = 0; j < b->count; j += cols) {
            struct vka_tile tile = {.k = count,
                                    .taps = 1,
                                    .tap = vka_one_tap,
                                    .a = weight + (k * t->terms + first) * t->panel,
                                    .b = b->columns + j,
                                    .a_step = t->panel,
                                    .b_step = VKA_SAMPLE_BLOCK,
                                    .c = y + k * t->panel * t->places + j,
                                    .c_row = t->places,
                                    .add = first > 0};
            t->kernels->tile(rows, b->count - j < cols ? b->count - j : cols, &tile);
        }
    }
}

static void add_bias(const struct run *r, const struct block *b, int64_t group, float *y)
{
    const struct vka_deform_job *job = r->job;
    struct vka_epilogue e = {.alpha = 1, .row = {job->bias_step}};
    e.added[0] = job->bias + group * job->out_channels * job->bias_step;
    vka_epilogue_run(&e, y, job->out_channels, b->count, r->plan.places, 1);
}

static void make_block(const struct run *r, const struct block *b)
{
    const struct vka_deform_job *job = r->job;
    const struct plan *t = &r->plan;
    for (int64_t i = 0; i < t->slots; i++)
        b->slots[i].key = -1;
    for (int64_t g = 0; g < job->groups; g++) {
        float *y = job->y + (b->item * job->groups + g) * job->out_channels * t->places + b->first;
        for (int64_t k = 0; k < t->terms; k += DEPTH) {
            int64_t count = vka_smaller(DEPTH, t->terms - k);
            sample_terms(r, b, g, k, count);
            multiply(r, b, g, k, count, y);
        }
        if (job->bias)
            add_bias(r, b, g, y);
    }
}

static void piece(void *arg, int64_t number, int thread)
{
    const struct run *r = arg;
    const struct plan *t = &r->plan;
    float *own = r->own + thread * t->thread_size;
    int64_t end = vka_smaller(r->items, (number + 1) * r->per_piece);
    for (int64_t i = number * r->per_piece; i < end; i++) {
        struct block b = {.item = i / t->blocks, .first = i % t->blocks * t->block};
        b.count = (int)vka_smaller(t->block, t->places - b.first);
        b.columns = own;
        b.slots = (struct slot *)(void *)(own + DEPTH * VKA_SAMPLE_BLOCK);
        make_block(r, &b);
    }
}

void vka_deform_run(const struct vka_deform_job *job, struct vka_threads *threads, void *scratch)
{
    struct run r = {.job = job, .weight = scratch};
    make_plan(job, &r.plan, vka_threads_count(threads));
    r.own = r.weight + r.plan.weight_size;
    r.items = job->n * r.plan.blocks;
    int64_t work = job->n * r.plan.places * r.plan.terms * (job->out_channels + 4) * job->groups;
    int64_t pieces = vka_pieces(threads, r.items, work);
    r.per_piece = vka_divide_up(r.items, pieces);
    vka_parallel(threads, job->groups * r.plan.panels, pack_weight, &r);
    vka_parallel(threads, pieces, piece, &r);
}
