// SPDX-License-Identifier: MIT
//
// mean_max: the mean and the largest along axes from one read, of x or of x times a factor that is
// never stored. What a plan makes of reductions that stand side by side
// (graph/merge.c); sums are taken as in reduce, so that they don't hang on the number of threads.
#include "cpu/simd.h"
#include "cpu/spans.h"
#include "ops/infer.h"
#include "ops/ops.h"
#include "ops/rows.h"
#include "mean_max.h"
#include "util/whole.h"

#include <math.h>

enum { X, FACTOR, INPUTS };
enum { MEAN, MAX };
enum { CHUNK = 1 << 15, TILE = 256, FOLD = 8 };

void vka_mean_max(vka_graph *g, vka_tensor x, vka_tensor factor, unsigned axes, bool keep,
                  vka_tensor out[VKA_MAX_OUT])
{
    struct vka_mean_max params = {axes, keep, VKA_STACK_NONE};
    vka_add_node(g, &vka_op_mean_max, &params, INPUTS, (const vka_tensor[]){x, factor}, out);
}

vka_tensor vka_mean_max_stacked(vka_graph *g, vka_tensor x, vka_tensor factor, unsigned axes,
                                enum vka_mean_max_order stacks)
{
    struct vka_mean_max params = {axes, false, stacks};
    return vka_add_node(g, &vka_op_mean_max, &params, INPUTS, (const vka_tensor[]){x, factor},
                        NULL);
}

static bool infer_stack(struct vka_infer *n)
{
    const struct vka_mean_max *p = n->params;
    vka_shape *out = &n->out_shape[0];
    if (p->stacks == VKA_STACK_NONE)
        return true;
    if (p->axes & 1 || out->rank == VKA_MAX_RANK) {
        vka_fail(n->g, "mean_max: results are stacked where the first axis stays and is not alone");
        return false;
    }
    for (int i = out->rank++; i > 1; i--)
        out->dim[i] = out->dim[i - 1];
    out->dim[1] = 2;
    n->n_out = 1;
    return true;
}

static bool infer(struct vka_infer *n)
{
    const struct vka_mean_max *p = n->params;
    if (!vka_infer_present(n, "mean_max", X) || !vka_infer_type(n, "mean_max", X, VKA_F32))
        return false;
    const vka_shape *x = &n->in[X]->shape;
    n->n_out = 2;
    n->out_shape[MEAN] = n->out_shape[MAX] = vka_shape_reduced(x, p->axes, p->keep);
    if (n->in[FACTOR] && !vka_infer_type(n, "mean_max", FACTOR, VKA_F32))
        return false;
    return vka_infer_fits(n, "mean_max", FACTOR, "the factor", x) &&
           vka_infer_axes(n, "mean_max", p->axes, x) && infer_stack(n);
}

static struct vka_rows rows_of(const struct vka_args *args)
{
    const struct vka_mean_max *p = args->params;
    const struct vka_array *x = &args->in[X], *factor = &args->in[FACTOR];
    const struct vka_array *arrays[] = {x, vka_present(factor) ? factor : x};
    return vka_rows_of(p->axes, false, INPUTS, arrays);
}

// Where the results of row 0 lie, and after how many rows the other result's lie between them. An
// array without data where it isn't wanted.
struct results {
    struct vka_array mean, most;
    int64_t inner;
};

static struct results results_of(const struct vka_args *args, const struct vka_rows *r)
{
    const struct vka_mean_max *p = args->params;
    struct results y = {args->out[MEAN], args->out[MAX], r->rows};
    if (p->stacks == VKA_STACK_NONE)
        return y;
    y.mean.dim[1] = 1;
    y.most = y.mean;
    y.inner = r->rows / args->in[X].dim[0];
    struct vka_array *second = p->stacks == VKA_STACK_MEAN_MAX ? &y.most : &y.mean;
    second->offset += y.inner;
    if (second->data)
        second->data = (float *)second->data + y.inner;
    return y;
}

struct total {
    double sum, most;
};

