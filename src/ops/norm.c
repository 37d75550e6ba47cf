// SPDX-License-Identifier: MIT
//
// norm: every row loses its mean and is divided by its standard deviation, then scaled and shifted.
// The mean first, then the sum of squared deviations from it. What the mean loses as a float is
// taken off as well: rows far from zero, and equal elements, come out right.
#include "cpu/simd.h"
#include "cpu/spans.h"
#include "ops/infer.h"
#include "ops/ops.h"
#include "ops/rows.h"
#include "util/whole.h"
#include "norm.h"

#include <math.h>

enum { X, SCALE, SHIFT, Y, OPERANDS }; // of the walks
enum {
    TILE = 64,
    LINE = VKA_STRIDED_SPAN,
    HELD = 8,
    MOST_AXES = 4,
    MOST_DISPATCHES = 256,
    PASSES = 3
};

struct params {
    double eps;
    unsigned axes;
};

vka_tensor vka_norm(vka_graph *g, vka_tensor x, unsigned axes, double eps, vka_tensor scale,
                    vka_tensor shift)
{
    struct params params = {eps, axes};
    return vka_add_node(g, &vka_op_norm, &params, 3, (const vka_tensor[]){x, scale, shift}, NULL);
}

static bool infer(struct vka_infer *n)
{
    const struct params *p = n->params;
    if (!vka_infer_type(n, "norm", X, VKA_F32))
        return false;
    const vka_shape *x = &n->in[X]->shape;
    n->n_out = 1;
    n->out_shape[0] = *x;
    return vka_infer_axes(n, "norm", p->axes, x) &&
           (!n->in[SCALE] || vka_infer_type(n, "norm: scale", SCALE, VKA_F32)) &&
           (!n->in[SHIFT] || vka_infer_type(n, "norm: shift", SHIFT, VKA_F32)) &&
           vka_infer_fits(n, "norm", SCALE, "the scale", x) &&
           vka_infer_fits(n, "norm", SHIFT, "the shift", x);
}

static struct vka_rows rows_of(const struct vka_args *args)
{
    const struct params *p = args->params;
    const struct vka_array *in = args->in;
    const struct vka_array *arrays[] = {&in[X], &in[SCALE], &in[SHIFT], &args->out[0]};
    return vka_rows_of(p->axes, false, 4, arrays);
}

// --- CPU: lines of elements, along a row or across rows that lie side by side ---

struct job {
    struct vka_rows r;
    double eps;
    const float *in[3]; // NULL: absent
    float *y;
    bool across;
    int64_t units, pieces;
};

// Rows that are worked on together: one, or up to TILE across. Along a row, `mean`, `rest` (what it
// lacks) and `factor` repeat the row's.
struct set {
    const struct job *job;
    bool apply; // else the deviations from `mean` are summed
    int64_t count, at[VKA_STRIDED_OPERANDS], next[VKA_STRIDED_OPERANDS];
    double sum[TILE], squares[TILE];
    float mean[LINE], rest[LINE], factor[LINE];
};

VKA_CLONES static void add_across(struct set *t, const float *x, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        double d = x[i] - t->mean[i];
        t->sum[i] += d;
        t->squares[i] += d * d;
    }
}

static void add_line(struct set *t, const float *x, int64_t count)
{
    if (t->job->across) {
        add_across(t, x, count);
        return;
    }
    float sum, squares;
    vka_span_deviations(x, count, t->mean[0], &sum, &squares);
    t->sum[0] += sum;
    t->squares[0] += squares;
}

VKA_CLONES static void apply(float *y, const float *x, const float *scale, const float *shift,
                             const struct set *t, int64_t count)
{
    const float *mean = t->mean, *rest = t->rest, *factor = t->factor;
    VKA_INDEPENDENT for (int64_t i = 0; i < count; i++) y[i] =
        ((x[i] - mean[i]) - rest[i]) * factor[i];
    if (scale) {
        VKA_INDEPENDENT for (int64_t i = 0; i < count; i++) y[i] *= scale[i];
    }
    if (shift) {
        VKA_INDEPENDENT for (int64_t i = 0; i < count; i++) y[i] += shift[i];
    }
}

