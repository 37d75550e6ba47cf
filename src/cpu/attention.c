// SPDX-License-Identifier: MIT
#include "cpu/attention.h"
#include "cpu/kernels.h"
#include "cpu/threads.h"
#include "util/whole.h"

#include <math.h>
#include <string.h>

enum {
    BLOCK = 96, // keys
    PANELS = 8, // of queries that share one packed block of keys
    ALIGNED = 16,
    WORTH = 1 << 18,       // multiply-adds of a piece
    SHARED_MOST = 8 << 20, // bytes of keys and values that are packed once for all pieces
};
static const double LOG2_E = 1.4426950408889634, LN_2 = 0.6931471805599453;

// The queries of all heads that share a head of k are one list of rows, cut into panels of `lanes`
// columns.
struct plan {
    const struct vka_kernels *kernels;
    int64_t share;                     // heads that share a head of k and v
    int64_t rows;                      // share * queries
    int lanes;                         // of a panel, at most
    int64_t panels, per_piece, pieces; // of one head of k; pieces of panels
    int64_t key_panel, value_panel;    // rows of tiles
    bool pack_k, pack_v;               // by each piece for itself, or
    bool share_k, share_v;             // once for all
    bool few; // rows: keys and values are read once, as they lie; sums are [row][value]
    // Scratch of a thread, in floats.
    int64_t key_size, value_size, logit_size, extra_size, panel_size, thread_size;
    int64_t shared_keys, shared_values; // floats
};

struct run {
    const struct vka_attention_job *job;
    struct plan plan;
    float *scratch;
    float *keys, *values; // shared
};

// Rows of a tile so that all tiles are about equal.
static int64_t even_panel(int64_t size, int64_t most)
{
    return vka_divide_up(size, vka_divide_up(size, most));
}

// Where several pieces need the same keys, those are packed first, unless they take much room.
static void share_packed(const struct vka_attention_job *job, struct plan *t)
{
    int64_t rows = job->batch * job->kv_heads * job->keys;
    int64_t keys = t->pack_k ? rows * job->depth : 0, values = t->pack_v ? rows * job->width : 0;
    if (t->pieces == 1 || keys + values > SHARED_MOST / (int64_t)sizeof(float))
        return;
    t->share_k = t->pack_k;
    t->share_v = t->pack_v;
    t->pack_k = t->pack_v = false;
    t->shared_keys = vka_round_up(keys, ALIGNED);
    t->shared_values = vka_round_up(values, ALIGNED);
}

static void make_plan(const struct vka_attention_job *job, struct plan *t, int threads)
{
    *t = (struct plan){.kernels = vka_kernels(), .share = job->heads / job->kv_heads};
    t->rows = t->share * job->queries;
    t->lanes = t->rows <= t->kernels->lanes ? t->kernels->lanes : t->kernels->wide_cols;
    t->panels = vka_divide_up(t->rows, t->lanes);
    double work = (double)t->lanes * (double)job->keys * (double)(job->depth + job->width);
    int64_t all = t->panels * job->batch * job->kv_heads, least = (int64_t)(WORTH / work) + 1;
    t->per_piece = vka_smaller(PANELS, vka_divide_up(all, threads == 1 ? 1 : 16 * threads));
    t->per_piece = vka_smaller(t->per_piece < least ? least : t->per_piece, PANELS);
    t->per_piece = vka_divide_up(t->panels, vka_divide_up(t->panels, t->per_piece));
    t->pieces = vka_divide_up(t->panels, t->per_piece);

    int64_t block = vka_smaller(BLOCK, job->keys);
    t->key_panel = even_panel(block, VKA_WIDE_ROWS);
    t->value_panel = even_panel(job->width, VKA_WIDE_ROWS);
    t->few = t->rows <= VKA_STRIP_ROWS && job->k_step[3] == 1 && job->v_step[3] == 1;
    // Rows that lie apart are packed, too: a power of two apart, few of them fit into a cache.
    t->pack_k =
        !t->few && job->k_step[2] != 1 && (job->k_step[3] != 1 || job->k_step[2] != job->depth);
    t->pack_v = !t->few && (job->v_step[3] != 1 || job->v_step[2] != job->width);
    share_packed(job, t);
    t->key_size = t->pack_k ? vka_round_up(block * job->depth, ALIGNED) : 0;
    t->value_size = t->pack_v ? vka_round_up(block * job->width, ALIGNED) : 0;
    t->logit_size = block * t->lanes;
    t->extra_size = job->has_bias || job->has_mask ? t->logit_size : 0;
    // queries, sums, running maximum and sum.
    t->panel_size = (job->depth + job->width + 2) * t->lanes;
    t->thread_size =
        t->key_size + t->value_size + t->logit_size + t->extra_size + t->per_piece * t->panel_size;
}

