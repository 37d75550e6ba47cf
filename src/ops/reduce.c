// SPDX-License-Identifier: MIT
//
// reduce: sums, extremes and the like along axes. On the CPU a row is summed in lanes within a
// block, and blocks are added in double; long rows are cut into chunks of a fixed size, so that the
// result doesn't hang on the number of threads.
#include "cpu/simd.h"
#include "cpu/spans.h"
#include "ops/infer.h"
#include "ops/ops.h"
#include "ops/rows.h"
#include "reduce.h"
#include "util/whole.h"

#include <math.h>

struct params {
    int kind;
    unsigned axes;
    bool keep;
};

enum { CHUNK = 1 << 15, TILE = 256, FOLD = 8 };

vka_tensor vka_reduce(vka_graph *g, enum vka_reduce_kind kind, vka_tensor x, unsigned axes,
                      bool keep)
{
    struct params params = {kind, axes, keep};
    return vka_add_node(g, &vka_op_reduce, &params, 1, &x, NULL);
}

bool vka_reduce_is(const struct vka_op_node *node, enum vka_reduce_kind *kind, unsigned *axes,
                   bool *keep)
{
    const struct params *p = node->params;
    if (node->op != &vka_op_reduce)
        return false;
    *kind = (enum vka_reduce_kind)p->kind;
    *axes = p->axes;
    *keep = p->keep;
    return true;
}

static bool takes(int kind, vka_dtype dtype)
{
    switch (kind) {
    case VKA_REDUCE_SUM:
    case VKA_REDUCE_MAX:
    case VKA_REDUCE_MIN:
        return dtype != VKA_BOOL;
    case VKA_REDUCE_ANY:
    case VKA_REDUCE_ALL:
        return dtype == VKA_BOOL;
    default:
        return dtype == VKA_F32;
    }
}

static bool infer(struct vka_infer *n)
{
    static const char *const names[] = {"sum",         "mean", "max",       "min", "prod",
                                        "sum squares", "l2",   "logsumexp", "any", "all"};
    const struct params *p = n->params;
    if (p->kind < 0 || p->kind > VKA_REDUCE_ALL) {
        vka_fail(n->g, "reduce: there is no operation %d", p->kind);
        return false;
    }
    if (!vka_infer_present(n, "reduce", 0))
        return false;
    const struct vka_value *x = n->in[0];
    if (!takes(p->kind, x->dtype)) {
        vka_fail(n->g, "reduce: %s doesn't take %s", names[p->kind], vka_dtype_name(x->dtype));
        return false;
    }
    n->n_out = 1;
    n->out_dtype[0] = x->dtype;
    n->out_shape[0] = vka_shape_reduced(&x->shape, p->axes, p->keep);
    return vka_infer_axes(n, "reduce", p->axes, &x->shape);
}

static struct vka_rows rows_of(const struct vka_args *args)
{
    const struct params *p = args->params;
    struct vka_array y = vka_rows_keep(&args->out[0], &args->in[0], p->axes);
    const struct vka_array *arrays[] = {&args->in[0], &y};
    return vka_rows_of(p->axes, false, 2, arrays);
}

// --- CPU: what has been combined so far ---

struct total {
    double value;  // of floats; for logsumexp relative to `most`
    double most;   // of logsumexp
    int64_t whole; // of integers and bools
};

static struct total nothing(int kind)
{
    bool max = kind == VKA_REDUCE_MAX, min = kind == VKA_REDUCE_MIN;
    return (struct total){
        .value = max   ? -INFINITY
                 : min ? INFINITY
                       : kind == VKA_REDUCE_PROD,
        .most = -INFINITY,
        .whole = max   ? INT32_MIN
                 : min ? INT32_MAX
                       : kind == VKA_REDUCE_ALL,
    };
}

static double larger(double a, double b)
{
    return a > b || a != a ? a : b;
}

static void add_exponentials(struct total *t, double most, double sum)
{
    double top = larger(most, t->most);
    if (top == -INFINITY)
        return;
    bool finite = top - top == 0;
    if (finite)
        t->value = t->value * exp(t->most - top) + sum * exp(most - top);
    t->most = top;
}

static void combine(int kind, struct total *t, const struct total *u)
{
    switch (kind) {
    case VKA_REDUCE_MAX:
        t->value = larger(u->value, t->value);
        t->whole = u->whole > t->whole ? u->whole : t->whole;
        break;
    case VKA_REDUCE_MIN:
        t->value = -larger(-u->value, -t->value);
        t->whole = u->whole < t->whole ? u->whole : t->whole;
        break;
    case VKA_REDUCE_PROD:
        t->value *= u->value;
        break;
    case VKA_REDUCE_LOGSUMEXP:
        add_exponentials(t, u->most, u->value);
        break;
    case VKA_REDUCE_ANY:
        t->whole |= u->whole;
        break;
    case VKA_REDUCE_ALL:
        t->whole &= u->whole;
        break;
    default:
        t->value += u->value;
        t->whole += u->whole;
    }
}

