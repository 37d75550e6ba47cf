// SPDX-License-Identifier: MIT
//
// deform_conv: convolution whose taps are moved by offsets and weighed by a mask. Samples go into
// the product as they are made; the unfolded input is never stored.
#include "cpu/deform_places.h"
#include "deform_conv.h" // push constants
#include "ops/infer.h"
#include "ops/ops.h"
#include "ops/window.h"
#include "util/whole.h"

#include <string.h>

struct deform_params {
    struct vka_window_params window;
    int64_t groups, parts; // of channels, for the weight and for the offsets
};

enum { X, OFFSET, MASK, WEIGHT, BIAS, INPUTS };

// The weight so that the channels out lie side by side, then the channels in: as sums are made.
static vka_tensor lay_out(vka_graph *g, vka_tensor weight)
{
    if (vka_failed(g) || vka_rank(g, weight) != 4)
        return weight;
    weight = vka_dense(g, vka_permute(g, weight, (const int[]){2, 3, 1, 0}));
    return vka_permute(g, weight, (const int[]){3, 2, 0, 1});
}

vka_tensor vka_deform_conv(vka_graph *g, vka_tensor x, vka_tensor offset, vka_tensor weight,
                           const struct vka_deform_conv *p)
{
    struct deform_params params = {.groups = p->groups ? p->groups : 1,
                                   .parts = p->offset_groups ? p->offset_groups : 1};
    const vka_shape kernel = vka_shape_of(g, weight);
    for (int i = 0; i < 2; i++) {
        params.window.kernel[i] = 2 + i < kernel.rank ? kernel.dim[2 + i] : 1;
        params.window.stride[i] = p->stride[i] ? p->stride[i] : 1;
        params.window.dilation[i] = p->dilation[i] ? p->dilation[i] : 1;
        params.window.before[i] = params.window.after[i] = p->padding[i];
    }
    vka_tensor in[INPUTS] = {x, offset, p->mask, lay_out(g, weight), p->bias};
    return vka_add_node(g, &vka_op_deform_conv, &params, INPUTS, in, NULL);
}

// --- shapes ---

static bool fail_shapes(struct vka_infer *n, const char *what)
{
    char x[VKA_SHAPE_TEXT], w[VKA_SHAPE_TEXT];
    const struct deform_params *p = n->params;
    vka_fail(n->g, "deform_conv: %s: x is %s, the weight %s, groups %lld, offset groups %lld", what,
             vka_shape_text(&n->in[X]->shape, x), vka_shape_text(&n->in[WEIGHT]->shape, w),
             (long long)p->groups, (long long)p->parts);
    return false;
}

static bool infer_shape(struct vka_infer *n, int i, const char *what, vka_shape want)
{
    char own[VKA_SHAPE_TEXT], text[VKA_SHAPE_TEXT];
    if (!n->in[i] || vka_shape_equal(&n->in[i]->shape, &want))
        return true;
    vka_fail(n->g, "deform_conv: the %s is %s, it must be %s", what,
             vka_shape_text(&n->in[i]->shape, own), vka_shape_text(&want, text));
    return false;
}

static bool maps_fit(const struct vka_value *x)
{
    uint64_t span = 0;
    for (int i = 2; i < 4; i++) {
        int64_t stride = x->stride[i] < 0 ? -x->stride[i] : x->stride[i];
        span += (uint64_t)(x->shape.dim[i] - 1) * (uint64_t)stride;
    }
    return span < INT32_MAX && x->shape.dim[2] < 1 << 30 && x->shape.dim[3] < 1 << 30;
}