size_t vka_attention_scratch(const struct vka_attention_job *job, int threads)
{
    struct plan t;
    make_plan(job, &t, threads);
    return (size_t)(t.shared_keys + t.shared_values + threads * t.thread_size) * sizeof(float);
}

// --- a panel: its rows may belong to several heads ---

struct panel {
    int64_t first; // row
    int count, lanes;
    int step;              // of queries and sums; that of logits is `lanes`
    float *queries, *sums; // [column][lane]; few: [row][column]
    float *max, *sum;
};

struct piece {
    int64_t batch, kv_head;
    float *keys, *values, *logits, *extra, *panels;
};

static struct panel panel_of(const struct run *r, const struct piece *x, int64_t number,
                             int64_t index)
{
    const struct plan *t = &r->plan;
    struct panel p = {.first = number * t->lanes};
    p.count = (int)vka_smaller(t->lanes, t->rows - p.first);
    p.step = p.lanes = (int)vka_round_up(p.count, t->kernels->lanes);
    p.queries = x->panels + index * t->panel_size;
    p.sums = p.queries + r->job->depth * p.lanes;
    p.max = p.sums + r->job->width * p.lanes;
    p.sum = p.max + p.lanes;
    return p;
}

// [column][row] of a tensor over heads and queries into [column][lane], zeros in the lanes past the
// panel's rows. `src` is the element of query 0 of the first head.
static void gather_rows(const struct run *r, const struct panel *p, float *to, const float *src,
                        int64_t head_step, int64_t query_step, int64_t column_step, int64_t columns)
{
    const struct plan *t = &r->plan;
    int64_t queries = r->job->queries, head = p->first / queries, query = p->first % queries;
    if (query + p->count <= queries) {
        t->kernels->pack(to, p->lanes, src + head * head_step + query * query_step, query_step,
                         column_step, p->count, columns);
        return;
    }
    for (int lane = 0; lane < p->lanes; lane++) {
        int64_t row = p->first + lane;
        const float *line = src + row / queries * head_step + row % queries * query_step;
        for (int64_t c = 0; c < columns; c++)
            to[c * p->lanes + lane] = lane < p->count ? line[c * column_step] : 0;
    }
}

static void copy_queries(const struct run *r, const struct panel *p, const float *q)
{
    const struct vka_attention_job *job = r->job;
    for (int i = 0; i < p->count; i++) {
        int64_t row = p->first + i;
        const float *line =
            q + row / job->queries * job->q_step[1] + row % job->queries * job->q_step[2];
        for (int64_t d = 0; d < job->depth; d++)
            p->queries[i * job->depth + d] = line[d * job->q_step[3]];
    }
}

static void start_panel(const struct run *r, const struct piece *x, struct panel *p)
{
    const struct vka_attention_job *job = r->job;
    int lanes = p->lanes;
    const float *q =
        job->q + x->batch * job->q_step[0] + x->kv_head * r->plan.share * job->q_step[1];
    if (r->plan.few)
        copy_queries(r, p, q);
    else
        gather_rows(r, p, p->queries, q, job->q_step[1], job->q_step[2], job->q_step[3],
                    job->depth);
    float unit = (float)(job->scale * LOG2_E);
    for (int64_t i = 0; i < job->depth * (r->plan.few ? p->count : lanes); i++)
        p->queries[i] *= unit;
    for (int64_t i = 0; i < job->width * lanes; i++)
        p->sums[i] = 0;
    for (int i = 0; i < lanes; i++) {
        p->max[i] = -INFINITY;
        p->sum[i] = 0;
    }
}

// The last key that a row sees, as far as causality goes.
static int64_t last_key(const struct vka_attention_job *job, int64_t row)
{
    if (!job->causal)
        return job->keys - 1;
    int64_t last = row % job->queries + job->causal_offset;
    return vka_smaller(last, job->keys - 1);
}

static void last_keys(const struct run *r, const struct panel *p, int64_t *least, int64_t *most)
{
    const struct vka_attention_job *job = r->job;
    int64_t end = p->first + p->count - 1;
    if (p->first / job->queries == end / job->queries) { // of one head: in order
        *least = last_key(job, p->first);
        *most = last_key(job, end);
        return;
    }
    *least = job->keys - 1;
    *most = -1;
    for (int64_t row = p->first; row <= end; row++) {
        int64_t last = last_key(job, row);
        *least = vka_smaller(last, *least);
        *most = vka_larger(last, *most);
    }
}