// At most LINE elements from `at`, `step` apart.
static void run_line(struct set *t, const int64_t *at, const int64_t *step, int64_t count)
{
    uint32_t span[3][LINE];
    const float *in[3] = {NULL};
    for (int k = 0; k < (t->apply ? 3 : 1); k++) {
        if (t->job->in[k])
            in[k] = vka_gather_span(span[k], t->job->in[k] + at[k], step[k], count);
    }
    if (!t->apply) {
        add_line(t, in[X], count);
        return;
    }
    float room[LINE], *y = t->job->y + at[Y];
    apply(step[Y] == 1 ? y : room, in[X], in[SCALE], in[SHIFT], t, count);
    for (int64_t i = 0; step[Y] != 1 && i < count; i++)
        y[i * step[Y]] = room[i];
}

static void run_columns(void *arg, const struct vka_strided *s, const int64_t *at, int64_t index,
                        int64_t count)
{
    struct set *t = arg;
    int64_t from[VKA_STRIDED_OPERANDS], along[VKA_STRIDED_OPERANDS];
    int64_t chunk = t->job->across ? 1 : LINE;
    (void)index;
    for (int k = 0; k < VKA_STRIDED_OPERANDS; k++) {
        from[k] = t->at[k] + at[k];
        along[k] = s->stride[k][s->rank - 1];
    }
    for (int64_t i = 0; i < count; i += chunk) {
        if (t->job->across)
            run_line(t, from, t->next, t->count);
        else
            run_line(t, from, along, count - i < chunk ? count - i : chunk);
        for (int k = 0; k < VKA_STRIDED_OPERANDS; k++)
            from[k] += along[k] * chunk;
    }
}

static void run_pass(struct set *t, bool apply)
{
    t->apply = apply;
    for (int64_t i = 0; i < t->count; i++)
        t->sum[i] = t->squares[i] = 0;
    vka_strided_range(&t->job->r.reduced, 0, t->job->r.columns, run_columns, t);
}

static void run_set(struct set *t)
{
    const struct job *job = t->job;
    double columns = (double)job->r.columns;
    int64_t repeat = job->across ? t->count : columns < LINE ? job->r.columns : LINE;
    for (int64_t i = 0; i < t->count; i++)
        t->mean[i] = 0;
    run_pass(t, false);
    for (int64_t i = 0; i < repeat; i++)
        t->mean[i] = (float)(t->sum[job->across ? i : 0] / columns);
    run_pass(t, false);
    for (int64_t i = 0; i < repeat; i++) {
        int64_t row = job->across ? i : 0;
        double rest = t->sum[row] / columns, variance = t->squares[row] / columns - rest * rest;
        t->rest[i] = (float)rest;
        t->factor[i] = (float)(1 / sqrt((variance < 0 ? 0 : variance) + job->eps));
    }
    run_pass(t, true);
}

static void run_piece(void *arg, int64_t piece, int thread)
{
    const struct job *job = arg;
    const struct vka_strided *kept = &job->r.kept;
    int64_t inner = job->across ? kept->dim[kept->rank - 1] : 1, tiles = (inner + TILE - 1) / TILE;
    int64_t end = job->units * (piece + 1) / job->pieces;
    (void)thread;
    for (int64_t u = job->units * piece / job->pieces; u < end; u++) {
        struct set t; // large: what a row needs of it is set as it goes
        t.job = job;
        int64_t first = u % tiles * TILE;
        t.count = inner - first < TILE ? inner - first : TILE;
        vka_strided_at(kept, u / tiles * inner + first, t.at);
        for (int k = 0; k < VKA_STRIDED_OPERANDS; k++)
            t.next[k] = kept->stride[k][kept->rank - 1];
        run_set(&t);
    }
}

