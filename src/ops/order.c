// SPDX-License-Identifier: MIT
//
// order: the numbers of a row's elements, from the largest to the smallest. Equal ones stay in
// their order, so the result is the same on every device.
#include "cpu/threads.h"
#include "ops/infer.h"
#include "ops/ops.h"
#include "order.h"

#include <string.h>

enum { GROUP = 128, DIGIT = 8, DIGITS = 4, VALUES = 1 << DIGIT };

vka_tensor vka_order(vka_graph *g, vka_tensor x)
{
    return vka_add_node(g, &vka_op_order, NULL, 1, &x, NULL);
}

static bool infer(struct vka_infer *n)
{
    if (!vka_infer_type(n, "order", 0, VKA_F32))
        return false;
    const vka_shape *x = &n->in[0]->shape;
    if (x->rank < 1 || x->dim[x->rank - 1] > INT32_MAX) {
        char text[VKA_SHAPE_TEXT];
        vka_fail(n->g, "order: x has shape %s; 1 axis or more, the last below 2^31, go",
                 vka_shape_text(x, text));
        return false;
    }
    n->n_out = 1;
    n->out_dtype[0] = VKA_I32;
    n->out_shape[0] = *x;
    return true;
}

// --- CPU: a radix sort of each row, from the last digit on ---

struct item {
    uint32_t key, number; // ascending keys are descending values
};

static uint32_t key_of(float v)
{
    uint32_t bits;
    v = v == 0 ? 0 : v; // -0
    memcpy(&bits, &v, sizeof bits);
    if (v != v)
        return 0;
    return (bits & 0x80000000u) != 0 ? bits : ~(bits | 0x80000000u);
}

static void count_digits(const struct item *items, int64_t length, uint32_t count[DIGITS][VALUES])
{
    memset(count, 0, sizeof(uint32_t[DIGITS][VALUES]));
    for (int64_t i = 0; i < length; i++) {
        for (int d = 0; d < DIGITS; d++)
            count[d][items[i].key >> (d * DIGIT) & (VALUES - 1)]++;
    }
}

// By one digit. False where all have the same: nothing was moved.
static bool by_digit(const struct item *from, struct item *to, int64_t length, int d,
                     uint32_t count[VALUES])
{
    int shift = d * DIGIT;
    if (count[from[0].key >> shift & (VALUES - 1)] == length)
        return false;
    uint32_t at = 0;
    for (int v = 0; v < VALUES; v++) {
        uint32_t n = count[v];
        count[v] = at;
        at += n;
    }
    for (int64_t i = 0; i < length; i++)
        to[count[from[i].key >> shift & (VALUES - 1)]++] = from[i];
    return true;
}

static void sort_row(const float *x, int32_t *y, int64_t length, struct item *a)
{
    uint32_t count[DIGITS][VALUES];
    struct item *b = a + length;
    for (int64_t i = 0; i < length; i++)
        a[i] = (struct item){key_of(x[i]), (uint32_t)i};
    count_digits(a, length, count);
    for (int d = 0; d < DIGITS; d++) {
        if (by_digit(a, b, length, d, count[d])) {
            struct item *sorted = b;
            b = a;
            a = sorted;
        }
    }
    for (int64_t i = 0; i < length; i++)
        y[i] = (int32_t)a[i].number;
}

static int64_t row_length(const struct vka_args *args)
{
    return args->in[0].dim[args->in[0].rank - 1];
}

static void run_row(void *arg, int64_t row, int thread)
{
    const struct vka_cpu_run *run = arg;
    int64_t length = row_length(run->args);
    sort_row((const float *)run->args->in[0].data + row * length,
             (int32_t *)run->args->out[0].data + row * length, length,
             (struct item *)run->scratch + thread * length * 2);
}

static void cpu(const struct vka_cpu_run *run)
{
    vka_parallel(run->threads, vka_array_count(&run->args->in[0]) / row_length(run->args), run_row,
                 (void *)run);
}

static size_t cpu_scratch(const struct vka_args *args, int threads)
{
    return (size_t)threads * (size_t)row_length(args) * 2 * sizeof(struct item);
}

// --- Vulkan: blocks are sorted, then merged two by two, four by four, ... ---

static void step(struct vka_launch *l, const struct vka_args *args, uint32_t kind, int64_t span)
{
    int64_t length = row_length(args), rows = vka_array_count(&args->in[0]) / length;
    bool block = kind == VKA_ORDER_SORT || kind == VKA_ORDER_MERGE;
    int64_t spans =
        block ? 0 : (length + span - 1) / span; // pairs of the last may lie past the end
    int64_t parts = block ? (length + VKA_ORDER_BLOCK - 1) / VKA_ORDER_BLOCK
                          : (spans * (span / 2) + GROUP - 1) / GROUP;
    // A block's elements, then each step of its merges.
    enum { EACH = VKA_ORDER_BLOCK / GROUP, TURNS = 2 * EACH + 2 * 10 + 55 * (2 + EACH / 2) };
    struct vka_dispatch d;
    vka_begin(l, &d, "order", GROUP, 1, 1);
    vka_constant_u32(&d, kind);
    struct vka_push_order push = {.rows = (uint32_t)rows,
                                  .columns = (uint32_t)length,
                                  .parts = (uint32_t)parts,
                                  .span = (uint32_t)span};
    push.x = vka_bind(l, &d, &args->in[0], VKA_READ);
    push.y = vka_bind(l, &d, &args->out[0], VKA_READ_WRITE);
    VKA_PUSH(&d, push);
    vka_turns(&d, TURNS, "a block");
    vka_emit(l, &d, (uint64_t)rows * (uint64_t)parts, 1, 1);
}

static void launch(struct vka_launch *l, const struct vka_args *args)
{
    int64_t length = row_length(args);
    vka_launch_most(l, "elements of order", vka_array_count(&args->in[0]), UINT32_MAX);
    vka_launch_most(l, "elements in a row of order", length, INT32_MAX / 2);
    step(l, args, VKA_ORDER_SORT, VKA_ORDER_BLOCK);
    for (int64_t span = 2 * VKA_ORDER_BLOCK; span < 2 * length; span *= 2) {
        step(l, args, VKA_ORDER_FLIP, span);
        for (int64_t part = span / 2; part > VKA_ORDER_BLOCK; part /= 2)
            step(l, args, VKA_ORDER_HALF, part);
        step(l, args, VKA_ORDER_MERGE, span);
    }
}

static const struct vka_variant variants[] = {{"baseline", NULL, launch}, {0}};

const struct vka_op vka_op_order = {
    .name = "order",
    .summary = "where the elements of sorted rows were",
    .infer = infer,
    .cpu = cpu,
    .cpu_scratch = cpu_scratch,
    .variants = variants,
};
