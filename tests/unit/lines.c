// SPDX-License-Identifier: MIT
//
// Convolutions of few channels on the CPU: the kernels of every instruction set that this machine
// has, against plain sums in double precision and plain copies.
#include "cpu_set.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM = 1 << 14, LINE = 77, ROWS = VKA_STRIP_ROWS, CHANNEL = 7 * LINE };
static float a[ROOM], b[ROOM], c[ROOM], before[ROOM];

static void fill(float *x)
{
    static uint64_t numbers = 1;
    for (int i = 0; i < ROOM; i++)
        x[i] = (float)unit_below(&numbers, 1 << 24) / (1 << 24) - 0.5f;
}

static void each_filled(void (*check)(const struct vka_kernels *k))
{
    fill(a);
    fill(b);
    fill(before);
    each_set(check);
}

// --- lines ---

static double sum_of(const struct vka_lines *t, int row, int64_t line, int64_t at)
{
    double sum = t->bias ? t->bias[row * t->bias_step] : 0;
    for (int64_t kk = 0; kk < t->k; kk++) {
        for (int n = 0; n < t->taps; n++)
            sum += (double)t->a[(kk * t->taps + n) * t->a_step + row] *
                   (double)t->b[kk * t->b_step + line * t->b_line + t->tap[n] + at];
    }
    return t->relu ? fmax(sum, 0) : sum;
}

static void check_lines(const struct vka_kernels *k, const struct vka_lines *t, int rows)
{
    memcpy(c, before, sizeof c);
    k->lines(rows, t);
    for (int64_t i = 0; i < ROWS * CHANNEL; i++) {
        int row = (int)(i / CHANNEL);
        int64_t line = i % CHANNEL / LINE, at = i % LINE;
        bool made = row < rows && line < t->lines && at < t->length;
        double want = made ? sum_of(t, row, line, at) : before[i];
        if (!(fabs(c[i] - want) <= (made ? 1e-5 : 0)))
            fail_msg("%s, %d rows, %d places, at %d: %.9g, should be %.9g", k->name, rows,
                     (int)t->length, (int)i, (double)c[i], want);
    }
}

static void lines_of(const struct vka_kernels *k)
{
    static const int32_t taps[] = {0, 1, 2, 90, 91, 92};
    struct vka_lines t = {.k = 3,
                          .tap = taps,
                          .a = a,
                          .b = b,
                          .a_step = ROWS,
                          .b_step = 1500,
                          .c = c,
                          .c_row = CHANNEL,
                          .b_line = 90,
                          .c_line = LINE,
                          .bias_step = 2};
    for (int rows = 1; rows <= ROWS; rows++) {
        for (t.length = 1; t.length < LINE; t.length += 3) {
            t.lines = t.length % 7;
            t.taps = 1 + (int)t.length % 6;
            t.bias = t.length % 2 ? before + 5 : NULL;
            t.relu = t.length % 4 < 2;
            check_lines(k, &t, rows);
        }
    }
}

static void infinities_of(const struct vka_kernels *k)
{
    const float terms[] = {NAN, INFINITY, -INFINITY}, one = 1;
    struct vka_lines t = {.k = 1,
                          .taps = 1,
                          .tap = vka_one_tap,
                          .a = &one,
                          .a_step = 1,
                          .b = b,
                          .c = c,
                          .lines = 1,
                          .length = 3,
                          .relu = true};
    memcpy(b, terms, sizeof terms);
    k->lines(1, &t);
    assert_true(isnan(c[0]) && isinf(c[1]) && c[2] == 0); // as vka_activate has it
}

static void test_lines(void **unused)
{
    (void)unused;
    each_filled(lines_of);
    each_filled(infinities_of);
}

// --- pad ---

static void check_pad(const struct vka_kernels *k, const struct vka_pad *p)
{
    memcpy(c, before, sizeof c);
    k->pad(p);
    for (int64_t i = 0; i < p->lines * p->size; i++) {
        int64_t line = i / p->size - p->top, at = i % p->size - p->left;
        bool there = line >= 0 && line < p->count && at >= 0 && at < p->inside;
        float want = there ? p->x[line * p->x_line + at] : 0;
        if (c[i] != want)
            fail_msg("%s, lines of %d with %d from %d, at %d: %.9g, should be %.9g", k->name,
                     (int)p->size, (int)p->inside, (int)p->left, (int)i, (double)c[i],
                     (double)want);
    }
    for (int64_t i = p->lines * p->size + k->lanes; i < ROOM; i++)
        assert_true(c[i] == before[i]);
}

static void pads_of(const struct vka_kernels *k)
{
    for (int64_t size = 1; size < LINE; size += 5) {
        for (int64_t left = 0; left <= size; left++) {
            struct vka_pad p = {.to = c,
                                .lines = 5,
                                .size = size,
                                .top = left % 3,
                                .left = left,
                                .count = left % 4,
                                .inside = (size - left) * (left % 2 + 1) / 2,
                                .x = b,
                                .x_line = 2 * LINE};
            check_pad(k, &p);
        }
    }
}

static void test_pad(void **unused)
{
    (void)unused;
    each_filled(pads_of);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lines), cmocka_unit_test(test_pad)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