struct job {
    const struct vka_args *args;
    struct vka_rows r;
    struct results y;
    bool scaled;
    const float *x, *factor;
    int64_t chunks, units, pieces; // chunks a row; units: rows times chunks, or tiles
    struct total *partial;         // by unit, where a row has several chunks
};

static void finish_row(const struct job *job, int64_t row, struct total t)
{
    int64_t at = row + row / job->y.inner * job->y.inner;
    if (vka_present(&job->y.mean))
        ((float *)job->y.mean.data)[at] = (float)(t.sum / (double)job->r.columns);
    if (vka_present(&job->y.most))
        ((float *)job->y.most.data)[at] = (float)t.most;
}

static void combine(struct total *t, double sum, double most)
{
    t->sum += sum;
    t->most = most > t->most || most != most ? most : t->most;
}

VKA_CLONES static void multiply(float *y, const float *a, const float *b, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        y[i] = a[i] * b[i];
}

// --- row by row ---

struct row {
    const struct job *job;
    const float *x, *factor;
    struct total total;
};

static void add_run(void *arg, const struct vka_strided *s, const int64_t *at, int64_t index,
                    int64_t count)
{
    struct row *row = arg;
    int64_t step = s->stride[X][s->rank - 1], along = s->stride[FACTOR][s->rank - 1];
    (void)index;
    for (int64_t i = 0; i < count; i += VKA_STRIDED_SPAN) {
        int64_t n = count - i < VKA_STRIDED_SPAN ? count - i : VKA_STRIDED_SPAN;
        uint32_t span[VKA_STRIDED_SPAN], other[VKA_STRIDED_SPAN];
        const float *x = vka_gather_span(span, row->x + at[X] + i * step, step, n);
        float scale = 1, sum, most;
        if (row->job->scaled && along == 0) {
            scale = row->factor[at[FACTOR]];
        } else if (row->job->scaled) {
            const float *f = vka_gather_span(other, row->factor + at[FACTOR] + i * along, along, n);
            multiply((float *)span, x, f, n);
            x = (const float *)span;
        }
        vka_span_sum_max(x, n, scale, &sum, &most);
        combine(&row->total, sum, most);
    }
}

