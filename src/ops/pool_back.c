// SPDX-License-Identifier: MIT
//
// pool_back: the gradient of max pooling. Each window hands its value down to its first maximum, in
// row-major order; where windows overlap, the values add up.
#include "cpu/threads.h"
#include "ops/infer.h"
#include "ops/ops.h"
#include "ops/window.h"
#include "util/whole.h"
#include "pool_back.h"

#include <string.h>

enum { GROUP = 64 };
enum { X, D };

vka_tensor vka_pool_back(vka_graph *g, vka_tensor x, vka_tensor d, const struct vka_pool *p)
{
    struct vka_window_params w = vka_window_of_pool(p);
    return vka_add_node(g, &vka_op_pool_back, &w, 2, (const vka_tensor[]){x, d}, NULL);
}

static bool infer(struct vka_infer *n)
{
    if (!vka_infer_type(n, "pool_back", X, VKA_F32) || !vka_infer_type(n, "pool_back", D, VKA_F32))
        return false;
    const vka_shape *x = &n->in[X]->shape, *d = &n->in[D]->shape;
    char text[VKA_SHAPE_TEXT], got[VKA_SHAPE_TEXT];
    if (x->rank < 3 || x->rank > 5) {
        vka_fail(n->g, "pool_back: x has shape %s; [N, C, 1 to 3 spatial axes] goes",
                 vka_shape_text(x, text));
        return false;
    }
    vka_shape pooled = *x;
    if (!vka_window_infer(n->g, "pool_back", x, n->params, false, pooled.dim + 2))
        return false;
    if (!vka_shape_equal(d, &pooled)) {
        vka_fail(n->g, "pool_back: the windows' values are %s, they must be %s",
                 vka_shape_text(d, got), vka_shape_text(&pooled, text));
        return false;
    }
    n->n_out = 1;
    n->out_shape[0] = *x;
    return true;
}

static struct vka_window window_of(const struct vka_args *args)
{
    struct vka_window w;
    vka_window_of(&args->in[X], &args->in[D], args->params, &w);
    return w;
}

static double flops(const struct vka_args *args)
{
    struct vka_window w = window_of(args);
    return (double)vka_array_count(&args->in[D]) * (double)vka_product3(w.kernel);
}

// --- CPU: a piece is some planes ---

struct job {
    struct vka_window w;
    const float *x, *d;
    float *y;
    int64_t planes, per_piece;
};

struct span { // the taps of one axis that lie inside: t = first .. last - 1
    int64_t begin, first, last;
};

static struct span taps(const struct vka_window *w, int axis, int64_t at)
{
    int64_t begin = at * w->stride[axis] - w->before[axis], step = w->dilation[axis];
    int64_t first = begin < 0 ? (step - 1 - begin) / step : 0;
    int64_t last = begin < w->in[axis] ? (w->in[axis] - 1 - begin) / step + 1 : 0;
    return (struct span){begin, first, last < w->kernel[axis] ? last : w->kernel[axis]};
}

// Index in the plane, -1 for a window that lies in the padding alone.
static int64_t first_maximum(const struct vka_window *w, const float *x, const struct span s[3])
{
    int64_t best = -1;
    for (int64_t a = s[0].first; a < s[0].last; a++) {
        int64_t i = s[0].begin + a * w->dilation[0];
        for (int64_t b = s[1].first; b < s[1].last; b++) {
            int64_t row = (i * w->in[1] + s[1].begin + b * w->dilation[1]) * w->in[2] + s[2].begin;
            for (int64_t c = s[2].first; c < s[2].last; c++) {
                int64_t at = row + c * w->dilation[2];
                bool first_nan = best >= 0 && x[at] != x[at] && x[best] == x[best];
                best = best < 0 || x[at] > x[best] || first_nan ? at : best;
            }
        }
    }
    return best;
}

