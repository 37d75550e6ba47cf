// SPDX-License-Identifier: MIT
//
// Plans on a Vulkan device: what holds on the CPU path holds here; and a replayed plan costs
// neither memory, nor descriptors, nor pipelines, nor recording.
#include "plan_tests.h"

#include "random_graph.h"
#include "vk_calls.h"

static struct random_graph graph;

static void check_costs(const struct vk_calls *before, unsigned runs)
{
    for (int call = 0; call < CALL_COUNT; call++) {
        unsigned more = vk_calls.count[call] - before->count[call];
        bool once = call == CALL_vkQueueSubmit || call == CALL_vkWaitForFences ||
                    call == CALL_vkResetFences;
        bool upkeep =
            call == CALL_vkFlushMappedMemoryRanges || call == CALL_vkInvalidateMappedMemoryRanges;
        if (more != (once ? runs : 0) && !(upkeep && more == runs))
            fail_msg("call %d: %u times in %u runs", call, more, runs);
    }
}

static void test_replays_cost_nothing(void **state)
{
    (void)state;
    vk_calls_begin();
    struct rig rig;
    rig_start_on(&rig, "vulkan");
    random_weights(&rig);
    for (uint64_t seed = 1; seed <= 5; seed++) {
        random_graph_make(&graph, &rig, seed, 40);
        vka_plan *plan = rig_plan(&rig, NULL);
        random_graph_differ(&graph, plan, false);
        struct vk_calls before = vk_calls;
        size_t asked = rig.memory.asked;
        for (int i = 0; i < 10; i++)
            random_graph_differ(&graph, plan, false);
        check_costs(&before, 10);
        assert_int_equal(rig.memory.asked, asked);
        vka_plan_destroy(plan);
    }
    rig_end(&rig);
    assert_int_equal(vk_calls.alive, 0);
    vk_calls_end();
}

int main(void)
{
    plan_device = "vulkan";
    const struct CMUnitTest tests[] = {PLAN_TESTS, cmocka_unit_test(test_replays_cost_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
