// SPDX-License-Identifier: MIT
//
// matmul: act(alpha * a b + bias + residual), batched. Operands are read through their strides, so
// a transposed one costs no copy.
#include "cpu/gemm.h"
#include "ops/matmul_gpu.h"
#include "ops/ops.h"
#include "util/whole.h"

#include <stdlib.h>
#include <string.h>

enum {
    A = VKA_PRODUCT_A,
    B = VKA_PRODUCT_B,
    BIAS = VKA_PRODUCT_BIAS,
    RESIDUAL = VKA_PRODUCT_RESIDUAL,
    INPUTS = VKA_PRODUCT_OUT,
};

extern const struct vka_op vka_op_matmul;

vka_tensor vka_matmul(vka_graph *g, vka_tensor a, vka_tensor b, const struct vka_matmul *p)
{
    const struct vka_matmul none = {0};
    p = p ? p : &none;
    struct vka_matmul_params params = {.alpha = p->alpha == 0 ? 1 : p->alpha, .act = p->act};
    vka_tensor in[INPUTS] = {a, b, p->bias, p->residual};
    if (!p->bias) { // they are added alike, and a residual needs one buffer more
        in[BIAS] = p->residual;
        in[RESIDUAL] = 0;
    }
    return vka_add_node(g, &vka_op_matmul, &params, INPUTS, in, NULL);
}