static void run_plane(const struct job *job, int64_t plane)
{
    const struct vka_window *w = &job->w;
    const float *x = job->x + plane * vka_product3(w->in);
    const float *d = job->d + plane * vka_product3(w->out);
    float *y = job->y + plane * vka_product3(w->in);
    struct span s[3];
    memset(y, 0, (size_t)vka_product3(w->in) * sizeof *y);
    for (int64_t i = 0; i < w->out[0]; i++) {
        s[0] = taps(w, 0, i);
        for (int64_t j = 0; j < w->out[1]; j++) {
            s[1] = taps(w, 1, j);
            for (int64_t k = 0; k < w->out[2]; k++) {
                s[2] = taps(w, 2, k);
                int64_t at = first_maximum(w, x, s);
                if (at >= 0)
                    y[at] += *d;
                d++;
            }
        }
    }
}

static void run_piece(void *arg, int64_t piece, int thread)
{
    const struct job *job = arg;
    int64_t end = (piece + 1) * job->per_piece;
    (void)thread;
    for (int64_t i = piece * job->per_piece; i < end && i < job->planes; i++)
        run_plane(job, i);
}

static void cpu(const struct vka_cpu_run *run)
{
    const struct vka_array *x = &run->args->in[X];
    struct job job = {.w = window_of(run->args),
                      .x = x->data,
                      .d = run->args->in[D].data,
                      .y = run->args->out[0].data,
                      .planes = x->dim[0] * x->dim[1]};
    int64_t work = vka_product3(job.w.out) * vka_product3(job.w.kernel);
    int64_t pieces = vka_pieces(run->threads, job.planes, job.planes * work);
    job.per_piece = (job.planes + pieces - 1) / pieces;
    vka_parallel(run->threads, pieces, run_piece, &job);
}

// --- Vulkan ---

// A place is under as many windows as overlap, and looks at all taps of each; neighbours in a
// workgroup may be under others.
static double turns_of(const struct vka_window *w)
{
    double all = vka_window_turns(w->kernel), windows = GROUP;
    for (int i = 0; i < VKA_WINDOW_AXES; i++)
        windows *= (double)vka_divide_up(w->kernel[i] * w->dilation[i], w->stride[i]);
    double taps = (double)vka_product3(w->kernel);
    return all * (4 + (windows < taps ? windows : taps));
}

static void launch(struct vka_launch *l, const struct vka_args *args)
{
    struct vka_window w = window_of(args);
    int64_t count = vka_array_count(&args->in[X]);
    vka_launch_most(l, "elements of pool_back", count, UINT32_MAX);
    vka_launch_most(l, "elements into pool_back", vka_array_count(&args->in[D]), UINT32_MAX);
    struct vka_dispatch d;
    vka_begin(l, &d, "pool_back", GROUP, 1, 1);
    struct vka_push_pool_back push = {.count = (uint32_t)count};
    for (int i = 0; i < VKA_WINDOW_AXES; i++) {
        push.in_size[i] = (uint32_t)w.in[i];
        push.out_size[i] = (uint32_t)w.out[i];
        push.kernel[i] = (uint32_t)w.kernel[i];
        push.stride[i] = (uint32_t)w.stride[i];
        push.dilation[i] = (uint32_t)w.dilation[i];
        push.before[i] = (uint32_t)w.before[i];
    }
    push.x = vka_bind(l, &d, &args->in[X], VKA_READ);
    push.d = vka_bind(l, &d, &args->in[D], VKA_READ);
    push.y = vka_bind(l, &d, &args->out[0], VKA_WRITE);
    VKA_PUSH(&d, push);
    vka_turns(&d, turns_of(&w), "a window's taps");
    vka_emit(l, &d, ((uint64_t)count + GROUP - 1) / GROUP, 1, 1);
}

static const struct vka_variant variants[] = {{"baseline", NULL, launch}, {0}};

const struct vka_op vka_op_pool_back = {
    .name = "pool_back",
    .summary = "gradient of max pooling: windows' values to their first maxima",
    .params_size = sizeof(struct vka_window_params),
    .infer = infer,
    .cpu = cpu,
    .flops = flops,
    .variants = variants,
};