static bool infer(struct vka_infer *n)
{
    const struct deform_params *p = n->params;
    for (int i = 0; i < INPUTS; i++) {
        bool needed = i == X || i == OFFSET || i == WEIGHT;
        if ((needed || n->in[i]) && !vka_infer_type(n, "deform_conv", i, VKA_F32))
            return false;
    }
    const vka_shape *x = &n->in[X]->shape, *w = &n->in[WEIGHT]->shape;
    if (x->rank != 4 || w->rank != 4)
        return fail_shapes(n, "both need 4 axes");
    if (p->groups < 1 || x->dim[1] % p->groups != 0 || w->dim[0] % p->groups != 0)
        return fail_shapes(n, "the groups must divide the channels on both sides");
    if (x->dim[1] / p->groups != w->dim[1])
        return fail_shapes(n, "axis 1 of the weight must be the channels of a group");
    if (p->parts < 1 || x->dim[1] % p->parts != 0)
        return fail_shapes(n, "the offset groups must divide the channels of x");
    if (!maps_fit(n->in[X]))
        return fail_shapes(n, "a map may have 2^30 rows, columns and elements at most");
    vka_shape *out = &n->out_shape[0];
    *out = *x;
    out->dim[1] = w->dim[0];
    n->n_out = 1;
    if (!vka_window_infer(n->g, "deform_conv", x, &p->window, false, &out->dim[2]))
        return false;
    int64_t moved = p->parts * w->dim[2] * w->dim[3];
    return infer_shape(n, OFFSET, "offset",
                       VKA_SHAPE(x->dim[0], 2 * moved, out->dim[2], out->dim[3])) &&
           infer_shape(n, MASK, "mask", VKA_SHAPE(x->dim[0], moved, out->dim[2], out->dim[3])) &&
           infer_shape(n, BIAS, "bias", VKA_SHAPE(w->dim[0]));
}

// 2 for a product's term, 10 for its sample (once for all channels of a group).
static double flops(const struct vka_args *args)
{
    const struct vka_array *weight = &args->in[WEIGHT], *y = &args->out[0];
    double terms = (double)(vka_array_count(weight) / weight->dim[0]);
    double samples =
        (double)args->in[X].dim[1] * (double)(weight->dim[2] * weight->dim[3] * y->dim[0]);
    return 2.0 * (double)vka_array_count(y) * terms +
           10.0 * samples * (double)(y->dim[2] * y->dim[3]);
}

// --- CPU ---

static void job_of(const struct vka_args *args, struct vka_deform_job *job)
{
    const struct deform_params *p = args->params;
    const struct vka_array *x = &args->in[X], *y = &args->out[0];
    *job = (struct vka_deform_job){.n = x->dim[0],
                                   .groups = p->groups,
                                   .in_channels = x->dim[1] / p->groups,
                                   .out_channels = y->dim[1] / p->groups,
                                   .share = x->dim[1] / p->parts};
    for (int i = 0; i < 2; i++) {
        job->in[i] = x->dim[2 + i];
        job->out[i] = y->dim[2 + i];
        job->kernel[i] = p->window.kernel[i];
        job->stride[i] = p->window.stride[i];
        job->dilation[i] = p->window.dilation[i];
        job->before[i] = p->window.before[i];
    }
    memcpy(job->x_step, x->stride, sizeof job->x_step);
    memcpy(job->offset_step, args->in[OFFSET].stride, sizeof job->offset_step);
    if (vka_present(&args->in[MASK]))
        memcpy(job->mask_step, args->in[MASK].stride, sizeof job->mask_step);
    const struct vka_array *weight = &args->in[WEIGHT]; // a tap's steps: those of axis 3, then 2
    job->weight_step[0] = weight->stride[0];
    job->weight_step[1] = weight->stride[1];
    job->weight_step[2] = weight->stride[weight->dim[3] > 1 ? 3 : 2];
    if (vka_present(&args->in[BIAS]))
        job->bias_step = args->in[BIAS].stride[0];
}

static size_t cpu_scratch(const struct vka_args *args, int threads)
{
    struct vka_deform_job job;
    job_of(args, &job);
    if (!vka_deform_places_pays(&job))
        return vka_deform_scratch(&job, threads);
    return vka_deform_places_scratch(&job, args->known >> WEIGHT & 1, threads);
}

static size_t cpu_kept(const struct vka_args *args)
{
    struct vka_deform_job job;
    job_of(args, &job);
    bool keeps = args->known >> WEIGHT & 1 && vka_deform_places_pays(&job);
    return keeps ? vka_deform_places_weight_size(&job) : 0;
}

static void cpu_keep(const struct vka_args *args, struct vka_threads *threads, void *kept)
{
    struct vka_deform_job job;
    job_of(args, &job);
    job.weight = args->in[WEIGHT].data;
    vka_deform_places_weight(&job, threads, kept);
}

