// SPDX-License-Identifier: MIT
//
// The kernels of boxes of every instruction set that this machine has, against plain loops; and
// that weights of softmax below the normal numbers are 0 in all of them.
#include "cpu_set.h"

#include <math.h>
#include <stdlib.h>

enum { ROWS = 9, COLUMNS = 5, MOST_LANES = 16 };

// What a box's lane must be, in the order that the kernels promise.
static float wanted(const struct vka_box_of_places *b, int lanes, int lane, bool max)
{
    float all = max ? -INFINITY : 0;
    for (int64_t r = 0; r < b->rows; r++) {
        float row = 0;
        for (int64_t i = 0; i < b->columns; i++) {
            float v = b->places[r * b->line + i * lanes + lane];
            row += v;
            if (max)
                all = isnan(v) || v > all ? v : all;
        }
        all = max ? all : all + row;
    }
    return all;
}

static void check_box(const struct vka_kernels *k, const struct vka_box_of_places *b)
{
    float most[MOST_LANES], sum[MOST_LANES];
    k->max_of_box(b, most);
    k->sum_of_box(b, sum);
    for (int i = 0; i < k->lanes; i++) {
        float max = wanted(b, k->lanes, i, true), all = wanted(b, k->lanes, i, false);
        if (most[i] != max && !(isnan(max) && isnan(most[i])))
            fail_msg("%s: a maximum of %g, should be %g", k->name, most[i], max);
        if (sum[i] != all && !(isnan(all) && isnan(sum[i])))
            fail_msg("%s: a sum of %.9g, should be %.9g", k->name, sum[i], all);
    }
}

static void boxes_of(const struct vka_kernels *k)
{
    static float map[ROWS * COLUMNS * MOST_LANES];
    for (int i = 0; i < ROWS * COLUMNS * k->lanes; i++)
        map[i] = (float)(i * 7919 % 1009) / 64 - 8;
    map[(2 * COLUMNS + 1) * k->lanes] = NAN;
    map[(6 * COLUMNS + 1) * k->lanes + 1] = -INFINITY;
    for (int64_t rows = 1; rows <= ROWS; rows++) {
        for (int64_t columns = 1; columns <= COLUMNS; columns++)
            check_box(k, &(struct vka_box_of_places){map, COLUMNS * k->lanes, rows, columns});
    }
}

static void test_boxes(void **unused)
{
    (void)unused;
    each_set(boxes_of);
}

// The second key's logits are so far below the first's that the weight would be a subnormal.
static void small_weights_of(const struct vka_kernels *k)
{
    static const float below[] = {-125.5f, -126.5f, -144.25f, -149.0f, -151, -1000, -INFINITY};
    float s[2 * MOST_LANES], max[MOST_LANES], sum[MOST_LANES], factor[MOST_LANES];
    for (size_t j = 0; j < VKA_COUNT(below); j++) {
        for (int i = 0; i < k->lanes; i++) {
            s[i] = 3;
            s[k->lanes + i] = 3 + below[j];
            max[i] = -INFINITY;
            sum[i] = 0;
        }
        k->soften(s, k->lanes, 2, max, sum, factor);
        float want = j == 0 ? exp2f(below[j]) : 0;
        for (int i = 0; i < k->lanes; i++) {
            if (!(fabsf(s[k->lanes + i] - want) <= 1e-6f * want) || sum[i] != 1)
                fail_msg("%s: 2^%g is %g, should be %g", k->name, below[j], s[k->lanes + i], want);
        }
    }
}

static void test_small_weights(void **unused)
{
    (void)unused;
    each_set(small_weights_of);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_boxes),
                                       cmocka_unit_test(test_small_weights)};
    return cmocka_run_group_tests_name("kernels_boxes", tests, NULL, NULL);
}
