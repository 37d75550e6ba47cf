// SPDX-License-Identifier: MIT
#include "cpu/gemm.h"
#include "cpu/kernels.h"
#include "cpu/threads.h"
#include "util/whole.h"

enum {
    DEPTH = 256,      // of a block along k: a panel of b fills most of the first cache
    BLOCK_COLS = 512, // of a piece
    GROUP = 4,        // panels of b packed at once
    EVEN = 4,         // panels of a come in such numbers
    BLOCK_ROWS = 1024,
    WHOLE_COLS = 2048, // of a piece where b lies ready
    WHOLE_ROWS = 128,
    MANY = 3,              // panels of a, as few as a piece may have there
    FEW = 8,               // rows or columns that are worth a way of their own
    SHARED_MOST = 8 << 20, // bytes of a packed once for all pieces
    FEW_PANELS = 6,        // of a: b is read about as often as it would be to be packed
    NEAR_ROW = 512,        // floats from row to row of b, or
    NEAR_SIZE = 1 << 19,   // floats of b in all: it is read as it lies
    KEPT_MOST = 2048,      // rows or columns of the other side: for more, packing costs nothing
    KEPT_SIZE = 1 << 21,   // floats of a packed operand: with more, memory is dearer than packing
    ALIGNED = 16,          // floats
};

enum way {
    TILES,  // a and b packed
    STRIPS, // few rows, b's rows stored whole: b is read once, as it lies
    DOTS,   // few rows, b's columns stored whole
};

struct plan {
    const struct vka_kernels *kernels;
    enum way way;
    bool swapped; // the transposed product, b^T a^T, is computed
    struct vka_product p;
    int64_t count;      // matrices
    int64_t cols, rows; // of a piece
    int64_t col_pieces, row_pieces;
    int panel;             // rows of a packed panel of a
    int64_t panels;        // of one matrix a
    int64_t depth, depths; // along k
    bool share_a, direct_b;
    bool keep_a, keep_b;                     // packed once for all runs
    int64_t a_count;                         // different matrices a
    int64_t a_size, b_size;                  // of one matrix, packed whole, in floats
    int64_t shared_size, thread_size, group; // of scratch, in floats; group: panels of b
};

struct job {
    const struct vka_gemm *gemm;
    struct plan plan;
    const float *data[VKA_PRODUCT_OUT];
    float *shared, *own;
    const float *kept;
};

// --- the plan ---

static void swap_rows_and_columns(struct vka_product *p)
{
    struct vka_product_side a = p->side[VKA_PRODUCT_A];
    p->side[VKA_PRODUCT_A] = p->side[VKA_PRODUCT_B];
    p->side[VKA_PRODUCT_B] = a;
    for (int r = 0; r < VKA_PRODUCT_ROLES; r++) {
        int64_t row = p->side[r].row;
        p->side[r].row = p->side[r].col;
        p->side[r].col = row;
    }
    int64_t m = p->m;
    p->m = p->n;
    p->n = m;
}

static void choose_way(struct plan *t)
{
    const struct vka_product *p = &t->p;
    bool few_cols = p->n <= FEW && p->n < p->m;
    bool lines_up = p->side[VKA_PRODUCT_A].col == 1 || p->side[VKA_PRODUCT_A].row == 1;
    t->swapped = (few_cols && lines_up) || (p->n <= t->kernels->lanes && p->n < p->m);
    if (t->swapped)
        swap_rows_and_columns(&t->p);
    t->way = TILES;
    if (p->m <= FEW && p->side[VKA_PRODUCT_B].row == 1)
        t->way = DOTS;
    else if (p->m <= VKA_STRIP_ROWS && p->side[VKA_PRODUCT_B].col == 1)
        t->way = STRIPS;
}

// Strips and dots are cut across columns only. Tiles into pieces about as high as wide: those read
// and pack the least.
static int64_t column_pieces(const struct plan *t, int64_t wanted)
{
    int64_t pieces = 1, most = vka_divide_up(wanted, t->count);
    if (t->way != TILES)
        return most;
    double ratio = (double)t->p.n * (double)most / (2 * (double)t->p.m);
    while (pieces < most && (double)(pieces * pieces) < ratio)
        pieces *= 2;
    return vka_smaller(pieces, most);
}

