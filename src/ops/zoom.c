// SPDX-License-Identifier: MIT
//
// zoom: a box of each map, its rows and columns times factors, enlarged or reduced to one size.
#include "zoom.h" // push constants
#include "cpu/kernels.h"
#include "cpu/sample.h"
#include "cpu/threads.h"
#include "ops/infer.h"
#include "ops/ops.h"

enum { GROUP = 64 };
enum { X, BOX, FACTOR, INPUTS };

struct params {
    int64_t size;
};

vka_tensor vka_zoom(vka_graph *g, vka_tensor x, vka_tensor box, vka_tensor factor, int64_t size)
{
    struct params params = {size};
    return vka_add_node(g, &vka_op_zoom, &params, INPUTS, (const vka_tensor[]){x, box, factor},
                        NULL);
}

static bool infer(struct vka_infer *n)
{
    const struct params *p = n->params;
    if (!vka_infer_type(n, "zoom", X, VKA_F32) || !vka_infer_type(n, "zoom", BOX, VKA_I32) ||
        !vka_infer_type(n, "zoom", FACTOR, VKA_F32))
        return false;
    const vka_shape *x = &n->in[X]->shape, *box = &n->in[BOX]->shape;
    const vka_shape *factor = &n->in[FACTOR]->shape;
    char a[VKA_SHAPE_TEXT], b[VKA_SHAPE_TEXT], c[VKA_SHAPE_TEXT];
    vka_shape boxes = {2, {x->dim[0], 4}}, factors = {3, {x->dim[0], 2, x->dim[2]}};
    if (x->rank != 4 || x->dim[2] != x->dim[3] || x->dim[2] > 1 << 15 ||
        !vka_shape_equal(box, &boxes) || !vka_shape_equal(factor, &factors))
        return vka_fail(n->g,
                        "zoom: x is %s, the boxes %s, the factors %s; they must be [N, C, S, S] "
                        "with S up to 2^15, [N, 4], [N, 2, S]",
                        vka_shape_text(x, a), vka_shape_text(box, b), vka_shape_text(factor, c)),
               false;
    if (p->size < 1 || p->size > 1 << 17)
        return vka_fail(n->g, "zoom: a size of %lld; 1 to 2^17 goes", (long long)p->size), false;
    n->n_out = 1;
    n->out_shape[0] = VKA_SHAPE(x->dim[0], x->dim[1], p->size, p->size);
    return true;
}

// --- CPU: a piece is some rows of the output, of all channels ---

struct zooming {
    const float *x, *factor;
    const int32_t *box;
    float *y;
    int64_t channels, side, size, rows, per_piece;
};

struct line { // along an axis: two elements and how much of each counts
    int32_t a, b;
    float of_a, of_b;
};

static int64_t clamp(int64_t x, int64_t low, int64_t high)
{
    return x < low ? low : x > high ? high : x;
}

static struct line line_of(const struct zooming *z, int64_t item, int axis, int64_t i)
{
    const int32_t *box = z->box + 4 * item + 2 * axis;
    const float *factor = z->factor + (2 * item + axis) * z->side;
    int64_t begin = clamp(box[0], 0, z->side - 1);
    int64_t last = clamp((int64_t)box[1] - 1, begin, z->side - 1);
    int64_t steps = z->size > 1 ? z->size - 1 : 1, place = i * (last - begin);
    float rest = (float)(place % steps) / (float)steps;
    int64_t a = begin + place / steps, b = a < last ? a + 1 : last;
    return (struct line){(int32_t)a, (int32_t)b, (1 - rest) * factor[a], rest * factor[b]};
}

