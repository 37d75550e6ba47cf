// SPDX-License-Identifier: MIT
//
// softmax: along one axis, of scaled logits with a bias and a mask. Rows without any place left are
// zeros, or -inf for the logarithm.
#include "cpu/activation.h"
#include "cpu/kernels.h"
#include "cpu/simd.h"
#include "cpu/spans.h"
#include "ops/infer.h"
#include "ops/ops.h"
#include "ops/rows.h"
#include "softmax.h"

#include <math.h>

enum { X, BIAS, MASK, Y, OPERANDS }; // of the walks
enum { TILE = VKA_SOFTMAX_COLS, HELD = 8, PASSES = 3 };

struct params {
    int axis;
    float scale;
    bool mask_removes, log;
};

vka_tensor vka_softmax(vka_graph *g, vka_tensor x, const struct vka_softmax *p)
{
    static const struct vka_softmax defaults = {.axis = -1};
    p = p ? p : &defaults;
    struct params params = {p->axis, p->scale == 0 ? 1 : p->scale, p->mask_removes, p->log};
    const vka_tensor in[] = {x, p->bias, p->mask};
    return vka_add_node(g, &vka_op_softmax, &params, 3, in, NULL);
}

static bool infer(struct vka_infer *n)
{
    const struct params *p = n->params;
    if (!vka_infer_type(n, "softmax", X, VKA_F32))
        return false;
    const vka_shape *x = &n->in[X]->shape;
    n->n_out = 1;
    n->out_shape[0] = *x;
    return vka_infer_axis(n, "softmax", p->axis, x->rank) >= 0 &&
           (!n->in[BIAS] || vka_infer_type(n, "softmax: bias", BIAS, VKA_F32)) &&
           (!n->in[MASK] || vka_infer_type(n, "softmax: mask", MASK, VKA_BOOL)) &&
           vka_infer_fits(n, "softmax", BIAS, "the bias", x) &&
           vka_infer_fits(n, "softmax", MASK, "the mask", x);
}

static struct vka_rows rows_of(const struct vka_args *args)
{
    const struct params *p = args->params;
    const struct vka_array *in = args->in,
                           *arrays[] = {&in[X], &in[BIAS], &in[MASK], &args->out[0]};
    int axis = p->axis < 0 ? p->axis + in[X].rank : p->axis;
    return vka_rows_of(1u << axis, true, 4, arrays);
}

// --- CPU ---

struct job {
    const struct params *p;
    struct vka_rows r;
    int64_t step[VKA_STRIDED_OPERANDS]; // along a row
    const float *x, *bias;
    const uint32_t *mask;
    float *y;
    bool plain; // x are the logits
    int64_t units, pieces;
};

VKA_CLONES static void scale_span(float *y, const float *x, const float *bias, int64_t count,
                                  float scale)
{
    if (bias) {
        VKA_INDEPENDENT for (int64_t i = 0; i < count; i++) y[i] = x[i] * scale + bias[i];
    } else {
        VKA_INDEPENDENT for (int64_t i = 0; i < count; i++) y[i] = x[i] * scale;
    }
}

VKA_CLONES static void mask_span(float *y, const uint32_t *mask, int64_t count, bool removes)
{
    const float out = -INFINITY;
    if (removes) {
        for (int64_t i = 0; i < count; i++)
            y[i] = mask[i] != 0 ? out : y[i];
    } else {
        for (int64_t i = 0; i < count; i++)
            y[i] = mask[i] == 0 ? out : y[i];
    }
}

// At most VKA_STRIDED_SPAN logits from the elements `at`, `step` apart in each operand.
static void logits(const struct job *job, float *y, const int64_t *at, const int64_t *step,
                   int64_t count)
{
    uint32_t x_span[VKA_STRIDED_SPAN], span[VKA_STRIDED_SPAN];
    const float *x = vka_gather_span(x_span, job->x + at[X], step[X], count), *bias = NULL;
    if (job->bias)
        bias = vka_gather_span(span, job->bias + at[BIAS], step[BIAS], count);
    scale_span(y, x, bias, count, job->p->scale);
    if (job->mask)
        mask_span(y, vka_gather_span(span, job->mask + at[MASK], step[MASK], count), count,
                  job->p->mask_removes);
}

VKA_CLONES static void multiply(float *y, int64_t count, float factor)
{
    for (int64_t i = 0; i < count; i++)
        y[i] *= factor;
}

VKA_CLONES static void shift_twice(float *y, int64_t count, float a, float b)
{
    for (int64_t i = 0; i < count; i++)
        y[i] = (y[i] - a) - b;
}

static void fill(float *y, int64_t count, float value)
{
    for (int64_t i = 0; i < count; i++)
        y[i] = value;
}