static void cpu(const struct vka_cpu_run *run)
{
    const struct vka_args *args = run->args;
    const struct params *p = args->params;
    struct job job = {.r = rows_of(args), .eps = p->eps, .y = args->out[0].data};
    for (int k = 0; k < 3; k++)
        job.in[k] = vka_present(&args->in[k]) ? args->in[k].data : NULL;
    job.across = vka_rows_side_by_side(&job.r);
    int64_t inner = job.across ? job.r.kept.dim[job.r.kept.rank - 1] : 1;
    job.units = job.r.rows / inner * ((inner + TILE - 1) / TILE);
    job.pieces = vka_pieces(run->threads, job.units, job.r.rows * job.r.columns * 3);
    vka_parallel(run->threads, job.pieces, run_piece, &job);
}

// --- Vulkan ---

static void put_axes(struct vka_push_norm *push, const struct vka_strided *s, int *n)
{
    for (int i = s->rank - 1; i >= 0; i--, ++*n) {
        push->dim[*n] = (uint32_t)s->dim[i];
        for (int k = 0; k < s->n; k++)
            push->stride[k * 4 + *n] = (uint32_t)s->stride[k][i];
    }
}

// How a workgroup is laid out: rows by lanes; of a program's, all lanes along one row, by fours.
struct layout {
    const char *module;
    struct vka_row_group group;
    bool fours;
};

static void begin(struct vka_launch *l, struct vka_dispatch *d, const struct layout *layout,
                  const struct vka_args *args, const struct vka_rows *r, int kept_axes)
{
    int64_t held = vka_divide_up(r->columns, layout->group.lanes);
    if (layout->fours)
        vka_begin(l, d, layout->module, layout->group.lanes, 1, 1);
    else
        vka_begin(l, d, layout->module, layout->group.rows, layout->group.lanes, 1);
    vka_constant_u32(d, (uint32_t)kept_axes);
    vka_constant_u32(d, (uint32_t)r->reduced.rank);
    vka_constant_u32(d, vka_present(&args->in[SCALE]));
    vka_constant_u32(d, vka_present(&args->in[SHIFT]));
    if (!layout->fours)
        vka_constant_u32(d, held <= HELD ? (uint32_t)held : 0);
}

// One dispatch: the kept axes in `kept`, from the elements `at` on.
static void emit(struct vka_launch *l, const struct vka_args *args, const struct vka_rows *r,
                 const struct layout *layout, const struct vka_strided *kept, const int64_t *at)
{
    const struct params *p = args->params;
    const struct vka_array *arrays[] = {&args->in[X], &args->in[SCALE], &args->in[SHIFT],
                                        &args->out[0]};
    struct vka_dispatch d;
    int64_t rows = vka_strided_count(kept);
    struct vka_push_norm push = {
        .rows = (uint32_t)rows, .columns = (uint32_t)r->columns, .eps = (float)p->eps};
    int axes = 0;
    begin(l, &d, layout, args, r, kept->rank);
    put_axes(&push, kept, &axes);
    put_axes(&push, &r->reduced, &axes);
    for (int k = 0; k < OPERANDS; k++) {
        struct vka_array part = *arrays[k];
        if (vka_present(&part)) {
            part.rank = 0;
            part.offset += at[k];
            vka_strided_append(&part, kept, k);
            vka_strided_append(&part, &r->reduced, k);
        }
        push.offset[k] = vka_bind(l, &d, &part, k == Y ? VKA_WRITE : VKA_READ);
    }
    VKA_PUSH(&d, push);
    vka_turns(&d, vka_rows_turns(r, layout->group.lanes * (layout->fours ? 4 : 1), PASSES),
              "a row");
    vka_emit(l, &d, (uint64_t)vka_divide_up(rows, layout->group.rows), 1, 1);
}

