// SPDX-License-Identifier: MIT
//
// matmul: act(alpha * a b + bias + residual), batched. Operands are read through their strides, so
// a transposed one costs no copy.
#include "cpu/gemm.h"
#include "matmul.h" // push constants
#include "ops/ops.h"
#include "ops/product.h"

struct matmul_params {
    float alpha;
    struct vka_activation act;
};

enum { A, B, BIAS, RESIDUAL, INPUTS };

extern const struct vka_op vka_op_matmul;

vka_tensor vka_matmul(vka_graph *g, vka_tensor a, vka_tensor b, const struct vka_matmul *p)
{
    const struct vka_matmul none = {0};
    p = p ? p : &none;
    struct matmul_params params = {.alpha = p->alpha == 0 ? 1 : p->alpha, .act = p->act};
    vka_tensor in[INPUTS] = {a, b, p->bias, p->residual};
    if (!p->bias) { // they are added alike, and a residual needs one buffer more
        in[BIAS] = p->residual;
        in[RESIDUAL] = 0;
    }
    return vka_add_node(g, &vka_op_matmul, &params, INPUTS, in, NULL);
}

// --- shapes ---

static bool fail_shapes(struct vka_infer *n, const char *what)
{
    char a[VKA_SHAPE_TEXT], b[VKA_SHAPE_TEXT];
    vka_fail(n->g, "matmul: %s: a is %s, b is %s", what, vka_shape_text(&n->in[A]->shape, a),
             vka_shape_text(&n->in[B]->shape, b));
    return false;
}

static int64_t dim_from_right(const vka_shape *s, int i)
{
    return i < s->rank ? s->dim[s->rank - 1 - i] : 1;
}

static bool broadcasts_to(const vka_shape *s, const vka_shape *out)
{
    for (int i = 0; i < s->rank; i++) {
        int64_t size = dim_from_right(s, i);
        if (i >= out->rank || (size != 1 && size != dim_from_right(out, i)))
            return false;
    }
    return true;
}

static bool infer_added(struct vka_infer *n, int role)
{
    static const char *const names[INPUTS] = {"a", "b", "bias", "residual"};
    if (!n->in[role] || broadcasts_to(&n->in[role]->shape, &n->out_shape[0]))
        return true;
    char s[VKA_SHAPE_TEXT], out[VKA_SHAPE_TEXT];
    vka_fail(n->g, "matmul: the %s is %s, which doesn't broadcast to the output %s", names[role],
             vka_shape_text(&n->in[role]->shape, s), vka_shape_text(&n->out_shape[0], out));
    return false;
}

static bool infer(struct vka_infer *n)
{
    const struct vka_value *a = n->in[A], *b = n->in[B];
    if (!a || !b)
        return vka_fail(n->g, "matmul: an operand is missing"), false;
    for (int i = 0; i < INPUTS; i++) {
        if (n->in[i] && n->in[i]->dtype != VKA_F32)
            return vka_fail(n->g, "matmul: the operands must be F32, one is %s",
                            vka_dtype_name(n->in[i]->dtype)),
                   false;
    }
    if (a->shape.rank < 2 || b->shape.rank < 2)
        return fail_shapes(n, "both need at least two axes");
    if (dim_from_right(&a->shape, 0) != dim_from_right(&b->shape, 1))
        return fail_shapes(n, "the columns of a must be as many as the rows of b");
    vka_shape *out = &n->out_shape[0];
    out->rank = a->shape.rank > b->shape.rank ? a->shape.rank : b->shape.rank;
    out->dim[out->rank - 1] = dim_from_right(&b->shape, 0);
    out->dim[out->rank - 2] = dim_from_right(&a->shape, 1);
    for (int i = 2; i < out->rank; i++) {
        int64_t da = dim_from_right(&a->shape, i), db = dim_from_right(&b->shape, i);
        if (da != db && da != 1 && db != 1)
            return fail_shapes(n, "the leading axes don't broadcast");
        out->dim[out->rank - 1 - i] = da == 1 ? db : da;
    }
    n->n_out = 1;
    return infer_added(n, BIAS) && infer_added(n, RESIDUAL);
}

// --- CPU ---

static void cpu(const struct vka_cpu_run *run)
{
    const struct vka_args *args = run->args;
    const struct matmul_params *params = args->params;
    struct vka_gemm gemm = {.out = args->out[0].data, .alpha = params->alpha, .act = params->act};
    vka_product_of(args, &gemm.p);
    for (int i = 0; i < INPUTS; i++)
        gemm.data[i] = vka_present(&args->in[i]) ? args->in[i].data : NULL;
    vka_gemm_run(&gemm, run->threads, run->scratch);
}

static size_t cpu_scratch(const struct vka_args *args, int threads)
{
    struct vka_product p;
    vka_product_of(args, &p);
    return vka_gemm_scratch(&p, threads);
}

// --- Vulkan ---

enum { LANES = 8, MAX_BATCH_AXES = 3 };

static bool fits_baseline(const struct vka_limits *limits, const struct vka_args *args)
{
    struct vka_product p;
    vka_product_of(args, &p);
    return p.rank <= MAX_BATCH_AXES &&
           (!p.side[VKA_PRODUCT_RESIDUAL].present || limits->storage_buffers >= 5);
}

