// SPDX-License-Identifier: MIT
//
// How attention runs on a device. The variants that take tiles (common/attention_rows.glsl) make
// rows, the queries of all heads that share one of k beside each other, and split the keys where
// there would be too few workgroups to keep the device busy: a second dispatch puts the parts
// together.
#include "attention.h" // push constants
#include "attention_merge.h"
#include "ops/attend.h"
#include "util/whole.h"

enum { MOST_WIDTH = 256, LANES = 8, FULL_BUFFERS = 7 };

static bool is_full(const struct vka_args *args)
{
    return vka_present(&args->in[BIAS]) || vka_present(&args->in[MASK]) ||
           vka_present(&args->out[LSE]);
}

// What all variants need.
static bool fits_any(const struct vka_limits *limits, const struct vka_args *args)
{
    return vka_attention_lines_up(&args->in[Q]) && vka_attention_lines_up(&args->in[K]) &&
           vka_attention_lines_up(&args->in[V]) && args->in[V].dim[3] <= MOST_WIDTH &&
           vka_present(&args->out[OUT]) &&
           (!is_full(args) || limits->storage_buffers >= FULL_BUFFERS);
}

// What a workgroup takes: rows or queries, and keys.
struct share {
    int64_t rows, keys;
};

static uint32_t flags_of(const struct vka_args *args)
{
    const struct vka_attention_params *p = args->params;
    return (p->causal ? ATTENTION_CAUSAL : 0u) |
           (vka_present(&args->in[BIAS]) ? ATTENTION_BIAS : 0u) |
           (vka_present(&args->in[MASK]) ? ATTENTION_MASK : 0u) |
           (p->mask_removes ? ATTENTION_REMOVES : 0u) |
           (vka_present(&args->out[LSE]) ? ATTENTION_LSE : 0u) |
           (p->joined ? ATTENTION_JOINED : 0u);
}

static void fill_push(const struct vka_attention_job *job, struct vka_push_attention *push)
{
    *push = (struct vka_push_attention){
        .heads = (uint)job->heads,
        .share = (uint)(job->heads / job->kv_heads),
        .queries = (uint)job->queries,
        .keys = (uint)job->keys,
        .scale = (float)job->scale,
    };
    // Any offset beyond all keys or before all queries is as good as the next one.
    int64_t offset = job->causal_offset, most = job->keys, least = -job->queries;
    push->causal_offset = (int)(offset > most ? most : offset < least ? least : offset);
    for (int i = 0; i < 4; i++) {
        push->bias_stride[i] = (uint)job->bias_step[i];
        push->mask_stride[i] = (uint)job->mask_step[i];
        if (i == 3)
            continue;
        push->q_stride[i] = (uint)job->q_step[i];
        push->k_stride[i] = (uint)job->k_step[i];
        push->v_stride[i] = (uint)job->v_step[i];
    }
}

static void bind_all(struct vka_launch *l, struct vka_dispatch *d, const struct vka_args *args,
                     const struct vka_array *out, const struct vka_array *lse,
                     struct vka_push_attention *push)
{
    push->q_offset = vka_bind(l, d, &args->in[Q], VKA_READ);
    push->k_offset = vka_bind(l, d, &args->in[K], VKA_READ);
    push->v_offset = vka_bind(l, d, &args->in[V], VKA_READ);
    push->out_offset = vka_bind(l, d, out, VKA_WRITE);
    if (!is_full(args))
        return;
    push->bias_offset = vka_bind(l, d, &args->in[BIAS], VKA_READ);
    push->mask_offset = vka_bind(l, d, &args->in[MASK], VKA_READ);
    push->lse_offset = vka_bind(l, d, lse, VKA_WRITE);
}

// Constants: depth, width, flags; then what the module has more.
static void add_constants(struct vka_dispatch *d, const struct vka_args *args,
                          const struct vka_attention_job *job, const struct share *s)
{
    vka_constant_u32(d, (uint32_t)job->depth);
    vka_constant_u32(d, (uint32_t)job->width);
    vka_constant_u32(d, flags_of(args) | (s->keys < job->keys ? ATTENTION_SPLIT : 0u));
}