// x: a row's logits; may be y.
static void finish_row(const struct params *p, float *y, const float *x, int64_t count)
{
    enum { SPAN = VKA_STRIDED_SPAN };
    float most = -INFINITY;
    double sum = 0;
    for (int64_t i = 0; i < count; i += SPAN) {
        float m = vka_span_max(x + i, count - i < SPAN ? count - i : SPAN);
        most = m > most || m != m ? m : most;
    }
    if (most == -INFINITY) {
        fill(y, count, p->log ? -INFINITY : 0);
        return;
    }
    for (int64_t i = 0; i < count; i += SPAN) {
        int64_t n = count - i < SPAN ? count - i : SPAN;
        sum += vka_span_exp(p->log ? NULL : y + i, x + i, n, most);
    }
    if (p->log && y != x)
        memcpy(y, x, (size_t)count * sizeof *y);
    if (p->log)
        shift_twice(y, count, most, (float)log(sum));
    else
        multiply(y, count, (float)(1 / sum));
}

static void row_piece(void *arg, int64_t piece, int thread)
{
    const struct job *job = arg;
    int64_t end = job->units * (piece + 1) / job->pieces, columns = job->r.columns;
    (void)thread;
    for (int64_t row = job->units * piece / job->pieces; row < end; row++) {
        int64_t at[VKA_STRIDED_OPERANDS];
        vka_strided_at(&job->r.kept, row, at);
        float *y = job->y + at[Y];
        const float *x = job->plain && job->step[X] == 1 ? job->x + at[X] : y;
        for (int64_t i = 0; x == y && i < columns; i += VKA_STRIDED_SPAN) {
            logits(job, y + i, at, job->step,
                   columns - i < VKA_STRIDED_SPAN ? columns - i : VKA_STRIDED_SPAN);
            for (int k = 0; k < VKA_STRIDED_OPERANDS; k++)
                at[k] += job->step[k] * VKA_STRIDED_SPAN;
        }
        finish_row(job->p, y, x, columns);
    }
}

// Rows side by side, `count` of them: what is done for all of them, column by column.
struct tile {
    int64_t count, at[VKA_STRIDED_OPERANDS], step[VKA_STRIDED_OPERANDS];
    float most[TILE], share[TILE]; // share: 1 / sum, or log(sum)
};

VKA_CLONES static void tile_scale(float *y, const float *share, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        y[i] *= share[i];
}

VKA_CLONES static void tile_log(float *y, const float *most, const float *share, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        y[i] = most[i] == -INFINITY ? -INFINITY : (y[i] - most[i]) - share[i];
}

static void tile_logits(const struct job *job, const struct tile *t)
{
    int64_t at[VKA_STRIDED_OPERANDS];
    for (int k = 0; k < VKA_STRIDED_OPERANDS; k++)
        at[k] = t->at[k];
    for (int64_t c = 0; c < job->r.columns; c++) {
        logits(job, job->y + at[Y], at, t->step, t->count);
        for (int k = 0; k < VKA_STRIDED_OPERANDS; k++)
            at[k] += job->step[k];
    }
}

// The largest logits, and the sums of all differences from them. Leaves the powers in y or, for the
// logarithm, the logits.
static void tile_sums(const struct job *job, struct tile *t)
{
    const struct vka_kernels *kernels = vka_kernels();
    struct vka_columns c = {.rows = job->r.columns,
                            .count = (int)t->count,
                            .x = job->y + t->at[Y],
                            .y = job->p->log ? NULL : job->y + t->at[Y],
                            .x_row = job->step[Y],
                            .y_row = job->step[Y]};
    if (job->plain && t->step[X] == 1 && !job->p->log) {
        c.x = job->x + t->at[X];
        c.x_row = job->step[X];
    } else {
        tile_logits(job, t);
    }
    double sum[TILE];
    fill(t->most, TILE, -INFINITY);
    kernels->max_columns(&c, t->most);
    kernels->exp_columns(&c, t->most, sum);
    for (int64_t i = 0; i < t->count; i++) {
        t->share[i] = (float)(job->p->log ? log(sum[i]) : 1 / sum[i]);
        if (sum[i] != sum[i])
            t->most[i] = (float)sum[i]; // NaN, which a maximum passes over
        else if (t->most[i] == -INFINITY)
            t->share[i] = 0;
    }
}

static int64_t tiles_of(const struct vka_rows *r)
{
    return (r->kept.dim[r->kept.rank - 1] + TILE - 1) / TILE;
}

static void tile_piece(void *arg, int64_t piece, int thread)
{
    const struct job *job = arg;
    const struct vka_strided *kept = &job->r.kept;
    int64_t inner = kept->dim[kept->rank - 1], tiles = tiles_of(&job->r);
    int64_t end = job->units * (piece + 1) / job->pieces;
    (void)thread;
    for (int64_t u = job->units * piece / job->pieces; u < end; u++) {
        struct tile t;
        int64_t first = u % tiles * TILE;
        t.count = inner - first < TILE ? inner - first : TILE;
        vka_strided_at(kept, u / tiles * inner + first, t.at);
        for (int k = 0; k < VKA_STRIDED_OPERANDS; k++)
            t.step[k] = kept->stride[k][kept->rank - 1];
        tile_sums(job, &t);
        for (int64_t c = 0; c < job->r.columns; c++) {
            float *y = job->y + t.at[Y] + c * job->step[Y];
            if (job->p->log)
                tile_log(y, t.most, t.share, t.count);
            else
                tile_scale(y, t.share, t.count);
        }
    }
}