static void push_strides(uint stride[5], const struct vka_product *p, enum vka_product_role role)
{
    const struct vka_product_side *side = &p->side[role];
    for (int i = 0; i < p->rank; i++)
        stride[MAX_BATCH_AXES - p->rank + i] = (uint)side->batch[i];
    stride[MAX_BATCH_AXES] = (uint)side->row;
    stride[MAX_BATCH_AXES + 1] = (uint)side->col;
}

// Sums in a lane along one side: as many as the matrix can use.
static uint32_t lane_sums(int64_t size)
{
    uint32_t sums = 8;
    while (sums > 1 && (int64_t)(sums / 2 * LANES) >= size)
        sums /= 2;
    return sums;
}

static void push_product(const struct vka_product *p, struct vka_push_matmul *push)
{
    push->m = (uint)p->m;
    push->n = (uint)p->n;
    push->k = (uint)p->k;
    push->batch_1 = p->rank >= 2 ? (uint)p->batch[p->rank - 2] : 1;
    push->batch_2 = p->rank >= 1 ? (uint)p->batch[p->rank - 1] : 1;
    push_strides(push->a_stride, p, VKA_PRODUCT_A);
    push_strides(push->b_stride, p, VKA_PRODUCT_B);
    push_strides(push->bias_stride, p, VKA_PRODUCT_BIAS);
    push_strides(push->residual_stride, p, VKA_PRODUCT_RESIDUAL);
}

static void bind_all(struct vka_launch *l, struct vka_dispatch *d, const struct vka_args *args,
                     struct vka_push_matmul *push)
{
    push->a_offset = vka_bind(l, d, &args->in[A], VKA_READ);
    push->b_offset = vka_bind(l, d, &args->in[B], VKA_READ);
    push->bias_offset = vka_bind(l, d, &args->in[BIAS], VKA_READ);
    push->out_offset = vka_bind(l, d, &args->out[0], VKA_WRITE);
    if (vka_present(&args->in[RESIDUAL]))
        push->residual_offset = vka_bind(l, d, &args->in[RESIDUAL], VKA_READ);
}

static void launch_baseline(struct vka_launch *l, const struct vka_args *args)
{
    const struct matmul_params *params = args->params;
    struct vka_product p;
    vka_product_of(args, &p);
    uint32_t sums_m = lane_sums(p.m), sums_n = lane_sums(p.n);
    uint64_t tile_m = sums_m * LANES, tile_n = sums_n * LANES;
    uint64_t groups = (uint64_t)vka_product_count(&p) * (((uint64_t)p.m + tile_m - 1) / tile_m) *
                      (((uint64_t)p.n + tile_n - 1) / tile_n);
    struct vka_push_matmul push = {.groups = (uint)groups, .alpha = params->alpha};
    struct vka_dispatch d;
    vka_begin(l, &d, vka_present(&args->in[RESIDUAL]) ? "matmul_residual" : "matmul", LANES * LANES,
              1, 1);
    vka_constant_u32(&d, sums_m);
    vka_constant_u32(&d, sums_n);
    vka_constant_u32(&d, vka_present(&args->in[BIAS]));
    vka_constant_u32(&d, (uint32_t)params->act.kind);
    vka_constant_f32(&d, params->act.a);
    vka_constant_f32(&d, params->act.b);
    push_product(&p, &push);
    bind_all(l, &d, args, &push);
    VKA_PUSH(&d, push);
    vka_emit(l, &d, groups, 1, 1);
}

static const struct vka_variant variants[] = {
    {"baseline", fits_baseline, launch_baseline},
    {NULL, NULL, NULL},
};

// --- where it doesn't fit ---

// A dense copy of operand `t` with the output's batch axes.
static vka_tensor spread(vka_graph *g, vka_tensor t, vka_tensor out)
{
    vka_shape shape = vka_shape_of(g, out);
    for (int i = 1; i <= 2; i++)
        shape.dim[shape.rank - i] = vka_dim(g, t, -i);
    return vka_dense(g, vka_broadcast_to(g, t, shape));
}

static void expand(vka_graph *g, const struct vka_op_node *node, vka_tensor out[VKA_MAX_OUT])
{
    const struct matmul_params *params = node->params;
    struct vka_matmul p = {.alpha = params->alpha, .bias = node->in[BIAS]};
    if (node->in[RESIDUAL]) { // a buffer too many
        vka_tensor sum = vka_matmul(g, node->in[A], node->in[B], &p);
        out[0] = vka_binary_act(g, VKA_ADD, sum, node->in[RESIDUAL], params->act);
        return;
    }
    // Too many batch axes that lie apart: copies have one.
    p.act = params->act;
    if (p.bias)
        p.bias = vka_dense(g, vka_broadcast_to(g, p.bias, vka_shape_of(g, node->out[0])));
    out[0] = vka_matmul(g, spread(g, node->in[A], node->out[0]),
                        spread(g, node->in[B], node->out[0]), &p);
}

const struct vka_op vka_op_matmul = {
    .name = "matmul",
    .summary = "act(alpha * a b + bias + residual), batched",
    .params_size = sizeof(struct matmul_params),
    .flags = VKA_OP_STRIDED,
    .infer = infer,
    .cpu = cpu,
    .cpu_scratch = cpu_scratch,
    .variants = variants,
    .expand = expand,
};
