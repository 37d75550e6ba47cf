// SPDX-License-Identifier: MIT
//
// Every Vulkan call and every host allocation fails in turn: a clean error, nothing leaked, and the
// device goes on (or is lost, and says so).
#include "vk_calls.h"
#include "vk_work.h"

#include <string.h>

// A cache that is asked and told, so that its calls fail, too.
static size_t load_nothing(void *user, const char *key, void *data, size_t capacity)
{
    (void)user, (void)key, (void)data, (void)capacity;
    return 0;
}
static void store_nowhere(void *user, const char *key, const void *data, size_t size)
{
    (void)user, (void)key, (void)data, (void)size;
}
static struct work work = {.cache = {.load = load_nothing, .store = store_nowhere}};

static const VkResult codes[] = {VK_ERROR_OUT_OF_HOST_MEMORY, VK_ERROR_OUT_OF_DEVICE_MEMORY,
                                 VK_ERROR_INITIALIZATION_FAILED, VK_ERROR_DEVICE_LOST};

// A plan, made, run and destroyed.
static vka_result plan_and_run(bool profile)
{
    vka_plan *plan;
    vka_plan_params params = {.profile = profile};
    vka_result result = vka_plan_create(work.device, work.graph, &params, &plan);
    if (result == VKA_OK)
        result = work_run(&work, plan);
    vka_plan_destroy(plan);
    return result;
}

static bool is_clean(vka_result result)
{
    bool right = result == VKA_OK && work_right(&work);
    // Where the memory of one kind is full, another one may do; pipelines that can't be kept are
    // made anew the next time.
    if (result == VKA_OK)
        return right && (strcmp(vk_calls.failed, "vkAllocateMemory") == 0 ||
                         strcmp(vk_calls.failed, "vkGetPipelineCacheData") == 0);
    return result == VKA_ERROR_OUT_OF_MEMORY || result == VKA_ERROR_OUT_OF_DEVICE_MEMORY ||
           result == VKA_ERROR_DEVICE_LOST || result == VKA_ERROR_DRIVER ||
           result == VKA_ERROR_NOT_FOUND;
}

// Afterwards the device works, unless it is lost: then it says so from now on.
static void expect_usable(void)
{
    vk_calls.fail_at = 0;
    vka_result result = plan_and_run(false);
    if (vk_calls.fail_with == VK_ERROR_DEVICE_LOST)
        assert_int_equal(result, VKA_ERROR_DEVICE_LOST);
    else
        assert_true(result == VKA_OK && work_right(&work));
}

// Everything, with the n-th call failing. False where there were fewer calls.
static bool fail_call(unsigned n, VkResult code, bool discrete)
{
    vk_calls_begin();
    vk_calls.discrete = discrete;
    vk_calls.fail_at = n;
    vk_calls.fail_with = code;
    vka_result result = work_start(&work, false);
    if (result == VKA_OK)
        result = work_open(&work, NULL);
    bool open = result == VKA_OK;
    if (open)
        result = plan_and_run(true);
    bool reached = vk_calls.failed != NULL;
    if (reached && !is_clean(result))
        fail_msg("call %u, %s, gave %d: %s\n%s", n, vk_calls.failed, (int)result, vka_last_error(),
                 work.log);
    if (reached && open && result != VKA_OK)
        expect_usable();
    assert_true(work_end(&work));
    if (vk_calls.alive != 0)
        fail_msg("call %u, %s: %d objects leak", n, vk_calls.failed, vk_calls.alive);
    vk_calls_end();
    return reached;
}

// Each call fails for want of memory and as lost; one in seven with the other codes. Where
// pipelines are slow to make (`slow`), one in seven with each.
static void sweep_calls(bool discrete, bool slow)
{
    unsigned calls = 0, failed = 0;
    for (size_t c = 0; c < VKA_COUNT(codes); c++) {
        bool all =
            !slow && (codes[c] == VK_ERROR_OUT_OF_HOST_MEMORY || codes[c] == VK_ERROR_DEVICE_LOST);
        unsigned n = all ? 1 : (unsigned)c + 1;
        for (; fail_call(n, codes[c], discrete); n += all ? 1 : 7)
            failed++;
        calls = n;
    }
    print_message("(%u failures in about %u calls)\n", failed, calls);
    assert_true(calls > 30);
}

