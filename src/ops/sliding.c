// SPDX-License-Identifier: MIT
#include "ops/sliding.h"
#include "cpu/sliding.h"
#include "ops/infer.h"
#include "util/whole.h"
#include "window_attention.h" // push constants

struct vka_sliding_params vka_sliding_params_of(const struct vka_window_logits *p)
{
    return (struct vka_sliding_params){.w = p->windows,
                                       .maps = p->maps,
                                       .relation = p->relation,
                                       .scale = p->scale,
                                       .outside = p->outside,
                                       .fixed = p->fixed};
}

vka_tensor vka_sliding_dense(vka_graph *g, vka_tensor t)
{
    return t ? vka_dense(g, t) : 0;
}

// --- shapes ---

static bool infer_axis(struct vka_infer *n, const char *op, const vka_shape *map, int axis)
{
    enum { MOST = 1 << 30, MOST_KERNEL = 1 << 24 }; // sums below stay within 63 bits
    const struct vka_sliding_params *p = n->params;
    const struct vka_windows *w = &p->w;
    int64_t kernel = w->kernel[axis], stride = w->stride[axis], dilation = w->dilation[axis];
    int64_t before = w->before[axis], out = w->out[axis], size = map->dim[2 + axis];
    bool sane = kernel >= 1 && stride >= 1 && dilation >= 1 && before >= 0 && out >= 1 &&
                kernel <= MOST_KERNEL && stride < MOST && dilation < MOST && before < MOST &&
                out < MOST;
    if (!sane)
        return vka_fail(n->g,
                        "%s: axis %d: the window %lld, stride %lld, dilation %lld and the %lld "
                        "windows must be at least 1, the padding %lld at least 0 (and below 2^30, "
                        "the window at most 2^24)",
                        op, axis, (long long)kernel, (long long)stride, (long long)dilation,
                        (long long)out, (long long)before),
               false;
    int64_t last = (out - 1) * stride + (kernel - 1) * dilation - before;
    if (last < MOST && (!w->reflect || (before < size && last < 2 * size - 1)))
        return true;
    char text[VKA_SHAPE_TEXT];
    return vka_fail(n->g, "%s: axis %d: windows from %lld to %lld of a map %s %s", op, axis,
                    (long long)-before, (long long)last, vka_shape_text(map, text),
                    w->reflect ? "reach past its mirror image" : "reach too far"),
           false;
}

bool vka_sliding_infer_windows(struct vka_infer *n, const char *op, int map)
{
    const struct vka_sliding_params *p = n->params;
    for (int i = 0; i < VKA_SLIDING_INPUTS; i++) {
        if (n->in[i] && !vka_infer_type(n, op, i, VKA_F32))
            return false;
    }
    if (!vka_infer_present(n, op, map))
        return false;
    const vka_shape *s = &n->in[map]->shape;
    char text[VKA_SHAPE_TEXT];
    if (s->rank != 4 || p->maps < 1 || s->dim[1] % p->maps != 0)
        return vka_fail(n->g, "%s: the map is %s, but needs 4 axes and channels for %lld blocks",
                        op, vka_shape_text(s, text), (long long)p->maps),
               false;
    enum { MOST_TAPS = 1 << 24 };
    if (!infer_axis(n, op, s, 0) || !infer_axis(n, op, s, 1))
        return false;
    if (p->w.kernel[0] * p->w.kernel[1] > MOST_TAPS)
        return vka_fail(n->g, "%s: a window of %lld x %lld has more than %d taps", op,
                        (long long)p->w.kernel[0], (long long)p->w.kernel[1], MOST_TAPS),
               false;
    return true;
}

bool vka_sliding_infer_shape(struct vka_infer *n, const char *op, int i, const char *what,
                             const vka_shape *shape)
{
    char own[VKA_SHAPE_TEXT], want[VKA_SHAPE_TEXT];
    if (!n->in[i] || vka_shape_equal(&n->in[i]->shape, shape))
        return true;
    return vka_fail(n->g, "%s: %s is %s, it must be %s", op, what,
                    vka_shape_text(&n->in[i]->shape, own), vka_shape_text(shape, want)),
           false;
}

