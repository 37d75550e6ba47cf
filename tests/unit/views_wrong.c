// SPDX-License-Identifier: MIT
//
// Wrong views: each call fails the graph with a message that has both sides of what doesn't fit.
#include "rig.h"

static vka_tensor wrong_reshape(vka_graph *g, vka_tensor t)
{
    return vka_reshape(g, t, VKA_SHAPE(5, 7));
}

static vka_tensor two_free_sizes(vka_graph *g, vka_tensor t)
{
    return vka_reshape(g, t, VKA_SHAPE(-1, 2, -1));
}

static vka_tensor indivisible(vka_graph *g, vka_tensor t)
{
    return vka_reshape(g, t, VKA_SHAPE(5, -1));
}

static vka_tensor reshape_to_nothing(vka_graph *g, vka_tensor t)
{
    return vka_reshape(g, t, VKA_SHAPE(0, -1));
}

static vka_tensor reshape_overflow(vka_graph *g, vka_tensor t)
{
    return vka_reshape(g, t, VKA_SHAPE((int64_t)1 << 40, (int64_t)1 << 40));
}

static vka_tensor reshape_to_rank_9(vka_graph *g, vka_tensor t)
{
    return vka_reshape(g, t, VKA_SHAPE(2, 3, 4, 1, 1, 1, 1, 1, 1));
}

static vka_tensor permute_twice_the_same(vka_graph *g, vka_tensor t)
{
    return vka_permute(g, t, (const int[]){0, 1, -2});
}

static vka_tensor permute_outside(vka_graph *g, vka_tensor t)
{
    return vka_permute(g, t, (const int[]){0, 1, 3});
}

static vka_tensor transpose_outside(vka_graph *g, vka_tensor t)
{
    return vka_transpose(g, t, 0, -4);
}

static vka_tensor slice_too_long(vka_graph *g, vka_tensor t)
{
    return vka_slice(g, t, 2, 2, 3);
}

static vka_tensor slice_before(vka_graph *g, vka_tensor t)
{
    return vka_slice(g, t, 2, -1, 1);
}

static vka_tensor slice_of_nothing(vka_graph *g, vka_tensor t)
{
    return vka_slice(g, t, 2, 0, 0);
}

static vka_tensor slice_steps_out(vka_graph *g, vka_tensor t)
{
    return vka_slice_step(g, t, 2, 1, 3, -1);
}

static vka_tensor slice_steps_far(vka_graph *g, vka_tensor t)
{
    return vka_slice_step(g, t, 2, 0, 2, INT64_MAX);
}

static vka_tensor slice_axis(vka_graph *g, vka_tensor t)
{
    return vka_slice(g, t, 3, 0, 1);
}

static vka_tensor broadcast_misfit(vka_graph *g, vka_tensor t)
{
    return vka_broadcast_to(g, t, VKA_SHAPE(2, 3, 5));
}

static vka_tensor broadcast_lower(vka_graph *g, vka_tensor t)
{
    return vka_broadcast_to(g, t, VKA_SHAPE(3, 4));
}

static vka_tensor broadcast_to_nothing(vka_graph *g, vka_tensor t)
{
    return vka_broadcast_to(g, vka_unsqueeze(g, t, 0), VKA_SHAPE(0, 2, 3, 4));
}

static vka_tensor broadcast_to_less(vka_graph *g, vka_tensor t)
{
    return vka_broadcast_to(g, t, VKA_SHAPE(-2, 2, 3, 4));
}

static vka_tensor broadcast_overflow(vka_graph *g, vka_tensor t)
{
    return vka_broadcast_to(g, t, VKA_SHAPE((int64_t)1 << 60, 2, 3, 4));
}

static vka_tensor broadcast_to_rank_9(vka_graph *g, vka_tensor t)
{
    return vka_broadcast_to(g, t, VKA_SHAPE(1, 1, 1, 1, 1, 1, 2, 3, 4));
}

static vka_tensor squeeze_wide(vka_graph *g, vka_tensor t)
{
    return vka_squeeze(g, t, 1);
}

static vka_tensor squeeze_outside(vka_graph *g, vka_tensor t)
{
    return vka_squeeze(g, t, 3);
}

static vka_tensor unsqueeze_outside(vka_graph *g, vka_tensor t)
{
    return vka_unsqueeze(g, t, 4);
}

static vka_tensor unsqueeze_to_rank_9(vka_graph *g, vka_tensor t)
{
    for (int i = 0; i < 6; i++)
        t = vka_unsqueeze(g, t, 0);
    return t;
}

static vka_tensor flatten_backwards(vka_graph *g, vka_tensor t)
{
    return vka_flatten(g, t, 2, 1);
}

static vka_tensor flatten_outside(vka_graph *g, vka_tensor t)
{
    return vka_flatten(g, t, 0, 3);
}

static vka_tensor strided_past(vka_graph *g, vka_tensor t)
{
    return vka_strided(g, t, VKA_SHAPE(5, 6), (const int64_t[]){4, 1}, 3);
}

static vka_tensor strided_before(vka_graph *g, vka_tensor t)
{
    return vka_strided(g, t, VKA_SHAPE(5), (const int64_t[]){-2}, 7);
}

static vka_tensor strided_empty(vka_graph *g, vka_tensor t)
{
    return vka_strided(g, t, VKA_SHAPE(5, 0), (const int64_t[]){1, 1}, 0);
}

static vka_tensor strided_overflow(vka_graph *g, vka_tensor t)
{
    return vka_strided(g, t, VKA_SHAPE(3), (const int64_t[]){INT64_MAX}, 0);
}