// As many pieces as keep the threads busy to the end, none too small to be worth one.
static int64_t wanted_pieces(const struct plan *t, int64_t most)
{
    enum { SMALL = 1 << 17 }; // multiply-adds
    double work =
        (double)t->p.m * (double)t->p.n * (double)t->p.k * (double)t->count / (double)SMALL;
    return work >= (double)most ? most : work < 1 ? 1 : (int64_t)work;
}

// b lies ready: as wide as the output, so that each piece packs its own rows of a, once, and so few
// rows that their outputs stay near. False where that would be too few pieces.
static bool cut_rows(struct plan *t, int threads)
{
    const struct vka_product *p = &t->p;
    int64_t least = MANY * t->kernels->tile_rows;
    if (!t->keep_b || threads * least > p->m * t->count)
        return false;
    t->cols = vka_smaller(vka_round_up(p->n, t->kernels->tile_cols), WHOLE_COLS);
    t->col_pieces = vka_divide_up(p->n, t->cols);
    int64_t wanted = wanted_pieces(t, threads == 1 ? 1 : 8 * threads);
    int64_t pieces = vka_divide_up(wanted, t->count * t->col_pieces);
    pieces = vka_smaller(pieces, vka_divide_up(p->m, least));
    pieces = vka_larger(pieces, vka_divide_up(p->m, WHOLE_ROWS));
    t->rows = vka_divide_up(p->m, pieces);
    t->panel = (int)vka_divide_up(t->rows, vka_divide_up(t->rows, t->kernels->tile_rows));
    t->panels = vka_divide_up(p->m, t->panel);
    t->rows = vka_round_up(t->rows, t->panel);
    t->row_pieces = vka_divide_up(p->m, t->rows);
    return true;
}

static void cut(struct plan *t, int threads)
{
    const struct vka_product *p = &t->p;
    int64_t unit = t->way == TILES ? t->kernels->tile_cols : t->kernels->strip_cols;
    int64_t wanted = wanted_pieces(t, threads == 1 ? 1 : 4 * threads);
    int64_t col_pieces = column_pieces(t, wanted);
    t->cols =
        vka_round_up(vka_divide_up(p->n, vka_smaller(col_pieces, vka_divide_up(p->n, unit))), unit);
    t->cols = vka_smaller(t->cols, BLOCK_COLS);
    t->col_pieces = vka_divide_up(p->n, t->cols);
    int64_t row_pieces = t->way == TILES ? vka_divide_up(wanted, t->count * t->col_pieces) : 1;
    row_pieces = vka_smaller(row_pieces, vka_divide_up(t->panels, 2));
    if (t->way == TILES)
        row_pieces = vka_larger(row_pieces, vka_divide_up(p->m, BLOCK_ROWS));
    t->rows = vka_divide_up(t->panels, row_pieces) * t->panel;
    t->row_pieces = vka_divide_up(p->m, t->rows);
}

static bool same_for_all(const struct vka_product *p, enum vka_product_role role)
{
    for (int i = 0; i < p->rank; i++) {
        if (p->batch[i] > 1 && p->side[role].batch[i] != 0)
            return false;
    }
    return true;
}

// Packing makes lines of b that lie far apart neighbours; it isn't worth it where they are near
// enough, or few rows are multiplied with them.
static bool reads_b_as_it_lies(const struct plan *t)
{
    const struct vka_product_side *b = &t->p.side[VKA_PRODUCT_B];
    if (t->way != TILES || b->col != 1)
        return false;
    bool nearby = b->row <= NEAR_ROW || b->row * t->p.k <= NEAR_SIZE;
    return t->panels <= FEW_PANELS || (nearby && b->row % t->kernels->lanes == 0);
}

// What is the same in all runs is packed once, unless it isn't packed at all, or would take much
// more memory than what it is made of, or much memory at all.
static bool may_keep(const struct plan *t, unsigned constant, enum vka_product_role role)
{
    enum vka_product_role other = role == VKA_PRODUCT_A ? VKA_PRODUCT_B : VKA_PRODUCT_A;
    int64_t lines = role == VKA_PRODUCT_A ? t->p.m : t->p.n;
    int64_t others = role == VKA_PRODUCT_A ? t->p.n : t->p.m;
    return t->way == TILES && constant >> (t->swapped ? other : role) & 1 && others <= KEPT_MOST &&
           same_for_all(&t->p, role) && lines <= KEPT_SIZE / t->p.k;
}

