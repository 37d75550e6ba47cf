// SPDX-License-Identifier: MIT
//
// Device memory: many plans share few blocks; a block that is empty goes back; what the host maps
// is used in place where there is one memory for both; what the host writes is flushed in whole
// atoms.
#include "vk/device.h"
#include "util/ranges.h"
#include "vk/memory.h"

#include "vk_calls.h"
#include "vk_work.h"

static struct work work;

enum { PLANS = 200 };

static vka_plan *plans[PLANS];

static vka_plan *make_plan(void)
{
    vka_plan *plan;
    if (vka_plan_create(work.device, work.graph, NULL, &plan) != VKA_OK)
        fail_msg("%s", vka_last_error());
    return plan;
}

static void start(bool validation)
{
    assert_int_equal(work_start(&work, validation), VKA_OK);
    if (work_open(&work, NULL) != VKA_OK)
        fail_msg("%s", vka_last_error());
}

static void end(void)
{
    assert_int_equal(((struct vka_vk_device *)work.device->impl)->allocations, 0);
    assert_int_equal(vk_calls.wrong, 0);
    assert_true(vka_context_validation_count(work.context) <= 0);
    assert_true(work_end(&work));
    assert_int_equal(vk_calls.alive, 0);
    vk_calls_end();
}

static void expect_run(vka_plan *plan)
{
    assert_int_equal(work_run(&work, plan), VKA_OK);
    assert_true(work_right(&work));
}

// Some plans go and come, between runs of those that stay. Nothing is left at the end.
static void mix(void)
{
    for (int i = 0; i < PLANS; i += 7)
        expect_run(plans[i]);
    for (int i = 0; i < PLANS; i += 3) {
        vka_plan_destroy(plans[i]);
        plans[i] = NULL;
    }
    for (int i = 0; i < PLANS; i += 6)
        plans[i] = make_plan();
    for (int i = 0; i < PLANS; i++) {
        if (plans[i])
            expect_run(plans[i]);
        vka_plan_destroy(plans[i]);
    }
}

static void test_many_plans(void **state)
{
    (void)state;
    for (int discrete = 0; discrete < 2; discrete++) {
        vk_calls_begin();
        vk_calls.discrete = discrete;
        start(false);
        for (int i = 0; i < PLANS; i++)
            plans[i] = make_plan();
        unsigned taken = vk_calls.count[CALL_vkAllocateMemory];
        unsigned buffers = vk_calls.count[CALL_vkCreateBuffer];
        print_message("(%d plans, %u buffers: %u allocations)\n", PLANS, buffers, taken);
        assert_true(buffers > 4 * PLANS && taken <= PLANS / 10);
        mix();
        assert_true(vk_calls.count[CALL_vkAllocateMemory] <= taken + 2);
        end();
    }
}

// The second of two plans is put where the first one was.
static void test_reused(void **state)
{
    (void)state;
    vk_calls_begin();
    start(true);
    vka_plan *stays = make_plan();
    unsigned taken = vk_calls.count[CALL_vkAllocateMemory];
    for (int i = 0; i < 20; i++) {
        vka_plan *plan = make_plan();
        expect_run(plan);
        expect_run(stays);
        vka_plan_destroy(plan);
    }
    assert_int_equal(vk_calls.count[CALL_vkAllocateMemory], taken);
    assert_int_equal(vk_calls.count[CALL_vkFreeMemory], 0);
    vka_plan_destroy(stays);
    assert_int_equal(vk_calls.count[CALL_vkFreeMemory], taken);
    end();
}

// One memory for both: no copy at all, whichever kinds of it there are.
static void test_in_place(void **state)
{
    (void)state;
    for (int integrated = 0; integrated < 2; integrated++) {
        vk_calls_begin();
        vk_calls.integrated = integrated;
        start(true);
        vka_plan *plan = make_plan();
        for (int i = 0; i < 3; i++)
            expect_run(plan);
        assert_int_equal(vk_calls.count[CALL_vkCmdCopyBuffer], 0);
        assert_true(vk_calls.count[CALL_vkMapMemory] > 0);
        vka_plan_destroy(plan);
        end();
    }
}

// A buffer of nearly all that one allocation may have: rounding its end up would go beyond.
static void test_largest(void **state)
{
    (void)state;
    vk_calls_begin();
    start(true);
    struct vka_vk_device *d = work.device->impl;
    struct vka_physical physical = *d->physical;
    const struct vka_physical *real = d->physical;
    struct vka_vk_buffer b;
    enum { ATOM = 1 << 12, BYTES = 3 * ATOM - 128 };
    physical.non_coherent_atom = ATOM;
    d->physical = &physical;
    assert_int_equal(vka_vk_buffer_create(d, BYTES, VKA_USE_UPLOAD, "it", &b), VKA_OK);
    assert_int_equal(b.range->bytes, 3 * ATOM);
    vka_vk_buffer_destroy(d, &b);
    d->limits.allocation = 3 * ATOM - 1;
    assert_int_equal(vka_vk_buffer_create(d, BYTES, VKA_USE_UPLOAD, "it", &b), VKA_OK);
    assert_in_range(b.range->bytes, BYTES, 3 * ATOM - 1);
    assert_int_equal(b.offset, 0);
    b.coherent = false;
    assert_int_equal(vka_vk_buffer_flush(d, &b), VKA_OK);
    vka_vk_buffer_destroy(d, &b);
    d->physical = real;
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_plans),
        cmocka_unit_test(test_reused),
        cmocka_unit_test(test_in_place),
        cmocka_unit_test(test_largest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
