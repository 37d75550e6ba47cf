// SPDX-License-Identifier: MIT
//
// copy: a dense copy, of the same type or converted. Words of the same type move as they are: bits
// of NaN too.
#include "copy.h"
#include "copy_turned.h"
#include "ops/infer.h"
#include "ops/move.h"
#include "ops/ops.h"
#include "ops/strided.h"

#include <string.h>

struct params {
    int to; // vka_dtype
};

enum { TILE = 32 };

vka_tensor vka_copy(vka_graph *g, vka_tensor x)
{
    struct params params = {vka_type(g, x)};
    return vka_add_node(g, &vka_op_copy, &params, 1, &x, NULL);
}

vka_tensor vka_cast(vka_graph *g, vka_tensor x, vka_dtype to)
{
    struct params params = {to};
    return vka_type(g, x) == to ? x : vka_add_node(g, &vka_op_copy, &params, 1, &x, NULL);
}

static bool infer(struct vka_infer *n)
{
    const struct params *p = n->params;
    if (!vka_infer_present(n, "copy", 0))
        return false;
    if (p->to != VKA_F32 && p->to != VKA_I32 && p->to != VKA_BOOL) {
        vka_fail(n->g, "copy: to %s, which no tensor of a graph is", vka_dtype_name(p->to));
        return false;
    }
    n->n_out = 1;
    n->out_dtype[0] = (vka_dtype)p->to;
    n->out_shape[0] = n->in[0]->shape;
    return true;
}

// --- CPU ---

struct copying {
    const struct vka_array *from, *to;
};

// Towards zero; the ends of the range where it doesn't fit, 0 for NaN.
static int32_t to_int(float x)
{
    if (x >= 2147483648.0f)
        return INT32_MAX;
    return x > -2147483648.0f ? (int32_t)x : x != x ? 0 : INT32_MIN;
}

static void convert_span(const struct copying *c, const void *from, void *to, int64_t count)
{
    const float *x = from;
    const int32_t *k = from;
    int32_t *y = to;
    bool real = c->from->dtype == VKA_F32;
    if (c->to->dtype == VKA_F32) {
        for (int64_t i = 0; i < count; i++)
            ((float *)to)[i] = (float)k[i];
    } else if (c->to->dtype == VKA_BOOL) {
        for (int64_t i = 0; i < count; i++)
            y[i] = real ? x[i] != 0.0f : k[i] != 0;
    } else {
        for (int64_t i = 0; i < count; i++)
            y[i] = real ? to_int(x[i]) : k[i];
    }
}

static void run_converted(void *arg, const struct vka_strided *s, const int64_t *at, int64_t index,
                          int64_t count)
{
    const struct copying *c = arg;
    const uint32_t *from = (const uint32_t *)c->from->data + at[0];
    uint32_t *to = (uint32_t *)c->to->data + at[1];
    int64_t step_from = s->stride[0][s->rank - 1], step_to = s->stride[1][s->rank - 1];
    (void)index;
    for (int64_t i = 0; i < count; i += VKA_STRIDED_SPAN) {
        int64_t n = count - i < VKA_STRIDED_SPAN ? count - i : VKA_STRIDED_SPAN;
        uint32_t span[VKA_STRIDED_SPAN], out[VKA_STRIDED_SPAN];
        convert_span(c, vka_gather_span(span, from + i * step_from, step_from, n), out, n);
        for (int64_t k = 0; k < n; k++)
            to[(i + k) * step_to] = out[k];
    }
}

static void run_span(void *arg, const struct vka_strided *s, const int64_t *at, int64_t index,
                     int64_t count)
{
    const struct copying *c = arg;
    const uint32_t *from = (const uint32_t *)c->from->data + at[0];
    uint32_t *to = (uint32_t *)c->to->data + at[1];
    int64_t step_from = s->stride[0][s->rank - 1], step_to = s->stride[1][s->rank - 1];
    (void)index;
    if (step_to == 1 && step_from == 1) {
        memcpy(to, from, (size_t)count * 4);
    } else if (step_to == 1 && step_from == 0) {
        for (int64_t i = 0; i < count; i++)
            to[i] = *from;
    } else {
        for (int64_t i = 0; i < count; i++)
            to[i * step_to] = from[i * step_from];
    }
}