bool vka_matmul_add(vka_graph *g, const struct vka_op_node *node, vka_tensor other,
                    struct vka_activation act, struct vka_op_node *sum)
{
    const struct vka_matmul_params *p = node->params;
    if (node->op != &vka_op_matmul || p->act.kind != VKA_ACT_NONE || node->in[RESIDUAL])
        return false;
    struct vka_matmul_params *params = vka_pool_alloc(g, sizeof *params);
    if (!params)
        return false;
    *params = (struct vka_matmul_params){.alpha = p->alpha, .act = act};
    sum->op = &vka_op_matmul;
    sum->params = params;
    sum->n_in = INPUTS;
    memcpy(sum->in, node->in, sizeof sum->in);
    sum->in[node->in[BIAS] ? RESIDUAL : BIAS] = other;
    return true;
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

// b as a matrix, whether it is packed or not.
static bool shape_of_b(struct vka_infer *n, vka_shape *b)
{
    const struct vka_matmul_params *params = n->params;
    int64_t columns = params->columns;
    *b = n->in[B]->shape;
    if (columns == 0)
        return true;
    if (b->rank != 3 || vka_divide_up(columns, b->dim[2]) != b->dim[0])
        return fail_shapes(n, "the panels of b are not those of its columns");
    *b = VKA_SHAPE(b->dim[1], columns);
    return true;
}

static bool infer(struct vka_infer *n)
{
    const struct vka_value *a = n->in[A];
    vka_shape b;
    if (!a || !n->in[B])
        return vka_fail(n->g, "matmul: an operand is missing"), false;
    for (int i = 0; i < INPUTS; i++) {
        if (n->in[i] && n->in[i]->dtype != VKA_F32)
            return vka_fail(n->g, "matmul: the operands must be F32, one is %s",
                            vka_dtype_name(n->in[i]->dtype)),
                   false;
    }
    if (!shape_of_b(n, &b))
        return false;
    if (a->shape.rank < 2 || b.rank < 2)
        return fail_shapes(n, "both need at least two axes");
    if (dim_from_right(&a->shape, 0) != dim_from_right(&b, 1))
        return fail_shapes(n, "the columns of a must be as many as the rows of b");
    vka_shape *out = &n->out_shape[0];
    out->rank = a->shape.rank > b.rank ? a->shape.rank : b.rank;
    out->dim[out->rank - 1] = dim_from_right(&b, 0);
    out->dim[out->rank - 2] = dim_from_right(&a->shape, 1);
    for (int i = 2; i < out->rank; i++) {
        int64_t da = dim_from_right(&a->shape, i), db = dim_from_right(&b, i);
        if (da != db && da != 1 && db != 1)
            return fail_shapes(n, "the leading axes don't broadcast");
        out->dim[out->rank - 1 - i] = da == 1 ? db : da;
    }
    n->n_out = 1;
    return infer_added(n, BIAS) && infer_added(n, RESIDUAL);
}

// --- CPU ---

static struct vka_gemm gemm_of(const struct vka_args *args)
{
    const struct vka_matmul_params *params = args->params;
    struct vka_gemm gemm = {.alpha = params->alpha, .act = params->act, .constant = args->known};
    vka_product_of(args, &gemm.p);
    for (int i = 0; i < INPUTS; i++)
        gemm.data[i] = vka_present(&args->in[i]) ? args->in[i].data : NULL;
    return gemm;
}

static void cpu(const struct vka_cpu_run *run)
{
    struct vka_gemm gemm = gemm_of(run->args);
    gemm.out = run->args->out[0].data;
    gemm.kept = run->kept;
    vka_gemm_run(&gemm, run->threads, run->scratch);
}

static size_t cpu_kept(const struct vka_args *args)
{
    struct vka_gemm gemm = gemm_of(args);
    return vka_gemm_kept(&gemm.p, gemm.constant);
}

static void cpu_keep(const struct vka_args *args, struct vka_threads *threads, void *kept)
{
    struct vka_gemm gemm = gemm_of(args);
    vka_gemm_keep(&gemm, threads, kept);
}

static double flops(const struct vka_args *args)
{
    const struct vka_array *a = &args->in[A];
    return 2.0 * (double)vka_array_count(&args->out[0]) * (double)a->dim[a->rank - 1];
}

static size_t cpu_scratch(const struct vka_args *args, int threads)
{
    struct vka_product p;
    vka_product_of(args, &p);
    return vka_gemm_scratch(&p, args->known, threads);
}

// --- where it doesn't fit ---

// A dense copy of operand `t` with the output's batch axes.
static vka_tensor spread(vka_graph *g, vka_tensor t, vka_tensor out)
{
    vka_shape shape = vka_shape_of(g, out);
    for (int i = 1; i <= 2; i++)
        shape.dim[shape.rank - i] = vka_dim(g, t, -i);
    return vka_dense(g, vka_broadcast_to(g, t, shape));
}

static void product_of_node(vka_graph *g, const struct vka_op_node *node, struct vka_product *p)
{
    struct vka_args args;
    for (int i = 0; i < INPUTS; i++)
        vka_value_array(g, node->in[i], &args.in[i]);
    vka_value_array(g, node->out[0], &args.out[0]);
    vka_product_of(&args, p);
}

// Whether b is more than every device can bind, and halves of its columns are half as much: a
// linear layer of hundreds of megabytes, say.
static bool is_wide(const vka_graph *g, vka_tensor b)
{
    enum { BOUND = 128 << 20 }; // bytes that Vulkan promises
    const struct vka_value *v = vka_value_of(g, b);
    int last = v->shape.rank - 1;
    int64_t all = 0, columns = (v->shape.dim[last] - 1) * llabs(v->stride[last]);
    for (int i = 0; i <= last; i++)
        all += (v->shape.dim[i] - 1) * llabs(v->stride[i]);
    return columns > all / 2 && all > BOUND / (int64_t)sizeof(float);
}

static vka_tensor columns_of(vka_graph *g, vka_tensor t, int64_t begin, int64_t count)
{
    bool repeats = !t || vka_rank(g, t) == 0 || vka_dim(g, t, -1) == 1;
    return repeats ? t : vka_slice(g, t, -1, begin, count);
}

static vka_tensor by_halves(vka_graph *g, vka_tensor a, vka_tensor b, const struct vka_matmul *m)
{
    int64_t columns = vka_dim(g, b, -1), half = columns / 2;
    vka_tensor part[2];
    for (int i = 0; i < 2; i++) {
        int64_t begin = i ? half : 0, count = i ? columns - half : half;
        struct vka_matmul own = *m;
        own.bias = columns_of(g, m->bias, begin, count);
        own.residual = columns_of(g, m->residual, begin, count);
        part[i] = vka_matmul(g, a, vka_slice(g, b, -1, begin, count), &own);
    }
    return vka_concat(g, vka_rank(g, part[0]) - 1, 2, part);
}

// The first half of a long sum, to which the second is added.
static vka_tensor half_of_terms(vka_graph *g, vka_tensor a, vka_tensor b,
                                const struct vka_matmul *m)
{
    int64_t terms = vka_dim(g, a, -1), half = (terms / 2 + 15) / 16 * 16;
    struct vka_matmul first = *m, second = {.alpha = m->alpha, .act = m->act};
    first.act = (struct vka_activation){0};
    second.residual =
        vka_matmul(g, vka_slice(g, a, -1, 0, half), vka_slice(g, b, -2, 0, half), &first);
    return vka_matmul(g, vka_slice(g, a, -1, half, terms - half),
                      vka_slice(g, b, -2, half, terms - half), &second);
}

static void expand(vka_graph *g, const struct vka_op_node *node, vka_tensor out[VKA_MAX_OUT])
{
    const struct vka_matmul_params *params = node->params;
    vka_tensor a = node->in[A], b = node->in[B], to = node->out[0];
    struct vka_matmul m = {.alpha = params->alpha,
                           .bias = node->in[BIAS],
                           .residual = node->in[RESIDUAL],
                           .act = params->act};
    struct vka_product p;
    if (params->columns)
        return; // it was packed since the device takes it so: see vka_matmul_panel
    product_of_node(g, node, &p);
    if (p.rank > VKA_MATMUL_BATCH_AXES) { // that lie apart: copies have one
        m.bias = m.bias ? vka_dense(g, vka_broadcast_to(g, m.bias, vka_shape_of(g, to))) : 0;
        m.residual =
            m.residual ? vka_dense(g, vka_broadcast_to(g, m.residual, vka_shape_of(g, to))) : 0;
        out[0] = vka_matmul(g, spread(g, a, to), spread(g, b, to), &m);
    } else if (is_wide(g, b)) {
        out[0] = by_halves(g, a, b, &m);
    } else if (vka_matmul_turns_b(&p)) {
        out[0] = vka_matmul(g, a, vka_copy(g, b), &m);
    } else if (p.k > VKA_MATMUL_MOST_TERMS) {
        out[0] = half_of_terms(g, a, b, &m);
    } else if (m.residual) { // a buffer too many
        m.residual = 0;
        m.act = (struct vka_activation){0};
        out[0] =
            vka_binary_act(g, VKA_ADD, vka_matmul(g, a, b, &m), node->in[RESIDUAL], params->act);
    }
}

// --- weights packed for a device ---

// [k, n] to [panels, k, width].
static vka_tensor pack(vka_graph *g, vka_tensor b, int64_t k, int64_t n, int64_t width)
{
    int64_t panels = vka_divide_up(n, width);
    const int64_t before[2] = {0}, after[2] = {0, panels * width - n};
    b = vka_reshape(g, b, VKA_SHAPE(k, n));
    if (after[1])
        b = vka_pad(g, b, VKA_PAD_ZEROS, before, after, 0);
    b = vka_reshape(g, b, VKA_SHAPE(k, panels, width));
    return vka_copy(g, vka_permute(g, b, (const int[]){1, 0, 2}));
}

static void repack(vka_graph *g, const struct vka_limits *limits, const struct vka_args *args,
                   const struct vka_op_node *node, vka_tensor out[VKA_MAX_OUT])
{
    struct vka_matmul_params params = *(const struct vka_matmul_params *)args->params;
    int64_t width = vka_matmul_panel(limits, args);
    if (width == 0)
        return;
    vka_tensor in[INPUTS];
    memcpy(in, node->in, sizeof in);
    params.columns = vka_dim(g, in[B], -1);
    for (int i = vka_rank(g, in[A]); i < vka_rank(g, node->out[0]); i++) // axes of b alone
        in[A] = vka_unsqueeze(g, in[A], 0);
    in[B] = pack(g, in[B], vka_dim(g, in[B], -2), params.columns, width);
    out[0] = vka_add_node(g, &vka_op_matmul, &params, INPUTS, in, NULL);
}

const struct vka_op vka_op_matmul = {
    .name = "matmul",
    .summary = "act(alpha * a b + bias + residual), batched",
    .params_size = sizeof(struct vka_matmul_params),
    .flags = VKA_OP_STRIDED,
    .infer = infer,
    .cpu = cpu,
    .flops = flops,
    .cpu_scratch = cpu_scratch,
    .cpu_kept = cpu_kept,
    .cpu_keep = cpu_keep,
    .variants = vka_matmul_variants,
    .repack = repack,
    .expand = expand,
};