// `each` for a block of keys.
static void tell_turns(struct vka_dispatch *d, const struct share *s, int64_t block, int64_t each)
{
    vka_turns(d, (double)vka_divide_up(s->keys, block) * (double)each, "the keys");
}

// --- splitting ---

static int64_t rows_of(const struct vka_attention_job *job) // a head of k
{
    return job->queries * (job->heads / job->kv_heads);
}

// So many rows a workgroup, all keys or as few as make it enough workgroups, which keep the device
// as busy as `weight` each of the smallest.
static struct share share_of(const struct vka_limits *limits, const struct vka_attention_job *job,
                             int64_t rows, uint32_t weight)
{
    enum { LEAST = 256, STEP = 64, MOST_PARTS = 64 }; // keys of a part, what they are a multiple of
    int64_t groups = job->batch * job->kv_heads * vka_divide_up(rows_of(job), rows);
    int64_t parts = limits->busy / weight / groups;
    if (parts > job->keys / LEAST)
        parts = job->keys / LEAST;
    if (parts > MOST_PARTS)
        parts = MOST_PARTS;
    bool split = parts > 1;
    return (struct share){rows,
                          split ? vka_round_up(vka_divide_up(job->keys, parts), STEP) : job->keys};
}

static void launch_merge(struct vka_launch *l, const struct vka_args *args,
                         const struct vka_attention_job *job, const struct vka_array *sums,
                         int64_t parts)
{
    int64_t rows = job->batch * job->heads * job->queries;
    struct vka_push_attention_merge push = {
        .rows = (uint)rows,
        .parts = (uint)parts,
        .width = (uint)job->width,
        .heads = (uint)job->heads,
        .queries = (uint)job->queries,
    };
    struct vka_dispatch d;
    vka_begin(l, &d, "attention_merge", LANES * LANES, 1, 1);
    d.weight = 0; // beside the products
    vka_constant_u32(&d, flags_of(args));
    push.from_offset = vka_bind(l, &d, sums, VKA_READ);
    push.to_offset = vka_bind(l, &d, &args->out[OUT], VKA_WRITE);
    push.lse_offset = vka_bind(l, &d, &args->out[LSE], VKA_WRITE);
    VKA_PUSH(&d, push);
    vka_turns(&d, (double)(parts + 1) * (3 + (double)job->width / (LANES * LANES)), "the parts");
    vka_emit(l, &d, (uint64_t)rows, 1, 1);
}

// Ends a dispatch of tiles, and merges their parts.
static void launch_tiles(struct vka_launch *l, const struct vka_args *args, struct vka_dispatch *d,
                         const struct vka_attention_job *job, const struct share *s)
{
    static const struct vka_array none = {.rank = -1};
    int64_t parts = vka_divide_up(job->keys, s->keys), words = job->width + 2; // of a row
    int64_t tiles = job->batch * job->kv_heads * vka_divide_up(rows_of(job), s->rows);
    struct vka_array sums = none;
    if (parts > 1)
        sums = vka_scratch(l, job->batch * job->heads * job->queries * parts * words);
    struct vka_push_attention push;
    fill_push(job, &push);
    push.end = (uint)(tiles * parts);
    push.span = (uint)s->keys;
    bind_all(l, d, args, parts > 1 ? &sums : &args->out[OUT], parts > 1 ? &none : &args->out[LSE],
             &push);
    VKA_PUSH(d, push);
    vka_emit(l, d, (uint64_t)(tiles * parts), 1, 1);
    if (parts > 1)
        launch_merge(l, args, job, &sums, parts);
}

// --- any device ---

static void launch_baseline(struct vka_launch *l, const struct vka_args *args)
{
    enum { ROWS = 32, COLS = 32, WEIGHT = 2 };
    struct vka_attention_job job;
    vka_attention_job_of(args, &job);
    struct share s = share_of(vka_launch_limits(l), &job, ROWS, WEIGHT);
    // As the shader's loops are nested: 27 turns a slice of the depth, 40 with a block's weights,
    // 33 with its values, half a turn to load a column of them, which come in some pieces; 17 where
    // it looks for a key that is seen.
    int64_t wide = vka_round_up(job.width, 8);
    int64_t each = 27 * vka_divide_up(job.depth, 16) + 40 + 33 + wide / 2 +
                   3 * (1 + vka_divide_up(wide, 64)) + (is_full(args) ? 17 : 0);
    struct vka_dispatch d;
    vka_begin(l, &d, is_full(args) ? "attention_full" : "attention", LANES * LANES, 1, 1);
    add_constants(&d, args, &job, &s);
    tell_turns(&d, &s, COLS, each);
    launch_tiles(l, args, &d, &job, &s);
}

