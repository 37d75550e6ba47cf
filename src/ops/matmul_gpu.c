// SPDX-License-Identifier: MIT
//
// matmul on Vulkan devices: how its shaders are chosen, cut and bound.
#include "ops/matmul_gpu.h"
#include "matmul.h" // push constants
#include "ops/matrix.h"
#include "ops/ops.h"
#include "ops/tile.h"
#include "util/whole.h"

#include <stdlib.h>

static bool fits_bindings(const struct vka_limits *limits, const struct vka_product *p)
{
    return p->rank <= VKA_MATMUL_BATCH_AXES &&
           (!p->side[VKA_PRODUCT_RESIDUAL].present || limits->storage_buffers >= 5);
}

// What all but "lanes" take: b lies as a matrix, and the device binds all operands.
static bool plain_product(const struct vka_limits *limits, const struct vka_args *args,
                          struct vka_product *p)
{
    const struct vka_matmul_params *params = args->params;
    if (params->columns)
        return false;
    vka_product_of(args, p);
    return fits_bindings(limits, p);
}

static void push_strides(uint stride[5], const struct vka_product *p, enum vka_product_role role)
{
    const struct vka_product_side *side = &p->side[role];
    for (int i = 0; i < p->rank; i++)
        stride[VKA_MATMUL_BATCH_AXES - p->rank + i] = (uint)side->batch[i];
    stride[VKA_MATMUL_BATCH_AXES] = (uint)side->row;
    stride[VKA_MATMUL_BATCH_AXES + 1] = (uint)side->col;
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
    push->a_offset = vka_bind(l, d, &args->in[VKA_PRODUCT_A], VKA_READ);
    push->b_offset = vka_bind(l, d, &args->in[VKA_PRODUCT_B], VKA_READ);
    push->bias_offset = vka_bind(l, d, &args->in[VKA_PRODUCT_BIAS], VKA_READ);
    push->out_offset = vka_bind(l, d, &args->out[0], VKA_WRITE);
    if (vka_present(&args->in[VKA_PRODUCT_RESIDUAL]))
        push->residual_offset = vka_bind(l, d, &args->in[VKA_PRODUCT_RESIDUAL], VKA_READ);
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
    const struct vka_matmul_params *params = args->params;
    bool residual = vka_present(&args->in[VKA_PRODUCT_RESIDUAL]);
    uint64_t groups = (uint64_t)vka_product_count(p) *
                      (((uint64_t)p->m + cut->tile_m - 1) / cut->tile_m) *
                      (((uint64_t)p->n + cut->tile_n - 1) / cut->tile_n);
    struct vka_push_matmul push = {.groups = (uint)groups, .alpha = params->alpha};
    struct vka_dispatch d;
    vka_begin(l, &d, residual ? cut->residual_module : cut->module, cut->invocations, 1, 1);
    d.subgroup = cut->matrix ? cut->matrix->subgroup : 0;
    vka_constant_u32(&d, cut->sums_m);
    vka_constant_u32(&d, cut->sums_n);
    vka_constant_u32(&d, vka_present(&args->in[VKA_PRODUCT_BIAS]));
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

// Whether `many` elements that lie together along one axis can be read at once everywhere: all
// other steps, `other` being the second axis' own, keep to multiples of them.
static bool keeps_to(const struct vka_args *args, const struct vka_product *p,
                     enum vka_product_role role, int64_t many, int64_t other)
{
    for (int i = 0; i < p->rank; i++) {
        if (p->side[role].batch[i] % many != 0)
            return false;
    }
    return other % many == 0 && args->in[role].offset % many == 0;
}

// The same for a or b along its terms, or else along its rows (columns), which must be whole
// multiples, too.
static bool reads_many(const struct vka_args *args, const struct vka_product *p,
                       enum vka_product_role role, int64_t many, bool along_k)
{
    const struct vka_product_side *side = &p->side[role];
    bool by_col = (role == VKA_PRODUCT_A) == along_k;
    int64_t step = by_col ? side->col : side->row, other = by_col ? side->row : side->col;
    int64_t size = along_k ? p->k : role == VKA_PRODUCT_A ? p->m : p->n;
    return step == 1 && size % many == 0 && keeps_to(args, p, role, many, other);
}

// Whether terms lie closer together than rows of a (columns of b).
static bool is_along_k(const struct vka_product *p, enum vka_product_role role)
{
    const struct vka_product_side *side = &p->side[role];
    return role == VKA_PRODUCT_A ? llabs(side->col) < llabs(side->row)
                                 : llabs(side->row) < llabs(side->col);
}

static uint32_t tile_modes(const struct vka_args *args, const struct vka_product *p)
{
    bool a_k = is_along_k(p, VKA_PRODUCT_A), b_k = is_along_k(p, VKA_PRODUCT_B);
    bool out_fours = p->n % 4 == 0 && args->out[0].offset % 4 == 0;
    return (a_k ? VKA_TILE_A_ALONG_K : 0) | (b_k ? VKA_TILE_B_ALONG_K : 0) |
           (reads_many(args, p, VKA_PRODUCT_A, 4, a_k) ? VKA_TILE_A_FOURS : 0) |
           (reads_many(args, p, VKA_PRODUCT_B, 4, b_k) ? VKA_TILE_B_FOURS : 0) |
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
    return is_along_k(p, p->m > p->n ? VKA_PRODUCT_A : VKA_PRODUCT_B);
}

// Lanes that share a sum.
static uint32_t few_slices(const struct vka_product *p)
{
    return few_along_k(p) ? FEW_INVOCATIONS : FEW;
}

static bool fits_few(const struct vka_limits *limits, const struct vka_args *args)
{
    struct vka_product p;
    return plain_product(limits, args, &p) && !limits->is_cpu && (p.m <= FEW || p.n <= FEW) &&
           p.k >= LONG && p.k / few_slices(&p) <= VKA_MATMUL_MOST_TERMS;
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
// many sums share one. Drivers compile them for long: a quarter of them for small products.
enum { LANES = 8, ROWS_MOST = 16, COLUMNS = 4, FOURS = 2 };

static bool is_small(const struct vka_product *p)
{
    const double small = 1 << 22;
    return (double)vka_product_count(p) * (double)p->m * (double)p->n * (double)p->k < small;
}

static bool fours_of_b(const struct vka_args *args, const struct vka_product *p)
{
    const struct vka_product_side *b = &p->side[VKA_PRODUCT_B];
    return b->col == 1 && p->n % 4 == 0 && keeps_to(args, p, VKA_PRODUCT_B, 4, b->row) &&
           args->out[0].offset % 4 == 0;
}

static uint32_t a_mode_of(const struct vka_args *args, const struct vka_product *p, uint32_t rows)
{
    const struct vka_product_side *a = &p->side[VKA_PRODUCT_A];
    if (a->col == 1 && keeps_to(args, p, VKA_PRODUCT_A, 4, a->row))
        return VKA_LANES_A_ALONG_K;
    bool along = a->row == 1 && p->m % 4 == 0 && rows >= 4;
    return along && keeps_to(args, p, VKA_PRODUCT_A, 4, a->col) ? VKA_LANES_A_ALONG_M : 0;
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
        keeps_to(args, p, VKA_PRODUCT_RESIDUAL, 4, residual->row))
        modes |= VKA_LANES_RESIDUAL_FOURS;
    return modes;
}

bool vka_matmul_turns_b(const struct vka_product *p)
{
    const struct vka_product_side *b = &p->side[VKA_PRODUCT_B];
    return b->row == 1 && b->col != 1 && b->col != 0 && p->n % 4 == 0 && p->k > 1 && p->m >= LANES;
}

// Fours of terms of a turn for packed weights, which come as fast as they are used. More of them
// take drivers longer to compile, so that the product must be worth it.
static uint32_t fours_of_turn(const struct vka_product *p)
{
    const double medium = 1 << 24, large = 1 << 27;
    double work = (double)p->m * (double)p->n * (double)p->k;
    if (p->k % 16 == 0 && work >= large)
        return 4;
    return p->k % 8 == 0 && work >= medium ? 2 : 1;
}

// Whether the device binds each operand but b as floats of 32 bits. Once b is packed there is no
// way back to what else may be done about a product too large.
static bool binds_others(const struct vka_limits *limits, const struct vka_args *args)
{
    for (int i = 0; i < args->n_in; i++) {
        if (i != VKA_PRODUCT_B && !vka_binds(limits, &args->in[i], sizeof(float)))
            return false;
    }
    return vka_binds(limits, &args->out[0], sizeof(float));
}

// Of a sum of k terms: also the turns of the loop of blocks, and those in which loops end.
static double turns_of_lanes(int64_t k)
{
    return vka_lane_turns(k) + 2 * (double)vka_divide_up(k, VKA_LANES_BLOCK) + 2;
}

int64_t vka_matmul_panel(const struct vka_limits *limits, const struct vka_args *args)
{
    const struct vka_matmul_params *params = args->params;
    const struct vka_array *b = &args->in[VKA_PRODUCT_B];
    int64_t width = 4 * (int64_t)vka_sharing_lanes(limits);
    struct vka_product p;
    bool weight = (args->known >> VKA_PRODUCT_B & 1) && !(args->known >> VKA_PRODUCT_A & 1);
    if (params->columns || !weight || !limits->is_cpu || !limits->subgroup_arithmetic ||
        vka_sharing_lanes(limits) < LANES)
        return 0;
    for (int i = 0; i < b->rank - 2; i++) {
        if (b->dim[i] != 1)
            return 0;
    }
    vka_product_of(args, &p);
    bool fits =
        fits_bindings(limits, &p) && binds_others(limits, args) &&
        turns_of_lanes(p.k) <= limits->max_turns &&
        (uint64_t)p.k <= limits->storage_range / sizeof(float) / (uint64_t)vka_round_up(p.n, width);
    bool pays = p.m >= LANES && p.n >= width && p.n % 4 == 0;
    return fits && pays && a_mode_of(args, &p, 1) == VKA_LANES_A_ALONG_K ? width : 0;
}

// Of packed weights as if they weren't: the panel's columns.
static void lanes_product(const struct vka_args *args, struct vka_product *p)
{
    const struct vka_matmul_params *params = args->params;
    struct vka_args plain = *args;
    struct vka_array *b = &plain.in[VKA_PRODUCT_B];
    if (params->columns) {
        int64_t k = b->dim[1], width = b->dim[2];
        b->rank = 2;
        b->dim[0] = k;
        b->dim[1] = params->columns;
        b->stride[0] = width;
        b->stride[1] = 1;
    }
    vka_product_of(&plain, p);
}

static bool fits_lanes(const struct vka_limits *limits, const struct vka_args *args)
{
    struct vka_product p;
    lanes_product(args, &p);
    return limits->is_cpu && fits_bindings(limits, &p) && !vka_matmul_turns_b(&p);
}

static void launch_lanes(struct vka_launch *l, const struct vka_args *args)
{
    const struct vka_matmul_params *params = args->params;
    struct vka_product p;
    lanes_product(args, &p);
    const struct vka_limits *limits = vka_launch_limits(l);
    bool packed = params->columns > 0;
    bool fours = fours_of_b(args, &p) && limits->subgroup_arithmetic;
    uint32_t sharing = fours ? vka_sharing_lanes(limits) : 1;
    uint32_t lanes = sharing > LANES ? sharing : LANES;
    bool small = is_small(&p);
    struct cut cut = {.module = fours ? "matmul_fours" : "matmul_lanes",
                      .residual_module = fours ? "matmul_fours_residual" : "matmul_lanes_residual",
                      .invocations = lanes,
                      .sums_n = packed  ? 4
                                : fours ? 4 * vka_lane_sums(p.n / 4, small ? 1 : FOURS, lanes)
                                        : vka_lane_sums(p.n, small ? COLUMNS / 2 : COLUMNS, lanes),
                      .sums_m = vka_lane_sums(p.m, small ? ROWS_MOST / 2 : ROWS_MOST, 1),
                      .turns = turns_of_lanes(p.k)};
    // Lanes that share load a row each, none of several rows.
    cut.more[0] =
        lane_modes(args, &p, sharing > 1 ? 1 : cut.sums_m) | (packed ? VKA_LANES_B_PANELS : 0u);
    cut.more[1] = sharing;
    cut.more[2] = packed ? fours_of_turn(&p) : 1;
    cut.tile_m = cut.sums_m;
    cut.tile_n = (uint64_t)cut.sums_n * lanes;
    launch(l, args, &p, &cut);
}

// --- cooperative matrices ---

static uint32_t matrix_modes(const struct vka_args *args, const struct vka_product *p)
{
    const struct vka_product_side *a = &p->side[VKA_PRODUCT_A], *b = &p->side[VKA_PRODUCT_B];
    bool along_m = llabs(a->row) < llabs(a->col), along_n = llabs(b->col) < llabs(b->row);
    return (along_m ? VKA_MATRIX_A_ALONG_M : 0u) | (along_n ? VKA_MATRIX_B_ALONG_N : 0u) |
           (reads_many(args, p, VKA_PRODUCT_A, 8, !along_m) ? VKA_MATRIX_A_EIGHTS : 0u) |
           (reads_many(args, p, VKA_PRODUCT_B, 8, !along_n) ? VKA_MATRIX_B_EIGHTS : 0u);
}

static bool fits_matrix(const struct vka_limits *limits, const struct vka_args *args)
{
    struct vka_product p;
    struct vka_matrix_cut cut;
    return plain_product(limits, args, &p) && p.k <= VKA_MATMUL_MOST_TERMS &&
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
    return plain_product(limits, args, &p) && !limits->is_cpu && p.k <= VKA_MATMUL_MOST_TERMS;
}

const struct vka_variant vka_matmul_variants[] = {
    {"lanes", fits_lanes, launch_lanes},
    {"few", fits_few, launch_few},
    {"matrix", fits_matrix, launch_matrix},
    {"baseline", fits_baseline, launch_baseline},
    {NULL, NULL, NULL},
};
