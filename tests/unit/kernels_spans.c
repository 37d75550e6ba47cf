// SPDX-License-Identifier: MIT
//
// The sums and extremes of spans in every instruction set that this machine has: the same bits as
// plain loops over lanes, whatever the length, and nothing read behind the end.
#include "cpu_set.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LANES_OF_SUMS = 32, MOST = 3 * LANES_OF_SUMS + 2 };

struct results {
    float sum, squares, deviation, deviations, scaled, most;
};

static float tree(float *lane)
{
    for (int n = LANES_OF_SUMS / 2; n > 0; n /= 2) {
        for (int k = 0; k < n; k++)
            lane[k] += lane[k + n];
    }
    return lane[0];
}

// As the kernels promise: element i goes to lane i % LANES_OF_SUMS.
static struct results wanted(const float *x, int64_t count, float shift, float scale)
{
    float lane[5][LANES_OF_SUMS] = {{0}};
    struct results r = {.most = x[0] * scale};
    for (int64_t i = 0; i < count; i++) {
        float d = x[i] - shift, v = x[i] * scale;
        lane[0][i % LANES_OF_SUMS] += x[i];
        lane[1][i % LANES_OF_SUMS] += x[i] * x[i];
        lane[2][i % LANES_OF_SUMS] += d;
        lane[3][i % LANES_OF_SUMS] += d * d;
        lane[4][i % LANES_OF_SUMS] += v;
        r.most = isnan(r.most) || v <= r.most ? r.most : v; // NaN is the largest
    }
    r.sum = tree(lane[0]);
    r.squares = tree(lane[1]);
    r.deviation = tree(lane[2]);
    r.deviations = tree(lane[3]);
    r.scaled = tree(lane[4]);
    return r;
}

static void expect(const struct vka_kernels *k, const char *what, int64_t count, float got,
                   float want)
{
    if (memcmp(&got, &want, sizeof got) != 0 && !(isnan(got) && isnan(want)))
        fail_msg("%s: %s of %lld is %.9g, should be %.9g", k->name, what, (long long)count, got,
                 want);
}

static void check(const struct vka_kernels *k, const float *x, int64_t count, float shift,
                  float scale)
{
    struct results r = wanted(x, count, shift, scale), got;
    expect(k, "the sum", count, k->span_sum(x, count), r.sum);
    expect(k, "the sum of squares", count, k->span_squares(x, count), r.squares);
    k->span_deviations(x, count, shift, &got.deviation, &got.deviations);
    expect(k, "the sum of deviations", count, got.deviation, r.deviation);
    expect(k, "the sum of their squares", count, got.deviations, r.deviations);
    k->span_sum_max(x, count, scale, &got.scaled, &got.most);
    expect(k, "the scaled sum", count, got.scaled, r.scaled);
    expect(k, "the most", count, got.most, r.most);
}

// Each length from memory of its own, which a sanitizer watches; then with one odd value at each
// place.
static void check_set(const struct vka_kernels *k)
{
    static const float odd[] = {NAN, INFINITY, -INFINITY, -0.0f, 1e30f};
    uint64_t state = 1;
    for (int64_t count = 1; count <= MOST; count++) {
        float *x = unit_floats(&state, count, -1);
        check(k, x, count, 0.25f, 1);
        check(k, x, count, INFINITY, -1);
        for (int64_t i = 0; i < count; i++) {
            float own = x[i];
            x[i] = odd[(i + count) % (int64_t)VKA_COUNT(odd)];
            check(k, x, count, -3, 0.5f);
            x[i] = own;
        }
        free(x);
    }
}

static void test_sets(void **unused)
{
    (void)unused;
    each_set(check_set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sets)};
    return cmocka_run_group_tests_name("kernels_spans", tests, NULL, NULL);
}