static bool by_four(const struct vka_array *a)
{
    bool fours = a->offset % 4 == 0 && a->dim[3] % 4 == 0;
    for (int i = 0; i < 3; i++)
        fours = fours && (a->stride[i] % 4 == 0 || a->dim[i] == 1);
    return fours;
}

// --- few rows ---

// Rows of a workgroup; what its lanes take, as the shader's constants have it.
struct few {
    int64_t rows, k_lanes, k_each, v_lanes;
};

static int64_t lanes_of(int64_t fours, int64_t most)
{
    int64_t lanes = 1;
    while (lanes * 2 <= most && lanes * 2 <= fours)
        lanes *= 2;
    return lanes;
}

static struct few few_of(const struct vka_attention_job *job, int64_t rows)
{
    int64_t k = vka_divide_up(job->depth, 4), v = vka_divide_up(job->width, 4);
    struct few f = {rows, lanes_of(k, rows > 4 ? 4 : 8), 0, lanes_of(v, LANES * LANES)};
    f.k_each = vka_divide_up(k, f.k_lanes);
    return f;
}

static int64_t few_bytes(const struct few *f)
{
    enum { KEYS = LANES * LANES, SCANS = 8, WORD = 4, SEEN = 2 };
    int64_t piece = f->k_lanes + 1 > 4 ? f->k_lanes + 1 : 4, groups = KEYS / f->v_lanes;
    int64_t row = KEYS * (piece + 1) + SCANS + 2 + groups + 4 * f->k_each * f->k_lanes;
    return WORD * (f->rows * row + SEEN);
}

// As many rows as there are, so that k and v are read once, or as the device has room for. False:
// there are too many rows, or a query is too deep.
static bool find_few(const struct vka_limits *limits, const struct vka_attention_job *job,
                     struct few *f)
{
    enum { MOST = 8, MOST_ON_CPU = 4, TILES = 2 }; // compilers of programs take seconds for more
    if (rows_of(job) > MOST * TILES)
        return false;
    int64_t rows = limits->is_cpu ? MOST_ON_CPU : MOST;
    while (rows > 1 && rows / 2 >= rows_of(job))
        rows /= 2;
    for (; rows > 0; rows /= 2) {
        *f = few_of(job, rows);
        if (few_bytes(f) <= limits->shared_bytes)
            return true;
    }
    return false;
}

static bool fits_matrix(const struct vka_limits *limits, const struct vka_args *args);

// Where matrices fit, they are worth their while from few rows on.
static bool fits_few(const struct vka_limits *limits, const struct vka_args *args)
{
    enum { FEWEST = 8 };
    struct vka_attention_job job;
    struct few f;
    vka_attention_job_of(args, &job);
    return fits_any(limits, args) && find_few(limits, &job, &f) &&
           (rows_of(&job) <= FEWEST || !fits_matrix(limits, args));
}

static void launch_few(struct vka_launch *l, const struct vka_args *args)
{
    enum { KEYS = LANES * LANES, ONCE = 4 };
    struct vka_attention_job job;
    struct few f;
    vka_attention_job_of(args, &job);
    find_few(vka_launch_limits(l), &job, &f);
    struct share s = share_of(vka_launch_limits(l), &job, f.rows, 1);
    struct vka_dispatch d;
    vka_begin(l, &d, is_full(args) ? "attention_few_full" : "attention_few", LANES * LANES, 1, 1);
    add_constants(&d, args, &job, &s);
    vka_constant_u32(&d, (uint32_t)f.rows);
    vka_constant_u32(&d, by_four(&args->in[K]) && by_four(&args->in[V]));
    // Pieces; a turn a row for logits, for weights and where it looks for a key that is seen; two
    // maxima of eight; values.
    tell_turns(&d, &s, KEYS,
               vka_divide_up(f.k_lanes, ONCE) * (f.k_each + 2) + 1 + 3 * (f.rows + 1) + 2 * 9 +
                   vka_divide_up(f.v_lanes, ONCE) + 2);
    launch_tiles(l, args, &d, &job, &s);
}

