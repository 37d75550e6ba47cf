// SPDX-License-Identifier: MIT
//
// pad: one axis made longer at both ends, by a value or by what lies inside. Every mode is
// separable: several axes are several nodes.
#include "ops/infer.h"
#include "ops/ops.h"
#include "cpu/threads.h"
#include "pad.h"

#include <string.h>

struct params {
    enum vka_pad_mode mode;
    int axis;
    int64_t before, after; // >= 0
    uint32_t value;        // bits
};

static uint32_t value_bits(vka_dtype dtype, float value)
{
    uint32_t bits = (uint32_t)(int32_t)value;
    if (dtype == VKA_F32)
        memcpy(&bits, &value, sizeof bits);
    return bits;
}

static vka_tensor crop(vka_graph *g, vka_tensor x, const struct params *p, int64_t before,
                       int64_t after)
{
    int64_t first = before < 0 ? -before : 0, last = after < 0 ? -after : 0;
    int64_t size = vka_dim(g, x, p->axis);
    if (first == 0 && last == 0)
        return x;
    if (p->mode > VKA_PAD_CONSTANT)
        return vka_fail(g, "pad: only zeros and constants can crop");
    if (first >= size || last >= size - first)
        return vka_fail(g, "pad: cropping %lld and %lld leaves nothing of an axis of %lld",
                        (long long)first, (long long)last, (long long)size);
    return vka_slice(g, x, p->axis, first, size - first - last);
}

vka_tensor vka_pad(vka_graph *g, vka_tensor x, enum vka_pad_mode mode, const int64_t *before,
                   const int64_t *after, float value)
{
    for (int i = 0; i < vka_rank(g, x) && !vka_failed(g); i++) {
        struct params p = {mode, i, before[i] > 0 ? before[i] : 0, after[i] > 0 ? after[i] : 0, 0};
        if (mode == VKA_PAD_CONSTANT)
            p.value = value_bits(vka_type(g, x), value);
        x = crop(g, x, &p, before[i], after[i]);
        if (p.before || p.after)
            x = vka_add_node(g, &vka_op_pad, &p, 1, &x, NULL);
    }
    return vka_failed(g) ? 0 : x;
}

static bool infer(struct vka_infer *n)
{
    const struct params *p = n->params;
    if (!vka_infer_present(n, "pad", 0))
        return false;
    n->n_out = 1;
    n->out_dtype[0] = n->in[0]->dtype;
    n->out_shape[0] = n->in[0]->shape;
    int64_t size = n->out_shape[0].dim[p->axis];
    int64_t most = p->mode == VKA_PAD_REFLECT    ? size - 1
                   : p->mode == VKA_PAD_CIRCULAR ? size
                                                 : INT32_MAX;
    if (p->before > most || p->after > most) {
        vka_fail(n->g, "pad: %lld and %lld on axis %d of size %lld; at most %lld go",
                 (long long)p->before, (long long)p->after, p->axis, (long long)size,
                 (long long)most);
        return false;
    }
    n->out_shape[0].dim[p->axis] = size + p->before + p->after;
    return true;
}

// [outer, size, inner]
static void split(const struct vka_array *a, int axis, int64_t *outer, int64_t *inner)
{
    *outer = *inner = 1;
    for (int i = 0; i < a->rank; i++) {
        if (i != axis)
            *(i < axis ? outer : inner) *= a->dim[i];
    }
}

// --- CPU: a row is `inner` words ---

struct padding {
    const struct params *p;
    const uint32_t *x;
    uint32_t *y;
    int64_t size, padded, inner, outer, per_piece;
};

// Where row `at` of the padded axis comes from; -1: from the value.
static int64_t source(const struct padding *c, int64_t at)
{
    int64_t size = c->size;
    at -= c->p->before;
    if (at >= 0 && at < size)
        return at;
    switch (c->p->mode) {
    case VKA_PAD_REFLECT:
        return at < 0 ? -at : 2 * size - 2 - at;
    case VKA_PAD_REPLICATE:
        return at < 0 ? 0 : size - 1;
    case VKA_PAD_CIRCULAR:
        return at < 0 ? at + size : at - size;
    default:
        return -1;
    }
}

static void run_piece(void *arg, int64_t piece, int thread)
{
    const struct padding *c = arg;
    int64_t end = (piece + 1) * c->per_piece, rows = c->outer * c->padded;
    (void)thread;
    for (int64_t row = piece * c->per_piece; row < end && row < rows; row++) {
        int64_t outer = row / c->padded, from = source(c, row % c->padded);
        uint32_t *y = c->y + row * c->inner;
        if (from >= 0) {
            memcpy(y, c->x + (outer * c->size + from) * c->inner, (size_t)c->inner * 4);
            continue;
        }
        for (int64_t i = 0; i < c->inner; i++)
            y[i] = c->p->value;
    }
}

static void cpu(const struct vka_cpu_run *run)
{
    const struct vka_array *x = &run->args->in[0], *y = &run->args->out[0];
    struct padding c = {.p = run->args->params, .x = x->data, .y = y->data};
    c.size = x->dim[c.p->axis];
    c.padded = y->dim[c.p->axis];
    split(x, c.p->axis, &c.outer, &c.inner);
    int64_t rows = c.outer * c.padded;
    int64_t pieces = vka_pieces(run->threads, rows, rows * c.inner);
    c.per_piece = (rows + pieces - 1) / pieces;
    vka_parallel(run->threads, pieces, run_piece, &c);
}

// --- Vulkan ---

static void launch(struct vka_launch *l, const struct vka_args *args)
{
    const struct params *p = args->params;
    const struct vka_array *x = &args->in[0], *y = &args->out[0];
    int64_t outer, inner, count = vka_array_count(y);
    split(x, p->axis, &outer, &inner);
    vka_launch_most(l, "elements of pad", count, UINT32_MAX);
    struct vka_dispatch d;
    vka_begin(l, &d, x->dtype == VKA_F32 ? "pad" : "pad_int", 64, 1, 1);
    vka_constant_u32(&d, p->mode);
    struct vka_push_pad push = {.count = (uint32_t)count,
                                .size = (uint32_t)x->dim[p->axis],
                                .padded = (uint32_t)y->dim[p->axis],
                                .inner = (uint32_t)inner,
                                .before = (uint32_t)p->before,
                                .value = p->value};
    push.x = vka_bind(l, &d, x, VKA_READ);
    push.y = vka_bind(l, &d, y, VKA_WRITE);
    VKA_PUSH(&d, push);
    vka_no_loops(&d);
    vka_emit(l, &d, ((uint64_t)count + 63) / 64, 1, 1);
}

static const struct vka_variant variants[] = {{"baseline", NULL, launch}, {0}};

const struct vka_op vka_op_pad = {
    .name = "pad",
    .summary = "an axis made longer at both ends",
    .params_size = sizeof(struct params),
    .infer = infer,
    .cpu = cpu,
    .variants = variants,
};