// The axis along which `from` is contiguous while `to` is along the last one: a transpose. -1:
// none.
static int transposed_axis(const struct vka_strided *s)
{
    int last = s->rank - 1;
    if (s->stride[1][last] != 1 || s->stride[0][last] < 2 || s->dim[last] < 4)
        return -1;
    for (int i = 0; i < last; i++) {
        if (s->stride[0][i] == 1 && s->dim[i] >= 4)
            return i;
    }
    return -1;
}

struct transposing {
    const struct copying *c;
    int64_t rows, columns, step_from, step_to; // columns: contiguous in `from`, rows: in `to`
};

// One element of the walk is a tile.
static void run_tile(void *arg, const struct vka_strided *s, const int64_t *at, int64_t index,
                     int64_t count)
{
    const struct transposing *t = arg;
    (void)index;
    for (int64_t i = 0; i < count; i++) {
        // Operand 2 counts columns, operand 3 rows: where the tile begins.
        int64_t step = s->rank - 1, column = at[2] + i * s->stride[2][step];
        int64_t row = at[3] + i * s->stride[3][step];
        const uint32_t *from = (const uint32_t *)t->c->from->data + at[0] + i * s->stride[0][step];
        uint32_t *to = (uint32_t *)t->c->to->data + at[1] + i * s->stride[1][step];
        int64_t columns = t->columns - column < TILE ? t->columns - column : TILE;
        int64_t rows = t->rows - row < TILE ? t->rows - row : TILE;
        for (int64_t k = 0; k < columns; k++) {
            for (int64_t j = 0; j < rows; j++)
                to[k * t->step_to + j] = from[j * t->step_from + k];
        }
    }
}

static void set_tiles(struct vka_strided *tiles, int axis, int64_t dim, int64_t step_from,
                      int64_t step_to, int counter)
{
    tiles->dim[axis] = (dim + TILE - 1) / TILE;
    tiles->stride[0][axis] = step_from * TILE;
    tiles->stride[1][axis] = step_to * TILE;
    tiles->stride[2][axis] = counter == 2 ? TILE : 0;
    tiles->stride[3][axis] = counter == 3 ? TILE : 0;
}

static void run_transposed(struct vka_threads *threads, const struct copying *c,
                           const struct vka_strided *s, int axis)
{
    int last = s->rank - 1;
    struct transposing t = {c, s->dim[last], s->dim[axis], s->stride[0][last], s->stride[1][axis]};
    struct vka_strided tiles = *s;
    tiles.n = 4;
    set_tiles(&tiles, axis, t.columns, 1, t.step_to, 2);
    set_tiles(&tiles, last, t.rows, t.step_from, 1, 3);
    vka_strided_run(threads, &tiles, TILE * TILE, run_tile, &t);
}

void vka_copy_run(struct vka_threads *threads, const struct vka_array *from,
                  const struct vka_array *to)
{
    struct copying c = {from, to};
    struct vka_strided s = vka_strided_of(to, 2, (const struct vka_array *const[]){from, to});
    int axis = transposed_axis(&s);
    if (from->dtype != to->dtype)
        vka_strided_run(threads, &s, 1, run_converted, &c);
    else if (axis >= 0)
        run_transposed(threads, &c, &s, axis);
    else
        vka_strided_run(threads, &s, 1, run_span, &c);
}

static void cpu(const struct vka_cpu_run *run)
{
    vka_copy_run(run->threads, &run->args->in[0], &run->args->out[0]);
}

// --- Vulkan ---

enum { FOUR = 4 };

static struct vka_strided walk_of(const struct vka_args *args)
{
    return vka_strided_of(&args->out[0], 2,
                          (const struct vka_array *const[]){&args->in[0], &args->out[0]});
}