// --- a block of keys ---

// Queries are [row][depth] here.
static void dot_logits(const struct run *r, const struct piece *x, const struct panel *p,
                       const float *k, int64_t count)
{
    const struct vka_attention_job *job = r->job;
    const struct plan *t = &r->plan;
    for (int64_t i = 0; i < count; i += VKA_DOT_ROWS)
        t->kernels->dot((int)vka_smaller(VKA_DOT_ROWS, count - i), p->count, job->depth,
                        k + i * job->k_step[2], job->k_step[2], p->queries, job->depth,
                        x->logits + i * p->lanes, p->lanes, 1);
}

static void make_logits(const struct run *r, const struct piece *x, const struct panel *p,
                        const float *k, int64_t count)
{
    const struct vka_attention_job *job = r->job;
    const struct plan *t = &r->plan;
    if (t->few) {
        dot_logits(r, x, p, k, count);
        return;
    }
    struct vka_tile tile = {.k = job->depth,
                            .b = p->queries,
                            .b_step = p->step,
                            .c_row = p->lanes,
                            .a_row = t->pack_k ? job->depth : job->k_step[2],
                            .a_step = t->pack_k ? 1 : job->k_step[3]};
    for (int64_t i = 0; i < count; i += t->key_panel) {
        tile.a = (t->pack_k ? x->keys : k) + i * tile.a_row;
        tile.c = x->logits + i * p->lanes;
        t->kernels->wide((int)vka_smaller(t->key_panel, count - i), p->lanes, &tile);
    }
}

static void change_logits(const struct run *r, const struct piece *x, const struct panel *p,
                          int64_t first, int64_t count, int64_t least)
{
    const struct vka_attention_job *job = r->job;
    const struct plan *t = &r->plan;
    if (job->has_bias) {
        const int64_t *step = job->bias_step;
        gather_rows(r, p, x->extra,
                    job->bias + x->batch * step[0] + x->kv_head * t->share * step[1] +
                        first * step[3],
                    step[1], step[2], step[3], count);
        t->kernels->add_bias(x->logits, x->extra, count * p->lanes, (float)LOG2_E);
    }
    if (job->has_mask) { // words are moved as floats are
        const int64_t *step = job->mask_step;
        gather_rows(r, p, x->extra,
                    (const float *)job->mask + x->batch * step[0] +
                        x->kv_head * t->share * step[1] + first * step[3],
                    step[1], step[2], step[3], count);
        t->kernels->apply_mask(x->logits, (const int32_t *)x->extra, count * p->lanes,
                               job->mask_removes);
    }
    if (first + count - 1 > least) {
        float last[VKA_WIDE_COLS];
        for (int i = 0; i < p->lanes; i++) {
            int64_t at = (i < p->count ? last_key(job, p->first + i) : job->keys - 1) - first;
            last[i] = at < -1 ? -1 : at > BLOCK ? BLOCK : (float)at;
        }
        t->kernels->apply_last(x->logits, p->lanes, count, last);
    }
}

// Of few rows.
static void scale_sums(const struct run *r, const struct panel *p, const float *factor)
{
    int64_t width = r->job->width;
    for (int64_t i = 0; i < p->count * width; i++)
        p->sums[i] *= factor[i / width];
}

static void add_value_rows(const struct run *r, const struct piece *x, const struct panel *p,
                           const float *v, int64_t count)
{
    const struct vka_attention_job *job = r->job;
    const struct plan *t = &r->plan;
    struct vka_tile tile = {.k = count,
                            .taps = 1,
                            .tap = vka_one_tap,
                            .a = x->logits,
                            .a_step = p->lanes,
                            .b_step = job->v_step[2],
                            .c_row = job->width,
                            .add = true};
    int64_t whole = job->width - job->width % t->kernels->lanes;
    for (int64_t i = 0, cols; i < job->width; i += cols) {
        cols = i < whole ? vka_smaller(t->kernels->strip_cols, whole - i) : job->width - i;
        tile.b = v + i;
        tile.c = p->sums + i;
        (i < whole ? t->kernels->tile : t->kernels->edge)(p->count, (int)cols, &tile);
    }
}

