// SPDX-License-Identifier: MIT
//
// bilinear_pool: the sum over all pairs (v, q) of weights[v, q] x[v] y[q], elementwise along the
// features; the pairs' products [V, Q, K] never exist, nor does the product [V, K] on the way.
#include "bilinear_pool.h" // push constants
#include "cpu/kernels.h"
#include "cpu/simd.h"
#include "cpu/threads.h"
#include "ops/infer.h"
#include "ops/ops.h"
#include "util/whole.h"

enum { WEIGHTS, X, Y, INPUTS };

vka_tensor vka_bilinear_pool(vka_graph *g, vka_tensor weights, vka_tensor x, vka_tensor y)
{
    vka_tensor in[INPUTS] = {weights, x, y};
    return vka_add_node(g, &vka_op_bilinear_pool, NULL, INPUTS, in, NULL);
}

static bool infer(struct vka_infer *n)
{
    for (int i = 0; i < INPUTS; i++) {
        if (!vka_infer_type(n, "bilinear_pool", i, VKA_F32))
            return false;
    }
    const vka_shape *w = &n->in[WEIGHTS]->shape, *x = &n->in[X]->shape, *y = &n->in[Y]->shape;
    bool fits = w->rank == 3 && x->rank == 3 && y->rank == 3 && x->dim[0] == w->dim[0] &&
                y->dim[0] == w->dim[0] && x->dim[1] == w->dim[1] && y->dim[1] == w->dim[2] &&
                x->dim[2] == y->dim[2];
    char a[VKA_SHAPE_TEXT], b[VKA_SHAPE_TEXT], c[VKA_SHAPE_TEXT];
    if (!fits) {
        vka_fail(n->g,
                 "bilinear_pool: the weights are %s, x %s, y %s; [N, V, Q], [N, V, K] and "
                 "[N, Q, K] go",
                 vka_shape_text(w, a), vka_shape_text(x, b), vka_shape_text(y, c));
        return false;
    }
    n->n_out = 1;
    n->out_shape[0] = VKA_SHAPE(x->dim[0], x->dim[2]);
    return true;
}

static double flops(const struct vka_args *args)
{
    double products = (double)vka_array_count(&args->in[X]);
    return 2 * products * (double)(args->in[Y].dim[1] + 1);
}

// --- CPU: a piece is some columns of an image ---

enum { BLOCK = 8 * VKA_TILE_COLS }; // columns of a piece at most

struct job {
    const struct vka_kernels *kernels;
    const struct vka_array *weights, *x, *y;
    const float *data[INPUTS];
    float *out, *scratch;
    int64_t rows, cols, width; // V, Q, K
    int64_t block, blocks;     // columns of a piece, pieces of an image
    int panel;                 // rows of weights taken at once
    size_t thread_size;        // of scratch, in floats
};

static struct job job_of(const struct vka_args *args, int threads)
{
    const struct vka_array *w = &args->in[WEIGHTS];
    struct job job = {.kernels = vka_kernels(),
                      .weights = w,
                      .x = &args->in[X],
                      .y = &args->in[Y],
                      .rows = w->dim[1],
                      .cols = w->dim[2],
                      .width = args->in[X].dim[2],
                      .out = args->out[0].data};
    for (int i = 0; i < INPUTS; i++)
        job.data[i] = args->in[i].data;
    int64_t tile = job.kernels->tile_cols, wanted = vka_divide_up(4 * threads, w->dim[0]);
    job.block = vka_divide_up(vka_divide_up(job.width, wanted), tile) * tile;
    job.block = job.block < BLOCK ? job.block : BLOCK / tile * tile;
    job.blocks = vka_divide_up(job.width, job.block);
    int64_t panels = vka_divide_up(job.rows, job.kernels->tile_rows);
    job.panel = (int)vka_divide_up(job.rows, panels);
    job.thread_size = (size_t)job.cols * (size_t)(VKA_TILE_ROWS + VKA_TILE_COLS);
    job.thread_size = (job.thread_size + 15) / 16 * 16; // whole cache lines
    return job;
}

static size_t cpu_scratch(const struct vka_args *args, int threads)
{
    return (size_t)threads * job_of(args, threads).thread_size * sizeof(float);
}

// sum[j] += x[j] * mixed[j]
VKA_CLONES static void add_products(float *sum, const float *x, int64_t step, const float *mixed,
                                    int cols)
{
    if (step != 1) {
        for (int j = 0; j < cols; j++)
            sum[j] += x[j * step] * mixed[j];
        return;
    }
    VKA_INDEPENDENT
    for (int j = 0; j < cols; j++)
        sum[j] += x[j] * mixed[j];
}