// Places first .. first + count - 1 of a row.
static void corners_of(const struct zooming *z, int64_t item, const struct line *row, int64_t first,
                       int count, struct vka_corners *c)
{
    int32_t side = (int32_t)z->side;
    for (int i = 0; i < VKA_SAMPLE_BLOCK; i++) {
        struct line column = {0};
        if (i < count)
            column = line_of(z, item, 1, first + i);
        int32_t at[] = {row->a * side + column.a, row->a * side + column.b,
                        row->b * side + column.a, row->b * side + column.b};
        float part[] = {row->of_a * column.of_a, row->of_a * column.of_b, row->of_b * column.of_a,
                        row->of_b * column.of_b};
        for (int k = 0; k < 4; k++) {
            c->at[k][i] = i < count ? at[k] : VKA_NOWHERE;
            c->part[k][i] = i < count ? part[k] : 0;
        }
    }
}

static void zoom_row(const struct zooming *z, int64_t number)
{
    const struct vka_kernels *kernels = vka_kernels();
    int64_t item = number / z->size, row = number % z->size;
    struct line across = line_of(z, item, 0, row);
    struct vka_corners c;
    for (int64_t first = 0; first < z->size; first += VKA_SAMPLE_BLOCK) {
        int64_t left = z->size - first;
        int count = left < VKA_SAMPLE_BLOCK ? (int)left : VKA_SAMPLE_BLOCK;
        corners_of(z, item, &across, first, count, &c);
        for (int64_t i = item * z->channels; i < (item + 1) * z->channels; i++)
            kernels->blend(z->y + (i * z->size + row) * z->size + first, count,
                           z->x + i * z->side * z->side, &c, false);
    }
}

static void run_piece(void *arg, int64_t piece, int thread)
{
    const struct zooming *z = arg;
    int64_t end = (piece + 1) * z->per_piece;
    (void)thread;
    for (int64_t i = piece * z->per_piece; i < end && i < z->rows; i++)
        zoom_row(z, i);
}

static void cpu(const struct vka_cpu_run *run)
{
    const struct vka_args *args = run->args;
    const struct vka_array *x = &args->in[X];
    struct zooming z = {.x = x->data,
                        .factor = args->in[FACTOR].data,
                        .box = args->in[BOX].data,
                        .y = args->out[0].data,
                        .channels = x->dim[1],
                        .side = x->dim[2],
                        .size = args->out[0].dim[2]};
    z.rows = x->dim[0] * z.size;
    int64_t pieces = vka_pieces(run->threads, z.rows, z.rows * z.size * (z.channels + 4) * 8);
    z.per_piece = (z.rows + pieces - 1) / pieces;
    vka_parallel(run->threads, pieces, run_piece, &z);
}

// --- Vulkan ---

static void launch(struct vka_launch *l, const struct vka_args *args)
{
    const struct vka_array *x = &args->in[X];
    int64_t count = vka_array_count(&args->out[0]);
    vka_launch_most(l, "elements of zoom", count, UINT32_MAX);
    vka_launch_most(l, "elements into zoom", vka_array_count(x), UINT32_MAX);
    struct vka_dispatch d;
    vka_begin(l, &d, "zoom", GROUP, 1, 1);
    struct vka_push_zoom push = {.count = (uint32_t)count,
                                 .channels = (uint32_t)x->dim[1],
                                 .side = (uint32_t)x->dim[2],
                                 .size = (uint32_t)args->out[0].dim[2]};
    push.x = vka_bind(l, &d, x, VKA_READ);
    push.box = vka_bind(l, &d, &args->in[BOX], VKA_READ);
    push.factor = vka_bind(l, &d, &args->in[FACTOR], VKA_READ);
    push.y = vka_bind(l, &d, &args->out[0], VKA_WRITE);
    VKA_PUSH(&d, push);
    vka_no_loops(&d);
    vka_emit(l, &d, ((uint64_t)count + GROUP - 1) / GROUP, 1, 1);
}

static const struct vka_variant variants[] = {{"baseline", NULL, launch}, {0}};

const struct vka_op vka_op_zoom = {
    .name = "zoom",
    .summary = "a box of each map, times factors, at another size",
    .params_size = sizeof(struct params),
    .infer = infer,
    .cpu = cpu,
    .variants = variants,
};
