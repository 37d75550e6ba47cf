// SPDX-License-Identifier: MIT
//
// conv: act(conv(x, weight) + bias + residual) over 1 to 3 spatial axes, in groups. Those that are
// plain products become matmul.
#include "cpu/conv.h"
#include "cpu/winograd.h"
#include "conv.h" // push constants
#include "ops/matrix.h"
#include "ops/ops.h"
#include "ops/tile.h"
#include "util/whole.h"

struct conv_params {
    struct vka_window_params window;
    int64_t groups;
    struct vka_activation act;
};

enum { X, WEIGHT, BIAS, RESIDUAL, INPUTS };

extern const struct vka_op vka_op_conv;

// --- making ---

static bool shapes_like(vka_graph *g, vka_tensor t, const vka_shape *shape)
{
    vka_shape own = vka_shape_of(g, t);
    return vka_shape_equal(&own, shape);
}

// Whether the spatial axes follow each other, so that they can be one without a copy.
static bool flattens(const struct vka_value *x)
{
    for (int i = 2; i + 1 < x->shape.rank; i++) {
        if (x->stride[i] != x->stride[i + 1] * x->shape.dim[i + 1])
            return false;
    }
    return true;
}

// out [N, O, 1...] where the window is all of x, or [N, O, spatial] where it is one place: as
// products of matrices. 0 where it is neither, or something is wrong that infer will tell.
static vka_tensor as_product(vka_graph *g, vka_tensor x, vka_tensor weight,
                             const struct vka_conv *p, const struct conv_params *params)
{
    const struct vka_value *vx = vka_value_of(g, x), *vw = vka_value_of(g, weight);
    int rank = vx->shape.rank;
    if (vka_failed(g) || rank < 3 || rank > 5 || vw->shape.rank != rank || params->groups != 1 ||
        vx->shape.dim[1] != vw->shape.dim[1])
        return 0;
    bool point = flattens(vx), whole = true;
    vka_shape out = vx->shape;
    out.dim[1] = vw->shape.dim[0];
    for (int i = 2; i < rank; i++) {
        const struct vka_window_params *w = &params->window;
        bool bare = w->before[i - 2] == 0 && w->after[i - 2] == 0;
        point = point && bare && w->stride[i - 2] <= 1 && vw->shape.dim[i] == 1;
        whole = whole && bare && vw->shape.dim[i] == vx->shape.dim[i] &&
                (w->dilation[i - 2] <= 1 || vw->shape.dim[i] == 1);
    }
    for (int i = 2; whole && i < rank; i++)
        out.dim[i] = 1;
    vka_shape bias = {1, {out.dim[1]}};
    if ((!point && !whole) || (p->bias && !shapes_like(g, p->bias, &bias)) ||
        (p->residual && !shapes_like(g, p->residual, &out)))
        return 0;

    struct vka_matmul m = {.act = p->act};
    vka_tensor y, rows = vka_flatten(g, weight, 1, -1);
    if (whole) {
        m.bias = p->bias;
        m.residual = p->residual ? vka_flatten(g, p->residual, 1, -1) : 0;
        y = vka_matmul(g, vka_flatten(g, x, 1, -1), vka_transpose(g, rows, 0, 1), &m);
    } else {
        m.bias = p->bias ? vka_unsqueeze(g, p->bias, 1) : 0;
        m.residual = p->residual ? vka_flatten(g, p->residual, 2, -1) : 0;
        y = vka_matmul(g, rows, vka_flatten(g, x, 2, -1), &m);
    }
    return vka_reshape(g, y, out);
}

