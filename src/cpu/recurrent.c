// SPDX-License-Identifier: MIT
#include "cpu/recurrent.h"
#include "cpu/activation.h"
#include "cpu/cell.h"
#include "cpu/kernels.h"
#include "cpu/threads.h"
#include "util/whole.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

enum {
    UNITS = VKA_UNITS,
    GATES = 4,
    DEPTH = 256,      // of a sum that is taken in one go
    BLOCK_ROWS = 112, // of a piece
    SMALL = 1 << 16,  // multiply-adds of a step below which threads cost more than they bring
};

// A step has one phase, or two where all of a first result must be there for the second: the
// projection of h, or the candidate of a reset state.
struct phase {
    int64_t width, panels, k; // units; terms of a sum
    int gates, first, panel_gates;
    const float *weight;
    int64_t weight_step; // of a direction
    bool second;
    int64_t pieces;
};

struct run {
    const struct vka_recurrent_job *job;
    const struct vka_kernels *kernels;
    struct phase phase[2];
    int phases;
    int64_t blocks; // of rows
    int64_t team;
    float *state[2];     // h of the step before and of this one: [D, k, N]
    float *middle;       // the first phase's result: [D, k, N]
    float *own, *update; // what a unit keeps for itself: [D, panel, N, UNITS]
    atomic_llong *taken; // by piece: steps taken so far
    atomic_llong done;   // pieces
    atomic_int sleepers; // members that wait for a phase's last piece
    pthread_mutex_t lock;
    pthread_cond_t wake;
    int64_t state_size; // of a direction
};

// --- the work, cut ---

static struct phase first_phase(const struct vka_recurrent_job *job)
{
    struct phase p = {.width = job->hidden,
                      .panels = vka_panels(job->hidden),
                      .k = job->out,
                      .gates = vka_cell_gates(job->kind),
                      .weight = job->weight};
    p.panel_gates = p.gates;
    if (job->kind == VKA_CELL_CHO)
        p.gates = 2;
    p.weight_step = p.panels * (p.k + job->has_bias) * p.panel_gates * UNITS;
    return p;
}

static struct phase second_phase(const struct vka_recurrent_job *job)
{
    struct phase p = first_phase(job);
    p.second = true;
    p.gates = 1;
    if (job->kind == VKA_CELL_CHO) {
        p.first = 2;
        return p;
    }
    p.width = job->out;
    p.panels = vka_panels(job->out);
    p.k = job->hidden;
    p.panel_gates = 1;
    p.weight = job->proj;
    p.weight_step = p.panels * p.k * UNITS;
    return p;
}