static void launch(struct vka_launch *l, const struct vka_args *args)
{
    const struct vka_array *from = &args->in[0], *to = &args->out[0];
    struct vka_strided s = walk_of(args);
    struct vka_strided_launch d = {.shader = "copy", .array = {from, to}, .n_constants = 1};
    d.constants[0] = from->dtype != to->dtype && to->dtype == VKA_BOOL;
    _Static_assert(sizeof(struct vka_push_copy) == (5 + 2 * 5) * 4, "push constants");
    if (to->dtype != VKA_F32)
        d.shader = from->dtype == VKA_F32 ? "copy_to_int" : "copy_int";
    else if (from->dtype != VKA_F32)
        d.shader = "copy_to_float";
    vka_strided_emit(l, &s, &d);
}

static bool are_floats(const struct vka_args *args)
{
    return args->in[0].dtype == VKA_F32 && args->out[0].dtype == VKA_F32;
}

// Rows of both, four elements at a time.
static bool fits_fours(const struct vka_limits *limits, const struct vka_args *args)
{
    const struct vka_array *arrays[] = {&args->in[0], &args->out[0]};
    struct vka_strided s = walk_of(args);
    return are_floats(args) && vka_strided_fours(limits, &s, arrays) &&
           s.stride[0][s.rank - 1] == 1;
}

static void launch_fours(struct vka_launch *l, const struct vka_args *args)
{
    struct vka_strided s = walk_of(args);
    struct vka_strided_launch d = {
        .shader = "copy_fours", .array = {&args->in[0], &args->out[0]}, .fours = true};
    vka_strided_emit(l, &s, &d);
}

// A transpose by squares of four by four elements, each of them loaded and stored as fours.
static bool fits_turned(const struct vka_limits *limits, const struct vka_args *args)
{
    struct vka_strided s = walk_of(args);
    int last = s.rank - 1, axis = transposed_axis(&s);
    if (!limits->is_cpu || !are_floats(args) || axis < 0 || s.rank > VKA_STRIDED_AXES ||
        s.dim[last] % FOUR != 0 || s.dim[axis] % FOUR != 0)
        return false;
    int64_t steps = args->in[0].offset | args->out[0].offset;
    for (int i = 0; i < s.rank; i++)
        steps |= (i == axis ? 0 : s.stride[0][i]) | (i == last ? 0 : s.stride[1][i]);
    return steps % FOUR == 0;
}

static void launch_turned(struct vka_launch *l, const struct vka_args *args)
{
    struct vka_strided s = walk_of(args);
    struct vka_strided square = {.n = 2, .rank = 2, .dim = {FOUR, FOUR}};
    int pair[2] = {transposed_axis(&s), s.rank - 1};
    for (int i = 0; i < 2; i++) {
        s.dim[pair[i]] /= FOUR;
        for (int k = 0; k < 2; k++) {
            square.stride[k][i] = s.stride[k][pair[i]];
            s.stride[k][pair[i]] *= FOUR;
        }
    }
    uint32_t tail[] = {(uint32_t)square.stride[0][1], (uint32_t)square.stride[1][0]};
    struct vka_strided_launch d = {.shader = "copy_turned",
                                   .array = {&args->in[0], &args->out[0]},
                                   .tail = tail,
                                   .tail_size = sizeof tail,
                                   .along = &square,
                                   .turns = 1,
                                   .group = {VKA_FOURS_LANES, 1}};
    _Static_assert(sizeof(struct vka_push_copy_turned) == (5 + 2 * 5) * 4 + sizeof tail,
                   "push constants");
    vka_strided_emit(l, &s, &d);
}

static const struct vka_variant variants[] = {{"fours", fits_fours, launch_fours},
                                              {"turned", fits_turned, launch_turned},
                                              {"baseline", NULL, launch},
                                              {0}};

void vka_copy_launch(struct vka_launch *l, const struct vka_array *from, const struct vka_array *to)
{
    struct vka_args args = {.in = {*from}, .out = {*to}};
    const struct vka_variant *v = variants;
    while (v->fits && !v->fits(vka_launch_limits(l), &args))
        v++;
    v->launch(l, &args);
}

const struct vka_op vka_op_copy = {
    .name = "copy",
    .summary = "a dense copy, of the same type or converted",
    .params_size = sizeof(struct params),
    .flags = VKA_OP_STRIDED,
    .infer = infer,
    .cpu = cpu,
    .variants = variants,
};
