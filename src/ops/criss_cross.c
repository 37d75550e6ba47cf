// SPDX-License-Identifier: MIT
//
// criss_cross: z plus every pixel's softmax mixture of the values in its column and row. q, k and v
// are the channels of one tensor, as one product makes them: a device binds it once. Weights are
// never stored.
#include "cpu/criss_cross.h"
#include "criss_cross.h" // push constants
#include "ops/ops.h"
#include "util/whole.h"

struct criss_cross_params {
    int64_t depth; // channels of q, and of k
};

enum { Z, QKV, INPUTS };

extern const struct vka_op vka_op_criss_cross;

// A copy whose rows are contiguous, if t's aren't.
static vka_tensor lined_up(vka_graph *g, vka_tensor t)
{
    struct vka_array a;
    if (vka_failed(g) || !t)
        return t;
    vka_value_array(g, t, &a);
    return a.rank != 4 || a.stride[3] == 1 || a.dim[3] == 1 ? t : vka_copy(g, t);
}

vka_tensor vka_criss_cross(vka_graph *g, vka_tensor z, vka_tensor qkv, int64_t depth)
{
    struct criss_cross_params params = {depth};
    vka_tensor in[INPUTS] = {lined_up(g, z), lined_up(g, qkv)};
    return vka_add_node(g, &vka_op_criss_cross, &params, INPUTS, in, NULL);
}

static bool infer(struct vka_infer *n)
{
    const struct criss_cross_params *p = n->params;
    if (!n->in[Z] || !n->in[QKV] || n->in[Z]->dtype != VKA_F32 || n->in[QKV]->dtype != VKA_F32)
        return vka_fail(n->g, "criss_cross: z and qkv must be given, in F32"), false;
    const vka_shape *z = &n->in[Z]->shape, *qkv = &n->in[QKV]->shape;
    bool fits = z->rank == 4 && qkv->rank == 4 && p->depth > 0 && p->depth <= qkv->dim[1] / 2 &&
                qkv->dim[1] - 2 * p->depth == z->dim[1];
    for (int i = 0; fits && i < 4; i++)
        fits = i == 1 || z->dim[i] == qkv->dim[i];
    char a[VKA_SHAPE_TEXT], b[VKA_SHAPE_TEXT];
    if (!fits)
        return vka_fail(n->g,
                        "criss_cross: z is %s, qkv %s: qkv needs 2 * %lld channels more, the other "
                        "axes alike",
                        vka_shape_text(z, a), vka_shape_text(qkv, b), (long long)p->depth),
               false;
    n->n_out = 1;
    n->out_shape[0] = *z;
    return true;
}

static double flops(const struct vka_args *args)
{
    const struct criss_cross_params *p = args->params;
    const struct vka_array *z = &args->in[Z];
    double lines = (double)(z->dim[2] + z->dim[3]), channels = (double)(p->depth + z->dim[1]);
    return (double)(z->dim[0] * z->dim[2] * z->dim[3]) * lines * (2 * channels + 1);
}

// --- CPU ---

static void job_of(const struct vka_args *args, struct vka_criss_cross_job *job)
{
    const struct criss_cross_params *p = args->params;
    const struct vka_array *z = &args->in[Z], *qkv = &args->in[QKV];
    *job = (struct vka_criss_cross_job){.batch = z->dim[0],
                                        .depth = p->depth,
                                        .channels = z->dim[1],
                                        .height = z->dim[2],
                                        .width = z->dim[3]};
    for (int i = 0; i < 3; i++) {
        job->z_step[i] = z->stride[i];
        job->step[i] = qkv->stride[i];
    }
}

static size_t cpu_scratch(const struct vka_args *args, int threads)
{
    struct vka_criss_cross_job job;
    job_of(args, &job);
    return vka_criss_cross_scratch(&job, threads);
}

static void cpu(const struct vka_cpu_run *run)
{
    struct vka_criss_cross_job job;
    job_of(run->args, &job);
    job.z = run->args->in[Z].data;
    job.q = run->args->in[QKV].data;
    job.k = job.q + job.depth * job.step[1];
    job.v = job.k + job.depth * job.step[1];
    job.y = run->args->out[0].data;
    vka_criss_cross_run(&job, run->threads, run->scratch);
}