static void cpu(const struct vka_cpu_run *run)
{
    const struct vka_args *args = run->args;
    struct vka_deform_job job;
    job_of(args, &job);
    job.x = args->in[X].data;
    job.offset = args->in[OFFSET].data;
    job.mask = vka_present(&args->in[MASK]) ? args->in[MASK].data : NULL;
    job.weight = args->in[WEIGHT].data;
    job.bias = vka_present(&args->in[BIAS]) ? args->in[BIAS].data : NULL;
    job.y = args->out[0].data;
    if (vka_deform_places_pays(&job))
        vka_deform_places_run(&job, run->kept, run->threads, run->scratch);
    else
        vka_deform_run(&job, run->threads, run->scratch);
}

// --- Vulkan ---

enum {
    LANES = 8,
    GROUP = 64,
    FEW = 4,
    LANES_SUMS = 64,
    LANES_SUMS_ONE_BY_ONE = 32, // where channels of the weight aren't read by fours
    FULL_BUFFERS = 6,
    DEPTH = 16
};

static bool is_full(const struct vka_args *args)
{
    return vka_present(&args->in[MASK]) || vka_present(&args->in[BIAS]);
}

static bool fits_baseline(const struct vka_limits *limits, const struct vka_args *args)
{
    return !is_full(args) || limits->storage_buffers >= FULL_BUFFERS;
}

// Few channels of output in a group: a tile would be mostly empty.
static bool fits_lanes(const struct vka_limits *limits, const struct vka_args *args)
{
    const struct deform_params *p = args->params;
    bool few = args->out[0].dim[1] / p->groups <= FEW;
    return fits_baseline(limits, args) && (limits->is_cpu || few);
}

static void fill_push(const struct vka_deform_job *job, struct vka_push_deform_conv *push)
{
    *push = (struct vka_push_deform_conv){
        .in_channels = (uint)job->in_channels,
        .out_channels = (uint)job->out_channels,
        .groups = (uint)job->groups,
        .share = (uint)job->share,
        .bias_step = (uint)job->bias_step,
    };
    for (int i = 0; i < 4; i++) {
        push->x_stride[i] = (uint)job->x_step[i];
        push->offset_stride[i] = (uint)job->offset_step[i];
        push->mask_stride[i] = (uint)job->mask_step[i];
    }
    for (int i = 0; i < 3; i++)
        push->weight_stride[i] = (uint)job->weight_step[i];
    for (int i = 0; i < 2; i++) {
        push->size_in[i] = (uint)job->in[i];
        push->size_out[i] = (uint)job->out[i];
        push->low_bytes |= ((uint)job->dilation[i] & VKA_DEFORM_BYTE) << 8 * i;
        push->low_bytes |= ((uint)job->before[i] & VKA_DEFORM_BYTE) << 8 * (i + 2);
    }
}

// Four channels of the weight side by side, at an aligned place.
static bool reads_fours(const struct vka_array *weight, int64_t out_channels)
{
    bool aligned = weight->offset % 4 == 0 && out_channels % 4 == 0 && weight->stride[0] == 1;
    for (int i = 1; aligned && i < 4; i++)
        aligned = weight->stride[i] % 4 == 0 || weight->dim[i] == 1;
    return aligned;
}

static void add_constants(struct vka_dispatch *d, const struct vka_args *args,
                          const struct vka_deform_job *job, const uint32_t sums[2])
{
    for (int i = 0; i < 2; i++)
        vka_constant_u32(d, (uint32_t)job->kernel[i]);
    for (int i = 0; i < 2; i++)
        vka_constant_u32(d, (uint32_t)job->stride[i]);
    for (int i = 0; i < 2; i++)
        vka_constant_u32(d, (uint32_t)job->dilation[i] & ~VKA_DEFORM_BYTE);
    for (int i = 0; i < 2; i++)
        vka_constant_u32(d, (uint32_t)job->before[i] & ~VKA_DEFORM_BYTE);
    for (int i = 0; i < 2; i++)
        vka_constant_u32(d, sums[i]);
    vka_constant_u32(d, vka_present(&args->in[MASK]));
    vka_constant_u32(d, vka_present(&args->in[BIAS]));
    vka_constant_u32(d, sums[0] % 4 == 0 && reads_fours(&args->in[WEIGHT], job->out_channels));
}

