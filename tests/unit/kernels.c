// SPDX-License-Identifier: MIT
//
// The kernels of every instruction set that this machine has, each against plain sums in double
// precision: the other tests see the best set alone.
#include "cpu/kernels.h"
#include "cpu/sample.h"

#include <math.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const sets[] = {"avx512", "avx2", "plain"};

enum { ROOM = 1 << 16 };
static float a[ROOM], b[ROOM], c[ROOM], c_before[ROOM];

static uint32_t state = 1;

static float noise(void)
{
    state = state * 1664525u + 1013904223u;
    return (float)(state >> 8) / (1 << 24) - 0.5f;
}

static void fill(float *x, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        x[i] = noise();
}

static void fill_all(void)
{
    fill(a, ROOM);
    fill(b, ROOM);
    fill(c_before, ROOM);
}

static void each_set(void (*check)(const struct vka_kernels *k))
{
    int seen = 0;
    for (size_t i = 0; i < VKA_COUNT(sets); i++) {
        const struct vka_kernels *k = vka_kernels_of(sets[i]);
        if (!k)
            continue;
        assert_string_equal(k->name, sets[i]);
        check(k);
        seen++;
    }
    assert_true(seen >= 1); // "plain" is always there
}

static void near(const char *set, double want, double got)
{
    if (!(fabs(want - got) <= 1e-5 * (1 + fabs(want))))
        fail_msg("%s: %.9g, should be %.9g", set, got, want);
}

// --- tiles ---

static double tile_sum(const struct vka_tile *t, int i, int j)
{
    double sum = 0;
    for (int64_t kk = 0; kk < t->k; kk++) {
        for (int tap = 0; tap < t->taps; tap++)
            sum += (double)t->a[(kk * t->taps + tap) * t->a_step + i] *
                   (double)t->b[kk * t->b_step + t->tap[tap] + j];
    }
    return sum;
}

static void check_tile(const struct vka_kernels *k, const struct vka_tile *t, int rows, int cols,
                       bool edge)
{
    memcpy(c, c_before, sizeof c);
    (edge ? k->edge : k->tile)(rows, cols, t);
    for (int64_t i = 0; i < VKA_TILE_ROWS + 1; i++) {
        for (int64_t j = 0; j < t->c_row; j++) {
            float before = c_before[i * t->c_row + j], got = c[i * t->c_row + j];
            if (i < rows && j < cols)
                near(k->name, tile_sum(t, (int)i, (int)j) + (t->add ? before : 0), got);
            else
                assert_true(got == before); // nothing else is written
        }
    }
}

static void tiles_of(const struct vka_kernels *k)
{
    static const int32_t taps[] = {0, 7, 31};
    struct vka_tile t = {.k = 9,
                         .taps = 1,
                         .tap = vka_one_tap,
                         .a = a,
                         .b = b,
                         .a_step = 17,
                         .b_step = 131,
                         .c = c,
                         .c_row = 101};
    for (int rows = 1; rows <= k->tile_rows; rows++) {
        int most = rows <= VKA_STRIP_ROWS ? k->strip_cols : k->tile_cols;
        for (int cols = 1; cols <= most; cols++) {
            t.add = cols % 2;
            t.taps = cols % 3 ? 1 : 3;
            t.tap = cols % 3 ? vka_one_tap : taps;
            check_tile(k, &t, rows, cols, false);
        }
        for (int cols = 1; rows <= VKA_STRIP_ROWS && cols < k->lanes; cols++)
            check_tile(k, &t, rows, cols, true);
    }
}

static void test_tiles(void **unused)
{
    (void)unused;
    fill_all();
    each_set(tiles_of);
}

static void check_wide(const struct vka_kernels *k, const struct vka_tile *t, int rows, int cols)
{
    memcpy(c, c_before, sizeof c);
    k->wide(rows, cols, t);
    for (int64_t i = 0; i < VKA_WIDE_ROWS + 1; i++) {
        for (int64_t j = 0; j < t->c_row; j++) {
            float before = c_before[i * t->c_row + j], got = c[i * t->c_row + j];
            double sum = t->add ? (double)before * t->scale[j % VKA_WIDE_COLS] : 0;
            for (int64_t kk = 0; kk < t->k; kk++)
                sum +=
                    (double)t->a[kk * t->a_step + i * t->a_row] * (double)t->b[kk * t->b_step + j];
            if (i < rows && j < cols)
                near(k->name, sum, got);
            else
                assert_true(got == before); // nothing else is written
        }
    }
}

