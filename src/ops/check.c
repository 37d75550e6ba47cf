// SPDX-License-Identifier: MIT
//
// check: values of an integer tensor that must lie in a range. What comes from the host is checked
// when it comes in; what is made on the device, by a step whose result is read after the run.
#include "ops/infer.h"
#include "ops/ops.h"
#include "check.h"

struct params {
    int32_t lo, hi;
};

static int32_t clamp(int64_t v)
{
    return v < INT32_MIN ? INT32_MIN : v > INT32_MAX ? INT32_MAX : (int32_t)v;
}

// Whether the tensor is a whole input of the graph, seen in its own order.
static bool is_input(const vka_graph *g, vka_tensor t)
{
    const struct vka_value *v = vka_value_of(g, t);
    return g->values[v->base].store == VKA_STORE_INPUT && v->offset == 0 && vka_is_dense(g, t) &&
           vka_elements(g, t) == vka_elements(g, v->base);
}

void vka_check_range(vka_graph *g, vka_tensor ids, int64_t lo, int64_t hi, const char *what)
{
    struct params p = {clamp(lo), clamp(hi)};
    struct vka_check check = {.lo = lo, .hi = hi};
    if (vka_failed(g))
        return;
    const char *path = vka_scope_path(g);
    check.what = vka_pool_format(g, *path ? "%s: %s" : "%s%s", path, what);
    if (is_input(g, ids))
        check.tensor = vka_value_of(g, ids)->base;
    else
        check.found = vka_add_node(g, &vka_op_check, &p, 1, &ids, NULL);
    if (vka_failed(g))
        return;
    if (vka_grow(g->context, (void **)&g->checks, &g->check_capacity, g->check_count, sizeof check))
        g->checks[g->check_count++] = check;
    else
        vka_fail_as(g, VKA_ERROR_OUT_OF_MEMORY, "out of host memory");
}

static bool infer(struct vka_infer *n)
{
    uint64_t count = 0;
    if (!vka_infer_type(n, "check", 0, VKA_I32))
        return false;
    vka_shape_count(&n->in[0]->shape, &count);
    if (count > INT32_MAX) {
        vka_fail(n->g, "check: more than 2^31 elements");
        return false;
    }
    n->n_out = 1;
    n->out_dtype[0] = VKA_I32;
    n->out_shape[0] = (vka_shape){1, {2}};
    return true;
}

static void cpu(const struct vka_cpu_run *run)
{
    const struct params *p = run->args->params;
    const int32_t *x = run->args->in[0].data;
    int32_t *y = run->args->out[0].data;
    int64_t count = vka_array_count(&run->args->in[0]), i = 0;
    while (i < count && x[i] >= p->lo && x[i] <= p->hi)
        i++;
    y[0] = i < count ? (int32_t)i : -1;
    y[1] = i < count ? x[i] : 0;
}

enum { LANES = 128, SPAN = VKA_MOST_TURNS / 2 * LANES }; // of a dispatch

static void walk(struct vka_launch *l, const struct vka_args *args, int64_t first, int64_t end)
{
    const struct params *p = args->params;
    struct vka_dispatch d;
    vka_begin(l, &d, "check", LANES, 1, 1);
    struct vka_push_check push = {
        .first = (uint32_t)first, .count = (uint32_t)end, .lo = p->lo, .hi = p->hi};
    push.x = vka_bind(l, &d, &args->in[0], VKA_READ);
    push.y = vka_bind(l, &d, &args->out[0], first > 0 ? VKA_READ_WRITE : VKA_WRITE);
    VKA_PUSH(&d, push);
    vka_turns(&d, (double)(end - first) / LANES + LANES, "the integers");
    vka_emit(l, &d, 1, 1, 1);
}

static void launch(struct vka_launch *l, const struct vka_args *args)
{
    int64_t count = vka_array_count(&args->in[0]);
    for (int64_t first = 0; first < count; first += SPAN)
        walk(l, args, first, count - first < SPAN ? count : first + SPAN);
}

static const struct vka_variant variants[] = {{"baseline", NULL, launch}, {0}};

const struct vka_op vka_op_check = {
    .name = "check",
    .summary = "the first integer outside a range",
    .params_size = sizeof(struct params),
    .infer = infer,
    .cpu = cpu,
    .variants = variants,
};
