// SPDX-License-Identifier: MIT
//
// bilinear_logits: for each glimpse g the products of the rows of x and y, weighted by channel:
// out[g, v, q] = sum over c of factors[g, c] x[v, c] y[q, c], + factors[g, C]. The rows with their
// factors, [G, Q, C], are never stored.
#include "bilinear_logits.h" // push constants
#include "cpu/kernels.h"
#include "cpu/simd.h"
#include "cpu/threads.h"
#include "ops/infer.h"
#include "ops/ops.h"
#include "util/whole.h"

enum { X, Y, FACTORS, INPUTS };

vka_tensor vka_bilinear_logits(vka_graph *g, vka_tensor x, vka_tensor y, vka_tensor factors,
                               vka_tensor bias)
{
    if (!bias)
        bias = vka_broadcast_to(g, vka_constant_scalar(g, 0), VKA_SHAPE(vka_dim(g, factors, 0)));
    // One operand: devices with four buffers have room for no fifth.
    factors = VKA_CONCAT(g, 1, factors, vka_unsqueeze(g, bias, -1));
    vka_tensor in[INPUTS] = {x, y, factors};
    return vka_add_node(g, &vka_op_bilinear_logits, NULL, INPUTS, in, NULL);
}

static bool infer(struct vka_infer *n)
{
    for (int i = 0; i < INPUTS; i++) {
        if (!vka_infer_type(n, "bilinear_logits", i, VKA_F32))
            return false;
    }
    const vka_shape *x = &n->in[X]->shape, *y = &n->in[Y]->shape, *f = &n->in[FACTORS]->shape;
    bool fits = x->rank == 3 && y->rank == 3 && f->rank == 2 && x->dim[0] == y->dim[0] &&
                x->dim[2] == y->dim[2] && f->dim[1] - 1 == x->dim[2];
    char a[VKA_SHAPE_TEXT], b[VKA_SHAPE_TEXT], c[VKA_SHAPE_TEXT];
    if (!fits) {
        vka_fail(n->g,
                 "bilinear_logits: x is %s, y %s, factors and bias %s; [N, V, C], [N, Q, C] and "
                 "[G, C + 1] go",
                 vka_shape_text(x, a), vka_shape_text(y, b), vka_shape_text(f, c));
        return false;
    }
    n->n_out = 1;
    n->out_shape[0] = VKA_SHAPE(x->dim[0], f->dim[0], x->dim[1], y->dim[1]);
    return true;
}

static double flops(const struct vka_args *args)
{
    return 2.0 * (double)vka_array_count(&args->out[0]) * (double)args->in[X].dim[2];
}

// --- CPU: a piece is some rows of x and some of y of an image, for all glimpses ---

enum {
    DEPTH = 256, // channels packed at once
    PANELS = 8,  // of rows of x in a piece, at most
    TILES = 4,   // of rows of y
};

struct job {
    const struct vka_kernels *kernels;
    const struct vka_array *in[INPUTS];
    const float *data[INPUTS];
    float *out, *scratch;
    int64_t rows, cols, channels, glimpses;
    int64_t row_block, row_blocks, col_block, col_blocks;
    int panel; // rows of x taken at once
    size_t x_size, y_size;
};

struct piece {
    int64_t n, v0, rows, q0, cols;
    float *x, *y, *scaled; // packed
};

static struct job job_of(const struct vka_args *args, int threads)
{
    struct job job = {.kernels = vka_kernels(),
                      .rows = args->in[X].dim[1],
                      .cols = args->in[Y].dim[1],
                      .channels = args->in[X].dim[2],
                      .glimpses = args->in[FACTORS].dim[0],
                      .out = args->out[0].data};
    for (int i = 0; i < INPUTS; i++) {
        job.in[i] = &args->in[i];
        job.data[i] = args->in[i].data;
    }
    job.col_block = (int64_t)TILES * job.kernels->tile_cols;
    job.col_blocks = vka_divide_up(job.cols, job.col_block);
    int64_t panels = vka_divide_up(job.rows, job.kernels->tile_rows);
    job.panel = (int)vka_divide_up(job.rows, panels);
    panels = vka_divide_up(job.rows, job.panel);
    int64_t wanted = vka_divide_up(4 * threads, args->in[X].dim[0] * job.col_blocks);
    job.row_block = vka_smaller(vka_divide_up(panels, wanted), PANELS) * job.panel;
    job.row_blocks = vka_divide_up(job.rows, job.row_block);
    job.x_size = (size_t)PANELS * VKA_TILE_ROWS * DEPTH;
    job.y_size = (size_t)TILES * VKA_TILE_COLS * DEPTH;
    return job;
}