static void wides_of(const struct vka_kernels *k)
{
    static float scale[VKA_WIDE_COLS];
    fill(scale, VKA_WIDE_COLS);
    struct vka_tile t = {
        .k = 9, .a = a, .b = b, .b_step = 131, .c = c, .c_row = 101, .scale = scale};
    for (int rows = 1; rows <= VKA_WIDE_ROWS; rows++) {
        for (int cols = 1; cols <= k->wide_cols; cols++) {
            t.add = cols % 2;
            t.a_row = cols % 3 ? 23 : 1;
            t.a_step = cols % 3 ? 1 : 17;
            check_wide(k, &t, rows, cols);
        }
    }
}

static void test_wides(void **unused)
{
    (void)unused;
    fill_all();
    each_set(wides_of);
}

// --- lanewise ---

static void check_lanewise(const struct vka_kernels *k, const struct vka_lanewise *t)
{
    memcpy(c, c_before, sizeof c);
    k->lanewise(t);
    for (int64_t i = 0; i <= t->rows; i++) {
        for (int64_t j = 0; j < t->c_row; j++) {
            float before = c_before[i * t->c_row + j], got = c[i * t->c_row + j];
            int64_t w = j % t->c_col, col = j / t->c_col;
            double sum = t->add ? before : 0;
            for (int64_t kk = 0; kk < t->k; kk++)
                sum += (double)t->a[i * t->a_row + kk * t->a_step + w] *
                       (double)t->b[kk * t->b_step + col * k->lanes + w];
            if (i < t->rows && col < t->cols && w < t->lanes)
                near(k->name, sum, got);
            else
                assert_true(got == before); // nothing else is written
        }
    }
}

static void lanewise_of(const struct vka_kernels *k)
{
    int width = VKA_LANEWISE_COLS * k->lanes;
    struct vka_lanewise t = {.a = a, .b = b, .a_row = 41, .a_step = 1001, .b_step = width, .c = c};
    t.c_col = k->lanes + 1, t.c_row = width + 7;
    for (int i = 0; i < 26; i++) {
        t.rows = 1 + i % 13;
        t.cols = 1 + i % VKA_LANEWISE_COLS;
        t.lanes = i % 3 ? k->lanes : 1 + i % k->lanes;
        t.k = 1 + i % 5;
        t.add = i >= 13;
        check_lanewise(k, &t);
    }
}

static void test_lanewise(void **unused)
{
    (void)unused;
    fill_all();
    each_set(lanewise_of);
}

// --- dots and packing ---

static void dots_of(const struct vka_kernels *kernels)
{
    for (int k = 1; k <= 35; k++) {
        int rows = 1 + k % VKA_DOT_ROWS, cols = 1 + k / 4 % VKA_DOT_COLS;
        kernels->dot(rows, cols, k, a, 40, b, 50, c, 1, 9);
        for (int i = 0; i < rows; i++) {
            for (int j = 0; j < cols; j++) {
                double sum = 0;
                for (int kk = 0; kk < k; kk++)
                    sum += (double)a[i * 40 + kk] * (double)b[j * 50 + kk];
                near(kernels->name, sum, c[i + j * 9]);
            }
        }
    }
}

static void check_pack(const struct vka_kernels *kernels, int width, int count, int k,
                       int64_t along, int64_t step)
{
    int panels = (count + width - 1) / width, size = panels * width * k;
    memcpy(c, c_before, sizeof c);
    kernels->pack(c, width, a, along, step, count, k);
    for (int i = 0; i < size; i++) {
        int w = i / (width * k) * width + i % width, kk = i / width % k;
        float want = w < count ? a[w * along + kk * step] : 0;
        if (c[i] != want)
            fail_msg("%s: packed %d of %d x %d: %g, should be %g", kernels->name, i, count, k,
                     (double)c[i], (double)want);
    }
    assert_true(c[size] == c_before[size]);
}

static void packs_of(const struct vka_kernels *kernels)
{
    for (int k = 1; k <= 37; k += 4) {
        for (int count = 1; count <= 70; count += 3) {
            for (int width = 1; width <= 33; width += 4) {
                check_pack(kernels, width, count, k, 1, 75);
                check_pack(kernels, width, count, k, 41, 1);
                check_pack(kernels, width, count, k, 3, 211);
                check_pack(kernels, width, count, k, 0, 1);
            }
        }
    }
}

static void test_dots(void **unused)
{
    (void)unused;
    each_set(dots_of);
}

static void test_packing(void **unused)
{
    (void)unused;
    each_set(packs_of);
}

// --- attention ---

enum { KEYS = 13, SOFT_WIDTH = VKA_WIDE_COLS + VKA_TILE_COLS };