// --- Vulkan ---

// Pixels of a row side by side, lanes that share a pixel, channels of a lane at most.
enum { PIXELS = 32, SHARE = 4, MOST_CHANNELS = 32 };

static void fill_push(const struct vka_criss_cross_job *job, struct vka_push_criss_cross *push)
{
    *push = (struct vka_push_criss_cross){.depth = (uint)job->depth,
                                          .channels = (uint)job->channels,
                                          .height = (uint)job->height,
                                          .width = (uint)job->width};
    for (int i = 0; i < 3; i++) {
        push->step[i] = (uint)job->step[i];
        push->z_step[i] = (uint)job->z_step[i];
    }
}

// `groups` workgroups for each chunk of channels; constants are in d already.
static void launch(struct vka_launch *l, const struct vka_args *args, struct vka_dispatch *d,
                   const struct vka_criss_cross_job *job, uint64_t groups, uint64_t chunks)
{
    struct vka_push_criss_cross push;
    fill_push(job, &push);
    push.chunks = (uint)chunks;
    push.end = (uint)(groups * chunks);
    push.qkv_offset = vka_bind(l, d, &args->in[QKV], VKA_READ);
    push.z_offset = vka_bind(l, d, &args->in[Z], VKA_READ);
    push.y_offset = vka_bind(l, d, &args->out[0], VKA_WRITE);
    VKA_PUSH(d, push);
    vka_emit(l, d, groups * chunks, 1, 1);
}

static void launch_baseline(struct vka_launch *l, const struct vka_args *args)
{
    struct vka_criss_cross_job job;
    job_of(args, &job);
    uint64_t chunks = vka_divide_up(job.channels, SHARE * MOST_CHANNELS);
    struct vka_dispatch d;
    vka_begin(l, &d, "criss_cross", PIXELS, SHARE, 1);
    vka_constant_u32(&d, (uint32_t)vka_divide_up(job.channels, SHARE * (int64_t)chunks));
    // For a block of keys: what the depth takes, then its values.
    double blocks = (double)(vka_divide_up(job.height, PIXELS) + vka_divide_up(job.width, PIXELS));
    vka_turns(&d, 5 + blocks * (double)(3 + job.depth + PIXELS), "a column and a row");
    launch(l, args, &d, &job, (uint64_t)(job.batch * job.height) * vka_divide_up(job.width, PIXELS),
           chunks);
}

// --- devices that are programs ---

// More keys at once save less than they cost the driver's compiler.
enum { LANES = 8, CHANNELS = 16, ROWS = 4, KEYS = 1, MOST_DEPTH = 16 };

static bool fits_lanes(const struct vka_limits *limits, const struct vka_args *args)
{
    const struct criss_cross_params *p = args->params;
    return limits->is_cpu && p->depth <= MOST_DEPTH;
}

// A program's barriers and shared memory cost it more than products of all that `expand` stores.
static bool fits_baseline(const struct vka_limits *limits, const struct vka_args *args)
{
    (void)args;
    return !limits->is_cpu;
}

static void launch_lanes(struct vka_launch *l, const struct vka_args *args)
{
    struct vka_criss_cross_job job;
    job_of(args, &job);
    struct vka_dispatch d;
    vka_begin(l, &d, "criss_cross_lanes", LANES, 1, 1);
    vka_constant_u32(&d, CHANNELS);
    vka_constant_u32(&d, ROWS);
    vka_constant_u32(&d, KEYS);
    vka_constant_u32(&d, (uint32_t)job.depth);
    vka_turns(&d, (double)(job.height + job.width) / KEYS + 2, "a column and a row");
    launch(l, args, &d, &job,
           (uint64_t)job.batch * vka_divide_up(job.height, ROWS) * vka_divide_up(job.width, LANES),
           vka_divide_up(job.channels, CHANNELS));
}

static const struct vka_variant variants[] = {
    {"lanes", fits_lanes, launch_lanes},
    {"baseline", fits_baseline, launch_baseline},
    {NULL, NULL, NULL},
};