static void finish(int kind, const struct total *t, int64_t columns, vka_dtype dtype, void *y)
{
    double value = t->value;
    if (kind == VKA_REDUCE_MEAN)
        value /= (double)columns;
    else if (kind == VKA_REDUCE_L2)
        value = sqrt(value);
    else if (kind == VKA_REDUCE_LOGSUMEXP)
        value = t->most - t->most == 0 ? t->most + log(value) : t->most;
    if (dtype == VKA_F32)
        *(float *)y = (float)value;
    else
        *(int32_t *)y = (int32_t)(uint32_t)(uint64_t)t->whole;
}

// --- CPU: spans of at most VKA_STRIDED_SPAN elements ---

static struct total span_total(int kind, const float *x, int64_t count)
{
    struct total t = {0};
    switch (kind) {
    case VKA_REDUCE_MAX:
        t.value = vka_span_max(x, count);
        break;
    case VKA_REDUCE_MIN:
        t.value = vka_span_min(x, count);
        break;
    case VKA_REDUCE_PROD:
        t.value = 1;
        for (int64_t i = 0; i < count; i++)
            t.value *= x[i];
        break;
    case VKA_REDUCE_SUM_SQUARES:
    case VKA_REDUCE_L2:
        t.value = vka_span_squares(x, count);
        break;
    case VKA_REDUCE_LOGSUMEXP:
        t.most = vka_span_max(x, count);
        if (t.most - t.most == 0) // finite
            t.value = vka_span_exp(NULL, x, count, (float)t.most);
        break;
    default:
        t.value = vka_span_sum(x, count);
    }
    return t;
}

static struct total span_total_int(int kind, const int32_t *x, int64_t count)
{
    struct total t = nothing(kind);
    for (int64_t i = 0; i < count; i++) {
        bool logic = kind == VKA_REDUCE_ANY || kind == VKA_REDUCE_ALL;
        struct total one = {.whole = logic ? x[i] != 0 : x[i]};
        combine(kind, &t, &one);
    }
    return t;
}

// --- CPU: row by row ---

struct job {
    const struct vka_args *args;
    struct vka_rows r;
    int kind;
    int64_t chunks, units, pieces; // chunks a row; units: rows times chunks, or tiles
    struct total *partial;         // by unit, where a row has several chunks
};

struct row {
    const struct job *job;
    const uint32_t *x;
    struct total total;
};

static void add_run(void *arg, const struct vka_strided *s, const int64_t *at, int64_t index,
                    int64_t count)
{
    struct row *row = arg;
    int kind = row->job->kind;
    int64_t stride = s->stride[0][s->rank - 1];
    (void)index;
    for (int64_t i = 0; i < count; i += VKA_STRIDED_SPAN) {
        int64_t n = count - i < VKA_STRIDED_SPAN ? count - i : VKA_STRIDED_SPAN;
        uint32_t span[VKA_STRIDED_SPAN];
        const void *x = vka_gather_span(span, row->x + at[0] + i * stride, stride, n);
        struct total t = row->job->args->in[0].dtype == VKA_F32 ? span_total(kind, x, n)
                                                                : span_total_int(kind, x, n);
        combine(kind, &row->total, &t);
    }
}

static void finish_row(const struct job *job, int64_t row, const struct total *t)
{
    const struct vka_array *y = &job->args->out[0];
    finish(job->kind, t, job->r.columns, y->dtype, (float *)y->data + row);
}

static void row_piece(void *arg, int64_t piece, int thread)
{
    const struct job *job = arg;
    int64_t end = job->units * (piece + 1) / job->pieces, at[VKA_STRIDED_OPERANDS];
    (void)thread;
    for (int64_t u = job->units * piece / job->pieces; u < end; u++) {
        int64_t row = u / job->chunks, first = u % job->chunks * CHUNK, last = first + CHUNK;
        vka_strided_at(&job->r.kept, row, at);
        struct row r = {job, (const uint32_t *)job->args->in[0].data + at[0], nothing(job->kind)};
        if (job->chunks == 1 || last > job->r.columns)
            last = job->r.columns;
        vka_strided_range(&job->r.reduced, first, last, add_run, &r);
        if (job->chunks == 1)
            finish_row(job, row, &r.total);
        else
            job->partial[u] = r.total;
    }
}

