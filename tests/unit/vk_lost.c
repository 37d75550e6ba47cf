// SPDX-License-Identifier: MIT
//
// A device that is lost, at each call of a run: the call that finds it out names it, all later ones
// say so at once and ask the driver nothing, and a new context in the same process works, while
// the old one is still there. The library's own device and an application's.
#include "vkattn/vulkan.h"

#include "vk_app.h"
#include "vk_calls.h"
#include "vk_work.h"

#include <string.h>

static struct work work, other; // `other`: the context that comes after
static struct app app;
static struct app_buffer y;

static vka_plan *make_plan(const struct work *w)
{
    vka_plan *plan;
    const vka_plan_params params = {.profile = true};
    if (vka_plan_create(w->device, w->graph, &params, &plan) != VKA_OK)
        fail_msg("%s", vka_last_error());
    return plan;
}

static void start(struct work *w)
{
    assert_int_equal(work_start(w, false), VKA_OK);
    assert_int_equal(work_open(w, NULL), VKA_OK);
}

// On the application's device in place of the library's own.
static void start_own(struct work *w)
{
    const vka_vulkan_device own = app_device(&app);
    start(w);
    vka_device_close(w->device);
    assert_int_equal(vka_device_open_vulkan(w->context, &own, &w->device), VKA_OK);
}

static void expect_right(struct work *w, vka_plan *plan)
{
    assert_int_equal(work_run(w, plan), VKA_OK);
    assert_true(work_right(w));
}

static void expect_said(vka_result result)
{
    assert_int_equal(result, VKA_ERROR_DEVICE_LOST);
    assert_non_null(strstr(vka_last_error(), "was lost in an earlier call"));
}

// Every call on a lost device, of any plan.
static void expect_at_once(vka_plan *plan, vka_plan *second, bool own)
{
    unsigned calls = vk_calls.failable;
    const vka_io in[] = {{"x", VKA_F32, work.x, sizeof work.x}, {0}};
    const vka_vulkan_buffer bound[] = {{"y", y.buffer, 0, sizeof work.y}, {0}};
    vka_plan *third;
    expect_said(work_run(&work, plan));
    expect_said(work_run(&work, second));
    expect_said(vka_plan_submit(second, in));
    expect_said(vka_plan_create(work.device, work.graph, NULL, &third));
    assert_null(third);
    expect_said(vka_plan_submit_vulkan(second, in, NULL));
    if (own)
        expect_said(vka_plan_bind(second, bound));
    assert_int_equal(vk_calls.failable, calls);
}

static void expect_new_context(bool own)
{
    if (own)
        start_own(&other);
    else
        start(&other);
    vka_plan *plan = make_plan(&other);
    expect_right(&other, plan);
    vka_plan_destroy(plan);
    assert_true(work_end(&other));
}

// False where a run has fewer calls than n.
static bool lose(unsigned n, bool own)
{
    vk_calls_begin();
    if (own)
        start_own(&work);
    else
        start(&work);
    vka_plan *plan = make_plan(&work), *second = make_plan(&work);
    expect_right(&work, plan);
    vk_calls.fail_with = VK_ERROR_DEVICE_LOST;
    vk_calls.fail_at = vk_calls.failable + n;
    vka_result result = work_run(&work, plan);
    vk_calls.fail_at = 0;
    bool lost = vk_calls.failed != NULL;
    assert_int_equal(result, lost ? VKA_ERROR_DEVICE_LOST : VKA_OK);
    if (lost) {
        assert_non_null(strstr(vka_last_error(), vk_calls.failed));
        assert_non_null(strstr(vka_last_error(), "VK_ERROR_DEVICE_LOST"));
        expect_at_once(plan, second, own);
        expect_new_context(own);
    }
    vka_plan_destroy(plan);
    vka_plan_destroy(second);
    vka_device_close(work.device);
    // The same context opens it again.
    assert_int_equal(vka_device_open(work.context, "vulkan", &work.device), VKA_OK);
    plan = make_plan(&work);
    expect_right(&work, plan);
    vka_plan_destroy(plan);
    assert_true(work_end(&work));
    assert_int_equal(vk_calls.alive, 0);
    assert_int_equal(app.locked, 0);
    vk_calls_end();
    return lost;
}

static void test_lost(void **state)
{
    (void)state;
    unsigned n = 1;
    while (lose(n, false))
        n++;
    assert_true(n > 3); // reset, submit, wait
    print_message("(lost in %u calls of a run)\n", n - 1);
}

static void test_lost_own(void **state)
{
    (void)state;
    unsigned n = 1;
    assert_true(app_start(&app));
    app_buffer_create(&app, sizeof work.y, &y);
    while (lose(n, true))
        n++;
    assert_true(n > 3);
    app_buffer_destroy(&app, &y);
    app_end(&app);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lost),
        cmocka_unit_test(test_lost_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