// Runs of channels with the same offsets, and of each the taps; of a tap `each` turns for `depth`
// channels, with so many loops inside.
static double turns_of(const struct vka_deform_job *job, int64_t depth, double each, int inside)
{
    int64_t share = vka_smaller(job->share, job->in_channels);
    double runs = (double)(vka_divide_up(job->in_channels, share) + 1);
    double taps = runs * (double)(job->kernel[0] * job->kernel[1]);
    return (3 + inside) * runs + taps * (2 + inside + (double)vka_divide_up(share, depth) * each);
}

// Tiles of tile[0] channels x tile[1] places; sums of a lane along both.
static void launch(struct vka_launch *l, const struct vka_args *args, const char *const module[2],
                   uint32_t invocations, const uint32_t sums[2], const uint64_t tile[2])
{
    struct vka_deform_job job;
    job_of(args, &job);
    uint64_t places = (uint64_t)(job.out[0] * job.out[1]);
    uint64_t groups = (uint64_t)(job.n * job.groups) * ((places + tile[1] - 1) / tile[1]) *
                      (((uint64_t)job.out_channels + tile[0] - 1) / tile[0]);
    struct vka_push_deform_conv push;
    fill_push(&job, &push);
    push.end = (uint)groups;
    struct vka_dispatch d;
    vka_begin(l, &d, module[is_full(args)], invocations, 1, 1);
    add_constants(&d, args, &job, sums);
    push.x = vka_bind(l, &d, &args->in[X], VKA_READ);
    push.offset = vka_bind(l, &d, &args->in[OFFSET], VKA_READ);
    push.weight = vka_bind(l, &d, &args->in[WEIGHT], VKA_READ);
    push.dst = vka_bind(l, &d, &args->out[0], VKA_WRITE);
    if (is_full(args)) {
        push.mask = vka_bind(l, &d, &args->in[MASK], VKA_READ);
        push.bias = vka_bind(l, &d, &args->in[BIAS], VKA_READ);
    }
    VKA_PUSH(&d, push);
    double slice = vka_smaller(vka_smaller(job.share, job.in_channels), DEPTH);
    bool all = tile[0] == sums[0] || tile[1] == sums[1]; // each lane goes through all terms
    double turns = all ? turns_of(&job, 1, 1, 0)
                       : turns_of(&job, DEPTH, 6 + slice * (1 + sums[0] / 8.0 + sums[1] / 8.0), 3);
    vka_turns(&d, turns, "the channels and taps");
    vka_emit(l, &d, groups, 1, 1);
}

static void launch_baseline(struct vka_launch *l, const struct vka_args *args)
{
    static const char *const module[2] = {"deform_conv", "deform_conv_full"};
    const struct deform_params *p = args->params;
    const struct vka_array *y = &args->out[0];
    uint32_t sums[2] = {vka_lane_sums(y->dim[1] / p->groups, 8, LANES),
                        vka_lane_sums(y->dim[2] * y->dim[3], 8, LANES)};
    launch(l, args, module, GROUP, sums, (uint64_t[]){sums[0] * LANES, sums[1] * LANES});
}

static void launch_lanes(struct vka_launch *l, const struct vka_args *args)
{
    static const char *const module[2] = {"deform_conv_lanes", "deform_conv_lanes_full"};
    const struct deform_params *p = args->params;
    uint32_t lanes = vka_launch_limits(l)->is_cpu ? LANES : GROUP;
    int64_t channels = args->out[0].dim[1] / p->groups;
    int64_t most = reads_fours(&args->in[WEIGHT], channels) ? LANES_SUMS : LANES_SUMS_ONE_BY_ONE;
    uint32_t sums[2] = {vka_lane_sums(channels, most, 1), 1};
    launch(l, args, module, lanes, sums, (uint64_t[]){sums[0], lanes});
}

// --- devices that are programs, whose subgroups load together ---

enum { SHARED_FOURS = 2, SHARED_PLACES = 16 };

// Lanes have four channels at least, and half of them something to do.
static bool fits_shared(const struct vka_limits *limits, const struct vka_args *args)
{
    const struct deform_params *p = args->params;
    int64_t channels = args->out[0].dim[1] / p->groups;
    return fits_baseline(limits, args) && limits->is_cpu && limits->subgroup_arithmetic &&
           vka_sharing_lanes(limits) > 1 && reads_fours(&args->in[WEIGHT], channels) &&
           channels >= 2 * vka_sharing_lanes(limits);
}