static int64_t chunks_of(const struct vka_rows *r)
{
    return r->rows < 64 ? (r->columns + CHUNK - 1) / CHUNK : 1;
}

static void run_rows(struct vka_threads *threads, struct job *job)
{
    bool heavy = job->kind == VKA_REDUCE_LOGSUMEXP;
    job->chunks = chunks_of(&job->r);
    job->units = job->r.rows * job->chunks;
    job->pieces = vka_pieces(threads, job->units, job->r.rows * job->r.columns * (heavy ? 8 : 1));
    vka_parallel(threads, job->pieces, row_piece, job);
    for (int64_t row = 0; row < job->r.rows && job->chunks > 1; row++) {
        struct total t = nothing(job->kind);
        for (int64_t i = 0; i < job->chunks; i++)
            combine(job->kind, &t, &job->partial[row * job->chunks + i]);
        finish_row(job, row, &t);
    }
}

// --- CPU: rows side by side, a tile of them at a time ---

struct tile {
    int kind, filled; // how many elements `part` has taken
    int64_t count;
    const float *x;
    float part[TILE];
    double total[TILE];
};

// FOLD lines or one, `step` apart: a loop over a constant stays in registers.
#define TILE_LOOP(statement)                                                                       \
    for (int64_t i = 0; i < count; i++) {                                                          \
        float sum = part[i];                                                                       \
        for (int k = 0; k < lines; k++) {                                                          \
            float v = x[k * step + i];                                                             \
            statement;                                                                             \
        }                                                                                          \
        part[i] = sum;                                                                             \
    }                                                                                              \
    break

static inline __attribute__((always_inline)) void
add_lines(int kind, float *restrict part, const float *x, int64_t step, int lines, int64_t count)
{
    switch (kind) {
    case VKA_REDUCE_MAX:
        TILE_LOOP(sum = ((v > sum) | (v != v)) ? v : sum);
    case VKA_REDUCE_MIN:
        TILE_LOOP(sum = ((v < sum) | (v != v)) ? v : sum);
    case VKA_REDUCE_PROD:
        TILE_LOOP(sum *= v);
    case VKA_REDUCE_SUM_SQUARES:
    case VKA_REDUCE_L2:
        TILE_LOOP(sum += v * v);
    default:
        TILE_LOOP(sum += v);
    }
}

VKA_CLONES static void add_line(int kind, float *part, const float *x, int64_t count)
{
    add_lines(kind, part, x, 0, 1, count);
}

VKA_CLONES static void add_fold(int kind, float *part, const float *x, int64_t step, int64_t count)
{
    add_lines(kind, part, x, step, FOLD, count);
}

static void fold_tile(struct tile *t)
{
    const float start = (float)nothing(t->kind).value;
    for (int64_t i = 0; i < t->count; i++) {
        double part = t->part[i], total = t->total[i];
        if (t->kind == VKA_REDUCE_MAX)
            total = larger(part, total);
        else if (t->kind == VKA_REDUCE_MIN)
            total = -larger(-part, -total);
        else
            total = t->kind == VKA_REDUCE_PROD ? total * part : total + part;
        t->total[i] = total;
        t->part[i] = start;
    }
    t->filled = 0;
}

static void add_to_tile(void *arg, const struct vka_strided *s, const int64_t *at, int64_t index,
                        int64_t count)
{
    struct tile *t = arg;
    int64_t step = s->stride[0][s->rank - 1];
    (void)index;
    for (int64_t i = 0, lines; i < count; i += lines) {
        const float *x = t->x + at[0] + i * step;
        lines = t->filled == 0 && count - i >= FOLD ? FOLD : 1;
        if (lines == FOLD)
            add_fold(t->kind, t->part, x, step, t->count);
        else
            add_line(t->kind, t->part, x, t->count);
        t->filled += (int)lines;
        if (t->filled == FOLD)
            fold_tile(t);
    }
}

static int64_t tiles_of(const struct vka_rows *r)
{
    return (r->kept.dim[r->kept.rank - 1] + TILE - 1) / TILE;
}