static int64_t cut(const struct vka_recurrent_job *job, struct run *run)
{
    run->job = job;
    run->kernels = vka_kernels();
    run->phase[0] = first_phase(job);
    run->phase[1] = second_phase(job);
    run->phases = job->kind == VKA_CELL_CHO || job->has_proj ? 2 : 1;
    run->blocks = (job->rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
    int64_t pieces = 0;
    for (int i = 0; i < run->phases; i++) {
        run->phase[i].pieces = job->directions * run->phase[i].panels * run->blocks;
        pieces += run->phase[i].pieces;
    }
    return pieces;
}

static size_t share_out(struct run *run, int64_t pieces, char *scratch)
{
    const struct vka_recurrent_job *job = run->job;
    size_t used = 0;
    run->state_size = vka_larger(job->out, job->hidden) * job->rows;
    int64_t own = job->directions * run->phase[0].panels * job->rows * UNITS;
    int64_t sizes[] = {run->state_size * job->directions, run->state_size * job->directions,
                       run->phases == 2 ? run->state_size * job->directions : 0, own,
                       job->kind == VKA_CELL_CHO ? own : 0};
    float **const parts[] = {&run->state[0], &run->state[1], &run->middle, &run->own, &run->update};
    for (size_t i = 0; i < VKA_COUNT(sizes); i++) {
        *parts[i] = scratch ? (float *)(scratch + used) : NULL;
        used += ((size_t)sizes[i] * sizeof(float) + 63) / 64 * 64;
    }
    run->taken = scratch ? (atomic_llong *)(scratch + used) : NULL;
    return used + (size_t)pieces * sizeof *run->taken;
}

size_t vka_recurrent_scratch(const struct vka_recurrent_job *job)
{
    struct run run;
    int64_t pieces = cut(job, &run);
    return share_out(&run, pieces, NULL);
}

// --- one piece of a step ---

struct piece {
    const struct phase *phase;
    int64_t d, panel, unit, units; // units: of the panel, the last one may have fewer
    int64_t row, rows;             // rows: of the block, then of a chunk of it
    int64_t step, place;
    const float *old;    // h before the step, [k, N]
    float *next;         // and after it
    const float *weight; // the panel's
};

static void start_piece(const struct run *run, const struct phase *phase, int64_t number,
                        int64_t step, struct piece *x)
{
    const struct vka_recurrent_job *job = run->job;
    *x = (struct piece){.phase = phase, .step = step};
    x->row = number % run->blocks * BLOCK_ROWS;
    x->rows = job->rows - x->row < BLOCK_ROWS ? job->rows - x->row : BLOCK_ROWS;
    x->panel = number / run->blocks % phase->panels;
    x->d = number / run->blocks / phase->panels;
    x->unit = x->panel * UNITS;
    x->units = phase->width - x->unit < UNITS ? phase->width - x->unit : UNITS;
    x->place = x->d ? job->steps - 1 - step : step;
    x->old = run->state[step % 2] + x->d * run->state_size;
    x->next = run->state[(step + 1) % 2] + x->d * run->state_size;
    int64_t depth = phase->weight_step / phase->panels;
    x->weight = phase->weight + x->d * phase->weight_step + x->panel * depth;
}

// sums[row][gate][unit] of rows that a kernel takes at once.
static void multiply(const struct run *run, const struct piece *x, float *sums)
{
    const struct phase *p = x->phase;
    const struct vka_kernels *kernels = run->kernels;
    int rows = (int)x->rows, cols = p->gates * UNITS;
    int most = rows <= VKA_STRIP_ROWS ? kernels->strip_cols : kernels->tile_cols;
    const float *a = p->second ? run->middle + x->d * run->state_size : x->old;
    for (int j = 0; j < cols; j += most) {
        struct vka_tile tile = {.taps = 1,
                                .tap = vka_one_tap,
                                .a = a + x->row,
                                .a_step = run->job->rows,
                                .b = x->weight + p->first * UNITS + j,
                                .b_step = p->panel_gates * UNITS,
                                .c = sums + j,
                                .c_row = GATES * UNITS};
        for (int64_t left = p->k; left > 0; left -= tile.k) {
            tile.k = left < DEPTH ? left : DEPTH;
            kernels->tile(rows, cols - j < most ? cols - j : most, &tile);
            tile.a += tile.k * tile.a_step;
            tile.b += tile.k * tile.b_step;
            tile.add = true;
        }
    }
}

// What enters a gate besides the state, for the units of the piece.
static const float *entering(const struct run *run, const struct piece *x, int64_t row, int gate)
{
    const struct vka_recurrent_job *job = run->job;
    int64_t at = (x->d * job->rows + row) * job->steps + x->place;
    int gates = vka_cell_gates(job->kind);
    return job->inputs + (at * gates + gate) * job->hidden + x->unit;
}

static void add_entering(const struct run *run, const struct piece *x, int64_t row, float *sums)
{
    for (int i = 0; i < x->phase->gates; i++) {
        const float *in = entering(run, x, row, x->phase->first + i);
        for (int64_t u = 0; u < x->units; u++)
            sums[i * UNITS + u] += in[u];
    }
}

static float *own_at(const struct run *run, float *of, const struct piece *x, int64_t row)
{
    return of + ((x->d * run->phase[0].panels + x->panel) * run->job->rows + row) * UNITS;
}

// Units of a row into [k, N].
static void spread(const struct run *run, const struct piece *x, int64_t row, float *to,
                   const float *from)
{
    for (int64_t u = 0; u < x->units; u++)
        to[(x->unit + u) * run->job->rows + row] = from[u];
}

// A row's h of this step: to its place in y, and for the next step.
static void give(const struct run *run, const struct piece *x, int64_t row, const float *h)
{
    const struct vka_recurrent_job *job = run->job;
    int64_t at = (row * job->steps + x->place) * job->directions + x->d;
    memcpy(job->y + at * job->out + x->unit, h, (size_t)x->units * sizeof *h);
    spread(run, x, row, x->next, h);
}

static void hold(const struct run *run, const struct piece *x, int64_t row)
{
    float h[UNITS];
    for (int64_t u = 0; u < x->units; u++)
        h[u] = x->old[(x->unit + u) * run->job->rows + row];
    give(run, x, row, h);
}

static void lstm_row(const struct run *run, const struct piece *x, int64_t row, float *sums)
{
    const float *const gate[] = {sums, sums + UNITS, sums + 2 * UNITS, sums + 3 * UNITS};
    float *c = own_at(run, run->own, x, row), h[UNITS];
    add_entering(run, x, row, sums);
    vka_lstm_span(gate, c, h, c, UNITS);
    if (run->job->has_proj)
        spread(run, x, row, run->middle + x->d * run->state_size, h);
    else
        give(run, x, row, h);
}

static void gru_row(const struct run *run, const struct piece *x, int64_t row, float *sums)
{
    const struct vka_recurrent_job *job = run->job;
    const float *const b[] = {sums, sums + UNITS, sums + 2 * UNITS};
    const float *bias = x->weight + x->phase->k * x->phase->panel_gates * UNITS;
    float in[3 * UNITS] = {0}, *h = own_at(run, run->own, x, row);
    const float *const a[] = {in, in + UNITS, in + 2 * UNITS};
    for (int i = 0; i < 3; i++)
        memcpy(in + i * UNITS, entering(run, x, row, i), (size_t)x->units * sizeof *in);
    for (int i = 0; job->has_bias && i < 3 * UNITS; i++)
        sums[i] += bias[i];
    vka_gru_span(a, b, h, h, UNITS);
    give(run, x, row, h);
}

static void cho_row(const struct run *run, const struct piece *x, int64_t row, float *sums)
{
    float *h = own_at(run, run->own, x, row), *z = own_at(run, run->update, x, row);
    add_entering(run, x, row, sums);
    if (x->phase->second) {
        vka_activate_span((struct vka_activation){VKA_ACT_TANH, 0, 0}, sums, sums, UNITS);
        vka_cho_span(sums, z, h, h, UNITS);
        give(run, x, row, h);
    } else {
        memcpy(z, sums + UNITS, UNITS * sizeof *z);
        vka_cho_gates_span(sums, z, h, UNITS);
        spread(run, x, row, run->middle + x->d * run->state_size, sums);
    }
}

static void finish_row(const struct run *run, const struct piece *x, int64_t row, float *sums)
{
    const struct vka_recurrent_job *job = run->job;
    bool last = x->phase->second || run->phases == 1;
    if (job->valid && !job->valid[row * job->steps + x->place]) {
        if (last)
            hold(run, x, row);
    } else if (job->kind == VKA_CELL_GRU) {
        gru_row(run, x, row, sums);
    } else if (job->kind == VKA_CELL_CHO) {
        cho_row(run, x, row, sums);
    } else if (x->phase->second) {
        give(run, x, row, sums);
    } else {
        lstm_row(run, x, row, sums);
    }
}

static void run_piece(const struct run *run, const struct phase *phase, int64_t number,
                      int64_t step)
{
    struct piece x;
    start_piece(run, phase, number, step, &x);
    float sums[VKA_TILE_ROWS * GATES * UNITS];
    int64_t end = x.row + x.rows, most = run->kernels->tile_rows;
    int64_t chunks = (x.rows + most - 1) / most, all = x.rows, begin = x.row;
    for (int64_t i = 0; i < chunks; i++) { // of like heights
        x.row = begin + all * i / chunks;
        x.rows = (i + 1 < chunks ? begin + all * (i + 1) / chunks : end) - x.row;
        multiply(run, &x, sums);
        for (int64_t r = 0; r < x.rows; r++)
            finish_row(run, &x, x.row + r, sums + r * GATES * UNITS);
    }
}

// --- the team ---

// A phase is short: it is worth a look or two before a thread sleeps, which costs more.
static void wait_for(struct run *run, int64_t pieces)
{
    for (int i = 0; i < VKA_LOOKS; i++, vka_pause()) {
        if (atomic_load_explicit(&run->done, memory_order_acquire) >= pieces)
            return;
    }
    pthread_mutex_lock(&run->lock);
    atomic_fetch_add(&run->sleepers, 1);
    while (atomic_load(&run->done) < pieces)
        pthread_cond_wait(&run->wake, &run->lock);
    atomic_fetch_sub(&run->sleepers, 1);
    pthread_mutex_unlock(&run->lock);
}

static void count_piece(struct run *run, int64_t end)
{
    if (atomic_fetch_add(&run->done, 1) + 1 < end || atomic_load(&run->sleepers) == 0)
        return;
    pthread_mutex_lock(&run->lock);
    pthread_cond_broadcast(&run->wake);
    pthread_mutex_unlock(&run->lock);
}

// Every member goes through all pieces of all steps, its own share first, and does those that
// nobody has taken. It never waits for a piece that isn't in work: members may come late, or never.
static void run_member(void *arg, int64_t member, int thread)
{
    struct run *run = arg;
    int64_t before = 0;
    (void)thread;
    for (int64_t step = 0; step < run->job->steps; step++) {
        atomic_llong *taken = run->taken;
        for (int i = 0; i < run->phases; i++) {
            const struct phase *phase = &run->phase[i];
            int64_t first = phase->pieces * member / run->team;
            int64_t end = phase->pieces * (member + 1) / run->team;
            before += phase->pieces;
            for (int64_t k = 0; k < phase->pieces; k++) {
                int64_t from = step % 2 ? end - 1 - k + phase->pieces : first + k;
                int64_t number = from % phase->pieces;
                long long expected = atomic_load_explicit(&taken[number], memory_order_relaxed);
                if (expected != step ||
                    !atomic_compare_exchange_strong(&taken[number], &expected, step + 1))
                    continue;
                run_piece(run, phase, number, step);
                count_piece(run, before);
            }
            taken += phase->pieces;
            wait_for(run, before);
        }
    }
}

static void start_states(struct run *run)
{
    const struct vka_recurrent_job *job = run->job;
    bool lstm = job->kind == VKA_CELL_LSTM;
    const float *own = lstm ? job->c : job->h;
    memset(run->own, 0,
           (size_t)(job->directions * run->phase[0].panels * job->rows * UNITS) * sizeof(float));
    for (int64_t d = 0; d < job->directions; d++) {
        for (int64_t row = 0; row < job->rows; row++) {
            const float *h = job->h + (d * job->rows + row) * job->out;
            for (int64_t u = 0; u < job->out; u++)
                run->state[0][d * run->state_size + u * job->rows + row] = h[u];
            for (int64_t u = 0; u < job->hidden; u++) {
                struct piece x = {.d = d, .panel = u / UNITS};
                own_at(run, run->own, &x, row)[u % UNITS] =
                    own[(d * job->rows + row) * job->hidden + u];
            }
        }
    }
}

static void end_states(const struct run *run)
{
    const struct vka_recurrent_job *job = run->job;
    for (int64_t d = 0; d < job->directions; d++) {
        for (int64_t row = 0; row < job->rows; row++) {
            for (int64_t u = 0; u < job->hidden; u++) {
                struct piece x = {.d = d, .panel = u / UNITS};
                job->c_last[(d * job->rows + row) * job->hidden + u] =
                    own_at(run, run->own, &x, row)[u % UNITS];
            }
        }
    }
}

void vka_recurrent_run(const struct vka_recurrent_job *job, struct vka_threads *threads,
                       void *scratch)
{
    struct run run;
    int64_t pieces = cut(job, &run);
    share_out(&run, pieces, scratch);
    atomic_init(&run.done, 0);
    atomic_init(&run.sleepers, 0);
    pthread_mutex_init(&run.lock, NULL);
    pthread_cond_init(&run.wake, NULL);
    for (int64_t i = 0; i < pieces; i++)
        atomic_init(&run.taken[i], 0);
    start_states(&run);
    int64_t work = job->directions * job->rows * job->hidden * job->out * GATES;
    run.team = work < SMALL ? 1 : vka_threads_count(threads);
    vka_parallel(threads, run.team, run_member, &run);
    pthread_cond_destroy(&run.wake);
    pthread_mutex_destroy(&run.lock);
    if (job->c_last)
        end_states(&run);
}