// One panel of weights [rows of it, Q], packed, against columns k0 .. k0 + cols - 1.
static void pool_tile(const struct job *job, const float *packed, float *own_y, int64_t n,
                      int64_t v0, int rows, int64_t k0, int cols, float *sum)
{
    const int64_t *xs = job->x->stride, *ys = job->y->stride;
    const float *x = job->data[X] + n * xs[0] + v0 * xs[1] + k0 * xs[2];
    const float *y = job->data[Y] + n * ys[0] + k0 * ys[2];
    int tile_cols = job->kernels->tile_cols;
    float mixed[VKA_TILE_ROWS * VKA_TILE_COLS];
    struct vka_tile tile = {.k = job->cols,
                            .taps = 1,
                            .tap = vka_one_tap,
                            .a = packed,
                            .a_step = job->panel,
                            .b = y,
                            .b_step = ys[1],
                            .c = mixed,
                            .c_row = VKA_TILE_COLS};
    if (ys[2] != 1 || cols < tile_cols) { // whole vectors are read
        job->kernels->pack(own_y, tile_cols, y, ys[2], ys[1], cols, job->cols);
        tile.b = own_y;
        tile.b_step = tile_cols;
    }
    job->kernels->tile(rows, cols, &tile);
    for (int i = 0; i < rows; i++)
        add_products(sum, x + i * xs[1], xs[2], mixed + (int64_t)i * VKA_TILE_COLS, cols);
}

static void run_piece(void *arg, int64_t piece, int thread)
{
    const struct job *job = arg;
    const int64_t *ws = job->weights->stride;
    float *packed = job->scratch + (size_t)thread * job->thread_size;
    float *own_y = packed + job->cols * VKA_TILE_ROWS, sum[BLOCK] = {0};
    int64_t n = piece / job->blocks, first = piece % job->blocks * job->block;
    int64_t end = first + job->block < job->width ? first + job->block : job->width;
    for (int64_t v = 0; v < job->rows; v += job->panel) {
        int rows = (int)(job->rows - v < job->panel ? job->rows - v : job->panel);
        const float *weights = job->data[WEIGHTS] + n * ws[0] + v * ws[1];
        job->kernels->pack(packed, job->panel, weights, ws[1], ws[2], rows, job->cols);
        for (int64_t k = first; k < end; k += job->kernels->tile_cols) {
            int64_t left = end - k;
            int cols = left < job->kernels->tile_cols ? (int)left : job->kernels->tile_cols;
            pool_tile(job, packed, own_y, n, v, rows, k, cols, sum + (k - first));
        }
    }
    for (int64_t k = first; k < end; k++)
        job->out[n * job->width + k] = sum[k - first];
}

static void cpu(const struct vka_cpu_run *run)
{
    struct job job = job_of(run->args, vka_threads_count(run->threads));
    job.scratch = run->scratch;
    vka_parallel(run->threads, job.weights->dim[0] * job.blocks, run_piece, &job);
}

// --- Vulkan ---

enum { WIDE = 32, SLICES = 4, TILE = 32 }; // as in the shader

// A tile of weights takes 8 turns to come and up to 32 to be used.
static double turns_of(const struct vka_args *args)
{
    const struct vka_array *w = &args->in[WEIGHTS];
    double rows = (double)vka_divide_up(w->dim[1], TILE);
    return 4 * rows + rows * (double)vka_divide_up(w->dim[2], TILE) * (1 + 9 + TILE + 1);
}

static void launch(struct vka_launch *l, const struct vka_args *args)
{
    const struct vka_array *w = &args->in[WEIGHTS], *x = &args->in[X], *y = &args->in[Y];
    uint64_t groups = (uint64_t)w->dim[0] * (uint64_t)vka_divide_up(x->dim[2], WIDE);
    struct vka_push_bilinear_pool push = {.groups = (uint)groups,
                                          .rows = (uint)w->dim[1],
                                          .cols = (uint)w->dim[2],
                                          .width = (uint)x->dim[2]};
    for (int i = 0; i < 3; i++) {
        push.weights_stride[i] = (uint)w->stride[i];
        push.x_stride[i] = (uint)x->stride[i];
        push.y_stride[i] = (uint)y->stride[i];
    }
    struct vka_dispatch d;
    vka_begin(l, &d, "bilinear_pool", WIDE * SLICES, 1, 1);
    push.weights_offset = vka_bind(l, &d, w, VKA_READ);
    push.x_offset = vka_bind(l, &d, x, VKA_READ);
    push.y_offset = vka_bind(l, &d, y, VKA_READ);
    push.out_offset = vka_bind(l, &d, &args->out[0], VKA_WRITE);
    VKA_PUSH(&d, push);
    vka_turns(&d, turns_of(args), "the weights");
    vka_emit(l, &d, groups, 1, 1);
}

static const struct vka_variant variants[] = {{"baseline", NULL, launch}, {0}};

// --- in other operations ---

static void expand(vka_graph *g, const struct vka_op_node *node, vka_tensor out[VKA_MAX_OUT])
{
    vka_tensor mixed = vka_matmul(g, node->in[WEIGHTS], node->in[Y], NULL); // [N, V, K]
    out[0] = vka_reduce(g, VKA_REDUCE_SUM, vka_mul(g, node->in[X], mixed), 1u << 1, false);
}

const struct vka_op vka_op_bilinear_pool = {
    .name = "bilinear_pool",
    .summary = "sum over pairs (v, q) of weights[v, q] x[v] y[q]",
    .flags = VKA_OP_STRIDED | VKA_OP_FUSED,
    .infer = infer,
    .cpu = cpu,
    .flops = flops,
    .cpu_scratch = cpu_scratch,
    .variants = variants,
    .expand = expand,
};