static void tile_piece(void *arg, int64_t piece, int thread)
{
    const struct job *job = arg;
    const struct vka_rows *r = &job->r;
    int64_t inner = r->kept.dim[r->kept.rank - 1], tiles = tiles_of(r), at[VKA_STRIDED_OPERANDS];
    int64_t end = job->units * (piece + 1) / job->pieces;
    (void)thread;
    for (int64_t u = job->units * piece / job->pieces; u < end; u++) {
        int64_t first = u % tiles * TILE, row = u / tiles * inner + first;
        struct tile t = {.kind = job->kind};
        t.count = inner - first < TILE ? inner - first : TILE;
        vka_strided_at(&r->kept, row, at);
        t.x = (const float *)job->args->in[0].data + at[0];
        for (int i = 0; i < TILE; i++)
            t.total[i] = t.part[i] = (float)nothing(t.kind).value;
        vka_strided_range(&r->reduced, 0, r->columns, add_to_tile, &t);
        fold_tile(&t);
        for (int64_t i = 0; i < t.count; i++) {
            struct total total = {.value = t.total[i]};
            finish_row(job, row + i, &total);
        }
    }
}

static void cpu(const struct vka_cpu_run *run)
{
    const struct params *p = run->args->params;
    struct job job = {run->args, rows_of(run->args), p->kind, 1, 0, 1, run->scratch};
    bool tiles = run->args->in[0].dtype == VKA_F32 && p->kind != VKA_REDUCE_LOGSUMEXP &&
                 vka_rows_side_by_side(&job.r);
    if (!tiles) {
        run_rows(run->threads, &job);
        return;
    }
    job.units = job.r.rows / job.r.kept.dim[job.r.kept.rank - 1] * tiles_of(&job.r);
    job.pieces = vka_pieces(run->threads, job.units, job.r.rows * job.r.columns);
    vka_parallel(run->threads, job.pieces, tile_piece, &job);
}

static size_t cpu_scratch(const struct vka_args *args, int threads)
{
    struct vka_rows r = rows_of(args);
    int64_t chunks = chunks_of(&r);
    (void)threads;
    return chunks > 1 ? (size_t)(r.rows * chunks) * sizeof(struct total) : 0;
}

// --- Vulkan ---

static void put_axes(struct vka_push_reduce *push, const struct vka_strided *s, int *n)
{
    for (int i = s->rank - 1; i >= 0; i--, ++*n) {
        push->dim[*n] = (uint32_t)s->dim[i];
        push->stride[*n] = (uint32_t)s->stride[0][i];
    }
}

static int passes_of(int kind)
{
    return kind == VKA_REDUCE_LOGSUMEXP ? 3 : 2;
}

static void emit(struct vka_launch *l, const struct vka_args *args, const struct vka_rows *rows,
                 struct vka_row_group group, enum vka_rows_fours fours)
{
    const struct params *p = args->params;
    const struct vka_rows r = *rows;
    int64_t a_group = fours == VKA_FOURS_ACROSS ? 4 * (int64_t)group.rows : group.rows;
    struct vka_dispatch d;
    if (r.rows > INT32_MAX || r.columns > INT32_MAX) {
        vka_launch_fail(l, "reduce: %lld rows of %lld elements are too many", (long long)r.rows,
                        (long long)r.columns);
        return;
    }
    vka_begin(l, &d,
              fours                          ? "reduce_fours"
              : args->in[0].dtype == VKA_F32 ? "reduce"
                                             : "reduce_int",
              group.rows, group.lanes, 1);
    vka_constant_u32(&d, (uint32_t)r.kept.rank);
    vka_constant_u32(&d, (uint32_t)r.reduced.rank);
    vka_constant_u32(&d, (uint32_t)p->kind);
    if (fours)
        vka_constant_u32(&d, fours == VKA_FOURS_ACROSS);
    struct vka_push_reduce push = {.rows = (uint32_t)r.rows, .columns = (uint32_t)r.columns};
    int axes = 0;
    push.scale = (float)(1.0 / (double)r.columns);
    push.x = vka_bind(l, &d, &args->in[0], VKA_READ);
    push.y = vka_bind(l, &d, &args->out[0], VKA_WRITE);
    put_axes(&push, &r.kept, &axes);
    put_axes(&push, &r.reduced, &axes);
    VKA_PUSH(&d, push);
    enum { BLOCK = 8 }; // elements of a turn, where there are fours; as many turns are left
    double turns = fours ? (double)r.columns / BLOCK + BLOCK
                         : vka_rows_turns(&r, group.lanes, passes_of(p->kind));
    vka_turns(&d, turns, "a row");
    vka_emit(l, &d, (uint64_t)vka_divide_up(r.rows, a_group), 1, 1);
}

static void launch(struct vka_launch *l, const struct vka_args *args)
{
    struct vka_rows r = rows_of(args);
    emit(l, args, &r, vka_rows_group(vka_launch_limits(l), &r), VKA_FOURS_NONE);
}

