// SPDX-License-Identifier: MIT
//
// Random graphs on each Vulkan device: the numbers of the CPU's kernels, node by node; and without
// a word from the validation layer, where it is installed.
#include "random_graph.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static struct random_graph graph;

static double run_graph(struct rig *rig, uint64_t seed, const vka_plan_params *params)
{
    vka_plan *plan = rig_plan(rig, params);
    double difference = random_graph_differ(&graph, plan, false);
    static uint32_t first[RANDOM_OUTPUTS][RANDOM_ELEMENTS];
    memcpy(first, graph.got, sizeof first);
    for (int i = 0; i < 3; i++) { // the same bits each time
        random_graph_differ(&graph, plan, false);
        assert_memory_equal(first, graph.got, sizeof first);
    }
    double bound = params->dtype == VKA_F16 ? 0.05 : 1e-4;
    if (!(difference <= bound))
        fail_msg("seed %llu on %s: %g", (unsigned long long)seed, vka_device_of(rig->device)->name,
                 difference);
    vka_plan_destroy(plan);
    return difference;
}

static void run_device(int position)
{
    char select[16];
    double worst = 0, worst16 = 0;
    struct rig rig;
    snprintf(select, sizeof select, "%d", position);
    rig_start_on(&rig, select);
    random_weights(&rig);
    for (uint64_t seed = 1; seed <= 25; seed++) {
        random_graph_make(&graph, &rig, seed, 15 + (int)(seed % 25));
        worst = fmax(worst, run_graph(&rig, seed, &(vka_plan_params){.expand = seed % 2}));
        if (vka_device_of(rig.device)->f16)
            worst16 = fmax(worst16, run_graph(&rig, seed, &(vka_plan_params){.dtype = VKA_F16}));
    }
    print_message("(%s: f32 %g, f16 %g)\n", vka_device_of(rig.device)->name, worst, worst16);
    rig_end(&rig);
}

static void test_devices(void **state)
{
    (void)state;
    struct rig rig;
    rig_start_on(&rig, "vulkan"); // there must be one
    int count = vka_device_count(rig.context) - 1;
    rig_end(&rig);
    for (int i = 0; i < count; i++)
        run_device(i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_devices)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
