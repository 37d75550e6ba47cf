// SPDX-License-Identifier: MIT
//
// Long work goes in several submissions, a long dispatch in slices between its workgroups: each
// block gives the same bits in slices as whole, where the workgroups lie in one direction and where
// they are folded into two.
#include "case_io.h"
#include "rig.h"
#include "vk_calls.h"

#include "vk/device.h"

#include <string.h>

enum { NARROW = 3 }; // workgroups in the first direction

static struct vka_vk_device *device_of(const struct rig *rig)
{
    return rig->device->impl;
}

// Submissions of one run.
static unsigned run(const struct rig *rig, const struct vka_case *c, struct case_outputs *r)
{
    vka_graph *graph;
    rig_assert_ok(vka_case_build((struct vka_case *)c, &graph));
    unsigned before = vk_calls.count[CALL_vkQueueSubmit];
    case_outputs_make(c, r);
    rig_assert_ok(case_run(rig->device, c, graph, NULL, r));
    vka_graph_destroy(graph);
    return vk_calls.count[CALL_vkQueueSubmit] - before;
}

static void assert_same(const struct vka_case *c, const struct case_outputs *a,
                        const struct case_outputs *b)
{
    for (size_t i = 0; i < c->out_count; i++) {
        if (memcmp(a->io[i].data, b->io[i].data, a->io[i].bytes) != 0)
            fail_msg("%s: output %s differs in slices", c->path, a->io[i].name);
    }
}

// Sliced so often, and in so many submissions.
static void run_both(struct rig *rig, const char *id, unsigned *slices, unsigned *submissions)
{
    struct vka_case *c;
    struct case_outputs whole, cut;
    char path[1024];
    assert_true(case_largest(id, path, sizeof path));
    rig_assert_ok(vka_case_open(rig->context, path, &c));
    device_of(rig)->submission_budget = 0;
    unsigned one = run(rig, c, &whole), before = vk_calls.count[CALL_vkCmdDispatchBase];
    device_of(rig)->submission_budget = 2000;
    *submissions += run(rig, c, &cut) - one;
    *slices += vk_calls.count[CALL_vkCmdDispatchBase] - before;
    assert_same(c, &whole, &cut);
    case_outputs_free(&whole);
    case_outputs_free(&cut);
    vka_case_close(c);
}

static void run_blocks(bool narrow)
{
    struct rig rig;
    unsigned slices = 0, submissions = 0;
    vk_calls_begin();
    rig_start_on(&rig, "vulkan");
    if (narrow)
        rig.device->limits.max_group_count[0] = NARROW;
    // Every other block each time, to be short.
    for (int i = narrow; i < vka_block_count(); i += 2)
        run_both(&rig, vka_block_get(i)->id, &slices, &submissions);
    print_message("(%u slices in %u submissions)\n", slices, submissions);
    assert_true(slices > 50 && submissions > 50);
    rig_end(&rig);
    assert_int_equal(vk_calls.alive, 0);
    vk_calls_end();
}

static void test_one_direction(void **state)
{
    (void)state;
    run_blocks(false);
}

static void test_folded(void **state)
{
    (void)state;
    run_blocks(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_one_direction),
                                       cmocka_unit_test(test_folded)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