static void choose_kept(struct plan *t, unsigned constant)
{
    t->keep_b = !t->direct_b && may_keep(t, constant, VKA_PRODUCT_B);
    t->keep_a = !t->keep_b && may_keep(t, constant, VKA_PRODUCT_A);
}

static void make_plan(struct plan *t, const struct vka_product *p, unsigned constant, int threads)
{
    *t = (struct plan){.kernels = vka_kernels(), .p = *p, .count = vka_product_count(p)};
    choose_way(t);
    p = &t->p;
    t->panels = t->way == TILES ? vka_divide_up(p->m, t->kernels->tile_rows) : 1;
    if (t->panels >= 2 * EVEN) // pieces of like heights
        t->panels = vka_round_up(t->panels, EVEN);
    t->panel =
        (int)vka_divide_up(p->m, t->panels); // panels of like heights: no thin one at the end
    t->panels = vka_divide_up(p->m, t->panel);
    t->depths = vka_divide_up(p->k, DEPTH);
    t->depth = t->way == TILES ? vka_round_up(vka_divide_up(p->k, t->depths), 8) : p->k;
    t->depths = vka_divide_up(p->k, t->depth);
    t->a_count = same_for_all(p, VKA_PRODUCT_A) ? 1 : t->count;
    t->direct_b = reads_b_as_it_lies(t);
    choose_kept(t, constant);
    if (!cut_rows(t, threads))
        cut(t, threads);
    bool packs = t->way == TILES;
    t->a_size = t->panels * t->panel * p->k;
    t->b_size = vka_round_up(p->n, t->kernels->tile_cols) * p->k;
    t->share_a = packs && !t->keep_a && t->count * t->col_pieces > t->a_count &&
                 t->a_size <= SHARED_MOST / (int64_t)sizeof(float) / t->a_count;
    t->shared_size = t->share_a ? vka_round_up(t->a_size * t->a_count, ALIGNED) : 0;
    int64_t own_a = packs ? (t->share_a || t->keep_a ? 0 : t->rows * t->depth) : p->m * p->k;
    t->group = packs && !t->keep_b ? GROUP * t->kernels->tile_cols * t->depth : 0;
    t->thread_size = t->group + vka_round_up(own_a, ALIGNED);
}

size_t vka_gemm_kept(const struct vka_product *p, unsigned constant)
{
    struct plan t;
    make_plan(&t, p, constant, 1);
    return (size_t)(t.keep_a ? t.a_size : t.keep_b ? t.b_size : 0) * sizeof(float);
}

size_t vka_gemm_scratch(const struct vka_product *p, unsigned constant, int threads)
{
    struct plan t;
    make_plan(&t, p, constant, threads);
    return (size_t)(t.shared_size + threads * t.thread_size) * sizeof(float);
}

// --- pieces ---

struct piece {
    int64_t index; // of the matrix
    int64_t m0, m, n0, n;
    const float *a, *b;
    float *out;
};

static struct piece piece_of(const struct job *job, int64_t number)
{
    const struct plan *t = &job->plan;
    struct piece x;
    int64_t col = number % t->col_pieces, row = number / t->col_pieces % t->row_pieces;
    x.index = number / t->col_pieces / t->row_pieces;
    x.m0 = row * t->rows;
    x.m = vka_smaller(t->rows, t->p.m - x.m0);
    x.n0 = col * t->cols;
    x.n = vka_smaller(t->cols, t->p.n - x.n0);
    x.a = job->data[VKA_PRODUCT_A] + vka_product_start(&t->p, VKA_PRODUCT_A, x.index) +
          x.m0 * t->p.side[VKA_PRODUCT_A].row;
    x.b = job->data[VKA_PRODUCT_B];
    if (x.b)
        x.b +=
            vka_product_start(&t->p, VKA_PRODUCT_B, x.index) + x.n0 * t->p.side[VKA_PRODUCT_B].col;
    x.out = job->gemm->out + vka_product_start(&t->p, VKA_PRODUCT_OUT, x.index) +
            x.m0 * t->p.side[VKA_PRODUCT_OUT].row + x.n0 * t->p.side[VKA_PRODUCT_OUT].col;
    return x;
}

