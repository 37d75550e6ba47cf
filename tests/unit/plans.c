// SPDX-License-Identifier: MIT
//
// Plans on the CPU path.
#include "plan_tests.h"

#include "random_graph.h"

#include <string.h>

static struct random_graph graph;

// F32 and I32 data are used where they are: not even the first run asks for memory.
static void test_in_place(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig);
    random_weights(&rig);
    for (uint64_t seed = 1; seed <= 20; seed++) {
        random_graph_make(&graph, &rig, seed, 40);
        vka_plan *plan = rig_plan(&rig, NULL);
        bool checked = rig.graph->check_count > 0; // a check's result has memory of its own
        size_t asked = rig.memory.asked;
        random_graph_differ(&graph, plan, true);
        assert_int_equal(rig.memory.asked - asked, checked && rig.memory.asked != asked);
        asked = rig.memory.asked;
        for (int i = 0; i < 10; i++)
            random_graph_differ(&graph, plan, true);
        assert_int_equal(rig.memory.asked, asked);
        vka_plan_destroy(plan);
    }
    rig_end(&rig);
}

// Other types are converted into memory that the first run asks for, and no other.
static void test_converted(void **state)
{
    (void)state;
    struct rig rig;
    uint16_t x[64] = {0}, y[64];
    vka_io in[] = {{"x", VKA_F16, x, sizeof x}, {0}}, out[] = {{"y", VKA_BF16, y, sizeof y}, {0}};
    rig_start(&rig);
    vka_tensor t = rig_input(&rig, "x", VKA_F32, VKA_SHAPE(64));
    vka_output(rig.graph, "y", vka_affine(rig.graph, t, 1, 1));
    vka_plan *plan = rig_plan(&rig, NULL);
    size_t asked = rig.memory.asked;
    rig_assert_ok(vka_plan_run(plan, in, out));
    assert_int_equal(rig.memory.asked, asked + 2);
    for (int i = 0; i < 10; i++)
        rig_assert_ok(vka_plan_run(plan, in, out));
    assert_int_equal(rig.memory.asked, asked + 2);
    assert_int_equal(y[63], 0x3f80);
    vka_plan_destroy(plan);
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {PLAN_TESTS, cmocka_unit_test(test_in_place),
                                       cmocka_unit_test(test_converted)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