static void launch_as(struct vka_launch *l, const struct vka_args *args,
                      const struct vka_rows *rows, const struct layout *layout)
{
    struct vka_rows r = *rows;
    struct vka_strided kept, outer;
    if (r.reduced.rank >= MOST_AXES || r.rows > INT32_MAX || r.columns > INT32_MAX) {
        vka_launch_fail(l, "norm: %d axes that don't merge, %lld rows of %lld elements",
                        r.reduced.rank, (long long)r.rows, (long long)r.columns);
        return;
    }
    vka_strided_split(&r.kept, MOST_AXES - r.reduced.rank, &kept, &outer);
    int64_t dispatches = vka_strided_count(&outer);
    if (dispatches > MOST_DISPATCHES)
        vka_launch_fail(l, "norm: %lld dispatches are too many", (long long)dispatches);
    for (int64_t i = 0; i < dispatches && i < MOST_DISPATCHES; i++) {
        int64_t at[VKA_STRIDED_OPERANDS];
        vka_strided_at(&outer, i, at);
        emit(l, args, &r, layout, &kept, at);
    }
}

static void launch(struct vka_launch *l, const struct vka_args *args)
{
    struct vka_rows r = rows_of(args);
    struct layout layout = {"norm", vka_rows_group(vka_launch_limits(l), &r), false};
    launch_as(l, args, &r, &layout);
}

// A subgroup a row.
static void launch_lanes(struct vka_launch *l, const struct vka_args *args)
{
    struct vka_rows r = rows_of(args);
    struct layout layout = {"norm_lanes", {1, vka_launch_limits(l)->subgroup_size}, true};
    launch_as(l, args, &r, &layout);
}

static void expand(vka_graph *g, const struct vka_op_node *node, vka_tensor out[VKA_MAX_OUT])
{
    const struct params *p = node->params;
    vka_tensor x = node->in[X];
    vka_tensor d = vka_sub(g, x, vka_reduce(g, VKA_REDUCE_MEAN, x, p->axes, true));
    d = vka_sub(g, d, vka_reduce(g, VKA_REDUCE_MEAN, d, p->axes, true)); // what rounding left
    vka_tensor squares = vka_act(g, d, VKA_ACT_SQUARE);
    vka_tensor variance = vka_reduce(g, VKA_REDUCE_MEAN, squares, p->axes, true);
    vka_tensor factor = vka_act(g, vka_affine(g, variance, 1, p->eps), VKA_ACT_RSQRT);
    out[0] = vka_mul(g, d, factor);
    if (node->in[SCALE])
        out[0] = vka_mul(g, out[0], node->in[SCALE]);
    if (node->in[SHIFT])
        out[0] = vka_add(g, out[0], node->in[SHIFT]);
}

static bool fits(const struct vka_limits *limits, const struct vka_args *args)
{
    struct vka_rows r = rows_of(args);
    return vka_rows_fit(limits, &r, PASSES);
}

// Rows that can be read by fours.
static bool by_fours(const struct vka_rows *r, const struct vka_array *a, int operand)
{
    if (!vka_present(a))
        return true;
    bool fours = a->offset % 4 == 0 && r->reduced.stride[operand][0] == 1;
    for (int i = 0; i < r->kept.rank; i++)
        fours = fours && r->kept.stride[operand][i] % 4 == 0;
    return fours;
}

static bool fits_lanes(const struct vka_limits *limits, const struct vka_args *args)
{
    enum { LEAST = 4 }; // lanes, and fours of a lane
    struct vka_rows r = rows_of(args);
    if (!limits->is_cpu || !limits->subgroup_arithmetic || limits->subgroup_size < LEAST ||
        r.reduced.rank != 1 || r.columns % 4 != 0 ||
        r.columns < (int64_t)LEAST * 4 * limits->subgroup_size)
        return false;
    bool fours = by_fours(&r, &args->out[0], Y);
    for (int k = X; k <= SHIFT; k++)
        fours = fours && by_fours(&r, &args->in[k], k);
    return fours && fits(limits, args);
}

static const struct vka_variant variants[] = {
    {"lanes", fits_lanes, launch_lanes}, {"baseline", fits, launch}, {NULL, NULL, NULL}};

const struct vka_op vka_op_norm = {
    .name = "norm",
    .summary = "mean 0 and variance 1 along axes, then scale and shift",
    .params_size = sizeof(struct params),
    .flags = VKA_OP_STRIDED | VKA_OP_IN_PLACE | VKA_OP_FUSED,
    .infer = infer,
    .cpu = cpu,
    .variants = variants,
    .expand = expand,
};