// --- in other operations ---

static const int by_row[] = {0, 2, 3, 1};    // [N, C, H, W] as [N, H, W, C]
static const int by_column[] = {0, 3, 2, 1}; // [N, W, H, C]

// Column entry h' = h is the row's centre already: [H, 1, H + W], true there.
static vka_tensor centre_mask(vka_graph *g, int64_t height, int64_t width)
{
    vka_shape shape = VKA_SHAPE(height, 1, height + width);
    uint64_t count;
    if (vka_failed(g) || !vka_shape_count(&shape, &count))
        return 0;
    int32_t *removed = vka_calloc(g->context, count, sizeof *removed);
    if (!removed)
        return vka_fail_as(g, VKA_ERROR_OUT_OF_MEMORY, "out of host memory");
    for (int64_t h = 0; h < height; h++)
        removed[h * (height + width) + h] = 1;
    vka_tensor t = vka_constant(g, VKA_BOOL, &shape, removed);
    vka_free(g->context, removed);
    return t;
}

// Dot products of each line's queries with its keys: [N, lines, length, length].
static vka_tensor energies(vka_graph *g, vka_tensor q, vka_tensor k, const int *order)
{
    vka_tensor keys = vka_permute(g, k, order);
    return vka_matmul(g, vka_permute(g, q, order), vka_transpose(g, keys, 2, 3), NULL);
}

vka_tensor vka_criss_cross_map(vka_graph *g, vka_tensor q, vka_tensor k)
{
    vka_tensor column = vka_transpose(g, energies(g, q, k, by_column), 1, 2);
    vka_tensor row = energies(g, q, k, by_row);
    vka_tensor mask = centre_mask(g, vka_dim(g, q, 2), vka_dim(g, q, 3));
    struct vka_softmax softmax = {.axis = 3, .mask = mask, .mask_removes = true};
    return vka_softmax(g, VKA_CONCAT(g, 3, column, row), &softmax);
}

// z + the values' sums. The weights of a line are rows here, so that values are read as they lie.
static vka_tensor gather(vka_graph *g, vka_tensor z, vka_tensor v, vka_tensor map)
{
    int64_t height = vka_dim(g, z, 2), width = vka_dim(g, z, 3);
    vka_tensor of_h = vka_slice(g, map, 3, 0, height), of_w = vka_slice(g, map, 3, height, width);
    vka_tensor columns = vka_permute(g, v, (const int[]){0, 3, 1, 2}); // [N, W, C, H']
    vka_tensor rows = vka_transpose(g, v, 1, 2);                       // [N, H, C, W']
    vka_tensor of_column =
        vka_matmul(g, columns, vka_permute(g, of_h, (const int[]){0, 2, 3, 1}), NULL);
    struct vka_matmul m = {.residual = vka_permute(g, of_column, (const int[]){0, 3, 2, 1})};
    vka_tensor both = vka_matmul(g, rows, vka_transpose(g, of_w, 2, 3), &m); // [N, H, C, W]
    return vka_add(g, vka_transpose(g, both, 1, 2), z);
}

static void expand(vka_graph *g, const struct vka_op_node *node, vka_tensor out[VKA_MAX_OUT])
{
    const struct criss_cross_params *p = node->params;
    vka_tensor z = node->in[Z], qkv = node->in[QKV];
    vka_tensor q = vka_slice(g, qkv, 1, 0, p->depth), k = vka_slice(g, qkv, 1, p->depth, p->depth);
    vka_tensor v = vka_slice(g, qkv, 1, 2 * p->depth, vka_dim(g, z, 1));
    out[0] = gather(g, z, v, vka_criss_cross_map(g, q, k));
}

const struct vka_op vka_op_criss_cross = {
    .name = "criss_cross",
    .summary = "z + softmax over column and row together, of the values there",
    .params_size = sizeof(struct criss_cross_params),
    .flags = VKA_OP_STRIDED | VKA_OP_FUSED,
    .infer = infer,
    .cpu = cpu,
    .cpu_scratch = cpu_scratch,
    .flops = flops,
    .variants = variants,
    .expand = expand,
};