static void soften_of(const struct vka_kernels *k)
{
    int width = k->wide_cols + k->lanes; // whole groups of vectors and one more
    float most[SOFT_WIDTH], sum[SOFT_WIDTH], factor[SOFT_WIDTH], s[KEYS * SOFT_WIDTH];
    for (int i = 0; i < width; i++) {
        most[i] = i % 5 == 0 ? -INFINITY : noise();
        sum[i] = i % 5 == 0 ? 0 : 1 + noise();
        for (int j = 0; j < KEYS; j++)
            s[j * width + i] = i % 5 == 1 || (i + j) % 7 == 0 ? -INFINITY : 40 * noise();
    }
    s[2] = NAN;
    float logits[KEYS * SOFT_WIDTH], most_before[SOFT_WIDTH], sum_before[SOFT_WIDTH];
    memcpy(logits, s, sizeof s);
    memcpy(most_before, most, sizeof most);
    memcpy(sum_before, sum, sizeof sum);
    k->soften(s, width, KEYS, most, sum, factor);
    for (int i = 0; i < width; i++) {
        double m = most_before[i], total = 0;
        for (int j = 0; j < KEYS; j++)
            m = fmax(m, logits[j * width + i]);
        double from = m > -INFINITY ? m : 0;
        assert_true(most[i] == (float)m);
        near(k->name, exp2(most_before[i] - from), factor[i]);
        for (int j = 0; j < KEYS; j++) {
            double weight = exp2(logits[j * width + i] - from);
            total += weight;
            // The difference of logits is rounded, then 2 units in the last place.
            if (i != 2 && !(fabs(weight - s[j * width + i]) <= 3e-6 * weight + 1e-44))
                fail_msg("%s: %.9g, should be %.9g", k->name, s[j * width + i], weight);
        }
        if (i == 2)
            assert_true(isnan(sum[i])); // a logit that isn't a number is told
        else
            near(k->name, total + sum_before[i] * exp2(most_before[i] - from), sum[i]);
    }
}

static void masks_of(const struct vka_kernels *k)
{
    int width = k->tile_cols, count = KEYS * width;
    int32_t mask[KEYS * VKA_TILE_COLS];
    float last[VKA_TILE_COLS], s[KEYS * VKA_TILE_COLS];
    for (int i = 0; i < count; i++)
        mask[i] = i % 3 == 0 ? i : 0;
    for (int i = 0; i < width; i++)
        last[i] = (float)(i % (KEYS + 2) - 1);
    for (int removes = 0; removes < 2; removes++) {
        memcpy(s, a, sizeof s);
        k->apply_mask(s, mask, count, removes);
        for (int i = 0; i < count; i++)
            assert_true(s[i] == ((mask[i] != 0) == removes ? -INFINITY : a[i]));
    }
    memcpy(s, a, sizeof s);
    k->apply_last(s, width, KEYS, last);
    for (int i = 0; i < count; i++)
        assert_true(s[i] == (i / width > last[i % width] ? -INFINITY : a[i]));
    memcpy(s, a, sizeof s);
    k->add_bias(s, b, count, 1.5f);
    for (int i = 0; i < count; i++)
        near(k->name, a[i] + 1.5 * b[i], s[i]);
    k->scale_queries(s, width, KEYS, last);
    for (int i = 0; i < count; i++)
        near(k->name, (a[i] + 1.5 * b[i]) * last[i % width], s[i]);
}

// --- sliding windows ---

enum { WINDOW_TAPS = 13, WINDOW_CHANNELS = 11, WINDOW_PLANE = 300, WINDOWS = 64 };

static double likeness(int relation, double x, double y)
{
    switch (relation) {
    case VKA_RELATION_PRODUCT:
        return x * y;
    case VKA_RELATION_KEY:
        return y;
    case VKA_RELATION_ABS_DIFF:
        return -fabs(x - y);
    case VKA_RELATION_SQ_DIFF:
        return -(x - y) * (x - y);
    case VKA_RELATION_NORM_ABS_DIFF:
        return -fabs(x - y) / (fabs(x) + fabs(y) + 1);
    default:
        return -(x - y) * (x - y) / (fabs(x * y) + 1);
    }
}

static const int32_t window_offset[WINDOW_TAPS] = {0,  1,   2,   7,   60,  61, 62,
                                                   63, 120, 121, 122, 180, 235};