bool vka_sliding_infer_logits(struct vka_infer *n, const char *op)
{
    const struct vka_sliding_params *p = n->params;
    if (!vka_sliding_infer_windows(n, op, VKA_SLIDING_K))
        return false;
    const vka_shape *k = &n->in[VKA_SLIDING_K]->shape;
    bool asks = p->relation != VKA_RELATION_KEY;
    if (asks != (n->in[VKA_SLIDING_A] != NULL))
        return vka_fail(n->g, "%s: %s", op, asks ? "q is missing" : "a q that isn't used"), false;
    if (p->relation < 0 || p->relation > VKA_RELATION_NORM_SQ_DIFF)
        return vka_fail(n->g, "%s: unknown relation %d", op, p->relation), false;
    if (n->in[VKA_SLIDING_TABLE] && (p->relation != VKA_RELATION_PRODUCT || p->fixed))
        return vka_fail(n->g, "%s: a table goes with products and taps outside as they are", op),
               false;
    if (p->fixed && p->w.reflect)
        return vka_fail(n->g, "%s: no tap is outside of a map that reflects", op), false;
    int64_t taps = p->w.kernel[0] * p->w.kernel[1];
    vka_shape q = {4, {k->dim[0], k->dim[1], p->w.out[0], p->w.out[1]}}, extra = *k;
    extra.dim[1] = p->maps;
    vka_shape table = {3, {p->maps, k->dim[1] / p->maps, taps}}, bias = {2, {p->maps, taps}};
    return vka_sliding_infer_shape(n, op, VKA_SLIDING_A, "q", &q) &&
           vka_sliding_infer_shape(n, op, VKA_SLIDING_TABLE, "the table", &table) &&
           vka_sliding_infer_shape(n, op, VKA_SLIDING_EXTRA, "the extra map", &extra) &&
           vka_sliding_infer_shape(n, op, VKA_SLIDING_BIAS, "the bias", &bias);
}

// --- CPU ---

static void steps_of(const struct vka_array *a, int64_t *step)
{
    for (int i = 0; i < a->rank; i++)
        step[i] = a->stride[i];
}

static void job_of(const struct vka_args *args, struct vka_sliding_job *job)
{
    const struct vka_sliding_params *p = args->params;
    const struct vka_array *in = args->in, *k = &in[VKA_SLIDING_K], *v = &in[VKA_SLIDING_V];
    const struct vka_array *map = vka_present(k) ? k : v;
    *job = (struct vka_sliding_job){.n = map->dim[0],
                                    .maps = p->maps,
                                    .depth = vka_present(k) ? k->dim[1] / p->maps : 0,
                                    .width = vka_present(v) ? v->dim[1] / p->maps : 0,
                                    .has_extra = vka_present(&in[VKA_SLIDING_EXTRA]),
                                    .in = {map->dim[2], map->dim[3]},
                                    .w = p->w,
                                    .cyclic = p->cyclic,
                                    .relation = p->relation,
                                    .scale = (float)p->scale,
                                    .outside = (float)p->outside,
                                    .fixed = p->fixed};
    steps_of(&in[VKA_SLIDING_A], vka_present(k) ? job->q_step : job->weight_step);
    steps_of(k, job->k_step);
    steps_of(v, job->v_step);
    steps_of(&in[VKA_SLIDING_EXTRA], job->extra_step);
}

double vka_sliding_flops(const struct vka_args *args)
{
    struct vka_sliding_job job;
    job_of(args, &job);
    double windows = (double)(job.n * job.maps) * (double)(job.w.out[0] * job.w.out[1]);
    double taps = windows * (double)(job.w.kernel[0] * job.w.kernel[1]);
    return 2 * taps * (double)(job.depth + job.width);
}

static const float *data_of(const struct vka_args *args, int i)
{
    return vka_present(&args->in[i]) ? args->in[i].data : NULL;
}