static void finish(const struct job *job, const struct piece *x)
{
    const struct vka_product *p = &job->plan.p;
    struct vka_epilogue e = {.alpha = job->gemm->alpha, .act = job->gemm->act};
    for (int i = 0; i < 2; i++) {
        enum vka_product_role role = (enum vka_product_role)(VKA_PRODUCT_BIAS + i);
        const struct vka_product_side *side = &p->side[role];
        if (!job->data[role])
            continue;
        e.row[i] = side->row;
        e.col[i] = side->col;
        e.added[i] = job->data[role] + vka_product_start(p, role, x->index) + x->m0 * side->row +
                     x->n0 * side->col;
    }
    vka_epilogue_run(&e, x->out, x->m, x->n, p->side[VKA_PRODUCT_OUT].row,
                     p->side[VKA_PRODUCT_OUT].col);
}

// --- tiles ---

// Packed a: blocks along k, in each the panels one after the other.
static int64_t place_in_a(const struct plan *t, int64_t rows, int64_t block, int64_t panel)
{
    int64_t depth = vka_smaller(t->depth, t->p.k - block * t->depth);
    return block * t->depth * rows + panel * t->panel * depth;
}

static void pack_panel(const struct plan *t, const float *a, float *dst, int64_t m, int64_t block,
                       int64_t panel)
{
    const struct vka_product_side *side = &t->p.side[VKA_PRODUCT_A];
    int64_t k0 = block * t->depth, m0 = panel * t->panel;
    t->kernels->pack(dst, t->panel, a + m0 * side->row + k0 * side->col, side->row, side->col,
                     (int)vka_smaller(t->panel, m - m0), vka_smaller(t->depth, t->p.k - k0));
}

static void share_panel(void *arg, int64_t number, int thread)
{
    (void)thread;
    const struct job *job = arg;
    const struct plan *t = &job->plan;
    int64_t panel = number % t->panels, index = number / t->panels;
    int64_t rows = t->panels * t->panel;
    const float *a = job->data[VKA_PRODUCT_A] + vka_product_start(&t->p, VKA_PRODUCT_A, index);
    float *packed = job->shared + index * t->a_size;
    for (int64_t block = 0; block < t->depths; block++)
        pack_panel(t, a, packed + place_in_a(t, rows, block, panel), t->p.m, block, panel);
}

// Kept b: blocks along k, in each the panels of columns one after the other.
static int64_t place_in_b(const struct plan *t, int64_t k0, int64_t k, int64_t col)
{
    return k0 * vka_round_up(t->p.n, t->kernels->tile_cols) + col * k;
}

static void keep_panel(void *arg, int64_t number, int thread)
{
    (void)thread;
    const struct job *job = arg;
    const struct plan *t = &job->plan;
    const struct vka_product_side *side = &t->p.side[VKA_PRODUCT_B];
    int64_t width = t->kernels->tile_cols, col = number * width;
    const float *b = job->data[VKA_PRODUCT_B] + vka_product_start(&t->p, VKA_PRODUCT_B, 0);
    for (int64_t k0 = 0, k; k0 < t->p.k; k0 += k) {
        k = vka_smaller(t->depth, t->p.k - k0);
        t->kernels->pack(job->shared + place_in_b(t, k0, k, col), (int)width,
                         b + k0 * side->row + col * side->col, side->col, side->row,
                         (int)vka_smaller(width, t->p.n - col), k);
    }
}

// The output's columns lie apart: the tile is made aside.
static void scattered_tile(const struct plan *t, int rows, int cols, const struct vka_tile *tile)
{
    const struct vka_product_side *side = &t->p.side[VKA_PRODUCT_OUT];
    float sums[VKA_TILE_ROWS * VKA_TILE_COLS];
    struct vka_tile aside = *tile;
    aside.c = sums;
    aside.c_row = VKA_TILE_COLS;
    aside.add = false;
    t->kernels->tile(rows, cols, &aside);
    for (int j = 0; j < cols; j++) {
        for (int i = 0; i < rows; i++) {
            float *to = tile->c + i * side->row + j * side->col;
            *to = sums[i * VKA_TILE_COLS + j] + (tile->add ? *to : 0);
        }
    }
}

// Asks for rows [begin, end) of the panel of b after the tile's, before they are needed.
static void ask_for_rows(const struct plan *t, const struct vka_tile *tile, int64_t begin,
                         int64_t end)
{
    enum { LINE = 16 };
    int64_t width = t->kernels->tile_cols;
    for (int64_t k = begin; k < end; k++) {
        for (int64_t at = 0; at < width; at += LINE)
            __builtin_prefetch(tile->b + k * tile->b_step + width + at, 0, 2);
    }
}