static vka_tensor strided_to_rank_9(vka_graph *g, vka_tensor t)
{
    return vka_strided(g, t, VKA_SHAPE(1, 1, 1, 1, 1, 1, 1, 1, 1), (const int64_t[9]){0}, 0);
}

static const struct {
    vka_tensor (*call)(vka_graph *g, vka_tensor t); // t: [2, 3, 4]
    const char *a, *b;                              // in the message
} wrong[] = {
    {wrong_reshape, "[2, 3, 4]", "[5, 7]"},
    {two_free_sizes, "[2, 3, 4]", "[-1, 2, -1]"},
    {indivisible, "[2, 3, 4]", "[5, -1]"},
    {reshape_to_nothing, "[2, 3, 4]", "[0, -1]"},
    {reshape_overflow, "[2, 3, 4]", "[1099511627776, 1099511627776]"},
    {reshape_to_rank_9, "[2, 3, 4]", "[2, 3, 4, 1, 1, 1, 1, 1, ...]"},
    {permute_twice_the_same, "permute", "not a permutation"},
    {permute_outside, "permute: axis 3", "rank 3"},
    {transpose_outside, "transpose: axis -4", "rank 3"},
    {slice_too_long, "3 elements from 2", "size 4"},
    {slice_before, "from -1", "size 4"},
    {slice_of_nothing, "0 elements", "size 4"},
    {slice_steps_out, "3 elements from 1 by -1", "size 4"},
    {slice_steps_far, "by 9223372036854775807", "size 4"},
    {slice_axis, "slice: axis 3", "rank 3"},
    {broadcast_misfit, "[2, 3, 4]", "[2, 3, 5]"},
    {broadcast_lower, "[2, 3, 4]", "[3, 4]"},
    {broadcast_to_nothing, "[1, 2, 3, 4]", "[0, 2, 3, 4]"},
    {broadcast_to_less, "[2, 3, 4]", "[-2, 2, 3, 4]"},
    {broadcast_overflow, "[2, 3, 4]", "[1152921504606846976, 2, 3, 4]"},
    {broadcast_to_rank_9, "[2, 3, 4]", "[1, 1, 1, 1, 1, 1, 2, 3, ...]"},
    {squeeze_wide, "squeeze: axis 1", "size 3"},
    {squeeze_outside, "squeeze: axis 3", "rank 3"},
    {unsqueeze_outside, "unsqueeze: axis 4", "rank 3"},
    {unsqueeze_to_rank_9, "unsqueeze", "rank 8"},
    {flatten_backwards, "flatten: axis 2", "axis 1"},
    {flatten_outside, "flatten: axis 3", "rank 3"},
    {strided_past, "[5, 6] from element 3", "[2, 3, 4]"},
    {strided_before, "[5] from element 7", "[2, 3, 4]"},
    {strided_empty, "[5, 0]", "[2, 3, 4]"},
    {strided_overflow, "[3]", "[2, 3, 4]"},
    {strided_to_rank_9, "[1, 1, 1, 1, 1, 1, 1, 1, ...]", "[2, 3, 4]"},
};

static void test_wrong(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig);
    for (size_t i = 0; i < VKA_COUNT(wrong); i++) {
        rig_new_graph(&rig);
        vka_tensor t = rig_input(&rig, "x", VKA_F32, VKA_SHAPE(2, 3, 4));
        assert_int_equal(wrong[i].call(rig.graph, t), 0);
        rig_assert_failed(rig.graph, wrong[i].a, wrong[i].b);
    }
    rig_end(&rig);
}

// Each view of no tensor at all fails: nothing could be behind it.
static vka_tensor view_of_none(vka_graph *g, int which)
{
    switch (which) {
    case 0:
        return vka_reshape(g, 0, VKA_SHAPE(1, 1));
    case 1:
        return vka_permute(g, 0, (const int[]){0});
    case 2:
        return vka_broadcast_to(g, 0, VKA_SHAPE(3));
    case 3:
        return vka_unsqueeze(g, 0, 0);
    case 4:
        return vka_strided(g, 0, VKA_SHAPE(1), (const int64_t[]){1}, 0);
    case 5:
        return vka_slice(g, 0, 0, 0, 1);
    case 6:
        return vka_flatten(g, 0, 0, 0);
    default:
        return vka_squeeze(g, 0, 0);
    }
}

static void test_none(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig);
    for (int i = 0; i < 8; i++) {
        rig_new_graph(&rig);
        assert_int_equal(view_of_none(rig.graph, i), 0);
        rig_assert_failed(rig.graph, ": ", NULL);
    }
    rig_end(&rig);
}

// The first error stays; later calls do nothing.
static void test_first_error(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig);
    vka_tensor t = rig_input(&rig, "x", VKA_F32, VKA_SHAPE(2, 3, 4));
    vka_slice(rig.graph, t, 2, 2, 3);
    size_t values = rig.graph->value_count;
    for (size_t i = 0; i < VKA_COUNT(wrong); i++)
        assert_int_equal(wrong[i].call(rig.graph, t), 0);
    assert_int_equal(vka_transpose(rig.graph, t, 0, 1), 0);
    vka_output(rig.graph, "y", t);
    rig_assert_failed(rig.graph, "3 elements from 2", "size 4");
    assert_int_equal(rig.graph->value_count, values);
    vka_plan *plan;
    assert_int_equal(vka_plan_create(rig.device, rig.graph, NULL, &plan), VKA_ERROR_INVALID);
    unit_assert_error_has("3 elements from 2");
    assert_null(plan);
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_first_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