// --- devices that are programs ---

// Queries of a lane; elements of a query and its sum that still are worth holding in one.
enum { QUERIES = 4, LANES_MOST = 512 };

static bool fits_lanes(const struct vka_limits *limits, const struct vka_args *args)
{
    return limits->is_cpu && limits->subgroup_arithmetic && fits_any(limits, args) &&
           args->in[Q].dim[3] + args->in[V].dim[3] <= LANES_MOST && by_four(&args->in[Q]) &&
           by_four(&args->in[K]) && by_four(&args->in[V]) && by_four(&args->out[OUT]);
}

static void launch_lanes(struct vka_launch *l, const struct vka_args *args)
{
    struct vka_attention_job job;
    vka_attention_job_of(args, &job);
    const struct vka_limits *limits = vka_launch_limits(l);
    uint32_t subgroup = vka_sharing_lanes(limits);
    uint32_t lanes = subgroup > LANES ? subgroup : LANES;
    // Queries and keys unrolled: as many as leave the driver's compiler less than half a second of
    // work.
    int64_t size = job.depth + job.width;
    bool shares = subgroup > 1;
    uint32_t most = shares && size <= 128 ? QUERIES : size <= 256 ? QUERIES / 2 : 1;
    uint32_t queries = vka_lane_sums(job.queries, most, lanes);
    uint32_t keys = size <= 64 ? 4 : shares || size <= 128 ? 2 : 1;
    struct share s = {lanes * queries, job.keys};
    uint64_t groups =
        (uint64_t)(job.batch * job.heads) * (uint64_t)vka_divide_up(job.queries, s.rows);
    struct vka_push_attention push;
    struct vka_dispatch d;
    vka_begin(l, &d, is_full(args) ? "attention_lanes_full" : "attention_lanes", lanes, 1, 1);
    add_constants(&d, args, &job, &s);
    vka_constant_u32(&d, queries);
    vka_constant_u32(&d, keys);
    vka_constant_u32(&d, subgroup);
    // Where sums are scaled seldom, a block of keys may end the inner loop and be taken once more.
    // Lanes that load for themselves would each do so at other blocks, and wait for the others.
    enum { TAKEN_TWICE = 3 };
    bool seldom = shares && TAKEN_TWICE * (vka_divide_up(s.keys, keys) + 1) <= limits->max_turns;
    vka_constant_u32(&d, seldom);
    tell_turns(&d, &s, keys, seldom ? TAKEN_TWICE : 1);
    fill_push(&job, &push);
    push.end = (uint)groups;
    bind_all(l, &d, args, &args->out[OUT], &args->out[LSE], &push);
    VKA_PUSH(&d, push);
    vka_emit(l, &d, groups, 1, 1);
}

// --- cooperative matrices ---

// How rows are cut: fragments of a subgroup, subgroups of a workgroup, keys at a time.
struct matrix_cut {
    uint32_t fragments, subgroups, keys;
};

// Rows of k and v, of weights in f16 and of logits in f32, as the shader pads them.
static uint64_t matrix_bytes(const struct vka_matrix_shape *f, const struct vka_args *args,
                             const struct matrix_cut *cut)
{
    enum { PAD = 8, HALF = 2, SUM = 4, SEEN = 8 };
    uint64_t rows = (uint64_t)f->m * cut->fragments * cut->subgroups, keys = cut->keys;
    uint64_t depth = (uint64_t)vka_round_up(vka_round_up(args->in[Q].dim[3], f->k), 8);
    uint64_t width = (uint64_t)vka_round_up(vka_round_up(args->in[V].dim[3], f->n), 8);
    return HALF * (keys * (depth + width + 2 * PAD) + rows * (keys + PAD)) +
           SUM * rows * (keys + 4) + SEEN;
}