// q in a, k in b, the table at b's end.
static void window_logits_of(const struct vka_kernels *k)
{
    const struct vka_taps t = {WINDOW_TAPS, window_offset, WINDOW_CHANNELS, WINDOW_PLANE,
                               WINDOW_TAPS};
    const float *table = b + ROOM - WINDOW_TAPS * WINDOW_CHANNELS;
    const float *inside = a + ROOM / 2, *extra = b + ROOM / 2;
    const struct vka_tap_finish f = {0.5f, -3, 2, extra, inside, table};
    for (int relation = 0; relation <= VKA_RELATION_NORM_SQ_DIFF; relation++) {
        const float *added = relation == VKA_RELATION_PRODUCT ? table : NULL;
        k->tap_logits(&t, relation, c, WINDOWS, a, b, added);
        memcpy(c_before, c, sizeof c);
        k->tap_finish(&t, c, WINDOWS, &f);
        for (int i = 0; i < WINDOW_TAPS * WINDOWS; i++) {
            int tap = i / WINDOWS, w = i % WINDOWS, at = window_offset[tap] + w;
            double sum = 0;
            for (int ch = 0; ch < WINDOW_CHANNELS; ch++)
                sum += likeness(relation, a[ch * WINDOWS + w],
                                b[ch * WINDOW_PLANE + at] +
                                    (added ? table[ch * WINDOW_TAPS + tap] : 0));
            near(k->name, sum, c_before[i]);
            sum = inside[at] > 0 ? sum * 0.5 + extra[at] : -3;
            near(k->name, (sum + table[tap]) * 2, c[i]);
        }
    }
}

static void window_sums_of(const struct vka_kernels *k)
{
    const struct vka_taps t = {WINDOW_TAPS, window_offset, WINDOW_CHANNELS, WINDOW_PLANE, 0};
    for (int width = k->lanes; width <= WINDOWS; width += k->lanes) {
        fill(c, WINDOW_CHANNELS * width);
        memcpy(c_before, c, sizeof c);
        k->tap_sums(&t, c, width, a, b);
        for (int i = 0; i < WINDOW_CHANNELS * width; i++) {
            double sum = c_before[i];
            for (int tap = 0; tap < WINDOW_TAPS; tap++)
                sum += (double)a[tap * width + i % width] *
                       b[i / width * WINDOW_PLANE + window_offset[tap] + i % width];
            near(k->name, sum, c[i]);
        }
    }
}

static void test_windows(void **unused)
{
    (void)unused;
    fill(a, ROOM);
    fill(b, ROOM);
    each_set(window_logits_of);
    each_set(window_sums_of);
}

static void test_soften(void **unused)
{
    (void)unused;
    each_set(soften_of);
}

static void test_masks(void **unused)
{
    (void)unused;
    each_set(masks_of);
}

// --- places ---

enum { PLACE_TERMS = 37 };

static double places_sum(const struct vka_kernels *k, const struct vka_places_product *t,
                         int vectors, int row, int col)
{
    double sum = 0;
    for (int64_t kk = 0; kk < t->k; kk++)
        sum += (double)t->a[kk / k->lanes * t->a_block + row * k->lanes + kk % k->lanes] *
               (double)t->b[kk * vectors * k->lanes + col];
    return sum;
}

static void check_places(const struct vka_kernels *k, const struct vka_places_product *t, int rows,
                         int vectors)
{
    memcpy(c, c_before, sizeof c);
    k->multiply_places(rows, vectors, t);
    for (int64_t i = 0; i < 2 * t->c_block; i++) {
        int64_t row = i % t->c_block / k->lanes, vector = i / t->c_block, lane = i % k->lanes;
        if (row < rows && vector < vectors)
            near(k->name,
                 places_sum(k, t, vectors, (int)row, (int)(vector * k->lanes + lane)) +
                     (t->add ? c_before[i] : 0),
                 c[i]);
        else
            assert_true(c[i] == c_before[i]); // nothing else is written
    }
}

// Terms that are too small to change c one by one.
static void check_small_terms(const struct vka_kernels *k)
{
    static float ones[256 * 2 * VKA_SAMPLE_WIDTH];
    for (size_t i = 0; i < VKA_COUNT(ones); i++)
        ones[i] = 0.5f;
    for (int i = 0; i < k->lanes; i++)
        c[i] = 1 << 24;
    k->multiply_places(1, 1,
                       &(struct vka_places_product){256, ones, ones, c, k->lanes, k->lanes, true});
    for (int i = 0; i < k->lanes; i++)
        assert_true(c[i] == (1 << 24) + 64);
}

