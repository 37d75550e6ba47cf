// SPDX-License-Identifier: MIT
//
// Every block can be timed by its name alone: the example of its row gives `vkattn bench` all
// shapes, attributes and free sizes. A plan is made for each; those that are quick run, too.
#include "unit.h"

#include "cli/subject.h"

#include <math.h>
#include <stdio.h>

static const double quick = 2e7; // floating-point operations

static vka_context *context;
static vka_device *device;

static int open_device(void **state)
{
    (void)state;
    vka_context_params params = {.no_vulkan = true};
    return vka_context_create(&params, &context) == VKA_OK &&
                   vka_device_open(context, "cpu", &device) == VKA_OK
               ? 0
               : -1;
}

static int close_device(void **state)
{
    (void)state;
    vka_device_close(device);
    vka_context_destroy(context);
    return 0;
}

static double flops_of(vka_plan *plan)
{
    const vka_report *r = vka_plan_report(plan);
    double sum = 0;
    for (size_t i = 0; i < r->step_count; i++)
        sum += r->steps[i].flops;
    return sum;
}

// Whether it ran, too.
static bool bench(const char *id)
{
    struct subject_call call = {.what = id};
    struct subject s;
    vka_plan *plan;
    if (subject_open(&s, context, &call) != EXIT_DONE)
        fail_msg("%s: %s", id, vka_last_error());
    if (vka_plan_create(device, s.graph, NULL, &plan) != VKA_OK)
        fail_msg("%s: %s", id, vka_last_error());
    bool runs = flops_of(plan) <= quick;
    if (runs && vka_plan_run(plan, s.inputs, s.outputs) != VKA_OK)
        fail_msg("%s: %s", id, vka_last_error());
    vka_plan_destroy(plan);
    subject_close(&s);
    return runs;
}

static void test_examples(void **state)
{
    (void)state;
    int ran = 0;
    for (int i = 0; i < vka_block_count(); i++)
        ran += bench(vka_block_get(i)->id);
    print_message("(%d blocks planned by their examples, %d of them run)\n", vka_block_count(),
                  ran);
    assert_true(vka_block_count() >= 45 && ran > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_examples)};
    return cmocka_run_group_tests(tests, open_device, close_device);
}
