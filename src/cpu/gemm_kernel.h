// SPDX-License-Identifier: MIT
//
// Kernels of matrix products, for the instruction set of the file that includes this.
#include "cpu/kernels.h"
#include "cpu/vector.h"

// Sums of a tile live in registers: rows x 2 vectors, VKA_WIDE_ROWS x WIDE_VECTORS or
// VKA_STRIP_ROWS x STRIP_VECTORS; the rest is for b and one element of a.
#define SIX_ROWS(X) X(1) X(2) X(3) X(4) X(5) X(6)
#if VKA_ISA == VKA_ISA_AVX512
#define EACH_ROWS(X)          SIX_ROWS(X) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14)
#define EACH_VECTORS(X, rows) X(rows, 3) X(rows, 4) X(rows, 5) X(rows, 6)
#define EACH_WIDE(X, rows)    X(rows, 1) X(rows, 2) X(rows, 3) X(rows, 4)
enum { TILE_ROWS = 14, STRIP_VECTORS = 6, STEPS = 2 };
#else
#define EACH_ROWS(X)          SIX_ROWS(X)
#define EACH_VECTORS(X, rows) X(rows, 3)
#define EACH_WIDE(X, rows)    X(rows, 1) X(rows, 2)
enum { TILE_ROWS = 6, STRIP_VECTORS = 3, STEPS = 1 };
#endif
enum { TILE_VECTORS = 2 };

// `rows` and `vectors` are constants where these are called: the loops over them unroll. `last`:
// the lanes of the last vector that count; `masked`: b ends there, too.
INLINE void tile_step(int rows, int vectors, bool masked, lanes_t last,
                      vec sum[TILE_ROWS][STRIP_VECTORS], const float *a, int64_t a_row,
                      const float *b)
{
    vec bv[STRIP_VECTORS];
    UNROLL for (int j = 0; j < vectors; j++)
    {
        bool some = masked && j == vectors - 1;
        bv[j] = some ? v_load_some(b + j * LANES, last) : v_load(b + j * LANES);
    }
    UNROLL for (int i = 0; i < rows; i++)
    {
        vec av = v_set(a[i * a_row]);
        UNROLL for (int j = 0; j < vectors; j++)
        {
            sum[i][j] = v_fma(av, bv[j], sum[i][j]);
        }
    }
}

// All of c are read before one is written: rows that lie a power of two apart look alike to the
// processor, and it would wait for each.
INLINE void tile_end(int rows, int vectors, bool wide, lanes_t last,
                     vec sum[TILE_ROWS][STRIP_VECTORS], const struct vka_tile *t)
{
    float *c = t->c;
    int end = (vectors - 1) * LANES;
    if (t->add) {
        UNROLL for (int j = 0; j < vectors; j++)
        {
            vec scale = wide ? v_load(t->scale + j * LANES) : v_zero();
            UNROLL for (int i = 0; i < rows; i++)
            {
                const float *at = c + i * t->c_row + j * LANES;
                vec old = j < vectors - 1 ? v_load(at) : v_load_some(at, last);
                if (wide)
                    old = old * scale;
                sum[i][j] += old;
            }
        }
    }
    UNROLL for (int i = 0; i < rows; i++, c += t->c_row)
    {
        UNROLL for (int j = 0; j < vectors - 1; j++)
        {
            v_store(c + j * LANES, sum[i][j]);
        }
        v_store_some(c + end, sum[i][vectors - 1], last);
    }
}

// One tap, STEPS steps at once: counting takes time, too, where registers are left for more.
INLINE void tile_steps(int rows, int vectors, bool masked, lanes_t last,
                       vec sum[TILE_ROWS][STRIP_VECTORS], const struct vka_tile *t, int64_t a_row,
                       const float *b)
{
    const float *a = t->a;
    int64_t a_step = t->a_step, b_step = t->b_step, k = t->k;
    for (; k >= STEPS; k -= STEPS) {
        UNROLL for (int i = 0; i < STEPS; i++, a += a_step, b += b_step)
        {
            tile_step(rows, vectors, masked, last, sum, a, a_row, b);
        }
    }
    for (; k > 0; k--, a += a_step, b += b_step)
        tile_step(rows, vectors, masked, last, sum, a, a_row, b);
}