static void row_piece(void *arg, int64_t piece, int thread)
{
    const struct job *job = arg;
    int64_t end = job->units * (piece + 1) / job->pieces, at[VKA_STRIDED_OPERANDS];
    (void)thread;
    for (int64_t u = job->units * piece / job->pieces; u < end; u++) {
        int64_t row = u / job->chunks, first = u % job->chunks * CHUNK, last = first + CHUNK;
        vka_strided_at(&job->r.kept, row, at);
        struct row r = {job, job->x + at[X], job->factor + at[FACTOR], {0, -INFINITY}};
        if (job->chunks == 1 || last > job->r.columns)
            last = job->r.columns;
        vka_strided_range(&job->r.reduced, first, last, add_run, &r);
        if (job->chunks == 1)
            finish_row(job, row, r.total);
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
    job->chunks = chunks_of(&job->r);
    job->units = job->r.rows * job->chunks;
    job->pieces = vka_pieces(threads, job->units, job->r.rows * job->r.columns * 2);
    vka_parallel(threads, job->pieces, row_piece, job);
    for (int64_t row = 0; row < job->r.rows && job->chunks > 1; row++) {
        struct total t = {0, -INFINITY};
        for (int64_t i = 0; i < job->chunks; i++)
            combine(&t, job->partial[row * job->chunks + i].sum,
                    job->partial[row * job->chunks + i].most);
        finish_row(job, row, t);
    }
}

// --- rows side by side, a tile of them at a time ---

struct tile {
    const struct job *job;
    int64_t count, across; // across: from a row's factor to the next one's
    const float *x, *factor;
    double sum[TILE];
    float most[TILE];
};

// FOLD lines or one, `step` apart: a loop over a constant stays in registers.
static inline __attribute__((always_inline)) void
add_lines(struct tile *t, const float *x, int64_t step, const float *scale, int lines)
{
    const int64_t count = t->count;
    double *restrict sum = t->sum;
    float *restrict most = t->most;
    for (int64_t i = 0; i < count; i++) {
        float part = 0, top = most[i];
        for (int k = 0; k < lines; k++) {
            float v = x[k * step + i] * scale[k];
            part += v;
            top = ((v > top) | (v != v)) ? v : top;
        }
        sum[i] += part;
        most[i] = top;
    }
}

VKA_CLONES static void add_line(struct tile *t, const float *x, const float *scale)
{
    add_lines(t, x, 0, scale, 1);
}

VKA_CLONES static void add_fold(struct tile *t, const float *x, int64_t step, const float *given)
{
    float scale[FOLD];
    for (int k = 0; k < FOLD; k++)
        scale[k] = given[k];
    add_lines(t, x, step, scale, FOLD);
}

static void add_to_tile(void *arg, const struct vka_strided *s, const int64_t *at, int64_t index,
                        int64_t count)
{
    struct tile *t = arg;
    int64_t step = s->stride[X][s->rank - 1], down = s->stride[FACTOR][s->rank - 1];
    (void)index;
    for (int64_t i = 0, lines; i < count; i += lines) {
        const float *x = t->x + at[X] + i * step, *factor = t->factor + at[FACTOR] + i * down;
        float scale[FOLD] = {1, 1, 1, 1, 1, 1, 1, 1}, product[TILE];
        uint32_t span[TILE];
        bool single = t->job->scaled && t->across != 0; // a factor of its own for each element
        lines = !single && count - i >= FOLD ? FOLD : 1;
        if (single) {
            multiply(product, x, vka_gather_span(span, factor, t->across, t->count), t->count);
            x = product;
        }
        for (int64_t k = 0; k < lines && t->job->scaled && !single; k++)
            scale[k] = factor[k * down];
        if (lines == FOLD)
            add_fold(t, x, step, scale);
        else
            add_line(t, x, scale);
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
    int last = r->kept.rank - 1;
    int64_t inner = r->kept.dim[last], tiles = tiles_of(r), at[VKA_STRIDED_OPERANDS];
    int64_t end = job->units * (piece + 1) / job->pieces;
    (void)thread;
    for (int64_t u = job->units * piece / job->pieces; u < end; u++) {
        int64_t first = u % tiles * TILE, row = u / tiles * inner + first;
        struct tile t = {.job = job, .across = r->kept.stride[FACTOR][last]};
        t.count = inner - first < TILE ? inner - first : TILE;
        vka_strided_at(&r->kept, row, at);
        t.x = job->x + at[X];
        t.factor = job->factor + at[FACTOR];
        for (int i = 0; i < TILE; i++)
            t.most[i] = -INFINITY;
        vka_strided_range(&r->reduced, 0, r->columns, add_to_tile, &t);
        for (int64_t i = 0; i < t.count; i++)
            finish_row(job, row + i, (struct total){t.sum[i], t.most[i]});
    }
}

static void cpu(const struct vka_cpu_run *run)
{
    const struct vka_args *args = run->args;
    struct job job = {.args = args, .r = rows_of(args), .partial = run->scratch};
    job.y = results_of(args, &job.r);
    job.scaled = vka_present(&args->in[FACTOR]);
    job.x = args->in[X].data;
    job.factor = job.scaled ? args->in[FACTOR].data : job.x;
    if (!vka_rows_side_by_side(&job.r)) {
        run_rows(run->threads, &job);
        return;
    }
    job.units = job.r.rows / job.r.kept.dim[job.r.kept.rank - 1] * tiles_of(&job.r);
    job.pieces = vka_pieces(run->threads, job.units, job.r.rows * job.r.columns * 2);
    vka_parallel(run->threads, job.pieces, tile_piece, &job);
}

static size_t cpu_scratch(const struct vka_args *args, int threads)
{
    struct vka_rows r = rows_of(args);
    int64_t chunks = chunks_of(&r);
    (void)threads;
    return chunks > 1 ? (size_t)(r.rows * chunks) * sizeof(struct total) : 0;
}

static void expand(vka_graph *g, const struct vka_op_node *node, vka_tensor out[VKA_MAX_OUT])
{
    const struct vka_mean_max *p = node->params;
    vka_tensor x = node->in[X];
    if (node->in[FACTOR])
        x = vka_mul(g, x, node->in[FACTOR]);
    if (p->stacks != VKA_STACK_NONE) {
        vka_tensor mean = vka_reduce(g, VKA_REDUCE_MEAN, x, p->axes, false);
        vka_tensor most = vka_reduce(g, VKA_REDUCE_MAX, x, p->axes, false);
        bool first = p->stacks == VKA_STACK_MEAN_MAX;
        out[0] = VKA_CONCAT(g, 1, vka_unsqueeze(g, first ? mean : most, 1),
                            vka_unsqueeze(g, first ? most : mean, 1));
        return;
    }
    if (node->out[MEAN])
        out[MEAN] = vka_reduce(g, VKA_REDUCE_MEAN, x, p->axes, p->keep);
    if (node->out[MAX])
        out[MAX] = vka_reduce(g, VKA_REDUCE_MAX, x, p->axes, p->keep);
}

// --- Vulkan ---

enum { LANES = VKA_FOURS_LANES, MOST_AXES = 4, MOST_WIDE = 4 };

static int factor_of(const struct vka_args *args, const struct vka_rows *r, bool across)
{
    const struct vka_strided *s = across ? &r->kept : &r->reduced;
    if (!vka_present(&args->in[FACTOR]))
        return FACTOR_NONE;
    return s->stride[FACTOR][s->rank - 1] == 0 ? FACTOR_ONE : FACTOR_FOUR;
}

// Fours of a factor must be aligned, too.
static bool factor_fits(const struct vka_args *args, const struct vka_rows *r, bool across)
{
    const struct vka_strided *s = across ? &r->kept : &r->reduced;
    const struct vka_strided *other = across ? &r->reduced : &r->kept;
    if (factor_of(args, r, across) != FACTOR_FOUR)
        return true;
    bool fits = s->stride[FACTOR][s->rank - 1] == 1 && args->in[FACTOR].offset % 4 == 0;
    for (int i = 0; i < s->rank - 1; i++)
        fits &= s->stride[FACTOR][i] % 4 == 0;
    for (int i = 0; i < other->rank; i++)
        fits &= other->stride[FACTOR][i] % 4 == 0;
    return fits;
}

static double turns_of(const struct vka_rows *r, bool across)
{
    return (double)vka_divide_up(r->columns, across ? 1 : 4 * LANES) * 5 / 4;
}

static bool fits_fours(const struct vka_limits *limits, const struct vka_args *args)
{
    struct vka_rows r = rows_of(args);
    enum vka_rows_fours fours = vka_rows_fours(limits, &r, &args->in[X]);
    struct results y = results_of(args, &r);
    if (fours == VKA_FOURS_NONE || turns_of(&r, fours == VKA_FOURS_ACROSS) > limits->max_turns)
        return false;
    bool outputs = y.mean.offset % 4 == 0 && y.most.offset % 4 == 0 && y.inner % 4 == 0;
    return (outputs || fours == VKA_FOURS_ALONG) && r.kept.rank <= MOST_AXES &&
           factor_fits(args, &r, fours == VKA_FOURS_ACROSS);
}

static struct vka_push_mean_max push_of(const struct vka_rows *r, int64_t inner)
{
    struct vka_push_mean_max push = {.rows = (uint)r->rows,
                                     .columns = (uint)r->columns,
                                     .inner = (uint)inner,
                                     .scale = (float)(1.0 / (double)r->columns),
                                     .step = (uint)r->reduced.stride[X][0],
                                     .factor_step = (uint)r->reduced.stride[FACTOR][0]};
    for (int i = 0; i < r->kept.rank; i++) {
        int axis = r->kept.rank - 1 - i;
        push.dim[i] = (uint)r->kept.dim[axis];
        push.stride[i] = (uint)r->kept.stride[X][axis];
        push.factor_stride[i] = (uint)r->kept.stride[FACTOR][axis];
    }
    return push;
}

// Binds what there is, then emits.
static void emit(struct vka_launch *l, struct vka_dispatch *d, const struct vka_args *args,
                 const struct vka_rows *r, const struct results *y, uint64_t groups)
{
    struct vka_push_mean_max push = push_of(r, y->inner);
    push.x = vka_bind(l, d, &args->in[X], VKA_READ);
    push.factor = vka_bind(l, d, &args->in[FACTOR], VKA_READ);
    bool mean = vka_present(&y->mean);
    uint first = vka_bind(l, d, mean ? &y->mean : &y->most, VKA_WRITE);
    uint second = vka_bind(l, d, &y->most, VKA_WRITE);
    push.mean = first;
    push.most = second;
    VKA_PUSH(d, push);
    vka_emit(l, d, groups, 1, 1);
}

static void constants(struct vka_dispatch *d, const struct vka_rows *r, const struct results *y,
                      int factor)
{
    vka_constant_u32(d, (uint32_t)r->kept.rank);
    vka_constant_u32(d, (uint32_t)factor);
    vka_constant_u32(d, vka_present(&y->mean));
    vka_constant_u32(d, vka_present(&y->most));
}

static void launch_fours(struct vka_launch *l, const struct vka_args *args)
{
    struct vka_rows r = rows_of(args);
    bool across = vka_rows_fours(vka_launch_limits(l), &r, &args->in[X]) == VKA_FOURS_ACROSS;
    // Wide steps along the rows, so that each page that a step touches gives more than one line. A
    // lane's rows have their results side by side: not those of two images in a stacked tensor.
    struct results y = results_of(args, &r);
    int64_t wide = across ? MOST_WIDE : 1;
    while (wide > 1 && (r.kept.dim[r.kept.rank - 1] % (wide * 4) != 0 || y.inner % (wide * 4) != 0))
        wide /= 2;
    struct vka_dispatch d;
    vka_begin(l, &d, "mean_max", across ? LANES : 1, across ? 1 : LANES, 1);
    constants(&d, &r, &y, factor_of(args, &r, across));
    vka_constant_u32(&d, across);
    vka_constant_u32(&d, (uint32_t)wide);
    vka_turns(&d, turns_of(&r, across), "a row");
    emit(l, &d, args, &r, &y,
         (uint64_t)(across ? vka_divide_up(r.rows, 4 * wide * LANES) : r.rows));
}

// --- an element at a time: workgroups as those of reduce ---

static bool fits_rows(const struct vka_limits *limits, const struct vka_args *args)
{
    struct vka_rows r = rows_of(args);
    return !limits->is_cpu && r.kept.rank <= MOST_AXES && r.reduced.rank == 1 &&
           vka_rows_fit(limits, &r, 1);
}

static void launch_rows(struct vka_launch *l, const struct vka_args *args)
{
    struct vka_rows r = rows_of(args);
    struct results y = results_of(args, &r);
    struct vka_row_group group = vka_rows_group(vka_launch_limits(l), &r);
    struct vka_dispatch d;
    vka_launch_most(l, "rows of mean_max", r.rows, INT32_MAX);
    vka_begin(l, &d, "mean_max_rows", group.rows, group.lanes, 1);
    constants(&d, &r, &y, vka_present(&args->in[FACTOR]) ? FACTOR_ONE : FACTOR_NONE);
    vka_turns(&d, vka_rows_turns(&r, group.lanes, 2), "a row");
    emit(l, &d, args, &r, &y, (uint64_t)vka_divide_up(r.rows, group.rows));
}

static const struct vka_variant variants[] = {
    {"fours", fits_fours, launch_fours}, {"rows", fits_rows, launch_rows}, {0}};

const struct vka_op vka_op_mean_max = {
    .name = "mean_max",
    .summary = "mean and max along axes in one, of a product if need be",
    .params_size = sizeof(struct vka_mean_max),
    .flags = VKA_OP_STRIDED | VKA_OP_FUSED,
    .infer = infer,
    .cpu = cpu,
    .cpu_scratch = cpu_scratch,
    .variants = variants,
    .expand = expand,
};
