// SPDX-License-Identifier: MIT
//
// Random graphs run on the CPU path: the same bits as node by node without an arena; the same
// numbers where fused operations are taken apart.
#include "random_graph.h"

#include <math.h>

static struct random_graph graph;

static double run(struct rig *rig, uint64_t seed, bool expand)
{
    vka_plan *plan = rig_plan(rig, &(vka_plan_params){.expand = expand});
    double difference = random_graph_differ(&graph, plan, !expand);
    // Once more: what the first run left in the arena changes nothing.
    assert_true(random_graph_differ(&graph, plan, !expand) == difference);
    if (!(difference <= (expand ? 1e-4 : 0)))
        fail_msg("seed %llu: %g", (unsigned long long)seed, difference);
    vka_plan_destroy(plan);
    return difference;
}

static void test_cpu(void **state)
{
    (void)state;
    struct rig rig;
    double worst = 0;
    rig_start(&rig);
    random_weights(&rig);
    for (uint64_t seed = 1; seed <= 400; seed++) {
        random_graph_make(&graph, &rig, seed, 10 + (int)(seed % 50));
        run(&rig, seed, false);
        worst = fmax(worst, run(&rig, seed, true));
    }
    print_message("(taken apart: %g)\n", worst);
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cpu)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