static void launch_fours(struct vka_launch *l, const struct vka_args *args)
{
    struct vka_rows r = rows_of(args);
    enum vka_rows_fours fours = vka_rows_fours(vka_launch_limits(l), &r, &args->in[0]);
    bool along = fours == VKA_FOURS_ALONG;
    struct vka_row_group group = {along ? 1 : VKA_FOURS_LANES, along ? VKA_FOURS_LANES : 1};
    emit(l, args, &r, group, fours);
}

static bool fits_fours(const struct vka_limits *limits, const struct vka_args *args)
{
    const struct params *p = args->params;
    struct vka_rows r = rows_of(args);
    return p->kind != VKA_REDUCE_LOGSUMEXP && args->in[0].dtype == VKA_F32 &&
           args->out[0].offset % 4 == 0 &&
           vka_rows_fours(limits, &r, &args->in[0]) != VKA_FOURS_NONE;
}

static bool fits(const struct vka_limits *limits, const struct vka_args *args)
{
    const struct params *p = args->params;
    struct vka_rows r = rows_of(args);
    return vka_rows_fit(limits, &r, passes_of(p->kind));
}

// --- where a row is too long: parts of it, then what they gave ---

static int largest_axis(const vka_shape *shape, unsigned axes)
{
    int best = -1;
    for (int i = 0; i < shape->rank; i++) {
        if ((axes >> i & 1) && (best < 0 || shape->dim[i] > shape->dim[best]))
            best = i;
    }
    return best;
}

static int kind_of_parts(int kind)
{
    return kind == VKA_REDUCE_SUM_SQUARES ? VKA_REDUCE_SUM : kind;
}

static vka_tensor reduce_parts(vka_graph *g, int kind, vka_tensor x, unsigned axes, int axis,
                               const struct vka_parts *parts)
{
    unsigned below = axes & ((1u << axis) - 1), above = axes >> (axis + 1) << (axis + 2);
    vka_tensor y = vka_parts_view(g, x, axis, parts), tail = 0;
    y = vka_reduce(g, kind, y, below | 1u << (axis + 1) | above, true);
    y = vka_squeeze(g, y, axis + 1);
    if (parts->tail > 0) {
        double size = (double)vka_dim(g, x, axis);
        tail = vka_reduce(g, kind, vka_parts_tail(g, x, axis, parts), axes, true);
        if (kind == VKA_REDUCE_MEAN) { // means of unlike numbers of elements
            y = vka_affine(g, y, (double)parts->length / size, 0);
            tail = vka_affine(g, tail, (double)parts->tail / size, 0);
            kind = VKA_REDUCE_SUM;
        }
        y = VKA_CONCAT(g, axis, y, tail);
    }
    return vka_reduce(g, kind_of_parts(kind), y, 1u << axis, true);
}

static vka_tensor reduce_long(vka_graph *g, int kind, vka_tensor x, unsigned axes, int64_t columns)
{
    vka_shape shape = vka_shape_of(g, x);
    int axis = largest_axis(&shape, axes);
    unsigned rest = axes & ~(1u << axis);
    struct vka_parts parts = vka_parts_of(shape.dim[axis], columns);
    if (parts.length > 1 && shape.rank < VKA_MAX_RANK)
        return reduce_parts(g, kind, x, axes, axis, &parts);
    if (rest) {
        x = vka_reduce(g, kind, x, rest, true);
        return vka_reduce(g, kind_of_parts(kind), x, 1u << axis, true);
    }
    return reduce_parts(g, kind, vka_rows_three_axes(g, x, axis), 2, 1, &parts);
}

static void expand(vka_graph *g, const struct vka_op_node *node, vka_tensor out[VKA_MAX_OUT])
{
    enum { SHORT = 64 };
    const struct params *p = node->params;
    vka_shape shape = vka_shape_of(g, node->in[0]);
    int64_t columns = 1;
    for (int i = 0; i < shape.rank; i++)
        columns *= p->axes >> i & 1 ? shape.dim[i] : 1;
    if (columns < SHORT) // it isn't that
        return;
    out[0] = reduce_long(g, p->kind, node->in[0], p->axes, columns);
    out[0] = vka_reshape(g, out[0], vka_shape_of(g, node->out[0]));
}

static const struct vka_variant variants[] = {
    {"fours", fits_fours, launch_fours}, {"baseline", fits, launch}, {0}};

const struct vka_op vka_op_reduce = {
    .name = "reduce",
    .summary = "sum, mean, max, min, norm, logsumexp, any, all along axes",
    .params_size = sizeof(struct params),
    .flags = VKA_OP_STRIDED,
    .infer = infer,
    .cpu = cpu,
    .cpu_scratch = cpu_scratch,
    .variants = variants,
    .expand = expand,
};