void vka_sliding_cpu(const struct vka_cpu_run *run)
{
    const struct vka_args *args = run->args;
    struct vka_sliding_job job;
    job_of(args, &job);
    job.k = data_of(args, VKA_SLIDING_K);
    job.q = job.k ? data_of(args, VKA_SLIDING_A) : NULL;
    job.weights = job.k ? NULL : data_of(args, VKA_SLIDING_A);
    job.v = data_of(args, VKA_SLIDING_V);
    job.table = data_of(args, VKA_SLIDING_TABLE);
    job.extra = data_of(args, VKA_SLIDING_EXTRA);
    job.bias = data_of(args, VKA_SLIDING_BIAS);
    job.shares = data_of(args, VKA_SLIDING_SHARES);
    job.out = args->out[0].data;
    vka_sliding_run(&job, run->threads, run->scratch);
}

size_t vka_sliding_cpu_scratch(const struct vka_args *args, int threads)
{
    struct vka_sliding_job job;
    job_of(args, &job);
    return vka_sliding_scratch(&job, threads);
}

// --- Vulkan ---

enum { LANES = 64, PIXELS = 4, TAPS_AT_ONCE = 8, CHUNK = 16, FULL_BUFFERS = 8 };

bool vka_sliding_is_full(const struct vka_args *args)
{
    bool full = false;
    for (int i = VKA_SLIDING_TABLE; i < VKA_SLIDING_INPUTS; i++)
        full = full || vka_present(&args->in[i]);
    return full;
}

bool vka_sliding_fits(const struct vka_limits *limits, const struct vka_args *args)
{
    return !vka_sliding_is_full(args) || limits->storage_buffers >= FULL_BUFFERS;
}

// `x` in the fewest parts of at most `most`: the size of one.
static uint32_t share(int64_t x, int64_t most)
{
    int64_t parts = (x + most - 1) / most;
    return x == 0 ? 1 : (uint32_t)((x + parts - 1) / parts);
}

static uint32_t flags_of(const struct vka_args *args, const struct vka_sliding_job *job)
{
    const struct vka_array *in = args->in;
    bool lines = true, inside = true;
    for (int i = VKA_SLIDING_K; i <= VKA_SLIDING_V; i++)
        lines = lines && (!vka_present(&in[i]) || in[i].stride[3] == 1);
    for (int i = 0; i < 2; i++) {
        int64_t last = (job->w.out[i] - 1) * job->w.stride[i] +
                       (job->w.kernel[i] - 1) * job->w.dilation[i] - job->w.before[i];
        inside = inside && (job->w.reflect || (job->w.before[i] == 0 && last < job->in[i]));
    }
    const bool flags[] = {job->w.reflect,
                          job->fixed,
                          job->cyclic,
                          lines,
                          inside,
                          vka_present(&in[VKA_SLIDING_TABLE]),
                          vka_present(&in[VKA_SLIDING_EXTRA]),
                          vka_present(&in[VKA_SLIDING_BIAS]),
                          vka_present(&in[VKA_SLIDING_SHARES])};
    uint32_t bits = 0;
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        bits |= (uint32_t)flags[i] << i;
    return bits;
}

static void add_constants(struct vka_dispatch *d, const struct vka_args *args,
                          const struct vka_sliding_job *job, uint32_t pixels, uint32_t chunk)
{
    for (int i = 0; i < 2; i++)
        vka_constant_u32(d, (uint32_t)job->w.kernel[i]);
    for (int i = 0; i < 2; i++)
        vka_constant_u32(d, (uint32_t)job->w.stride[i]);
    for (int i = 0; i < 2; i++)
        vka_constant_u32(d, (uint32_t)job->w.dilation[i]);
    for (int i = 0; i < 2; i++)
        vka_constant_u32(d, (uint32_t)job->w.before[i]);
    vka_constant_u32(d, (uint32_t)job->depth);
    vka_constant_u32(d, (uint32_t)job->width);
    uint32_t taps = share(job->w.kernel[1], TAPS_AT_ONCE);
    vka_constant_u32(d, (pixels - 1) | (taps - 1) << 4 | (chunk - 1) << 8 |
                            (uint32_t)job->relation << 12 | flags_of(args, job) << 15);
    vka_constant_f32(d, job->scale);
    vka_constant_f32(d, job->outside);
}