static bool is_slow(void)
{
    assert_int_equal(work_start(&work, false), VKA_OK);
    vka_device_info info;
    assert_int_equal(vka_device_get_info(work.context, 0, &info), VKA_OK);
    bool slow = strstr(info.name, "SwiftShader") != NULL;
    assert_true(work_end(&work));
    return slow;
}

static void test_calls(void **state)
{
    (void)state;
    sweep_calls(false, is_slow());
}

static void test_calls_discrete(void **state)
{
    (void)state;
    sweep_calls(true, is_slow());
}

// From the n-th call on, all fail: the ways out must hold, too.
static void test_calls_from(void **state)
{
    (void)state;
    unsigned step = is_slow() ? 21 : 3;
    for (unsigned n = 1;; n += step) {
        vk_calls_begin();
        vk_calls.fail_at = n;
        vk_calls.fail_on = true;
        vk_calls.fail_with = codes[n % VKA_COUNT(codes)];
        vka_result result = work_start(&work, false);
        if (result == VKA_OK)
            result = work_open(&work, NULL);
        if (result == VKA_OK)
            result = plan_and_run(false);
        bool reached = vk_calls.failed != NULL;
        assert_true(result != VKA_OK || !reached);
        assert_true(work_end(&work));
        assert_int_equal(vk_calls.alive, 0);
        vk_calls_end();
        if (!reached)
            return;
    }
}

// --- host memory ---

static void test_allocations_of_context(void **state)
{
    (void)state;
    vk_calls_begin();
    vka_result result;
    unsigned n = 0;
    do {
        work.fail_at = ++n;
        result = work_start(&work, false);
        if (result == VKA_OK)
            result = work_open(&work, NULL);
        bool reached = work.allocations >= n;
        work.fail_at = 0;
        assert_true(!reached || result == VKA_ERROR_OUT_OF_MEMORY || result == VKA_OK);
        assert_true(work_end(&work));
        assert_int_equal(vk_calls.alive, 0);
        if (!reached)
            break;
    } while (n < 10000);
    assert_int_equal(result, VKA_OK);
    vk_calls_end();
}

static void test_allocations_of_plan(void **state)
{
    (void)state;
    vk_calls_begin();
    assert_int_equal(work_start(&work, false), VKA_OK);
    assert_int_equal(work_open(&work, NULL), VKA_OK);
    assert_int_equal(plan_and_run(true), VKA_OK); // what the device keeps is made
    int objects = vk_calls.alive, memory = work.alive;
    unsigned n = 0;
    for (;;) {
        work.allocations = 0;
        work.fail_at = ++n;
        vka_result result = plan_and_run(true);
        bool reached = work.allocations >= n;
        work.fail_at = 0;
        if (result != (reached ? VKA_ERROR_OUT_OF_MEMORY : VKA_OK))
            fail_msg("allocation %u gave %d: %s", n, (int)result, vka_last_error());
        assert_int_equal(vk_calls.alive, objects);
        assert_int_equal(work.alive, memory);
        if (!reached)
            break;
    }
    assert_true(work_right(&work));
    print_message("(%u allocations)\n", n - 1);
    assert_true(work_end(&work));
    assert_int_equal(vk_calls.alive, 0);
    vk_calls_end();
}

// --- a wait that fails ---

// A wait that fails for want of memory leaves the run in flight; the next one begins after it.
static void test_wait_fails(void **state)
{
    (void)state;
    vk_calls_begin();
    assert_int_equal(work_start(&work, false), VKA_OK);
    assert_int_equal(work_open(&work, NULL), VKA_OK);
    vka_plan *plan;
    assert_int_equal(vka_plan_create(work.device, work.graph, NULL, &plan), VKA_OK);
    vk_calls.fail_with = VK_ERROR_OUT_OF_HOST_MEMORY;
    vk_calls.fail_at = vk_calls.failable + 3;
    assert_int_equal(work_run(&work, plan), VKA_ERROR_OUT_OF_MEMORY);
    assert_string_equal(vk_calls.failed, "vkWaitForFences");
    assert_int_equal(work_run(&work, plan), VKA_OK);
    assert_true(work_right(&work));
    vka_plan_destroy(plan);
    assert_true(work_end(&work));
    assert_int_equal(vk_calls.alive, 0);
    vk_calls_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_calls_discrete),
        cmocka_unit_test(test_calls_from),
        cmocka_unit_test(test_allocations_of_context),
        cmocka_unit_test(test_allocations_of_plan),
        cmocka_unit_test(test_wait_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
