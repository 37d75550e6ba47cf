// SPDX-License-Identifier: MIT
//
// regions: the maximum or the mean of each channel of a map over boxes, which may overlap.
#include "cpu/kernels.h"
#include "cpu/threads.h"
#include "ops/infer.h"
#include "ops/ops.h"
#include "util/whole.h"
#include "regions.h"

#include <string.h>

enum { X, BOXES };

struct params {
    bool max;
};

vka_tensor vka_regions(vka_graph *g, vka_tensor x, vka_tensor boxes, bool max)
{
    struct params p = {max};
    return vka_add_node(g, &vka_op_regions, &p, 2, (const vka_tensor[]){x, boxes}, NULL);
}

static bool infer(struct vka_infer *n)
{
    if (!vka_infer_type(n, "regions", X, VKA_F32) || !vka_infer_type(n, "regions", BOXES, VKA_I32))
        return false;
    const vka_shape *x = &n->in[X]->shape, *boxes = &n->in[BOXES]->shape;
    char a[VKA_SHAPE_TEXT], b[VKA_SHAPE_TEXT];
    if (x->rank != 4 || boxes->rank != 2 || boxes->dim[1] != 4 || x->dim[2] > INT32_MAX ||
        x->dim[3] > INT32_MAX) {
        vka_fail(n->g, "regions: shapes %s and %s; [N, C, H, W] and boxes [R, 4] go",
                 vka_shape_text(x, a), vka_shape_text(boxes, b));
        return false;
    }
    n->n_out = 1;
    n->out_shape[0] = (vka_shape){3, {x->dim[0], boxes->dim[0], x->dim[1]}};
    return true;
}

// --- CPU: a piece is some channels of a sample, side by side, so that boxes run over them all ---

struct job {
    const struct vka_kernels *kernels;
    int64_t lanes;
    const float *x;
    const int32_t *boxes;
    float *y, *scratch;
    int64_t channels, height, width, count, groups; // groups of channels a sample
    bool max;
};

static struct job sizes(const struct vka_args *args)
{
    const struct params *p = args->params;
    const struct vka_array *x = &args->in[X];
    const struct vka_kernels *kernels = vka_kernels();
    return (struct job){.kernels = kernels,
                        .lanes = kernels->lanes,
                        .x = x->data,
                        .boxes = args->in[BOXES].data,
                        .y = args->out[0].data,
                        .channels = x->dim[1],
                        .height = x->dim[2],
                        .width = x->dim[3],
                        .count = args->in[BOXES].dim[0],
                        .groups = vka_divide_up(x->dim[1], kernels->lanes),
                        .max = p->max};
}

struct box {
    int64_t x0, y0, x1, y1;
};

static int64_t clamped(int64_t v, int64_t size)
{
    return v < 0 ? 0 : v > size ? size : v;
}

static struct box box_of(const struct job *c, int64_t r)
{
    const int32_t *b = c->boxes + r * 4;
    return (struct box){clamped(b[0], c->width), clamped(b[1], c->height), clamped(b[2], c->width),
                        clamped(b[3], c->height)};
}

// To y[lanes]: a box's maximum or mean, 0 of one without places.
static void pool_box(const struct job *c, const float *map, struct box b, float *y)
{
    struct vka_box_of_places box = {
        .line = c->width * c->lanes, .rows = b.y1 - b.y0, .columns = b.x1 - b.x0};
    if (box.rows <= 0 || box.columns <= 0) {
        memset(y, 0, (size_t)c->lanes * sizeof *y);
        return;
    }
    box.places = map + (b.y0 * c->width + b.x0) * c->lanes;
    (c->max ? c->kernels->max_of_box : c->kernels->sum_of_box)(&box, y);
    float count = c->max ? 1 : (float)(box.rows * box.columns);
    for (int64_t i = 0; i < c->lanes; i++)
        y[i] /= count;
}

static void run_piece(void *arg, int64_t piece, int thread)
{
    const struct job *c = arg;
    int64_t area = c->height * c->width, first = piece % c->groups * c->lanes;
    int64_t sample = piece / c->groups, have = vka_smaller(c->channels - first, c->lanes);
    float *map = c->scratch + thread * (area + 1) * c->lanes, *y = map + area * c->lanes;
    c->kernels->pack(map, (int)c->lanes, c->x + (sample * c->channels + first) * area, area, 1,
                     (int)have, area);
    for (int64_t r = 0; r < c->count; r++) {
        pool_box(c, map, box_of(c, r), y);
        float *to = c->y + (sample * c->count + r) * c->channels + first;
        memcpy(to, y, (size_t)have * sizeof *to);
    }
}

static void cpu(const struct vka_cpu_run *run)
{
    struct job c = sizes(run->args);
    c.scratch = run->scratch;
    vka_parallel(run->threads, run->args->in[X].dim[0] * c.groups, run_piece, &c);
}

static size_t cpu_scratch(const struct vka_args *args, int threads)
{
    const struct vka_array *x = &args->in[X];
    return (size_t)threads * (size_t)(x->dim[2] * x->dim[3] + 1) * (size_t)vka_kernels()->lanes *
           sizeof(float);
}

// --- Vulkan ---

enum { GROUP = 64 };

// Lanes of the device an element: few cells each.
static uint32_t lanes_for(int64_t area)
{
    return area <= 64 ? 1 : area <= 4096 ? 8 : GROUP;
}

static void launch(struct vka_launch *l, const struct vka_args *args)
{
    struct job c = sizes(args);
    int64_t count = vka_array_count(&args->out[0]), area = c.height * c.width;
    uint32_t lanes = lanes_for(area), each = GROUP / lanes;
    vka_launch_most(l, "elements of regions", count, UINT32_MAX);
    vka_launch_most(l, "elements into regions", vka_array_count(&args->in[X]), UINT32_MAX);
    vka_launch_most(l, "numbers of boxes", vka_array_count(&args->in[BOXES]), UINT32_MAX);
    struct vka_dispatch d;
    vka_begin(l, &d, "regions", each, lanes, 1);
    vka_constant_u32(&d, c.max);
    struct vka_push_regions push = {.count = (uint32_t)count,
                                    .channels = (uint32_t)c.channels,
                                    .boxes = (uint32_t)c.count,
                                    .height = (uint32_t)c.height,
                                    .width = (uint32_t)c.width};
    push.x = vka_bind(l, &d, &args->in[X], VKA_READ);
    push.box = vka_bind(l, &d, &args->in[BOXES], VKA_READ);
    push.y = vka_bind(l, &d, &args->out[0], VKA_WRITE);
    VKA_PUSH(&d, push);
    vka_turns(&d, vka_divide_up(area, lanes), "a map's places");
    vka_emit(l, &d, ((uint64_t)count + each - 1) / each, 1, 1);
}

static const struct vka_variant variants[] = {{"baseline", NULL, launch}, {0}};

const struct vka_op vka_op_regions = {
    .name = "regions",
    .summary = "maximum or mean over each of many boxes of a map",
    .params_size = sizeof(struct params),
    .infer = infer,
    .cpu = cpu,
    .cpu_scratch = cpu_scratch,
    .variants = variants,
};
