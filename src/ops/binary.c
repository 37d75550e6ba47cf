// SPDX-License-Identifier: MIT
//
// binary: two operands, broadcast, element by element, with a function of the result.
#include "cpu/activation.h"
#include "cpu/simd.h"
#include "ops/infer.h"
#include "ops/ops.h"
#include "ops/strided.h"
#include "binary.h"

struct params {
    int kind;
    struct vka_activation act;
};

static const char *const names[] = {"add",   "sub",           "mul",     "div",
                                    "min",   "max",           "pow",     "pass",
                                    "less",  "less or equal", "greater", "greater or equal",
                                    "equal", "not equal",     "and",     "or",
                                    "xor"};

vka_tensor vka_binary_act(vka_graph *g, enum vka_binary_kind kind, vka_tensor a, vka_tensor b,
                          struct vka_activation act)
{
    struct params params = {kind, act};
    return vka_add_node(g, &vka_op_binary, &params, 2, (const vka_tensor[]){a, b}, NULL);
}

vka_tensor vka_binary(vka_graph *g, enum vka_binary_kind kind, vka_tensor a, vka_tensor b)
{
    return vka_binary_act(g, kind, a, b, (struct vka_activation){0});
}

int vka_binary_kind_of(const struct vka_op_node *node)
{
    return node->op == &vka_op_binary ? ((const struct params *)node->params)->kind : -1;
}

bool vka_is_mul(const struct vka_op_node *node)
{
    const struct params *p = node->params;
    return vka_binary_kind_of(node) == VKA_MUL && p->act.kind == VKA_ACT_NONE;
}

bool vka_is_sum(const struct vka_op_node *node, struct vka_activation *act)
{
    const struct params *p = node->params;
    if (vka_binary_kind_of(node) != VKA_ADD)
        return false;
    *act = p->act;
    return true;
}

static bool is_comparison(int kind)
{
    return kind >= VKA_LT && kind <= VKA_NE;
}

static bool takes(int kind, vka_dtype dtype)
{
    switch (dtype) {
    case VKA_F32:
        return kind <= VKA_NE;
    case VKA_I32:
        return is_comparison(kind) || kind == VKA_ADD || kind == VKA_SUB || kind == VKA_MUL ||
               kind == VKA_MIN || kind == VKA_MAX;
    default:
        return kind >= VKA_AND;
    }
}

static bool infer(struct vka_infer *n)
{
    const struct params *p = n->params;
    if (!vka_infer_present(n, "binary", 0) || !vka_infer_present(n, "binary", 1))
        return false;
    const struct vka_value *a = n->in[0], *b = n->in[1];
    if (p->kind < 0 || p->kind > VKA_XOR || p->act.kind < 0 || p->act.kind >= VKA_ACT_COUNT) {
        vka_fail(n->g, "binary: there is no operation %d with function %d", p->kind, p->act.kind);
        return false;
    }
    const char *name = names[p->kind];
    if (a->dtype != b->dtype || !takes(p->kind, a->dtype)) {
        vka_fail(n->g, "binary: %s doesn't take %s with %s", name, vka_dtype_name(a->dtype),
                 vka_dtype_name(b->dtype));
        return false;
    }
    n->n_out = 1;
    n->out_dtype[0] = is_comparison(p->kind) ? VKA_BOOL : a->dtype;
    if (p->act.kind != VKA_ACT_NONE && n->out_dtype[0] != VKA_F32) {
        vka_fail(n->g, "binary: a function of %s's result, which isn't F32", name);
        return false;
    }
    return vka_infer_broadcast(n, name, &a->shape, &b->shape, &n->out_shape[0]);
}

// --- CPU ---

#define SPAN(kind, expression)                                                                     \
    case kind:                                                                                     \
        VKA_INDEPENDENT for (int64_t i = 0; i < count; i++) y[i] = (expression);                   \
        break;

#define COMPARISONS                                                                                \
    SPAN(VKA_LT, a[i] < b[i])                                                                      \
    SPAN(VKA_LE, a[i] <= b[i])                                                                     \
    SPAN(VKA_GT, a[i] > b[i])                                                                      \
    SPAN(VKA_GE, a[i] >= b[i])                                                                     \
    SPAN(VKA_EQ, a[i] == b[i])                                                                     \
    SPAN(VKA_NE, a[i] != b[i])

VKA_CLONES static void span_float(int kind, float *y, const float *a, const float *b, int64_t count)
{
    switch (kind) {
        SPAN(VKA_ADD, a[i] + b[i])
        SPAN(VKA_SUB, a[i] - b[i])
        SPAN(VKA_MUL, a[i] * b[i])
        SPAN(VKA_DIV, a[i] / b[i])
        SPAN(VKA_MIN, a[i] < b[i] || a[i] != a[i] ? a[i] : b[i])
        SPAN(VKA_MAX, a[i] > b[i] || a[i] != a[i] ? a[i] : b[i])
        SPAN(VKA_POW, vka_powf(a[i], b[i]))
        SPAN(VKA_PASS, a[i] > 0 ? b[i] : 0)
    }
}