vka_tensor vka_conv(vka_graph *g, vka_tensor x, vka_tensor weight, const struct vka_conv *p)
{
    const struct vka_conv none = {.groups = 0};
    p = p ? p : &none;
    struct conv_params params = {.groups = p->groups ? p->groups : 1, .act = p->act};
    const vka_shape kernel = vka_shape_of(g, weight);
    for (int i = 0; i < VKA_WINDOW_AXES; i++) {
        params.window.kernel[i] = 2 + i < kernel.rank ? kernel.dim[2 + i] : 1;
        params.window.stride[i] = p->stride[i];
        params.window.dilation[i] = p->dilation[i];
        params.window.before[i] = p->before[i];
        params.window.after[i] = p->after[i];
    }
    vka_tensor y = as_product(g, x, weight, p, &params);
    if (y || vka_failed(g))
        return y;
    vka_tensor in[INPUTS] = {x, vka_dense(g, weight), p->bias,
                             p->residual ? vka_dense(g, p->residual) : 0};
    return vka_add_node(g, &vka_op_conv, &params, INPUTS, in, NULL);
}

// --- shapes ---

static bool fail_shapes(struct vka_infer *n, const char *what)
{
    char x[VKA_SHAPE_TEXT], w[VKA_SHAPE_TEXT];
    const struct conv_params *p = n->params;
    vka_fail(n->g, "conv: %s: x is %s, the weight %s, groups %lld", what,
             vka_shape_text(&n->in[X]->shape, x), vka_shape_text(&n->in[WEIGHT]->shape, w),
             (long long)p->groups);
    return false;
}

static bool infer_added(struct vka_infer *n)
{
    const vka_shape *out = &n->out_shape[0];
    char got[VKA_SHAPE_TEXT], want[VKA_SHAPE_TEXT];
    vka_shape bias = {1, {out->dim[1]}};
    if (n->in[BIAS] && !vka_shape_equal(&n->in[BIAS]->shape, &bias))
        return vka_fail(n->g, "conv: the bias is %s, it must be %s",
                        vka_shape_text(&n->in[BIAS]->shape, got), vka_shape_text(&bias, want)),
               false;
    if (n->in[RESIDUAL] && !vka_shape_equal(&n->in[RESIDUAL]->shape, out))
        return vka_fail(n->g, "conv: the residual is %s, it must have the output's shape %s",
                        vka_shape_text(&n->in[RESIDUAL]->shape, got), vka_shape_text(out, want)),
               false;
    return true;
}

static bool infer(struct vka_infer *n)
{
    const struct conv_params *p = n->params;
    if (!n->in[X] || !n->in[WEIGHT])
        return vka_fail(n->g, "conv: an operand is missing"), false;
    for (int i = 0; i < INPUTS; i++) {
        if (n->in[i] && n->in[i]->dtype != VKA_F32)
            return vka_fail(n->g, "conv: the operands must be F32, one is %s",
                            vka_dtype_name(n->in[i]->dtype)),
                   false;
    }
    const vka_shape *x = &n->in[X]->shape, *w = &n->in[WEIGHT]->shape;
    if (x->rank < 3 || x->rank > 5 || w->rank != x->rank)
        return fail_shapes(n, "both need 3 to 5 axes, as many as each other");
    if (p->groups < 1 || x->dim[1] % p->groups != 0 || w->dim[0] % p->groups != 0)
        return fail_shapes(n, "the groups must divide the channels on both sides");
    if (x->dim[1] / p->groups != w->dim[1])
        return fail_shapes(n, "axis 1 of the weight must be the channels of a group");
    vka_shape *out = &n->out_shape[0];
    *out = *x;
    out->dim[1] = w->dim[0];
    n->n_out = 1;
    return vka_window_infer(n->g, "conv", x, &p->window, false, &out->dim[2]) && infer_added(n);
}

// --- CPU ---

static void job_of(const struct vka_args *args, struct vka_conv_job *job)
{
    const struct conv_params *p = args->params;
    const struct vka_array *x = &args->in[X], *out = &args->out[0];
    *job = (struct vka_conv_job){.n = x->dim[0],
                                 .groups = p->groups,
                                 .in_channels = x->dim[1] / p->groups,
                                 .out_channels = out->dim[1] / p->groups,
                                 .x_batch = x->stride[0],
                                 .x_channel = x->stride[1],
                                 .bias_step = args->in[BIAS].stride[0],
                                 .act = p->act};
    vka_window_of(x, out, &p->window, &job->w);
}