// `wide`: one tap at 0, and rows of a lie apart.
INLINE void tile_body(int rows, int vectors, bool wide, bool masked, lanes_t last,
                      const struct vka_tile *t)
{
    vec sum[TILE_ROWS][STRIP_VECTORS];
    UNROLL for (int i = 0; i < rows; i++)
    {
        UNROLL for (int j = 0; j < vectors; j++)
        {
            sum[i][j] = v_zero();
        }
    }
    if (wide) {
        tile_steps(rows, vectors, masked, last, sum, t, t->a_row, t->b);
    } else if (t->taps == 1) {
        tile_steps(rows, vectors, masked, last, sum, t, 1, t->b + *t->tap);
    } else {
        const float *a = t->a, *b = t->b;
        const int32_t *tap = t->tap, *tap_end = tap + t->taps;
        int64_t a_step = t->a_step, b_step = t->b_step;
        for (int64_t kk = t->k; kk > 0; kk--, b += b_step) {
            for (const int32_t *at = tap; at < tap_end; at++, a += a_step)
                tile_step(rows, vectors, masked, last, sum, a, 1, b + *at);
        }
    }
    tile_end(rows, vectors, wide, last, sum, t);
}

typedef void (*tile_fn)(lanes_t last, const struct vka_tile *t);

#define TILE(rows, vectors)                                                                        \
    KERNEL static void tile_##rows##_##vectors(lanes_t last, const struct vka_tile *t)             \
    {                                                                                              \
        tile_body(rows, vectors, false, false, last, t);                                           \
    }
#define EDGE(rows)                                                                                 \
    KERNEL static void edge_##rows(lanes_t last, const struct vka_tile *t)                         \
    {                                                                                              \
        tile_body(rows, 1, false, true, last, t);                                                  \
    }
#define WIDE(rows, vectors)                                                                        \
    KERNEL static void wide_##rows##_##vectors(lanes_t last, const struct vka_tile *t)             \
    {                                                                                              \
        tile_body(rows, vectors, true, false, last, t);                                            \
    }
#define WIDES(rows)              EACH_WIDE(WIDE, rows)
#define WIDE_NAME(rows, vectors) wide_##rows##_##vectors,
#define WIDE_NAMES(rows)         {EACH_WIDE(WIDE_NAME, rows)},
#define TILES(rows)              TILE(rows, 1) TILE(rows, 2)
#define STRIPS(rows)             EACH_VECTORS(TILE, rows) EDGE(rows)
#define TILE_NAMES(rows)         {tile_##rows##_1, tile_##rows##_2},
#define STRIP_NAME(rows, vector) tile_##rows##_##vector,
#define STRIP_NAMES(rows)        {EACH_VECTORS(STRIP_NAME, rows)},
EACH_ROWS(TILES)
SIX_ROWS(WIDES)
STRIPS(1)
STRIPS(2)
STRIPS(3)
STRIPS(4)
static const tile_fn tiles[TILE_ROWS][TILE_VECTORS] = {EACH_ROWS(TILE_NAMES)};
static const tile_fn wides[VKA_WIDE_ROWS][WIDE_VECTORS] = {SIX_ROWS(WIDE_NAMES)};
static const tile_fn strips[VKA_STRIP_ROWS][STRIP_VECTORS - TILE_VECTORS] = {
    STRIP_NAMES(1) STRIP_NAMES(2) STRIP_NAMES(3) STRIP_NAMES(4)};
static const tile_fn edges[VKA_STRIP_ROWS] = {edge_1, edge_2, edge_3, edge_4};

KERNEL static void tile(int rows, int cols, const struct vka_tile *t)
{
    int vectors = (cols + LANES - 1) / LANES;
    lanes_t last = v_first(cols - (vectors - 1) * LANES);
    if (vectors <= TILE_VECTORS)
        tiles[rows - 1][vectors - 1](last, t);
    else
        strips[rows - 1][vectors - 1 - TILE_VECTORS](last, t);
}

KERNEL static void wide(int rows, int cols, const struct vka_tile *t)
{
    int vectors = (cols + LANES - 1) / LANES;
    wides[rows - 1][vectors - 1](v_first(cols - (vectors - 1) * LANES), t);
}

KERNEL static void edge(int rows, int cols, const struct vka_tile *t)
{
    edges[rows - 1](v_first(cols), t);
}

// --- products of rows ---