// The widest cut that the device has room for and the rows fill. Twice the rows a subgroup halve
// the reads of k and v, where the registers hold them.
static bool matrix_cut_of(const struct vka_limits *limits, const struct vka_args *args,
                          int64_t rows, struct matrix_cut *cut)
{
    static const struct matrix_cut cuts[] = {{2, 4, 32}, {1, 4, 32}, {1, 2, 32}, {1, 1, 32}};
    enum { WIDE = 128 }; // depth and width in all
    const struct vka_matrix_shape *f = &limits->matrix;
    bool wide = args->in[Q].dim[3] + args->in[V].dim[3] > WIDE;
    for (size_t i = 0; i < VKA_COUNT(cuts); i++) {
        *cut = cuts[i];
        uint32_t own = f->m * cut->fragments, lanes = f->subgroup * cut->subgroups;
        bool filled = cut->subgroups == 1 || (int64_t)own * cut->subgroups < 2 * rows;
        if (f->subgroup % own == 0 && cut->keys % own == 0 && lanes <= limits->max_invocations &&
            lanes <= limits->max_group_size[0] && !(cut->fragments > 1 && wide) && filled &&
            matrix_bytes(f, args, cut) <= limits->shared_bytes)
            return true;
    }
    return false;
}

static bool fits_matrix(const struct vka_limits *limits, const struct vka_args *args)
{
    const struct vka_matrix_shape *f = &limits->matrix;
    struct vka_attention_job job;
    struct matrix_cut cut;
    vka_attention_job_of(args, &job);
    return f->m > 0 && !limits->is_cpu && fits_any(limits, args) && job.depth <= MOST_WIDTH &&
           rows_of(&job) >= f->m && matrix_cut_of(limits, args, rows_of(&job), &cut);
}

static bool by_eight(const struct vka_array *a)
{
    bool eights = a->offset % 8 == 0 && a->dim[3] % 8 == 0;
    for (int i = 0; i < 3; i++)
        eights = eights && (a->stride[i] % 8 == 0 || a->dim[i] == 1);
    return eights;
}

static void launch_on_matrices(struct vka_launch *l, const struct vka_args *args,
                               const char *shader)
{
    enum { WEIGHT = 4 };
    const struct vka_limits *limits = vka_launch_limits(l);
    const struct vka_matrix_shape *f = &limits->matrix;
    struct vka_attention_job job;
    struct matrix_cut cut;
    vka_attention_job_of(args, &job);
    matrix_cut_of(limits, args, rows_of(&job), &cut);
    bool eights = by_eight(&args->in[Q]) && by_eight(&args->in[K]) && by_eight(&args->in[V]);
    struct share s = share_of(limits, &job, (int64_t)f->m * cut.fragments * cut.subgroups, WEIGHT);
    struct vka_dispatch d;
    vka_begin(l, &d, shader, f->subgroup * cut.subgroups, 1, 1);
    d.subgroup = f->subgroup;
    add_constants(&d, args, &job, &s);
    const uint32_t more[] = {f->m,          f->n,          f->k,     f->subgroup,
                             cut.fragments, cut.subgroups, cut.keys, eights};
    for (size_t i = 0; i < VKA_COUNT(more); i++)
        vka_constant_u32(&d, more[i]);
    // At most a turn for each element of a row of k and of v, and for each key four times.
    tell_turns(&d, &s, cut.keys, job.depth + job.width + 4 * cut.keys);
    launch_tiles(l, args, &d, &job, &s);
}

static void launch_matrix(struct vka_launch *l, const struct vka_args *args)
{
    launch_on_matrices(l, args, is_full(args) ? "attention_matrix_full" : "attention_matrix");
}

// The elements of a sum take the place of a factor's: fragments of both must have one shape.
static bool fits_matrix2(const struct vka_limits *limits, const struct vka_args *args)
{
    return limits->matrix2 && limits->matrix.n == limits->matrix.k && fits_matrix(limits, args);
}

static void launch_matrix2(struct vka_launch *l, const struct vka_args *args)
{
    launch_on_matrices(l, args, is_full(args) ? "attention_matrix2_full" : "attention_matrix2");
}

const struct vka_variant vka_attention_variants[] = {
    {"lanes", fits_lanes, launch_lanes},       {"few", fits_few, launch_few},
    {"matrix2", fits_matrix2, launch_matrix2}, {"matrix", fits_matrix, launch_matrix},
    {"baseline", fits_any, launch_baseline},   {NULL, NULL, NULL},
};