static void products_of_places(const struct vka_kernels *k)
{
    struct vka_places_product t = {.a = a, .b = b, .c = c};
    for (int rows = 1; rows <= k->tile_rows; rows++) {
        for (t.k = 1; t.k <= PLACE_TERMS; t.k++) {
            t.a_block = (rows + 1) * k->lanes;
            t.c_block = (rows + 2) * k->lanes;
            t.add = t.k % 3 == 0;
            check_places(k, &t, rows, 1 + t.k % 2);
        }
    }
    check_small_terms(k);
}

static void turns_of(const struct vka_kernels *k)
{
    const int64_t line = 41;
    for (int channels = 1; channels <= k->lanes; channels++) {
        for (int64_t count = 1; count <= line - 3; count++) {
            memcpy(c, c_before, sizeof c);
            k->turn_places(c, line, a, channels, count);
            for (int64_t i = 0; i < (k->lanes + 1) * line; i++) {
                bool there = i / line < channels && i % line < count;
                assert_true(c[i] == (there ? a[i % line * k->lanes + i / line] : c_before[i]));
            }
        }
    }
}

static void test_places(void **unused)
{
    (void)unused;
    fill_all();
    each_set(products_of_places);
    each_set(turns_of);
}

// --- samples ---

static double blended(const struct vka_corners *corners, int i)
{
    double sum = 0;
    for (int k = 0; k < 4; k++) {
        int32_t at = corners->at[k][i];
        sum += at == VKA_NOWHERE ? 0 : (double)corners->part[k][i] * (double)a[at];
    }
    return sum;
}

static void blends_of(const struct vka_kernels *kernels)
{
    struct vka_corners corners;
    for (int i = 0; i < 4 * VKA_SAMPLE_BLOCK; i++) {
        int k = i / VKA_SAMPLE_BLOCK, place = i % VKA_SAMPLE_BLOCK;
        corners.at[k][place] = i % 5 == 0 ? VKA_NOWHERE : 997 * i % ROOM;
        corners.part[k][place] = b[i];
    }
    for (int count = 1; count <= VKA_SAMPLE_BLOCK; count++) {
        bool add = count % 2;
        memcpy(c, c_before, sizeof c);
        kernels->blend(c, count, a, &corners, add);
        for (int i = 0; i < count; i++)
            near(kernels->name, blended(&corners, i) + (add ? c_before[i] : 0), c[i]);
        assert_true(c[count] == c_before[count]); // nothing else is written
    }
}

enum { MAP = 50, MAP_VECTORS = 3 }; // places

static void blends_of_places(const struct vka_kernels *k)
{
    const int64_t map_block = (MAP + 1) * k->lanes, dst_block = (VKA_SAMPLE_BLOCK + 1) * k->lanes;
    struct vka_corners corners;
    for (int i = 0; i < 4 * VKA_SAMPLE_BLOCK; i++) {
        int corner = i / VKA_SAMPLE_BLOCK, place = i % VKA_SAMPLE_BLOCK;
        corners.at[corner][place] = i % 5 == 0 ? VKA_NOWHERE : 7 * i % MAP;
        corners.part[corner][place] = b[i];
    }
    for (int count = 1; count <= VKA_SAMPLE_BLOCK; count += 9) {
        memcpy(c, c_before, sizeof c);
        k->blend_places(c, dst_block, a, map_block, MAP, &corners, count, MAP_VECTORS);
        for (int64_t i = 0; i < (MAP_VECTORS + 1) * dst_block; i++) {
            int64_t vector = i / dst_block, place = i % dst_block / k->lanes;
            if (vector >= MAP_VECTORS || place >= count) {
                assert_true(c[i] == c_before[i]); // nothing else is written
                continue;
            }
            double sum = 0;
            for (int corner = 0; corner < 4; corner++) {
                int32_t at = corners.at[corner][place];
                at = at == VKA_NOWHERE ? MAP : at;
                sum += (double)corners.part[corner][place] *
                       (double)a[vector * map_block + at * k->lanes + i % k->lanes];
            }
            near(k->name, sum, c[i]);
        }
    }
}

static void test_blends(void **unused)
{
    (void)unused;
    fill_all();
    each_set(blends_of);
    each_set(blends_of_places);
}

static void test_choice(void **unused)
{
    (void)unused;
    assert_null(vka_kernels_of("sse"));
    assert_non_null(vka_kernels_of("plain"));
    assert_non_null(vka_kernels());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choice), cmocka_unit_test(test_tiles),
        cmocka_unit_test(test_wides),  cmocka_unit_test(test_lanewise),
        cmocka_unit_test(test_dots),   cmocka_unit_test(test_packing),
        cmocka_unit_test(test_soften), cmocka_unit_test(test_windows),
        cmocka_unit_test(test_masks),  cmocka_unit_test(test_places),
        cmocka_unit_test(test_blends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