INLINE void dot_step(int rows, int cols, vec sum[VKA_DOT_ROWS][VKA_DOT_COLS], lanes_t some,
                     bool whole, const float *a, int64_t a_row, const float *b, int64_t b_row)
{
    vec bv[VKA_DOT_COLS];
    UNROLL for (int j = 0; j < cols; j++)
    {
        bv[j] = whole ? v_load(b + j * b_row) : v_load_some(b + j * b_row, some);
    }
    UNROLL for (int i = 0; i < rows; i++)
    {
        vec av = whole ? v_load(a + i * a_row) : v_load_some(a + i * a_row, some);
        UNROLL for (int j = 0; j < cols; j++)
        {
            sum[i][j] = v_fma(av, bv[j], sum[i][j]);
        }
    }
}

INLINE void dot_body(int rows, int cols, int64_t k, const float *a, int64_t a_row, const float *b,
                     int64_t b_row, float *c, int64_t c_row, int64_t c_col)
{
    vec sum[VKA_DOT_ROWS][VKA_DOT_COLS];
    UNROLL for (int i = 0; i < rows; i++)
    {
        UNROLL for (int j = 0; j < cols; j++)
        {
            sum[i][j] = v_zero();
        }
    }
    int64_t kk = 0;
    for (; kk + LANES <= k; kk += LANES)
        dot_step(rows, cols, sum, v_first(LANES), true, a + kk, a_row, b + kk, b_row);
    if (kk < k)
        dot_step(rows, cols, sum, v_first(k - kk), false, a + kk, a_row, b + kk, b_row);
    UNROLL for (int i = 0; i < rows; i++)
    {
        UNROLL for (int j = 0; j < cols; j++)
        {
            c[i * c_row + j * c_col] = v_sum(sum[i][j]);
        }
    }
}

#define DOT(rows, cols)                                                                            \
    KERNEL static void dot_##rows##_##cols(int64_t k, const float *a, int64_t a_row,               \
                                           const float *b, int64_t b_row, float *c, int64_t c_row, \
                                           int64_t c_col)                                          \
    {                                                                                              \
        dot_body(rows, cols, k, a, a_row, b, b_row, c, c_row, c_col);                              \
    }
#define DOTS(rows) DOT(rows, 1) DOT(rows, 2) DOT(rows, 3) DOT(rows, 4)
#define DOT_NAMES(rows)                                                                            \
    {                                                                                              \
        dot_##rows##_1, dot_##rows##_2, dot_##rows##_3, dot_##rows##_4                             \
    }
DOTS(1)
DOTS(2)
DOTS(3)
DOTS(4)
typedef void (*dot_fn)(int64_t k, const float *a, int64_t a_row, const float *b, int64_t b_row,
                       float *c, int64_t c_row, int64_t c_col);
static const dot_fn dots[VKA_DOT_ROWS][VKA_DOT_COLS] = {DOT_NAMES(1), DOT_NAMES(2), DOT_NAMES(3),
                                                        DOT_NAMES(4)};

KERNEL static void dot(int rows, int cols, int64_t k, const float *a, int64_t a_row, const float *b,
                       int64_t b_row, float *c, int64_t c_row, int64_t c_col)
{
    dots[rows - 1][cols - 1](k, a, a_row, b, b_row, c, c_row, c_col);
}

// --- packing ---

// Columns of panel `panel` that src has.
INLINE int columns_of(int width, int count, int panel)
{
    int left = count - panel * width;
    return left < width ? left : width;
}

// Rows that lie together already: a row goes to all panels at once.
KERNEL static void pack_rows(float *dst, int width, const float *src, int64_t step, int count,
                             int64_t k)
{
    if (width == LANES && count <= LANES) {
        lanes_t some = v_first(count);
        for (int64_t kk = 0; kk < k; kk++, dst += LANES, src += step)
            v_store(dst, v_load_some(src, some));
        return;
    }
    for (int64_t kk = 0; kk < k; kk++, dst += width, src += step) {
        const float *from = src;
        float *to = dst;
        for (int left = count; left > 0; left -= width, from += width, to += k * width) {
            for (int w = 0; w < width; w += LANES) {
                int room = width - w < LANES ? width - w : LANES, have = left - w;
                have = have < 0 ? 0 : have > LANES ? LANES : have;
                v_store_some(to + w, v_load_some(from + w, v_first(have)), v_first(room));
            }
        }
    }
}

