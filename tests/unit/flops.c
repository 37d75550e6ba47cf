// SPDX-License-Identifier: MIT
//
// Operations that a report counts for ops whose work is not in proportion to what they read and
// write: long work is cut into submissions by these numbers.
#include "rig.h"

#include <string.h>

static struct rig rig;

static vka_tensor floats(const char *name, vka_shape shape)
{
    return rig_input(&rig, name, VKA_F32, shape);
}

// Of the steps of op `name` in a plan that makes `t`.
static void expect(const char *name, vka_tensor t, double flops)
{
    vka_output(rig.graph, "y", t);
    vka_plan *plan = rig_plan(&rig, NULL);
    const vka_report *r = vka_plan_report(plan);
    double sum = 0;
    for (size_t i = 0; i < r->step_count; i++)
        sum += strcmp(r->steps[i].op, name) == 0 ? r->steps[i].flops : 0;
    vka_plan_destroy(plan);
    if (sum != flops)
        fail_msg("%s: %g operations, not %g", name, sum, flops);
}

// 2 images of 3 maps, 4 channels of k and 5 of v each; 9 taps of 7 x 6 windows.
enum { MAPS = 3, DEPTH = 4, WIDTH = 5, TAPS = 9, WINDOWS = 2 * MAPS * 7 * 6 };
#define WINDOWS_OF_3                                                                               \
    {                                                                                              \
        .kernel = {3, 3}, .stride = {1, 1}, .dilation = {1, 1}, .before = {1, 1}, .out = { 7, 6 }  \
    }
static const struct vka_windows windows = WINDOWS_OF_3;
static const struct vka_window_logits logits = {.windows = WINDOWS_OF_3, .maps = MAPS, .scale = 1};

static vka_tensor map(const char *name, int64_t channels)
{
    return floats(name, VKA_SHAPE(2, MAPS * channels, 7, 6));
}

static void test_window_attention(void **state)
{
    (void)state;
    vka_tensor y = vka_window_attention(rig.graph, map("q", DEPTH), map("k", DEPTH),
                                        map("v", WIDTH), &logits, 0);
    expect("window_attention", y, 2.0 * WINDOWS * TAPS * (DEPTH + WIDTH));
}

static void test_window_dot(void **state)
{
    (void)state;
    vka_tensor y = vka_window_dot(rig.graph, map("q", DEPTH), map("k", DEPTH), &logits);
    expect("window_dot", y, 2.0 * WINDOWS * TAPS * DEPTH);
}

static void test_window_sum(void **state)
{
    (void)state;
    vka_tensor attn = floats("attn", VKA_SHAPE(2, MAPS, TAPS, 7, 6));
    expect("window_sum", vka_window_sum(rig.graph, attn, map("v", WIDTH), &windows, false),
           2.0 * WINDOWS * TAPS * WIDTH);
}

static void test_bilinear_logits(void **state)
{
    (void)state;
    vka_tensor x = floats("x", VKA_SHAPE(2, 5, 7)), y = floats("y", VKA_SHAPE(2, 6, 7));
    expect("bilinear_logits", vka_bilinear_logits(rig.graph, x, y, floats("f", VKA_SHAPE(3, 7)), 0),
           2.0 * 2 * 3 * 5 * 6 * 7);
}

static void test_bilinear_pool(void **state)
{
    (void)state;
    vka_tensor w = floats("w", VKA_SHAPE(2, 5, 6)), x = floats("x", VKA_SHAPE(2, 5, 7));
    expect("bilinear_pool", vka_bilinear_pool(rig.graph, w, x, floats("v", VKA_SHAPE(2, 6, 7))),
           2.0 * 2 * 5 * 7 * (6 + 1));
}

static void test_additive(void **state)
{
    (void)state;
    struct vka_activation tanh_ = {VKA_ACT_TANH, 0, 0};
    vka_tensor q = floats("q", VKA_SHAPE(2, 5, 7)), k = floats("k", VKA_SHAPE(2, 6, 7));
    expect("additive", vka_additive(rig.graph, q, k, floats("v", VKA_SHAPE(7)), 0, tanh_),
           4.0 * 2 * 5 * 6 * 7);
}

// 2 directions, 3 rows, 10 steps, states of 6: more steps are more work, though nothing grows but
// the inputs.
static void test_recurrent(void **state)
{
    (void)state;
    struct vka_recurrent p = {.kind = VKA_CELL_LSTM,
                              .weight_hh = floats("w", VKA_SHAPE(2, 4 * 6, 6)),
                              .h = floats("h", VKA_SHAPE(2, 3, 6)),
                              .c = floats("c", VKA_SHAPE(2, 3, 6))};
    vka_tensor y = vka_recurrent(rig.graph, floats("x", VKA_SHAPE(2, 3, 10, 4 * 6)), &p);
    expect("recurrent", y, 2.0 * 2 * 3 * 10 * 4 * 6 * 6);
}

static void test_pool_back(void **state)
{
    (void)state;
    struct vka_pool p = {.kernel = {3, 2}, .stride = {3, 2}};
    vka_tensor x = floats("x", VKA_SHAPE(2, 5, 9, 8)), d = floats("d", VKA_SHAPE(2, 5, 3, 4));
    expect("pool_back", vka_pool_back(rig.graph, x, d, &p), 2.0 * 5 * 3 * 4 * 3 * 2);
}

static void test_count_boxes(void **state)
{
    (void)state;
    vka_tensor s = floats("s", VKA_SHAPE(2, 3, 20)), b = floats("b", VKA_SHAPE(2, 20, 4));
    expect("count_boxes", vka_count_boxes(rig.graph, s, b, floats("t", VKA_SHAPE(8, 17)), 5),
           10.0 * 2 * 3 * 5 * 5 * 5);
}

int main(void)
{
#define TEST(name) RIG_TEST(name, &rig)
    const struct CMUnitTest tests[] = {
        TEST(test_window_attention), TEST(test_window_dot),    TEST(test_window_sum),
        TEST(test_bilinear_logits),  TEST(test_bilinear_pool), TEST(test_additive),
        TEST(test_recurrent),        TEST(test_pool_back),     TEST(test_count_boxes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