// Winograd's way wants the weight transformed beforehand.
static bool takes_winograd(const struct vka_args *args, const struct vka_conv_job *job)
{
    return args->known >> WEIGHT & 1 && vka_winograd_fits(job) && vka_winograd_pays(job);
}

enum { KEPT_MOST = 1 << 18 }; // bytes: a larger one is soon packed beside what it is used for

// Whether a direct convolution's weight is packed once, and not in each run.
static bool keeps_packed(const struct vka_args *args, const struct vka_conv_job *job)
{
    return args->known >> WEIGHT & 1 && vka_conv_weight_size(job) <= KEPT_MOST;
}

static double flops(const struct vka_args *args)
{
    const struct vka_array *weight = &args->in[WEIGHT];
    double products = (double)(vka_array_count(weight) / weight->dim[0]);
    return 2.0 * (double)vka_array_count(&args->out[0]) * products;
}

static size_t cpu_scratch(const struct vka_args *args, int threads)
{
    struct vka_conv_job job;
    job_of(args, &job);
    if (takes_winograd(args, &job))
        return vka_winograd_scratch(&job, threads);
    size_t weight = keeps_packed(args, &job) ? 0 : vka_conv_weight_size(&job);
    return vka_conv_scratch(&job, threads) + weight;
}

static size_t cpu_kept(const struct vka_args *args)
{
    struct vka_conv_job job;
    job_of(args, &job);
    if (takes_winograd(args, &job))
        return vka_winograd_weight_size(&job);
    return keeps_packed(args, &job) ? vka_conv_weight_size(&job) : 0;
}

static void cpu_keep(const struct vka_args *args, struct vka_threads *threads, void *kept)
{
    struct vka_conv_job job;
    job_of(args, &job);
    job.weight = args->in[WEIGHT].data;
    if (takes_winograd(args, &job))
        vka_winograd_weight(&job, threads, kept);
    else
        vka_conv_weight(&job, threads, kept);
}

static void run_direct(const struct vka_cpu_run *run, const struct vka_conv_job *job)
{
    if (run->kept) {
        vka_conv_run(job, run->kept, run->threads, run->scratch);
        return;
    }
    char *weight = run->scratch;
    vka_conv_weight(job, run->threads, weight);
    vka_conv_run(job, weight, run->threads, weight + vka_conv_weight_size(job));
}

static void cpu(const struct vka_cpu_run *run)
{
    const struct vka_args *args = run->args;
    struct vka_conv_job job;
    job_of(args, &job);
    job.x = args->in[X].data;
    job.weight = args->in[WEIGHT].data;
    job.bias = vka_present(&args->in[BIAS]) ? args->in[BIAS].data : NULL;
    job.residual = vka_present(&args->in[RESIDUAL]) ? args->in[RESIDUAL].data : NULL;
    job.out = args->out[0].data;
    if (takes_winograd(args, &job))
        vka_winograd_run(&job, run->kept, run->threads, run->scratch);
    else
        run_direct(run, &job);
}

// --- Vulkan ---

// MOST_TERMS: of a sum that isn't made in blocks or in halves.
enum { LANES = 8, FEW = 4, MOST_TERMS = 20480 };

// Terms of a sum.
static int64_t terms_of(const struct vka_args *args)
{
    const struct vka_array *weight = &args->in[WEIGHT];
    return vka_array_count(weight) / weight->dim[0];
}

// Long sums over channels are made in halves.
static bool can_halve(int64_t terms, int64_t groups, int64_t channels)
{
    return terms > MOST_TERMS && groups == 1 && channels > 1;
}

static bool fits_buffers(const struct vka_limits *limits, const struct vka_args *args)
{
    return !vka_present(&args->in[RESIDUAL]) || limits->storage_buffers >= 5;
}