#if VKA_ISA == VKA_ISA_AVX512
// Pairs, then fours of rows, then quarters change places.
INLINE void transpose(vec r[16])
{
    vec t[16];
    UNROLL for (int i = 0; i < 8; i++)
    {
        t[2 * i] = _mm512_unpacklo_ps(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm512_unpackhi_ps(r[2 * i], r[2 * i + 1]);
    }
    UNROLL for (int i = 0; i < 4; i++)
    {
        __m512d lo0 = _mm512_castps_pd(t[4 * i]), lo1 = _mm512_castps_pd(t[4 * i + 2]);
        __m512d hi0 = _mm512_castps_pd(t[4 * i + 1]), hi1 = _mm512_castps_pd(t[4 * i + 3]);
        r[4 * i] = _mm512_castpd_ps(_mm512_unpacklo_pd(lo0, lo1));
        r[4 * i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(lo0, lo1));
        r[4 * i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(hi0, hi1));
        r[4 * i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(hi0, hi1));
    }
    UNROLL for (int i = 0; i < 4; i++)
    {
        t[i] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0x88);
        t[i + 4] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0xdd);
        t[i + 8] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0x88);
        t[i + 12] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0xdd);
    }
    UNROLL for (int i = 0; i < 4; i++)
    {
        r[i] = _mm512_shuffle_f32x4(t[i], t[i + 8], 0x88);
        r[i + 4] = _mm512_shuffle_f32x4(t[i + 4], t[i + 12], 0x88);
        r[i + 8] = _mm512_shuffle_f32x4(t[i], t[i + 8], 0xdd);
        r[i + 12] = _mm512_shuffle_f32x4(t[i + 4], t[i + 12], 0xdd);
    }
}
#elif VKA_ISA == VKA_ISA_AVX2
INLINE void transpose(vec r[8])
{
    vec t[8];
    UNROLL for (int i = 0; i < 4; i++)
    {
        t[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
    }
    UNROLL for (int i = 0; i < 2; i++)
    {
        r[4 * i] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0x44);
        r[4 * i + 1] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0xee);
        r[4 * i + 2] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0x44);
        r[4 * i + 3] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0xee);
    }
    UNROLL for (int i = 0; i < 4; i++)
    {
        t[i] = _mm256_permute2f128_ps(r[i], r[i + 4], 0x20);
        t[i + 4] = _mm256_permute2f128_ps(r[i], r[i + 4], 0x31);
    }
    UNROLL for (int i = 0; i < 8; i++)
    {
        r[i] = t[i];
    }
}
#else
INLINE void transpose(vec r[4])
{
    vec t[4];
    for (int i = 0; i < 4; i++) {
        for (int j = 0; j < 4; j++)
            t[i][j] = r[j][i];
    }
    memcpy(r, t, sizeof t);
}
#endif

// Columns that lie together: LANES x LANES elements at a time.
KERNEL static void pack_columns(float *dst, int width, const float *src, int64_t along, int count,
                                int64_t k)
{
    for (int w = 0; w < width; w += LANES) {
        int room = width - w < LANES ? width - w : LANES;
        lanes_t some = v_first(room);
        for (int64_t kk = 0; kk < k; kk += LANES) {
            int64_t left = k - kk < LANES ? k - kk : LANES;
            lanes_t have = v_first(left);
            vec r[LANES];
            UNROLL for (int i = 0; i < LANES; i++)
            {
                r[i] = w + i < count ? v_load_some(src + (w + i) * along + kk, have) : v_zero();
            }
            transpose(r);
            float *to = dst + kk * width + w;
            UNROLL for (int i = 0; i < LANES; i++)
            {
                if (i < left)
                    v_store_some(to + i * width, r[i], some);
            }
        }
    }
}

static void pack_any(float *dst, int width, const float *src, int64_t along, int64_t step,
                     int count, int64_t k)
{
    for (int64_t kk = 0; kk < k; kk++, dst += width) {
        for (int w = 0; w < width; w++)
            dst[w] = w < count ? src[w * along + kk * step] : 0;
    }
}

KERNEL static void pack(float *dst, int width, const float *src, int64_t along, int64_t step,
                        int count, int64_t k)
{
    if (along == 1) {
        pack_rows(dst, width, src, step, count, k);
        return;
    }
    for (int panel = 0; panel * width < count; panel++) {
        int have = columns_of(width, count, panel);
        if (step == 1)
            pack_columns(dst, width, src, along, have, k);
        else
            pack_any(dst, width, src, along, step, have, k);
        dst += width * k;
        src += width * along;
    }
}