static void cpu(const struct vka_cpu_run *run)
{
    const struct vka_args *args = run->args;
    struct job job = {
        .p = args->params, .r = rows_of(args), .x = args->in[X].data, .y = args->out[0].data};
    job.bias = vka_present(&args->in[BIAS]) ? args->in[BIAS].data : NULL;
    job.mask = vka_present(&args->in[MASK]) ? args->in[MASK].data : NULL;
    job.plain = !job.bias && !job.mask && job.p->scale == 1;
    for (int k = 0; k < VKA_STRIDED_OPERANDS; k++)
        job.step[k] = job.r.reduced.stride[k][0];
    // The result is dense: where its rows aren't, they lie side by side.
    bool rows = job.r.columns == 1 || job.step[Y] == 1;
    int64_t inner = job.r.kept.dim[job.r.kept.rank - 1];
    job.units = rows ? job.r.rows : job.r.rows / inner * tiles_of(&job.r);
    job.pieces = vka_pieces(run->threads, job.units, job.r.rows * job.r.columns * 8);
    vka_parallel(run->threads, job.pieces, rows ? row_piece : tile_piece, &job);
}

// --- Vulkan ---

static void launch(struct vka_launch *l, const struct vka_args *args)
{
    const struct params *p = args->params;
    struct vka_rows r = rows_of(args);
    struct vka_row_group group = vka_rows_group(vka_launch_limits(l), &r);
    struct {
        uint32_t columns, step[OPERANDS];
        float scale;
    } tail = {(uint32_t)r.columns, {0}, p->scale};
    for (int k = 0; k < OPERANDS; k++)
        tail.step[k] = (uint32_t)r.reduced.stride[k][0];
    int64_t held = (r.columns + group.lanes - 1) / group.lanes;
    struct vka_strided_launch d = {
        .shader = "softmax",
        .array = {&args->in[X], &args->in[BIAS], &args->in[MASK], &args->out[0]},
        .constants = {vka_present(&args->in[BIAS]), vka_present(&args->in[MASK]), p->mask_removes,
                      p->log, held <= HELD ? (uint32_t)held : 0},
        .n_constants = 5,
        .tail = &tail,
        .tail_size = sizeof tail,
        .along = &r.reduced,
        .group = {group.rows, group.lanes},
        .turns = vka_rows_turns(&r, group.lanes, PASSES),
    };
    _Static_assert(sizeof(struct vka_push_softmax) == (5 + 4 * 5) * 4 + sizeof tail,
                   "push constants");
    if (r.columns > INT32_MAX)
        vka_launch_fail(l, "softmax: a row of %lld elements is too long", (long long)r.columns);
    vka_strided_emit(l, &r.kept, &d);
}

static bool fits(const struct vka_limits *limits, const struct vka_args *args)
{
    struct vka_rows r = rows_of(args);
    return vka_rows_fit(limits, &r, PASSES);
}

// --- where a row is too long ---

static vka_tensor all_logits(vka_graph *g, const struct vka_op_node *node)
{
    const struct params *p = node->params;
    vka_tensor out = vka_constant_scalar(g, -INFINITY), z = node->in[X], mask = node->in[MASK];
    if (p->scale != 1)
        z = vka_affine(g, z, p->scale, 0);
    if (node->in[BIAS])
        z = vka_add(g, z, node->in[BIAS]);
    if (mask)
        z = p->mask_removes ? vka_where(g, mask, out, z) : vka_where(g, mask, z, out);
    return z;
}

static void expand(vka_graph *g, const struct vka_op_node *node, vka_tensor out[VKA_MAX_OUT])
{
    const struct params *p = node->params;
    int axis = p->axis < 0 ? p->axis + vka_rank(g, node->in[X]) : p->axis;
    vka_tensor none = vka_constant_scalar(g, -INFINITY), z = all_logits(g, node);
    vka_tensor most = vka_reduce(g, VKA_REDUCE_MAX, z, 1u << axis, true);
    vka_tensor gone = vka_binary(g, VKA_EQ, most, none);
    z = vka_sub(g, z, vka_where(g, gone, vka_constant_scalar(g, 0), most));
    vka_tensor weight = vka_act(g, z, VKA_ACT_EXP);
    // The largest has a weight of 1: a sum below it is that of a row that is -inf throughout.
    vka_tensor sum = vka_reduce(g, VKA_REDUCE_SUM, weight, 1u << axis, true);
    sum = vka_binary(g, VKA_MAX, sum, vka_constant_scalar(g, 1));
    out[0] = p->log ? vka_where(g, gone, none, vka_sub(g, z, vka_act(g, sum, VKA_ACT_LOG)))
                    : vka_div(g, weight, sum);
}

static const struct vka_variant variants[] = {{"baseline", fits, launch}, {0}};

const struct vka_op vka_op_softmax = {
    .name = "softmax",
    .summary = "softmax or its logarithm along an axis, with scale, bias and mask",
    .params_size = sizeof(struct params),
    .flags = VKA_OP_STRIDED | VKA_OP_IN_PLACE,
    .infer = infer,
    .cpu = cpu,
    .variants = variants,
    .expand = expand,
};
