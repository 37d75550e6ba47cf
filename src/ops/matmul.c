// SPDX-License-Identifier: MIT
//
// matmul: act(alpha * a b + bias + residual), batched. Operands are read through their strides, so
// a transposed one costs no copy.
#include "cpu/gemm.h"
#include "matmul.h" // push constants
#include "ops/matrix.h"
#include "ops/ops.h"
#include "ops/product.h"
#include "ops/tile.h"
#include "util/whole.h"

#include <stdlib.h>
#include <string.h>

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

bool vka_matmul_add(vka_graph *g, const struct vka_op_node *node, vka_tensor other,
                    struct vka_activation act, struct vka_op_node *sum)
{
    const struct matmul_params *p = node->params;
    if (node->op != &vka_op_matmul || p->act.kind != VKA_ACT_NONE || node->in[RESIDUAL])
        return false;
    struct matmul_params *params = vka_pool_alloc(g, sizeof *params);
    if (!params)
        return false;
    *params = (struct matmul_params){.alpha = p->alpha, .act = act};
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

static struct vka_gemm gemm_of(const struct vka_args *args)
{
    const struct matmul_params *params = args->params;
    struct vka_gemm gemm = {.alpha = params->alpha, .act = params->act, .constant = args->known};
    _Static_assert((int)A == (int)VKA_PRODUCT_A && (int)B == (int)VKA_PRODUCT_B, "same bits");
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

// --- Vulkan ---

// MOST_TERMS: of a sum that isn't made in blocks.
enum { LANES = 8, MAX_BATCH_AXES = 3, MOST_TERMS = 8192 };

static bool fits_bindings(const struct vka_limits *limits, const struct vka_product *p)
{
    return p->rank <= MAX_BATCH_AXES &&
           (!p->side[VKA_PRODUCT_RESIDUAL].present || limits->storage_buffers >= 5);
}

static void push_strides(uint stride[5], const struct vka_product *p, enum vka_product_role role)
{
    const struct vka_product_side *side = &p->side[role];
    for (int i = 0; i < p->rank; i++)
        stride[MAX_BATCH_AXES - p->rank + i] = (uint)side->batch[i];
    stride[MAX_BATCH_AXES] = (uint)side->row;
    stride[MAX_BATCH_AXES + 1] = (uint)side->col;
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

// How a module cuts the output: workgroups of `invocations`, each lane with sums_m x sums_n sums.
struct cut {
    const char *module, *residual_module;
    uint32_t invocations, sums_m, sums_n;
    uint64_t tile_m, tile_n;
    uint32_t more[3];                    // constants of the module's own
    const struct vka_matrix_cut *matrix; // instead of them; or NULL
    double turns;
};

static void launch(struct vka_launch *l, const struct vka_args *args, const struct vka_product *p,
                   const struct cut *cut)
{
    const struct matmul_params *params = args->params;
    bool residual = vka_present(&args->in[RESIDUAL]);
    uint64_t groups = (uint64_t)vka_product_count(p) *
                      (((uint64_t)p->m + cut->tile_m - 1) / cut->tile_m) *
                      (((uint64_t)p->n + cut->tile_n - 1) / cut->tile_n);
    struct vka_push_matmul push = {.groups = (uint)groups, .alpha = params->alpha};
    struct vka_dispatch d;
    vka_begin(l, &d, residual ? cut->residual_module : cut->module, cut->invocations, 1, 1);
    d.subgroup = cut->matrix ? cut->matrix->subgroup : 0;
    vka_constant_u32(&d, cut->sums_m);
    vka_constant_u32(&d, cut->sums_n);
    vka_constant_u32(&d, vka_present(&args->in[BIAS]));
    vka_constant_u32(&d, (uint32_t)params->act.kind);
    vka_constant_f32(&d, params->act.a);
    vka_constant_f32(&d, params->act.b);
    if (cut->matrix)
        vka_matrix_constants(l, &d, cut->matrix, cut->more[0]);
    for (size_t i = 0; i < VKA_COUNT(cut->more) && !cut->matrix; i++)
        vka_constant_u32(&d, cut->more[i]);
    push_product(p, &push);
    bind_all(l, &d, args, &push);
    VKA_PUSH(&d, push);
    vka_turns(&d, cut->turns, "a sum's terms");
    vka_emit(l, &d, groups, 1, 1);
}

// --- tiles, on GPUs ---

// Whether steps along everything but the contiguous axis keep to multiples of four elements.
static bool by_four(const struct vka_array *a, const struct vka_product *p,
                    enum vka_product_role role, int64_t other)
{
    for (int i = 0; i < p->rank; i++) {
        if (p->side[role].batch[i] % 4 != 0)
            return false;
    }
    return other % 4 == 0 && a->offset % 4 == 0;
}

// Whether an operand's fours of elements lie together along an axis of `size` elements `step`
// apart, the other one's steps being `other`.
static bool by_fours(const struct vka_args *args, const struct vka_product *p,
                     enum vka_product_role role, int64_t step, int64_t other, int64_t size)
{
    return step == 1 && size % 4 == 0 && by_four(&args->in[role], p, role, other);
}

static uint32_t tile_modes(const struct vka_args *args, const struct vka_product *p)
{
    const struct vka_product_side *a = &p->side[VKA_PRODUCT_A], *b = &p->side[VKA_PRODUCT_B];
    bool a_k = llabs(a->col) < llabs(a->row), b_k = llabs(b->row) < llabs(b->col);
    bool a_fours = by_fours(args, p, VKA_PRODUCT_A, a_k ? a->col : a->row, a_k ? a->row : a->col,
                            a_k ? p->k : p->m);
    bool b_fours = by_fours(args, p, VKA_PRODUCT_B, b_k ? b->row : b->col, b_k ? b->col : b->row,
                            b_k ? p->k : p->n);
    bool out_fours = p->n % 4 == 0 && args->out[0].offset % 4 == 0;
    return (a_k ? VKA_TILE_A_ALONG_K : 0) | (a_fours ? VKA_TILE_A_FOURS : 0) |
           (b_k ? VKA_TILE_B_ALONG_K : 0) | (b_fours ? VKA_TILE_B_FOURS : 0) |
           (out_fours ? VKA_TILE_OUT_FOURS : 0);
}

static void launch_baseline(struct vka_launch *l, const struct vka_args *args)
{
    struct vka_product p;
    vka_product_of(args, &p);
    struct vka_tile tile = vka_tile_of(vka_launch_limits(l), p.m, p.n, vka_product_count(&p));
    struct cut cut = {.module = "matmul",
                      .residual_module = "matmul_residual",
                      .invocations = tile.lanes * tile.lanes,
                      .sums_m = tile.sums_m,
                      .sums_n = tile.sums_n,
                      .tile_m = (uint64_t)tile.sums_m * tile.lanes,
                      .tile_n = (uint64_t)tile.sums_n * tile.lanes,
                      .more = {tile_modes(args, &p)},
                      .turns = vka_tile_turns(&tile, p.k)};
    launch(l, args, &p, &cut);
}

// --- few rows or columns ---

enum { FEW = 4, FEW_INVOCATIONS = 64, LONG = 64 };

static bool few_along_k(const struct vka_product *p)
{
    const struct vka_product_side *a = &p->side[VKA_PRODUCT_A], *b = &p->side[VKA_PRODUCT_B];
    bool swapped = p->m > p->n;
    int64_t k_step = swapped ? a->col : b->row, col_step = swapped ? a->row : b->col;
    return llabs(k_step) < llabs(col_step);
}

// Lanes that share a sum.
static uint32_t few_slices(const struct vka_product *p)
{
    return few_along_k(p) ? FEW_INVOCATIONS : FEW;
}

static bool fits_few(const struct vka_limits *limits, const struct vka_args *args)
{
    struct vka_product p;
    vka_product_of(args, &p);
    return fits_bindings(limits, &p) && !limits->is_cpu && (p.m <= FEW || p.n <= FEW) &&
           p.k >= LONG && p.k / few_slices(&p) <= MOST_TERMS;
}

static void launch_few(struct vka_launch *l, const struct vka_args *args)
{
    struct vka_product p;
    vka_product_of(args, &p);
    bool swapped = p.m > p.n;
    uint32_t slices = few_slices(&p);
    struct cut cut = {.module = "matmul_few",
                      .residual_module = "matmul_few_residual",
                      .invocations = FEW_INVOCATIONS,
                      .sums_n = 1,
                      .sums_m = (uint32_t)(swapped ? p.n : p.m),
                      .tile_m = swapped ? FEW_INVOCATIONS / slices : (uint64_t)p.m,
                      .tile_n = swapped ? (uint64_t)p.n : FEW_INVOCATIONS / slices,
                      .more = {slices, swapped, few_along_k(&p)},
                      .turns = (double)vka_divide_up(p.k, slices)};
    launch(l, args, &p, &cut);
}

// --- devices that are programs ---

// Sums of a lane at most: rows; columns, or fours of columns. Every load takes its time, so that
// many sums share one.
enum { ROWS_MOST = 16, COLUMNS = 4, FOURS = 2 };

static bool fours_of_b(const struct vka_args *args, const struct vka_product *p)
{
    const struct vka_product_side *b = &p->side[VKA_PRODUCT_B];
    return b->col == 1 && p->n % 4 == 0 && by_four(&args->in[B], p, VKA_PRODUCT_B, b->row) &&
           args->out[0].offset % 4 == 0;
}

static uint32_t a_mode_of(const struct vka_args *args, const struct vka_product *p, uint32_t rows)
{
    const struct vka_product_side *a = &p->side[VKA_PRODUCT_A];
    if (a->col == 1 && by_four(&args->in[A], p, VKA_PRODUCT_A, a->row))
        return VKA_LANES_A_ALONG_K;
    bool along = a->row == 1 && p->m % 4 == 0 && rows >= 4;
    return along && by_four(&args->in[A], p, VKA_PRODUCT_A, a->col) ? VKA_LANES_A_ALONG_M : 0;
}

static uint32_t lane_modes(const struct vka_args *args, const struct vka_product *p, uint32_t rows)
{
    const struct vka_product_side *bias = &p->side[VKA_PRODUCT_BIAS];
    const struct vka_product_side *residual = &p->side[VKA_PRODUCT_RESIDUAL];
    uint32_t modes = a_mode_of(args, p, rows);
    modes |= p->k % VKA_LANES_STEP == 0 ? VKA_LANES_WHOLE : 0;
    modes |= p->k <= VKA_LANES_BLOCK ? VKA_LANES_SHORT : 0;
    modes |= bias->row == 0 ? VKA_LANES_BIAS_OF_COLUMNS : 0;
    modes |= bias->col == 0 ? VKA_LANES_BIAS_OF_ROWS : 0;
    if (residual->present && residual->col == 1 &&
        by_four(&args->in[RESIDUAL], p, VKA_PRODUCT_RESIDUAL, residual->row))
        modes |= VKA_LANES_RESIDUAL_FOURS;
    return modes;
}

// A b that has its columns together as rows: worth a copy, which a weight needs but once.
static bool turns_b(const struct vka_product *p)
{
    const struct vka_product_side *b = &p->side[VKA_PRODUCT_B];
    return b->row == 1 && b->col != 1 && b->col != 0 && p->n % 4 == 0 && p->k > 1 && p->m >= LANES;
}

static bool fits_lanes(const struct vka_limits *limits, const struct vka_args *args)
{
    struct vka_product p;
    vka_product_of(args, &p);
    return limits->is_cpu && fits_bindings(limits, &p) && !turns_b(&p);
}

static void launch_lanes(struct vka_launch *l, const struct vka_args *args)
{
    struct vka_product p;
    vka_product_of(args, &p);
    const struct vka_limits *limits = vka_launch_limits(l);
    bool fours = fours_of_b(args, &p) && limits->subgroup_arithmetic;
    bool along_k = a_mode_of(args, &p, 1) == VKA_LANES_A_ALONG_K;
    uint32_t sharing = fours && along_k ? vka_sharing_lanes(limits) : 1;
    uint32_t lanes = sharing > LANES ? sharing : LANES;
    struct cut cut = {.module = fours ? "matmul_fours" : "matmul_lanes",
                      .residual_module = fours ? "matmul_fours_residual" : "matmul_lanes_residual",
                      .invocations = lanes,
                      .sums_n = fours ? 4 * vka_lane_sums(p.n / 4, FOURS, lanes)
                                      : vka_lane_sums(p.n, COLUMNS, lanes),
                      .sums_m = vka_lane_sums(p.m, ROWS_MOST, 1),
                      .turns = vka_lane_turns(p.k)};
    cut.more[0] = lane_modes(args, &p, cut.sums_m);
    cut.more[1] = sharing;
    cut.tile_m = cut.sums_m;
    cut.tile_n = (uint64_t)cut.sums_n * lanes;
    launch(l, args, &p, &cut);
}

// --- cooperative matrices ---

// Whether steps along everything but the contiguous axis of `size` keep to eight elements.
static bool by_eight(const struct vka_array *a, const struct vka_product *p,
                     enum vka_product_role role, int64_t other, int64_t size)
{
    for (int i = 0; i < p->rank; i++) {
        if (p->side[role].batch[i] % 8 != 0)
            return false;
    }
    return other % 8 == 0 && a->offset % 8 == 0 && size % 8 == 0;
}

static uint32_t matrix_modes(const struct vka_args *args, const struct vka_product *p)
{
    const struct vka_product_side *a = &p->side[VKA_PRODUCT_A], *b = &p->side[VKA_PRODUCT_B];
    uint32_t modes = 0;
    bool along_m = llabs(a->row) < llabs(a->col), along_n = llabs(b->col) < llabs(b->row);
    int64_t a_step = along_m ? a->row : a->col, b_step = along_n ? b->col : b->row;
    modes |= along_m ? VKA_MATRIX_A_ALONG_M : 0;
    modes |= along_n ? VKA_MATRIX_B_ALONG_N : 0;
    if (a_step == 1 &&
        by_eight(&args->in[A], p, VKA_PRODUCT_A, along_m ? a->col : a->row, along_m ? p->m : p->k))
        modes |= VKA_MATRIX_A_EIGHTS;
    if (b_step == 1 &&
        by_eight(&args->in[B], p, VKA_PRODUCT_B, along_n ? b->row : b->col, along_n ? p->n : p->k))
        modes |= VKA_MATRIX_B_EIGHTS;
    return modes;
}

static bool fits_matrix(const struct vka_limits *limits, const struct vka_args *args)
{
    struct vka_product p;
    struct vka_matrix_cut cut;
    vka_product_of(args, &p);
    return fits_bindings(limits, &p) && p.k <= MOST_TERMS &&
           vka_matrix_cut_of(limits, p.m, p.n, p.k, vka_product_count(&p), &cut);
}

static void launch_matrix(struct vka_launch *l, const struct vka_args *args)
{
    struct vka_product p;
    struct vka_matrix_cut matrix;
    vka_product_of(args, &p);
    vka_matrix_cut_of(vka_launch_limits(l), p.m, p.n, p.k, vka_product_count(&p), &matrix);
    struct cut cut = {.module = "matmul_matrix",
                      .residual_module = "matmul_matrix_residual",
                      .invocations = matrix.invocations,
                      .sums_m = matrix.fragments_m,
                      .sums_n = matrix.fragments_n,
                      .tile_m = matrix.tile_m,
                      .tile_n = matrix.tile_n,
                      .more = {matrix_modes(args, &p)},
                      .matrix = &matrix,
                      .turns = vka_matrix_turns(&matrix, p.k)};
    launch(l, args, &p, &cut);
}

static bool fits_baseline(const struct vka_limits *limits, const struct vka_args *args)
{
    struct vka_product p;
    vka_product_of(args, &p);
    return fits_bindings(limits, &p) && !limits->is_cpu && p.k <= MOST_TERMS;
}

static const struct vka_variant variants[] = {
    {"lanes", fits_lanes, launch_lanes},
    {"few", fits_few, launch_few},
    {"matrix", fits_matrix, launch_matrix},
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
    const struct matmul_params *params = node->params;
    vka_tensor a = node->in[A], b = node->in[B], to = node->out[0];
    struct vka_matmul m = {.alpha = params->alpha,
                           .bias = node->in[BIAS],
                           .residual = node->in[RESIDUAL],
                           .act = params->act};
    struct vka_product p;
    product_of_node(g, node, &p);
    if (p.rank > MAX_BATCH_AXES) { // that lie apart: copies have one
        m.bias = m.bias ? vka_dense(g, vka_broadcast_to(g, m.bias, vka_shape_of(g, to))) : 0;
        m.residual =
            m.residual ? vka_dense(g, vka_broadcast_to(g, m.residual, vka_shape_of(g, to))) : 0;
        out[0] = vka_matmul(g, spread(g, a, to), spread(g, b, to), &m);
    } else if (is_wide(g, b)) {
        out[0] = by_halves(g, a, b, &m);
    } else if (turns_b(&p)) {
        out[0] = vka_matmul(g, a, vka_copy(g, b), &m);
    } else if (p.k > MOST_TERMS) {
        out[0] = half_of_terms(g, a, b, &m);
    } else if (m.residual) { // a buffer too many
        m.residual = 0;
        m.act = (struct vka_activation){0};
        out[0] =
            vka_binary_act(g, VKA_ADD, vka_matmul(g, a, b, &m), node->in[RESIDUAL], params->act);
    }
}

const struct vka_op vka_op_matmul = {
    .name = "matmul",
    .summary = "act(alpha * a b + bias + residual), batched",
    .params_size = sizeof(struct matmul_params),
    .flags = VKA_OP_STRIDED,
    .infer = infer,
    .cpu = cpu,
    .flops = flops,
    .cpu_scratch = cpu_scratch,
    .cpu_kept = cpu_kept,
    .cpu_keep = cpu_keep,
    .variants = variants,
    .expand = expand,
};