// What was summed before is multiplied with `factor`: of few rows where that isn't 1 (`changed`),
// else on the way to the sums, where it costs nothing.
static void add_values(const struct run *r, const struct piece *x, const struct panel *p,
                       const float *v, int64_t count, const float *factor, bool changed)
{
    const struct vka_attention_job *job = r->job;
    const struct plan *t = &r->plan;
    if (t->few) {
        if (changed)
            scale_sums(r, p, factor);
        add_value_rows(r, x, p, v, count);
        return;
    }
    struct vka_tile tile = {.k = count,
                            .b = x->logits,
                            .b_step = p->lanes,
                            .c_row = p->step,
                            .add = true,
                            .scale = factor,
                            .a_row = 1,
                            .a_step = t->pack_v ? job->width : job->v_step[2]};
    for (int64_t i = 0; i < job->width; i += t->value_panel) {
        tile.a = (t->pack_v ? x->values : v) + i;
        tile.c = p->sums + i * p->step;
        t->kernels->wide((int)vka_smaller(t->value_panel, job->width - i), p->lanes, &tile);
    }
}

struct block {
    int64_t first, count; // keys
    const float *k, *v;
};

static struct block block_of(const struct vka_attention_job *job, const struct piece *x,
                             int64_t first)
{
    return (struct block){
        .first = first,
        .count = vka_smaller(BLOCK, job->keys - first),
        .k = job->k + x->batch * job->k_step[0] + x->kv_head * job->k_step[1] +
             first * job->k_step[2],
        .v = job->v + x->batch * job->v_step[0] + x->kv_head * job->v_step[1] +
             first * job->v_step[2],
    };
}

// [key][column]
static void pack_rows(const struct run *r, float *to, const float *from, const int64_t *step,
                      int64_t columns, int64_t count)
{
    r->plan.kernels->pack(to, (int)columns, from, step[3], step[2], (int)columns, count);
}

static void pack_block(const struct run *r, const struct piece *x, const struct block *b)
{
    const struct vka_attention_job *job = r->job;
    if (r->plan.pack_k)
        pack_rows(r, x->keys, b->k, job->k_step, job->depth, b->count);
    if (r->plan.pack_v)
        pack_rows(r, x->values, b->v, job->v_step, job->width, b->count);
}

// Keys that no query of the panel sees are left out.
static void take_panel(const struct run *r, const struct piece *x, const struct block *b,
                       const struct panel *p)
{
    int64_t least, most;
    last_keys(r, p, &least, &most);
    int64_t seen = vka_smaller(b->count, most + 1 - b->first);
    if (seen <= 0)
        return;
    float factor[VKA_WIDE_COLS];
    make_logits(r, x, p, b->k, seen);
    change_logits(r, x, p, b->first, seen, least);
    bool changed = r->plan.kernels->soften(x->logits, p->lanes, seen, p->max, p->sum, factor);
    add_values(r, x, p, b->v, seen, factor, changed);
}

// A panel that the edge of causality runs through: its halves see less.
static void take_halves(const struct run *r, const struct piece *x, const struct block *b,
                        const struct panel *p)
{
    int half = p->lanes / 2;
    struct panel one = *p, other = *p;
    one.count = one.lanes = half;
    other.first += half;
    other.count -= half;
    other.lanes -= half;
    other.queries += half;
    other.sums += half;
    other.max += half;
    other.sum += half;
    take_panel(r, x, b, &one);
    take_panel(r, x, b, &other);
}

static void take_block(const struct run *r, const struct piece *x, int64_t begin, int64_t end,
                       int64_t first)
{
    const struct plan *t = &r->plan;
    struct block b = block_of(r->job, x, first);
    bool packed = false;
    for (int64_t i = begin; i < end; i++) {
        struct panel p = panel_of(r, x, i, i - begin);
        int64_t least, most;
        last_keys(r, &p, &least, &most);
        if (most < first)
            continue;
        if (!packed)
            pack_block(r, x, &b);
        packed = true;
        bool edge = least < first + b.count - 1;
        if (edge && !t->few && p.lanes % (2 * t->kernels->lanes) == 0)
            take_halves(r, x, &b, &p);
        else
            take_panel(r, x, &b, &p);
    }
}

// The sums by `factor` where they belong, in runs of rows of one head.
static void give_rows(const struct run *r, const struct piece *x, const struct panel *p,
                      const float *factor)
{
    const struct vka_attention_job *job = r->job;
    const struct plan *t = &r->plan;
    float *out = job->out + x->batch * job->out_step[0];
    if (t->few)
        scale_sums(r, p, factor);
    for (int i = 0, count; i < p->count; i += count) {
        int64_t row = p->first + i, query = row % job->queries;
        int64_t head = x->kv_head * t->share + row / job->queries;
        float *to = out + head * job->out_step[1] + query * job->out_step[2];
        count = t->few ? 1 : (int)vka_smaller(p->count - i, job->queries - query);
        if (t->few)
            memcpy(to, p->sums + i * job->width, (size_t)job->width * sizeof *to);
        else
            t->kernels->give_queries(to, job->out_step[2], p->sums + i, p->lanes, count, job->width,
                                     factor + i);
    }
}