static bool fits_lanes(const struct vka_limits *limits, const struct vka_args *args)
{
    return limits->is_cpu && fits_buffers(limits, args);
}

static bool fits_baseline(const struct vka_limits *limits, const struct vka_args *args)
{
    const struct conv_params *p = args->params;
    bool halves = can_halve(terms_of(args), p->groups, args->in[WEIGHT].dim[1]);
    return fits_buffers(limits, args) && !halves;
}

// Few channels of output in a group: a tile would be mostly empty.
static bool fits_direct(const struct vka_limits *limits, const struct vka_args *args)
{
    const struct conv_params *p = args->params;
    return fits_baseline(limits, args) && args->out[0].dim[1] / p->groups <= FEW;
}

static void push_window(const struct vka_window *w, struct vka_push_conv *push)
{
    for (int i = 0; i < VKA_WINDOW_AXES; i++) {
        push->size_in[i] = (uint)w->in[i];
        push->size_out[i] = (uint)w->out[i];
        push->before[i] = (uint)w->before[i];
        push->x_step[i] = (uint)w->step[i];
    }
}

// conv_rows: places side by side of a lane; of x, so many at most.
enum { ROW_LEAST = 4, ROW_MOST = 8, ROW_SPAN = 4 * ROW_MOST };

// How a module cuts the output: sums of a lane along both axes, output elements of a workgroup.
struct cut {
    const char *module, *residual_module;
    uint32_t invocations, sums_m, sums_n;
    uint64_t tile_m, tile_n;
    uint64_t parts; // of rows that tiles are made of; 0: of places
    double turns;
    uint32_t trims;                      // flags behind those of the sums
    const struct vka_matrix_cut *matrix; // or NULL
};

// Whether the shader reads a dilation when it runs: where taps see places of their own, or almost,
// a pipeline for each dilation would only take its time to be made.
static bool is_pushed(const struct vka_conv_job *job, const struct cut *cut, int axis)
{
    bool last = axis == VKA_WINDOW_AXES - 1;
    return cut->parts > 0 && (!last || (2 * job->w.dilation[axis] >= cut->sums_n &&
                                        cut->sums_n * job->w.kernel[axis] <= ROW_SPAN));
}

// Constants from 3 on: kernel, stride, dilation; activation; the sums and what is there.
static void add_constants(struct vka_dispatch *d, const struct vka_args *args,
                          const struct vka_conv_job *job, const struct cut *cut)
{
    const struct conv_params *p = args->params;
    for (int i = 0; i < VKA_WINDOW_AXES; i++)
        vka_constant_u32(d, (uint32_t)job->w.kernel[i]);
    for (int i = 0; i < VKA_WINDOW_AXES; i++)
        vka_constant_u32(d, (uint32_t)job->w.stride[i]);
    for (int i = 0; i < VKA_WINDOW_AXES; i++)
        vka_constant_u32(d, is_pushed(job, cut, i) ? 0 : (uint32_t)job->w.dilation[i]);
    vka_constant_u32(d, (uint32_t)p->act.kind);
    vka_constant_f32(d, p->act.a);
    vka_constant_f32(d, p->act.b);
    int64_t terms = job->in_channels * vka_product3(job->w.kernel);
    bool fours = terms % 4 == 0 && args->in[WEIGHT].offset % 4 == 0;
    uint32_t flags = cut->trims | (vka_present(&args->in[BIAS]) ? VKA_CONV_BIAS : 0) |
                     (fours ? VKA_CONV_FOURS : 0);
    for (int i = 0; i < VKA_WINDOW_AXES; i++) {
        const struct vka_window *w = &job->w;
        int64_t last = (w->out[i] - 1) * w->stride[i] + (w->kernel[i] - 1) * w->dilation[i];
        flags |= w->before[i] == 0 && last < w->in[i] ? VKA_CONV_INSIDE_0 << i : 0;
    }
    vka_constant_u32(d, (cut->sums_m - 1) | (cut->sums_n - 1) << VKA_CONV_SUMS_N_SHIFT | flags);
}