// One panel of columns of b against all panels of a.
static void tile_column(const struct plan *t, const struct piece *x, struct vka_tile *tile,
                        int64_t j)
{
    const struct vka_product_side *side = &t->p.side[VKA_PRODUCT_OUT];
    int cols = (int)vka_smaller(t->kernels->tile_cols, x->n - j);
    const float *packed = tile->a;
    bool more = tile->b_step > t->kernels->tile_cols && x->n - j > t->kernels->tile_cols;
    for (int64_t i = 0; i < x->m; i += t->panel) {
        if (more)
            ask_for_rows(t, tile, tile->k * i / x->m,
                         tile->k * vka_smaller(i + t->panel, x->m) / x->m);
        int rows = (int)vka_smaller(t->panel, x->m - i);
        tile->a = packed + i * tile->k;
        tile->c = x->out + i * side->row + j * side->col;
        if (side->col == 1)
            t->kernels->tile(rows, cols, tile);
        else
            scattered_tile(t, rows, cols, tile);
    }
    tile->a = packed;
}

// The panel of b at the piece's column j, of k rows from k0 on: where it lies, where it was kept or
// packed into `own`, some panels ahead.
static void find_b(const struct job *job, const struct piece *x, int64_t k0, int64_t j, float *own,
                   struct vka_tile *tile)
{
    const struct plan *t = &job->plan;
    const struct vka_product_side *side = &t->p.side[VKA_PRODUCT_B];
    int64_t width = t->kernels->tile_cols;
    tile->b_step = width;
    if (t->keep_b) {
        tile->b = job->kept + place_in_b(t, k0, tile->k, x->n0 + j);
        return;
    }
    const float *b = x->b + k0 * side->row + j * side->col;
    if (t->direct_b && x->n - j >= width) {
        tile->b = b;
        tile->b_step = side->row;
        return;
    }
    int64_t ahead = t->direct_b ? 0 : j / width % GROUP;
    if (ahead == 0)
        t->kernels->pack(own, (int)width, b, side->col, side->row,
                         (int)vka_smaller(GROUP * width, x->n - j), tile->k);
    tile->b = own + ahead * width * tile->k;
}

static void tile_piece(void *arg, int64_t number, int thread)
{
    struct job *job = arg;
    const struct plan *t = &job->plan;
    struct piece x = piece_of(job, number);
    float *own_b = job->own + thread * t->thread_size, *own_a = own_b + t->group;
    int64_t rows = t->panels * t->panel;
    const float *whole_a = t->share_a ? job->shared : t->keep_a ? job->kept : NULL;
    for (int64_t block = 0; block < t->depths; block++) {
        int64_t k0 = block * t->depth, k = vka_smaller(t->depth, t->p.k - k0);
        struct vka_tile tile = {.k = k,
                                .taps = 1,
                                .tap = vka_one_tap,
                                .a = own_a,
                                .a_step = t->panel,
                                .add = block > 0,
                                .c_row = t->p.side[VKA_PRODUCT_OUT].row};
        if (whole_a)
            tile.a = whole_a + (t->a_count == 1 ? 0 : x.index) * t->a_size +
                     place_in_a(t, rows, block, x.m0 / t->panel);
        for (int64_t i = 0; !whole_a && i * t->panel < x.m; i++)
            pack_panel(t, x.a, own_a + i * t->panel * k, x.m, block, i);
        for (int64_t j = 0; j < x.n; j += t->kernels->tile_cols) {
            find_b(job, &x, k0, j, own_b, &tile);
            tile_column(t, &x, &tile, j);
        }
    }
    finish(job, &x);
}

// --- strips and dots ---