static void launch_shared(struct vka_launch *l, const struct vka_args *args)
{
    static const char *const module[2] = {"deform_conv_shared", "deform_conv_shared_full"};
    const struct deform_params *p = args->params;
    const struct vka_array *y = &args->out[0];
    uint32_t lanes = vka_sharing_lanes(vka_launch_limits(l));
    uint32_t sums[2] = {vka_lane_sums(y->dim[1] / p->groups, SHARED_FOURS, 4 * lanes),
                        vka_lane_sums(y->dim[2] * y->dim[3], SHARED_PLACES, 1)};
    launch(l, args, module, lanes, sums, (uint64_t[]){sums[0] * 4 * lanes, sums[1]});
}

static const struct vka_variant variants[] = {
    {"shared", fits_shared, launch_shared},
    {"lanes", fits_lanes, launch_lanes},
    {"baseline", fits_baseline, launch_baseline},
    {NULL, NULL, NULL},
};

// --- in other operations ---

// [N, C, taps, Ho, Wo], the mask in it.
static vka_tensor sample_taps(vka_graph *g, const struct vka_op_node *node, const vka_shape *y)
{
    const struct deform_params *p = node->params;
    const struct vka_window_params *w = &p->window;
    vka_shape x = vka_shape_of(g, node->in[X]);
    int64_t kh = w->kernel[0], kw = w->kernel[1], taps = kh * kw, share = x.dim[1] / p->parts;
    vka_tensor at = vka_reshape(g, node->in[OFFSET],
                                VKA_SHAPE(x.dim[0], p->parts, kh, kw, 2, y->dim[2], y->dim[3]));
    at = vka_permute(g, at, (const int[]){0, 1, 4, 2, 3, 5, 6});
    struct vka_sample s = {
        .start = {-w->before[0], -w->before[1]},
        .step = {{w->dilation[0], 0, w->stride[0], 0}, {0, w->dilation[1], 0, w->stride[1]}}};
    vka_tensor t = vka_sample(g, node->in[X], at, &s);
    if (node->in[MASK]) {
        vka_tensor mask = vka_reshape(g, node->in[MASK],
                                      VKA_SHAPE(x.dim[0], p->parts, 1, taps, y->dim[2], y->dim[3]));
        t = vka_reshape(g, t, VKA_SHAPE(x.dim[0], p->parts, share, taps, y->dim[2], y->dim[3]));
        t = vka_mul(g, t, mask);
    }
    return t;
}

// A bias of its own first: what is left may fit a device of few buffers. Then samples, unfolded,
// and a product.
static void expand(vka_graph *g, const struct vka_op_node *node, vka_tensor out[VKA_MAX_OUT])
{
    const struct deform_params *p = node->params;
    vka_shape y = vka_shape_of(g, node->out[0]);
    if (node->in[BIAS]) {
        vka_tensor in[INPUTS];
        memcpy(in, node->in, sizeof in);
        in[BIAS] = 0;
        vka_tensor bare = vka_add_node(g, &vka_op_deform_conv, p, INPUTS, in, NULL);
        out[0] = vka_add(g, bare, vka_reshape(g, node->in[BIAS], VKA_SHAPE(y.dim[1], 1, 1)));
        return;
    }
    vka_shape w = vka_shape_of(g, node->in[WEIGHT]);
    int64_t terms = w.dim[1] * w.dim[2] * w.dim[3], places = y.dim[2] * y.dim[3];
    vka_tensor taps =
        vka_reshape(g, sample_taps(g, node, &y), VKA_SHAPE(y.dim[0], p->groups, terms, places));
    vka_tensor rows =
        vka_reshape(g, node->in[WEIGHT], VKA_SHAPE(p->groups, y.dim[1] / p->groups, terms));
    out[0] = vka_reshape(g, vka_matmul(g, rows, taps, NULL), y);
}

const struct vka_op vka_op_deform_conv = {
    .name = "deform_conv",
    .summary = "convolution whose taps are moved by offsets and weighed by a mask",
    .params_size = sizeof(struct deform_params),
    .flags = VKA_OP_STRIDED | VKA_OP_FUSED,
    .infer = infer,
    .cpu = cpu,
    .flops = flops,
    .cpu_scratch = cpu_scratch,
    .cpu_kept = cpu_kept,
    .cpu_keep = cpu_keep,
    .variants = variants,
    .expand = expand,
};