static void bind_all(struct vka_launch *l, struct vka_dispatch *d, const struct vka_args *args,
                     struct vka_push_conv *push)
{
    push->x_offset = vka_bind(l, d, &args->in[X], VKA_READ);
    push->weight_offset = vka_bind(l, d, &args->in[WEIGHT], VKA_READ);
    push->bias_offset = vka_bind(l, d, &args->in[BIAS], VKA_READ);
    push->out_offset = vka_bind(l, d, &args->out[0], VKA_WRITE);
    if (vka_present(&args->in[RESIDUAL]))
        push->residual_offset = vka_bind(l, d, &args->in[RESIDUAL], VKA_READ);
}

static uint32_t matrix_modes(const struct vka_args *args, const struct vka_conv_job *job)
{
    int64_t terms = job->in_channels * vka_product3(job->w.kernel);
    bool eights = terms % 8 == 0 && args->in[WEIGHT].offset % 8 == 0;
    return VKA_MATRIX_B_ALONG_N | (eights ? VKA_MATRIX_A_EIGHTS : 0u);
}

static void launch(struct vka_launch *l, const struct vka_args *args,
                   const struct vka_conv_job *job, const struct cut *cut)
{
    uint64_t along = cut->parts ? cut->parts : (uint64_t)vka_product3(job->w.out);
    uint64_t groups = (uint64_t)(job->n * job->groups) *
                      (((uint64_t)job->out_channels + cut->tile_m - 1) / cut->tile_m) *
                      ((along + cut->tile_n - 1) / cut->tile_n);
    struct vka_push_conv push = {
        .in_channels = (uint)job->in_channels,
        .out_channels = (uint)job->out_channels,
        .groups = (uint)job->groups,
        .end = (uint)groups,
        .x_batch = (uint)job->x_batch,
        .x_channel = (uint)job->x_channel,
        .bias_step = vka_present(&args->in[BIAS]) ? (uint)job->bias_step : 0,
    };
    push_window(&job->w, &push);
    for (int i = 0; i < VKA_WINDOW_AXES; i++)
        push.dilation[i] = is_pushed(job, cut, i) ? (uint)job->w.dilation[i] : 0;
    struct vka_dispatch d;
    bool residual = vka_present(&args->in[RESIDUAL]);
    vka_begin(l, &d, residual ? cut->residual_module : cut->module, cut->invocations, 1, 1);
    add_constants(&d, args, job, cut);
    if (cut->matrix) {
        d.subgroup = cut->matrix->subgroup;
        vka_matrix_constants(l, &d, cut->matrix, matrix_modes(args, job));
    }
    bind_all(l, &d, args, &push);
    VKA_PUSH(&d, push);
    vka_turns(&d, cut->turns, "a sum's terms");
    vka_emit(l, &d, groups, 1, 1);
}

static void launch_baseline(struct vka_launch *l, const struct vka_args *args)
{
    struct vka_conv_job job;
    job_of(args, &job);
    struct vka_tile tile = vka_tile_of(vka_launch_limits(l), job.out_channels,
                                       vka_product3(job.w.out), job.n * job.groups);
    struct cut cut = {.module = "conv",
                      .residual_module = "conv_residual",
                      .invocations = tile.lanes * tile.lanes,
                      .sums_m = tile.sums_m,
                      .sums_n = tile.sums_n,
                      .tile_m = (uint64_t)tile.sums_m * tile.lanes,
                      .tile_n = (uint64_t)tile.sums_n * tile.lanes,
                      .turns = vka_tile_turns(&tile, terms_of(args))};
    launch(l, args, &job, &cut);
}