static void fill_push(const struct vka_args *args, const struct vka_sliding_job *job,
                      struct vka_push_window_attention *push)
{
    push->maps = (uint)job->maps;
    for (int i = 0; i < 2; i++) {
        push->in_size[i] = (uint)job->in[i];
        push->out_size[i] = (uint)job->w.out[i];
    }
    for (int i = 0; i < 5; i++) {
        bool weights = !vka_present(&args->in[VKA_SLIDING_K]);
        push->a_stride[i] = (uint)(weights ? job->weight_step[i] : i < 4 ? job->q_step[i] : 0);
        if (i == 4)
            break;
        push->k_stride[i] = (uint)job->k_step[i];
        push->v_stride[i] = (uint)job->v_step[i];
        push->extra_stride[i] = (uint)job->extra_step[i];
    }
}

static void bind_all(struct vka_launch *l, struct vka_dispatch *d, const struct vka_args *args,
                     struct vka_push_window_attention *push)
{
    const struct vka_array *in = args->in;
    // The first binding stands in for those that aren't there.
    const struct vka_array *a = &in[VKA_SLIDING_A];
    bool none = !vka_present(a);
    push->a_offset = vka_bind(l, d, none ? &in[VKA_SLIDING_K] : a, VKA_READ);
    push->k_offset = vka_bind(l, d, &in[VKA_SLIDING_K], VKA_READ);
    push->v_offset = vka_bind(l, d, &in[VKA_SLIDING_V], VKA_READ);
    push->out_offset = vka_bind(l, d, &args->out[0], VKA_WRITE);
    if (!vka_sliding_is_full(args))
        return;
    push->table_offset = vka_bind(l, d, &in[VKA_SLIDING_TABLE], VKA_READ);
    push->extra_offset = vka_bind(l, d, &in[VKA_SLIDING_EXTRA], VKA_READ);
    push->bias_offset = vka_bind(l, d, &in[VKA_SLIDING_BIAS], VKA_READ);
    push->shares_offset = vka_bind(l, d, &in[VKA_SLIDING_SHARES], VKA_READ);
}

// A row's taps, some of them at a time, and for these the depth.
static double turns_of(const struct vka_sliding_job *job)
{
    double rows = (double)job->w.kernel[0];
    uint32_t taps = share(job->w.kernel[1], TAPS_AT_ONCE);
    double pieces = rows * (double)vka_divide_up(job->w.kernel[1], taps);
    return 3 * rows + pieces * (double)(1 + (job->depth ? job->depth + 1 : 0));
}

void vka_sliding_launch(struct vka_launch *l, const struct vka_args *args, const char *shader)
{
    struct vka_sliding_job job;
    job_of(args, &job);
    uint32_t pixels = job.w.out[1] < PIXELS ? (uint32_t)job.w.out[1] : PIXELS;
    uint32_t chunk = share(job.width, CHUNK);
    int64_t chunks = job.width ? (job.width + chunk - 1) / chunk : 1;
    int64_t steps = (job.w.out[1] + pixels - 1) / pixels * job.w.out[0];
    uint64_t groups =
        (uint64_t)((steps + LANES - 1) / LANES) * (uint64_t)(job.n * job.maps) * (uint64_t)chunks;
    struct vka_dispatch d;
    vka_begin(l, &d, shader, LANES, 1, 1);
    add_constants(&d, args, &job, pixels, chunk);
    struct vka_push_window_attention push = {.chunks = (uint)chunks, .end = (uint)groups};
    fill_push(args, &job, &push);
    bind_all(l, &d, args, &push);
    VKA_PUSH(&d, push);
    vka_turns(&d, turns_of(&job), "a window's taps and channels");
    vka_emit(l, &d, groups, 1, 1);
}
