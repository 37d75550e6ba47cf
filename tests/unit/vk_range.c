// SPDX-License-Identifier: MIT
//
// A device whose bindings hold little: each block's largest case comes out right, or is refused
// with both figures before anything runs.
#include "case_io.h"
#include "rig.h"
#include "vk_calls.h"

#include <stdio.h>
#include <string.h>

// The message has what the tensor takes and what a binding holds.
static void check_figures(uint32_t range)
{
    const char *error = vka_last_error(), *at = strstr(error, "a tensor of shape [");
    unsigned long long takes = 0, holds = 0;
    if (at)
        at = strchr(at, ']');
    if (!at ||
        sscanf(at, "] takes %llu bytes; one binding of the device holds %llu", &takes, &holds) != 2)
        fail_msg("no figures in: %s", error);
    assert_true(takes > holds && holds == range);
}

static bool run_one(const struct rig *rig, const char *path, uint32_t range)
{
    struct vka_case *c;
    vka_graph *graph;
    struct case_outputs r;
    rig_assert_ok(vka_case_open(rig->context, path, &c));
    rig_assert_ok(vka_case_build(c, &graph));
    case_outputs_make(c, &r);
    unsigned submitted = vk_calls.count[CALL_vkQueueSubmit];
    vka_result result = case_run(rig->device, c, graph, NULL, &r);
    if (result == VKA_OK) {
        case_assert_right(c, &r, 1e-4);
    } else {
        if (result != VKA_ERROR_UNSUPPORTED)
            fail_msg("%s gave %d: %s", path, (int)result, vka_last_error());
        check_figures(range);
        assert_int_equal(vk_calls.count[CALL_vkQueueSubmit], submitted);
    }
    case_outputs_free(&r);
    vka_graph_destroy(graph);
    vka_case_close(c);
    return result == VKA_OK;
}

static void test_blocks(void **state)
{
    (void)state;
    static const uint32_t ranges[] = {1024, 4096, 16384};
    enum { COUNT = VKA_COUNT(ranges) };
    int right = 0, refused = 0;
    for (int k = 0; k < COUNT; k++) {
        struct rig rig;
        vk_calls_begin();
        vk_calls.storage_range = ranges[k];
        rig_start_on(&rig, "vulkan");
        for (int i = k; i < vka_block_count(); i += COUNT) {
            char path[1024];
            if (!case_largest(vka_block_get(i)->id, path, sizeof path))
                continue;
            bool ok = run_one(&rig, path, ranges[k]);
            right += ok;
            refused += !ok;
        }
        rig_end(&rig);
        assert_int_equal(vk_calls.alive, 0);
        vk_calls_end();
    }
    print_message("(%d right, %d refused)\n", right, refused);
    assert_true(right > 10 && refused > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_blocks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