static size_t cpu_scratch(const struct vka_args *args, int threads)
{
    struct job job = job_of(args, threads);
    return (size_t)threads * (job.x_size + 2 * job.y_size) * sizeof(float);
}

// Tiles of y's rows, packed, times the factors of their channels.
VKA_CLONES static void scale_tiles(float *to, const float *from, const float *factors, int64_t step,
                                   int64_t tiles, int64_t depth, int width)
{
    for (int64_t row = 0; row < tiles * depth; row++) {
        float factor = factors[row % depth * step];
        VKA_INDEPENDENT
        for (int j = 0; j < width; j++)
            to[row * width + j] = from[row * width + j] * factor;
    }
}

static void pack_piece(const struct job *job, const struct piece *p, int64_t c0, int64_t depth)
{
    const int64_t *xs = job->in[X]->stride, *ys = job->in[Y]->stride;
    const float *x = job->data[X] + p->n * xs[0] + p->v0 * xs[1] + c0 * xs[2];
    const float *y = job->data[Y] + p->n * ys[0] + p->q0 * ys[1] + c0 * ys[2];
    job->kernels->pack(p->x, job->panel, x, xs[1], xs[2], (int)p->rows, depth);
    job->kernels->pack(p->y, job->kernels->tile_cols, y, ys[1], ys[2], (int)p->cols, depth);
}

// The piece's sums over `depth` channels for one glimpse, added to what is there from c0 on.
static void add_glimpse(const struct job *job, const struct piece *p, int64_t glimpse, int64_t c0,
                        int64_t depth)
{
    const struct vka_kernels *k = job->kernels;
    float *out = job->out + ((p->n * job->glimpses + glimpse) * job->rows + p->v0) * job->cols;
    for (int64_t v = 0; v < p->rows; v += job->panel) {
        for (int64_t q = 0; q < p->cols; q += k->tile_cols) {
            struct vka_tile tile = {.k = depth,
                                    .taps = 1,
                                    .tap = vka_one_tap,
                                    .a = p->x + v * depth,
                                    .a_step = job->panel,
                                    .b = p->scaled + q * depth,
                                    .b_step = k->tile_cols,
                                    .c = out + v * job->cols + p->q0 + q,
                                    .c_row = job->cols,
                                    .add = c0 > 0};
            k->tile((int)vka_smaller(job->panel, p->rows - v),
                    (int)vka_smaller(k->tile_cols, p->cols - q), &tile);
        }
    }
}

static void add_bias(const struct job *job, const struct piece *p, int64_t glimpse, float bias)
{
    float *out = job->out + ((p->n * job->glimpses + glimpse) * job->rows + p->v0) * job->cols;
    for (int64_t v = 0; v < p->rows; v++) {
        for (int64_t q = 0; q < p->cols; q++)
            out[v * job->cols + p->q0 + q] += bias;
    }
}

static void run_piece(void *arg, int64_t number, int thread)
{
    const struct job *job = arg;
    const int64_t *fs = job->in[FACTORS]->stride;
    struct piece p = {.q0 = number % job->col_blocks * job->col_block,
                      .v0 = number / job->col_blocks % job->row_blocks * job->row_block,
                      .n = number / job->col_blocks / job->row_blocks};
    p.rows = vka_smaller(job->row_block, job->rows - p.v0);
    p.cols = vka_smaller(job->col_block, job->cols - p.q0);
    p.x = job->scratch + (size_t)thread * (job->x_size + 2 * job->y_size);
    p.y = p.x + job->x_size;
    p.scaled = p.y + job->y_size;
    int64_t tiles = vka_divide_up(p.cols, job->kernels->tile_cols);
    for (int64_t c0 = 0; c0 < job->channels; c0 += DEPTH) {
        int64_t depth = vka_smaller(DEPTH, job->channels - c0);
        pack_piece(job, &p, c0, depth);
        for (int64_t g = 0; g < job->glimpses; g++) {
            scale_tiles(p.scaled, p.y, job->data[FACTORS] + g * fs[0] + c0 * fs[1], fs[1], tiles,
                        depth, job->kernels->tile_cols);
            add_glimpse(job, &p, g, c0, depth);
        }
    }
    for (int64_t g = 0; g < job->glimpses; g++)
        add_bias(job, &p, g, job->data[FACTORS][g * fs[0] + job->channels * fs[1]]);
}