VKA_CLONES static void span_compare(int kind, int32_t *y, const float *a, const float *b,
                                    int64_t count)
{
    switch (kind) {
        COMPARISONS
    }
}

// Integers wrap around.
VKA_CLONES static void span_int(int kind, int32_t *y, const int32_t *a, const int32_t *b,
                                int64_t count)
{
    switch (kind) {
        SPAN(VKA_ADD, (int32_t)((uint32_t)a[i] + (uint32_t)b[i]))
        SPAN(VKA_SUB, (int32_t)((uint32_t)a[i] - (uint32_t)b[i]))
        SPAN(VKA_MUL, (int32_t)((uint32_t)a[i] * (uint32_t)b[i]))
        SPAN(VKA_MIN, a[i] < b[i] ? a[i] : b[i])
        SPAN(VKA_MAX, a[i] > b[i] ? a[i] : b[i])
        SPAN(VKA_AND, (a[i] != 0) & (b[i] != 0))
        SPAN(VKA_OR, (a[i] | b[i]) != 0)
        SPAN(VKA_XOR, (a[i] != 0) != (b[i] != 0))
        COMPARISONS
    }
}

static void span(const struct vka_args *args, void *y, const void *a, const void *b, int64_t count)
{
    const struct params *p = args->params;
    if (args->in[0].dtype != VKA_F32) {
        span_int(p->kind, y, a, b, count);
    } else if (args->out[0].dtype != VKA_F32) {
        span_compare(p->kind, y, a, b, count);
    } else {
        span_float(p->kind, y, a, b, count);
        if (p->act.kind != VKA_ACT_NONE)
            vka_activate_span(p->act, y, y, count);
    }
}

static void run_span(void *arg, const struct vka_strided *s, const int64_t *at, int64_t index,
                     int64_t count)
{
    const struct vka_args *args = arg;
    const uint32_t *a = (const uint32_t *)args->in[0].data + at[0];
    const uint32_t *b = (const uint32_t *)args->in[1].data + at[1];
    uint32_t *y = (uint32_t *)args->out[0].data + at[2];
    int64_t step_a = s->stride[0][s->rank - 1], step_b = s->stride[1][s->rank - 1];
    uint32_t span_a[VKA_STRIDED_SPAN], span_b[VKA_STRIDED_SPAN];
    (void)index;
    for (int64_t i = 0; i < count; i += VKA_STRIDED_SPAN) {
        int64_t n = count - i < VKA_STRIDED_SPAN ? count - i : VKA_STRIDED_SPAN;
        bool there = i > 0; // an operand that repeats stays as it is
        span(args, y + i,
             there && step_a == 0 ? span_a : vka_gather_span(span_a, a + i * step_a, step_a, n),
             there && step_b == 0 ? span_b : vka_gather_span(span_b, b + i * step_b, step_b, n), n);
    }
}

static void cpu(const struct vka_cpu_run *run)
{
    const struct params *p = run->args->params;
    struct vka_strided s = vka_strided_of_args(run->args, NULL);
    bool heavy = p->kind == VKA_POW || p->act.kind != VKA_ACT_NONE;
    vka_strided_run(run->threads, &s, heavy ? 8 : 2, run_span, (void *)run->args);
}

// --- Vulkan ---

static void emit(struct vka_launch *l, const struct vka_args *args, bool fours)
{
    const struct params *p = args->params;
    float tail[] = {p->act.a, p->act.b};
    struct vka_strided_launch d = {.shader = fours ? "binary_fours" : "binary",
                                   .constants = {(uint32_t)p->kind, (uint32_t)p->act.kind},
                                   .n_constants = 2,
                                   .tail = tail,
                                   .tail_size = sizeof tail,
                                   .fours = fours};
    _Static_assert(sizeof(struct vka_push_binary) == (5 + 3 * 5) * 4 + sizeof tail,
                   "push constants");
    if (args->in[0].dtype != VKA_F32)
        d.shader = "binary_int";
    else if (args->out[0].dtype != VKA_F32)
        d.shader = "binary_compare";
    struct vka_strided s = vka_strided_of_args(args, d.array);
    vka_strided_emit(l, &s, &d);
}

static void launch(struct vka_launch *l, const struct vka_args *args)
{
    emit(l, args, false);
}

static bool fits_fours(const struct vka_limits *limits, const struct vka_args *args)
{
    const struct vka_array *arrays[VKA_STRIDED_OPERANDS];
    struct vka_strided s = vka_strided_of_args(args, arrays);
    return vka_strided_fours(limits, &s, arrays) && args->in[0].dtype == VKA_F32 &&
           args->out[0].dtype == VKA_F32;
}

static void launch_fours(struct vka_launch *l, const struct vka_args *args)
{
    emit(l, args, true);
}

static const struct vka_variant variants[] = {
    {"fours", fits_fours, launch_fours}, {"baseline", NULL, launch}, {0}};

const struct vka_op vka_op_binary = {
    .name = "binary",
    .summary = "arithmetic, comparisons and logic of two operands, broadcast",
    .params_size = sizeof(struct params),
    .flags = VKA_OP_STRIDED | VKA_OP_IN_PLACE,
    .infer = infer,
    .cpu = cpu,
    .variants = variants,
};