static void strip_piece(void *arg, int64_t number, int thread)
{
    struct job *job = arg;
    const struct plan *t = &job->plan;
    struct piece x = piece_of(job, number);
    const struct vka_product_side *a = &t->p.side[VKA_PRODUCT_A], *b = &t->p.side[VKA_PRODUCT_B];
    const struct vka_product_side *out = &t->p.side[VKA_PRODUCT_OUT];
    float *packed = job->own + thread * t->thread_size;
    int rows = (int)x.m;
    t->kernels->pack(packed, rows, x.a, a->row, a->col, rows, t->p.k);
    int64_t whole = x.n - x.n % t->kernels->lanes;
    for (int64_t j = 0, cols; j < x.n; j += cols) {
        cols = j < whole ? vka_smaller(t->kernels->strip_cols, whole - j) : x.n - j;
        float sums[VKA_STRIP_ROWS * VKA_STRIP_COLS];
        struct vka_tile tile = {.taps = 1,
                                .tap = vka_one_tap,
                                .a = packed,
                                .a_step = rows,
                                .b = x.b + j,
                                .b_step = b->row,
                                .c = sums,
                                .c_row = VKA_STRIP_COLS};
        for (int64_t left = t->p.k; left > 0; left -= tile.k) {
            tile.k = vka_smaller(DEPTH, left);
            (j < whole ? t->kernels->tile : t->kernels->edge)(rows, (int)cols, &tile);
            tile.a += tile.k * rows;
            tile.b += tile.k * b->row;
            tile.add = true;
        }
        for (int i = 0; i < rows; i++) {
            for (int64_t c = 0; c < cols; c++)
                x.out[i * out->row + (j + c) * out->col] = sums[i * VKA_STRIP_COLS + c];
        }
    }
    finish(job, &x);
}

static void dot_piece(void *arg, int64_t number, int thread)
{
    struct job *job = arg;
    const struct plan *t = &job->plan;
    struct piece x = piece_of(job, number);
    const struct vka_product_side *a = &t->p.side[VKA_PRODUCT_A], *b = &t->p.side[VKA_PRODUCT_B];
    const struct vka_product_side *out = &t->p.side[VKA_PRODUCT_OUT];
    const float *rows = x.a;
    int64_t row_step = a->row;
    if (a->col != 1) {
        float *packed = job->own + thread * t->thread_size;
        for (int64_t i = 0; i < x.m; i++) {
            for (int64_t k = 0; k < t->p.k; k++)
                packed[i * t->p.k + k] = x.a[i * a->row + k * a->col];
        }
        rows = packed;
        row_step = t->p.k;
    }
    for (int64_t j = 0; j < x.n; j += VKA_DOT_ROWS) {
        for (int64_t i = 0; i < x.m; i += VKA_DOT_COLS)
            t->kernels->dot((int)vka_smaller(VKA_DOT_ROWS, x.n - j),
                            (int)vka_smaller(VKA_DOT_COLS, x.m - i), t->p.k, x.b + j * b->col,
                            b->col, rows + i * row_step, row_step,
                            x.out + i * out->row + j * out->col, out->col, out->row);
    }
    finish(job, &x);
}

static void start_job(struct job *job, const struct vka_gemm *gemm, int threads)
{
    *job = (struct job){.gemm = gemm};
    make_plan(&job->plan, &gemm->p, gemm->constant, threads);
    for (int r = 0; r < VKA_PRODUCT_OUT; r++)
        job->data[r] = gemm->data[r];
    if (job->plan.swapped) {
        job->data[VKA_PRODUCT_A] = gemm->data[VKA_PRODUCT_B];
        job->data[VKA_PRODUCT_B] = gemm->data[VKA_PRODUCT_A];
    }
}

void vka_gemm_keep(const struct vka_gemm *gemm, struct vka_threads *threads, void *kept)
{
    struct job job;
    const struct plan *t = &job.plan;
    start_job(&job, gemm, 1);
    job.shared = kept;
    if (t->keep_a)
        vka_parallel(threads, t->a_count * t->panels, share_panel, &job);
    if (t->keep_b)
        vka_parallel(threads, vka_divide_up(t->p.n, t->kernels->tile_cols), keep_panel, &job);
}

void vka_gemm_run(const struct vka_gemm *gemm, struct vka_threads *threads, void *scratch)
{
    struct job job;
    const struct plan *t = &job.plan;
    start_job(&job, gemm, vka_threads_count(threads));
    job.shared = scratch;
    job.own = job.shared + t->shared_size;
    job.kept = gemm->kept;
    if (t->share_a)
        vka_parallel(threads, t->a_count * t->panels, share_panel, &job);
    int64_t pieces = t->count * t->col_pieces * t->row_pieces;
    static void (*const ways[])(void *, int64_t, int) = {tile_piece, strip_piece, dot_piece};
    vka_parallel(threads, pieces, ways[t->way], &job);
}
