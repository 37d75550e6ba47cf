// SPDX-License-Identifier: MIT
//
// regions: the maximum or the mean of each channel of a map over boxes, which may overlap.
#include "cpu/threads.h"
#include "ops/infer.h"
#include "ops/ops.h"
#include "util/whole.h"
#include "regions.h"

#include <math.h>

enum { X, BOXES, LANES = 16 };

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
    return (struct job){.x = x->data,
                        .boxes = args->in[BOXES].data,
                        .y = args->out[0].data,
                        .channels = x->dim[1],
                        .height = x->dim[2],
                        .width = x->dim[3],
                        .count = args->in[BOXES].dim[0],
                        .groups = (x->dim[1] + LANES - 1) / LANES,
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

static void max_of(const struct job *c, const float *tile, struct box b, float *y)
{
    for (int i = 0; i < LANES; i++)
        y[i] = -INFINITY;
    for (int64_t h = b.y0; h < b.y1; h++) {
        const float *v = tile + (h * c->width + b.x0) * LANES;
        for (int64_t w = b.x0; w < b.x1; w++, v += LANES) {
            for (int i = 0; i < LANES; i++)
                y[i] = v[i] > y[i] || v[i] != v[i] ? v[i] : y[i]; // NaN stays: nothing is larger
        }
    }
}

static void mean_of(const struct job *c, const float *tile, struct box b, float *y)
{
    float count = (float)((b.y1 - b.y0) * (b.x1 - b.x0));
    for (int i = 0; i < LANES; i++)
        y[i] = 0;
    for (int64_t h = b.y0; h < b.y1; h++) {
        const float *v = tile + (h * c->width + b.x0) * LANES;
        float row[LANES] = {0};
        for (int64_t w = b.x0; w < b.x1; w++, v += LANES) {
            for (int i = 0; i < LANES; i++)
                row[i] += v[i];
        }
        for (int i = 0; i < LANES; i++)
            y[i] += row[i];
    }
    for (int i = 0; i < LANES; i++)
        y[i] /= count;
}

static void run_piece(void *arg, int64_t piece, int thread)
{
    const struct job *c = arg;
    int64_t area = c->height * c->width, first = piece % c->groups * LANES;
    int64_t sample = piece / c->groups, lanes = c->channels - first;
    lanes = lanes < LANES ? lanes : LANES;
    float *tile = c->scratch + thread * area * LANES;
    const float *x = c->x + (sample * c->channels + first) * area;
    for (int64_t i = 0; i < area; i++) {
        for (int64_t k = 0; k < LANES; k++)
            tile[i * LANES + k] = k < lanes ? x[k * area + i] : 0;
    }
    for (int64_t r = 0; r < c->count; r++) {
        struct box b = box_of(c, r);
        float y[LANES] = {0}, *to = c->y + (sample * c->count + r) * c->channels + first;
        if (b.x0 < b.x1 && b.y0 < b.y1)
            (c->max ? max_of : mean_of)(c, tile, b, y);
        for (int64_t k = 0; k < lanes; k++)
            to[k] = y[k];
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
    return (size_t)threads * (size_t)(x->dim[2] * x->dim[3]) * LANES * sizeof(float);
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