static void launch_direct(struct vka_launch *l, const struct vka_args *args)
{
    struct vka_conv_job job;
    job_of(args, &job);
    struct cut cut = {.module = "conv_direct",
                      .residual_module = "conv_direct_residual",
                      .invocations = LANES * LANES,
                      .sums_m = (uint32_t)job.out_channels,
                      .sums_n = 1,
                      .tile_m = (uint64_t)job.out_channels,
                      .tile_n = LANES * LANES,
                      .turns = (double)terms_of(args)};
    launch(l, args, &job, &cut);
}

static void launch_lanes(struct vka_launch *l, const struct vka_args *args)
{
    struct vka_conv_job job;
    job_of(args, &job);
    struct cut cut = {.module = "conv_lanes",
                      .residual_module = "conv_lanes_residual",
                      .invocations = LANES,
                      .sums_m = vka_lane_sums(job.out_channels, 16, 1)};
    uint32_t most = cut.sums_m > 2 ? 6 : 16 / cut.sums_m;
    cut.sums_n = vka_lane_sums(vka_product3(job.w.out), most, LANES);
    cut.tile_m = cut.sums_m;
    cut.tile_n = cut.sums_n * LANES;
    cut.turns = vka_lane_turns(terms_of(args));
    cut.trims = (terms_of(args) % VKA_CONV_STEP == 0 ? VKA_CONV_WHOLE : 0) |
                (terms_of(args) <= VKA_CONV_BLOCK ? VKA_CONV_SHORT : 0);
    launch(l, args, &job, &cut);
}

// Multiply-adds of a trip that still compile soon enough.
enum { ROW_PRODUCTS = 384 };

static bool fits_rows(const struct vka_limits *limits, const struct vka_args *args)
{
    struct vka_conv_job job;
    job_of(args, &job);
    int64_t kernel = job.w.kernel[2], span = (kernel - 1) * job.w.dilation[2];
    return fits_lanes(limits, args) && vka_sharing_lanes(limits) > 1 && job.w.stride[2] == 1 &&
           kernel > 1 && span <= ROW_SPAN && job.w.out[2] >= ROW_LEAST &&
           kernel * ROW_LEAST <= ROW_PRODUCTS;
}

// As many places as leave the fewest over at the end of a row.
static uint32_t row_sums(int64_t width)
{
    int64_t best = ROW_MOST;
    for (int64_t n = ROW_MOST; n >= ROW_LEAST; n--) {
        if (vka_divide_up(width, n) * n < vka_divide_up(width, best) * best)
            best = n;
    }
    return (uint32_t)best;
}

static void launch_rows(struct vka_launch *l, const struct vka_args *args)
{
    struct vka_conv_job job;
    job_of(args, &job);
    uint32_t sharing = vka_sharing_lanes(vka_launch_limits(l));
    uint32_t lanes = sharing > LANES ? sharing : LANES;
    struct cut cut = {.module = "conv_rows",
                      .residual_module = "conv_rows_residual",
                      .invocations = lanes,
                      .sums_m = vka_lane_sums(job.out_channels, 16, 1),
                      .sums_n = row_sums(job.w.out[2]),
                      .tile_n = lanes};
    while (cut.sums_m > 1 && cut.sums_m * cut.sums_n * job.w.kernel[2] > ROW_PRODUCTS)
        cut.sums_m /= 2;
    cut.tile_m = cut.sums_m;
    cut.parts = (uint64_t)(job.w.out[0] * job.w.out[1] * vka_divide_up(job.w.out[2], cut.sums_n));
    cut.turns = (double)(terms_of(args) / job.w.kernel[2]);
    cut.trims = (terms_of(args) <= VKA_CONV_BLOCK ? VKA_CONV_SHORT : 0) |
                (sharing - 1) << VKA_CONV_SUBGROUP_SHIFT;
    launch(l, args, &job, &cut);
}

static bool matrix_cut_of(const struct vka_limits *limits, const struct vka_args *args,
                          struct vka_conv_job *job, struct vka_matrix_cut *cut)
{
    job_of(args, job);
    return vka_matrix_cut_of(limits, job->out_channels, vka_product3(job->w.out), terms_of(args),
                             job->n * job->groups, cut) &&
           cut->invocations % (cut->tile_n / 8) == 0; // as the shader takes for granted
}

