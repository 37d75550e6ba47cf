// SPDX-License-Identifier: MIT
//
// box: the elements that square boxes cover, moved and grown so that they fit. Where a box ends
// hangs on which side of a whole number a sum lies, so no sum is rounded: whole numbers and
// fractions are taken apart, which is exact, and compared. shaders/ops/box.comp reads the same.
#include "box.h" // push constants
#include "cpu/threads.h"
#include "ops/infer.h"
#include "ops/ops.h"

enum { GROUP = 64, MOST = 1 << 24 }; // whole numbers up to here are floats

struct params {
    int64_t size;
    float least;
};

vka_tensor vka_box(vka_graph *g, vka_tensor loc, int64_t size, float least)
{
    struct params params = {size, least};
    return vka_add_node(g, &vka_op_box, &params, 1, &loc, NULL);
}

static bool infer(struct vka_infer *n)
{
    const struct params *p = n->params;
    char text[VKA_SHAPE_TEXT];
    if (!vka_infer_type(n, "box", 0, VKA_F32))
        return false;
    const vka_shape *loc = &n->in[0]->shape;
    if (loc->rank != 2 || loc->dim[1] != 3)
        return vka_fail(n->g, "box: the places are %s, they must be [N, 3]",
                        vka_shape_text(loc, text)),
               false;
    if (p->size < 1 || p->size > MOST || !(p->least >= 0.5f))
        return vka_fail(n->g,
                        "box: a map of %lld and half a side of at least %g: they must be 1 to "
                        "2^24, and 0.5 or more",
                        (long long)p->size, (double)p->least),
               false;
    n->n_out = 1;
    n->out_dtype[0] = VKA_I32;
    n->out_shape[0] = VKA_SHAPE(loc->dim[0], 4);
    return true;
}

// --- CPU; all numbers are from 0 to 2^25 ---

static float fraction(float a)
{
    return a - (float)(int32_t)a;
}

// Of a + b; fractions f and g reach 1 where the smaller is at least 1 less the larger.
static int32_t floor_of_sum(float a, float b)
{
    float f = fraction(a), g = fraction(b);
    bool carry = f < g ? f >= 1 - g : g >= 1 - f;
    return (int32_t)a + (int32_t)b + carry;
}

static int32_t floor_of_difference(float a, float b)
{
    return (int32_t)a - (int32_t)b - (fraction(a) < fraction(b));
}

static int32_t ceiling(float a)
{
    return (int32_t)a + (fraction(a) > 0);
}

// Comparisons that NaN fails give a number that goes.
static void box_of(const struct params *p, const float *loc, int32_t *box)
{
    float size = (float)p->size, half = loc[2] > p->least ? loc[2] : p->least;
    half = half < size ? half : size;
    int32_t side = (int32_t)p->size, last = side - ceiling(2 * half);
    for (int i = 0; i < 2; i++) {
        float middle = loc[i] > half ? loc[i] : half;
        middle = middle < size ? middle : size;
        int32_t begin = floor_of_difference(middle, half), end = floor_of_sum(middle, half);
        begin = begin < last ? begin : last;
        box[2 * i] = begin > 0 ? begin : 0;
        box[2 * i + 1] = end < side ? end : side;
    }
}

static void cpu(const struct vka_cpu_run *run)
{
    const struct vka_args *args = run->args;
    const float *loc = args->in[0].data;
    int32_t *box = args->out[0].data;
    for (int64_t i = 0; i < args->in[0].dim[0]; i++)
        box_of(args->params, loc + 3 * i, box + 4 * i);
}

// --- Vulkan ---

static void launch(struct vka_launch *l, const struct vka_args *args)
{
    const struct params *p = args->params;
    int64_t count = args->in[0].dim[0];
    vka_launch_most(l, "boxes of box", count, UINT32_MAX / 4);
    struct vka_dispatch d;
    vka_begin(l, &d, "box", GROUP, 1, 1);
    struct vka_push_box push = {
        .count = (uint32_t)count, .size = (float)p->size, .least = p->least};
    push.loc = vka_bind(l, &d, &args->in[0], VKA_READ);
    push.box = vka_bind(l, &d, &args->out[0], VKA_WRITE);
    VKA_PUSH(&d, push);
    vka_turns(&d, 2, "rows and columns");
    vka_emit(l, &d, ((uint64_t)count + GROUP - 1) / GROUP, 1, 1);
}

static const struct vka_variant variants[] = {{"baseline", NULL, launch}, {0}};

const struct vka_op vka_op_box = {
    .name = "box",
    .summary = "the elements that square boxes cover, moved to fit",
    .params_size = sizeof(struct params),
    .infer = infer,
    .cpu = cpu,
    .variants = variants,
};