static void finish_panel(const struct run *r, const struct piece *x, const struct panel *p)
{
    const struct vka_attention_job *job = r->job;
    const struct plan *t = &r->plan;
    // Rows of heads that share a head of k follow each other.
    int64_t row = (x->batch * job->kv_heads + x->kv_head) * t->rows + p->first;
    float factor[VKA_WIDE_COLS];
    for (int i = 0; i < p->lanes; i++)
        factor[i] = p->sum[i] == 0 ? 0 : 1 / p->sum[i];
    if (job->out)
        give_rows(r, x, p, factor);
    for (int i = 0; job->lse && i < p->count; i++)
        job->lse[row + i] =
            p->sum[i] == 0 ? -INFINITY : (float)((p->max[i] + log2(p->sum[i])) * LN_2);
}

static void run_piece(void *arg, int64_t number, int thread)
{
    const struct run *r = arg;
    const struct vka_attention_job *job = r->job;
    const struct plan *t = &r->plan;
    // Late queries first: with causality they have the most to do.
    int64_t part = t->pieces - 1 - number % t->pieces, head = number / t->pieces;
    struct piece x = {.batch = head / job->kv_heads, .kv_head = head % job->kv_heads};
    x.keys = r->scratch + thread * t->thread_size;
    x.values = x.keys + t->key_size;
    x.logits = x.values + t->value_size;
    x.extra = x.logits + t->logit_size;
    x.panels = x.extra + t->extra_size;
    // Lanes past the rows are computed, too: from any finite numbers.
    for (int64_t i = 0; t->few && i < t->logit_size; i++)
        x.logits[i] = 0;
    int64_t begin = part * t->per_piece, end = vka_smaller(t->panels, begin + t->per_piece);
    for (int64_t i = begin; i < end; i++) {
        struct panel p = panel_of(r, &x, i, i - begin);
        start_panel(r, &x, &p);
    }
    for (int64_t first = 0; first < job->keys; first += BLOCK)
        take_block(r, &x, begin, end, first);
    for (int64_t i = begin; i < end; i++) {
        struct panel p = panel_of(r, &x, i, i - begin);
        finish_panel(r, &x, &p);
    }
}

// --- keys and values packed for all pieces ---

static void share_block(void *arg, int64_t number, int thread)
{
    (void)thread;
    const struct run *r = arg;
    const struct vka_attention_job *job = r->job;
    int64_t blocks = vka_divide_up(job->keys, BLOCK), head = number / blocks;
    struct piece x = {.batch = head / job->kv_heads, .kv_head = head % job->kv_heads};
    struct block b = block_of(job, &x, number % blocks * BLOCK);
    int64_t row = head * job->keys + b.first;
    if (r->plan.share_k)
        pack_rows(r, r->keys + row * job->depth, b.k, job->k_step, job->depth, b.count);
    if (r->plan.share_v)
        pack_rows(r, r->values + row * job->width, b.v, job->v_step, job->width, b.count);
}

// The steps of [batch, heads, keys, columns] without gaps.
static void set_steps(int64_t *step, const struct vka_attention_job *job, int64_t columns)
{
    step[3] = 1;
    step[2] = columns;
    step[1] = job->keys * columns;
    step[0] = job->kv_heads * step[1];
}

// Packs what pieces share: `packed` is the job that reads it.
static void share(struct run *r, struct vka_threads *threads, struct vka_attention_job *packed)
{
    const struct plan *t = &r->plan;
    if (!t->share_k && !t->share_v)
        return;
    r->keys = r->scratch;
    r->values = r->keys + t->shared_keys;
    r->scratch = r->values + t->shared_values;
    vka_parallel(threads, packed->batch * packed->kv_heads * vka_divide_up(packed->keys, BLOCK),
                 share_block, r);
    if (t->share_k) {
        packed->k = r->keys;
        set_steps(packed->k_step, packed, packed->depth);
    }
    if (t->share_v) {
        packed->v = r->values;
        set_steps(packed->v_step, packed, packed->width);
    }
    r->job = packed;
}

void vka_attention_run(const struct vka_attention_job *job, struct vka_threads *threads,
                       void *scratch)
{
    struct vka_attention_job packed = *job;
    struct run r = {.job = job, .scratch = scratch};
    make_plan(job, &r.plan, vka_threads_count(threads));
    share(&r, threads, &packed);
    vka_parallel(threads, job->batch * job->kv_heads * r.plan.pieces, run_piece, &r);
}