static bool fits_matrix(const struct vka_limits *limits, const struct vka_args *args)
{
    struct vka_conv_job job;
    struct vka_matrix_cut cut;
    return fits_baseline(limits, args) && matrix_cut_of(limits, args, &job, &cut);
}

static void launch_matrix(struct vka_launch *l, const struct vka_args *args)
{
    struct vka_conv_job job;
    struct vka_matrix_cut matrix;
    matrix_cut_of(vka_launch_limits(l), args, &job, &matrix);
    struct cut cut = {.module = "conv_matrix",
                      .residual_module = "conv_matrix_residual",
                      .invocations = matrix.invocations,
                      .sums_m = matrix.fragments_m,
                      .sums_n = matrix.fragments_n,
                      .tile_m = matrix.tile_m,
                      .tile_n = matrix.tile_n,
                      .matrix = &matrix,
                      .turns = vka_matrix_turns(&matrix, terms_of(args))};
    launch(l, args, &job, &cut);
}

static const struct vka_variant variants[] = {
    {"rows", fits_rows, launch_rows},
    {"lanes", fits_lanes, launch_lanes},
    {"direct", fits_direct, launch_direct},
    {"matrix", fits_matrix, launch_matrix},
    {"baseline", fits_baseline, launch_baseline},
    {NULL, NULL, NULL},
};

// The first half of the channels of long sums, to which the second is added.
static vka_tensor half_of_channels(vka_graph *g, const struct vka_op_node *node)
{
    const struct conv_params *p = node->params;
    struct conv_params bare = *p;
    bare.act = (struct vka_activation){0};
    vka_tensor sum = node->in[RESIDUAL], x = node->in[X], weight = node->in[WEIGHT];
    int64_t channels = vka_dim(g, x, 1), half = channels / 2;
    for (int i = 0; i < 2; i++) {
        int64_t begin = i ? half : 0, count = i ? channels - half : half;
        vka_tensor in[INPUTS] = {vka_slice(g, x, 1, begin, count),
                                 vka_dense(g, vka_slice(g, weight, 1, begin, count)),
                                 i ? 0 : node->in[BIAS], sum};
        sum = vka_add_node(g, &vka_op_conv, i ? p : &bare, INPUTS, in, NULL);
    }
    return sum;
}

// Sums that are too long, or a buffer too many: the residual is added afterwards.
static void expand(vka_graph *g, const struct vka_op_node *node, vka_tensor out[VKA_MAX_OUT])
{
    const struct conv_params *p = node->params;
    struct conv_params bare = *p;
    bare.act = (struct vka_activation){0};
    vka_shape weight = vka_shape_of(g, node->in[WEIGHT]);
    int64_t terms = 1;
    for (int i = 1; i < weight.rank; i++)
        terms *= weight.dim[i];
    if (can_halve(terms, p->groups, weight.dim[1])) {
        out[0] = half_of_channels(g, node);
        return;
    }
    if (!node->in[RESIDUAL])
        return;
    vka_tensor in[INPUTS] = {node->in[X], node->in[WEIGHT], node->in[BIAS], 0};
    vka_tensor sum = vka_add_node(g, &vka_op_conv, &bare, INPUTS, in, NULL);
    out[0] = vka_binary_act(g, VKA_ADD, sum, node->in[RESIDUAL], p->act);
}

const struct vka_op vka_op_conv = {
    .name = "conv",
    .summary = "act(convolution of x + bias + residual), 1 to 3 axes, in groups",
    .params_size = sizeof(struct conv_params),
    .flags = VKA_OP_STRIDED,
    .infer = infer,
    .cpu = cpu,
    .flops = flops,
    .cpu_scratch = cpu_scratch,
    .cpu_kept = cpu_kept,
    .cpu_keep = cpu_keep,
    .variants = variants,
    .expand = expand,
};