static void cpu(const struct vka_cpu_run *run)
{
    struct job job = job_of(run->args, vka_threads_count(run->threads));
    job.scratch = run->scratch;
    vka_parallel(run->threads, job.in[X]->dim[0] * job.row_blocks * job.col_blocks, run_piece,
                 &job);
}

// --- Vulkan ---

enum { LANES = 8, MOST_SUMS = 4 };

// Sums of a lane along one side: as many as the sizes can use.
static uint32_t lane_sums(int64_t size)
{
    return (uint32_t)vka_smaller(vka_divide_up(size, LANES), MOST_SUMS);
}

// The shader's lanes, with m x n sums each, share slices of 16 terms: loaded, then summed.
static double slice_turns(int64_t terms, uint32_t m, uint32_t n)
{
    return (double)vka_divide_up(terms, 16) * (1 + (2 * m + 1) + (2 * n + 1) + 17);
}

static void launch_module(struct vka_launch *l, const struct vka_args *args, const char *module)
{
    const struct vka_array *x = &args->in[X], *y = &args->in[Y], *f = &args->in[FACTORS];
    int64_t columns = f->dim[0] * y->dim[1];
    uint32_t tm = lane_sums(x->dim[1]), tn = lane_sums(columns);
    uint64_t groups = (uint64_t)x->dim[0] *
                      (uint64_t)vka_divide_up(x->dim[1], (int64_t)LANES * tm) *
                      (uint64_t)vka_divide_up(columns, (int64_t)LANES * tn);
    struct vka_push_bilinear_logits push = {.groups = (uint)groups,
                                            .rows = (uint)x->dim[1],
                                            .cols = (uint)y->dim[1],
                                            .glimpses = (uint)f->dim[0],
                                            .channels = (uint)x->dim[2]};
    for (int i = 0; i < 3; i++) {
        push.x_stride[i] = (uint)x->stride[i];
        push.y_stride[i] = (uint)y->stride[i];
    }
    for (int i = 0; i < 2; i++)
        push.factors_stride[i] = (uint)f->stride[i];
    struct vka_dispatch d;
    vka_begin(l, &d, module, LANES * LANES, 1, 1);
    vka_constant_u32(&d, tm);
    vka_constant_u32(&d, tn);
    push.x_offset = vka_bind(l, &d, x, VKA_READ);
    push.y_offset = vka_bind(l, &d, y, VKA_READ);
    push.factors_offset = vka_bind(l, &d, f, VKA_READ);
    push.out_offset = vka_bind(l, &d, &args->out[0], VKA_WRITE);
    VKA_PUSH(&d, push);
    vka_turns(&d, slice_turns(x->dim[2], tm, tn), "the channels");
    vka_emit(l, &d, groups, 1, 1);
}

static void launch(struct vka_launch *l, const struct vka_args *args)
{
    launch_module(l, args, "bilinear_logits");
}

static bool fits_loops(const struct vka_limits *limits, const struct vka_args *args)
{
    (void)args;
    return limits->is_cpu;
}

static void launch_loops(struct vka_launch *l, const struct vka_args *args)
{
    launch_module(l, args, "bilinear_logits_loops");
}

static const struct vka_variant variants[] = {
    {"loops", fits_loops, launch_loops}, {"baseline", NULL, launch}, {0}};

// --- in other operations ---

static void expand(vka_graph *g, const struct vka_op_node *node, vka_tensor out[VKA_MAX_OUT])
{
    vka_tensor factors = node->in[FACTORS];
    int64_t glimpses = vka_dim(g, factors, 0), channels = vka_dim(g, node->in[X], 2);
    vka_tensor factor = vka_slice(g, factors, 1, 0, channels);
    vka_tensor bias = vka_slice(g, factors, 1, channels, 1);
    vka_tensor x = vka_unsqueeze(g, node->in[X], 1), y = vka_unsqueeze(g, node->in[Y], 1);
    vka_tensor scaled = vka_mul(g, y, vka_unsqueeze(g, factor, 1)); // [N, G, Q, C]
    struct vka_matmul m = {.bias = vka_reshape(g, bias, VKA_SHAPE(glimpses, 1, 1))};
    out[0] = vka_matmul(g, x, vka_transpose(g, scaled, 2, 3), &m);
}

const struct vka_op vka_op_bilinear_logits = {
    .name = "bilinear_logits",
    .summary = "products of the rows of x and y, weighted by channel, for several glimpses",
    .flags = VKA_OP_STRIDED | VKA_OP_FUSED,
    .infer = infer,
    .cpu = cpu,
    .flops = flops,
    .cpu_scratch = cpu_scratch,
    .variants = variants,
    .expand = expand,
};
