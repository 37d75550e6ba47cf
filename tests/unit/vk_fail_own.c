// SPDX-License-Identifier: MIT
//
// On the application's device, with its buffers, semaphores and command buffer: every Vulkan call
// and every host allocation fails in turn, from the opening to the end. Each time a clean error,
// nothing leaked, the queue's lock given back; and the next clean run gives the same bits.
#include "vkattn/vulkan.h"

#include "ops/ops.h"
#include "unit.h"
#include "vk/device.h"
#include "vk_app.h"
#include "vk_calls.h"

#include <string.h>

enum { COUNT = 40, WIDTH = 2, BYTES = COUNT * WIDTH * 4 };

static struct app app;
static struct app_buffer x, y;
static float wanted[COUNT * WIDTH]; // what a run gives that nothing fails in

struct ours {
    struct unit_memory memory;
    vka_context *context;
    vka_device *device;
    vka_graph *graph;
    vka_plan *plan;
};

// --- one session ---

static vka_result open_device(struct ours *o)
{
    vka_vulkan_device own = app_device(&app);
    vka_result result = vka_device_open_vulkan(o->context, &own, &o->device);
    // Each step is a submission.
    if (result == VKA_OK)
        ((struct vka_vk_device *)o->device->impl)->submission_budget = 1;
    return result;
}

static vka_result build(struct ours *o)
{
    vka_shape shape = {4, {1, 1, COUNT, WIDTH}};
    vka_result result = vka_graph_create(o->context, NULL, &o->graph);
    if (result != VKA_OK)
        return result;
    vka_tensor t = vka_input(o->graph, "x", VKA_F32, &shape);
    t = vka_affine(o->graph, vka_affine(o->graph, t, 3, 0.1), 0.7, 1);
    vka_output(o->graph, "y", t);
    return vka_graph_status(o->graph);
}

static vka_result start(struct ours *o, size_t fail_at)
{
    memset(o, 0, sizeof *o);
    vka_context_params params = {.allocator = unit_allocator(&o->memory),
                                 .threads = 1,
                                 .no_vulkan = true,
                                 .cache = {.folder = unit_path("cache")}};
    o->memory.fail_at = fail_at;
    vka_result result = vka_context_create(&params, &o->context);
    if (result == VKA_OK)
        result = open_device(o);
    return result == VKA_OK ? build(o) : result;
}

static vka_result plan_and_bind(struct ours *o)
{
    const vka_vulkan_buffer both[] = {{"x", x.buffer, 0, BYTES}, {"y", y.buffer, 0, BYTES}, {0}};
    vka_result result = vka_plan_create(o->device, o->graph, NULL, &o->plan);
    return result == VKA_OK ? vka_plan_bind(o->plan, both) : result;
}

static vka_result record(struct ours *o)
{
    vka_result result = vka_plan_record(o->plan, app_begin(&app));
    if (result == VKA_OK) {
        app_barrier(&app);
        app_submit(&app, VK_NULL_HANDLE, VK_NULL_HANDLE, true);
    }
    return result;
}

// Between the application's semaphores. Those of a submission that fails are thrown away.
static vka_result submit(struct ours *o)
{
    VkSemaphore filled = app_semaphore(&app), done = app_semaphore(&app);
    app_begin(&app);
    app_submit(&app, VK_NULL_HANDLE, filled, false);
    const vka_vulkan_semaphore wait = {filled, 0}, signal = {done, 0};
    const vka_vulkan_sync sync = {&wait, 1, &signal, 1};
    vka_result result = vka_plan_submit_vulkan(o->plan, NULL, &sync);
    if (result == VKA_OK) {
        result = vka_plan_wait(o->plan, NULL);
        app.vk.vkQueueWaitIdle(app.queue);
        app_begin(&app);
        app_submit(&app, done, VK_NULL_HANDLE, true);
    }
    app.vk.vkQueueWaitIdle(app.queue);
    app.vk.vkDestroySemaphore(app.device, filled, NULL);
    app.vk.vkDestroySemaphore(app.device, done, NULL);
    return result;
}

static bool right(void)
{
    bool same = memcmp(y.map, wanted, BYTES) == 0;
    memset(y.map, 0, BYTES);
    return same;
}

// A plan, bound, recorded, submitted and destroyed. Both ways give the same bits.
static vka_result plan_and_run(struct ours *o)
{
    vka_result result = plan_and_bind(o);
    if (result == VKA_OK)
        result = record(o);
    if (result == VKA_OK)
        assert_true(right());
    if (result == VKA_OK)
        result = submit(o);
    if (result == VKA_OK)
        assert_true(right());
    vka_plan_destroy(o->plan);
    o->plan = NULL;
    return result;
}

static void end(struct ours *o)
{
    vka_graph_destroy(o->graph);
    vka_device_close(o->device);
    vka_context_destroy(o->context);
    assert_int_equal(o->memory.blocks, 0);
    assert_int_equal(vk_calls.alive, 0);
    assert_int_equal(app.locked, 0);
}

// --- Vulkan calls ---

static bool documented(vka_result result, VkResult code)
{
    switch (code) {
    case VK_ERROR_OUT_OF_HOST_MEMORY:
        return result == VKA_ERROR_OUT_OF_MEMORY;
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:
        return result == VKA_ERROR_OUT_OF_DEVICE_MEMORY;
    case VK_ERROR_DEVICE_LOST:
        return result == VKA_ERROR_DEVICE_LOST;
    default:
        return result == VKA_ERROR_DRIVER;
    }
}

static bool may_pass(const char *call)
{
    static const char *const calls[] = {"vkAllocateMemory", // another size or type may do
                                        "vkGetPipelineCacheData"};
    return strcmp(call, calls[0]) == 0 || strcmp(call, calls[1]) == 0;
}

// A lost device says so at once; opened anew, by the same context, it works.
static void expect_lost(struct ours *o)
{
    unsigned calls = vk_calls.failable;
    assert_int_equal(plan_and_run(o), VKA_ERROR_DEVICE_LOST);
    unit_assert_error_has("was lost in an earlier call");
    assert_int_equal(vk_calls.failable, calls);
    vka_device_close(o->device);
    o->device = NULL;
    assert_int_equal(open_device(o), VKA_OK);
}

// Everything, with the n-th call failing. False where there were fewer calls.
static bool fail_call(unsigned n, VkResult code)
{
    struct ours o;
    vk_calls_begin();
    vk_calls.fail_at = n;
    vk_calls.fail_with = code;
    vka_result result = start(&o, 0);
    bool open = result == VKA_OK;
    if (open)
        result = plan_and_run(&o);
    const char *failed = vk_calls.failed;
    vk_calls.fail_at = 0;
    if (failed && !documented(result, code) && !(result == VKA_OK && may_pass(failed)) &&
        strcmp(failed, "vkEnumerateDeviceExtensionProperties") != 0)
        fail_msg("call %u, %s, gave %d: %s", n, failed, (int)result, vka_last_error());
    assert_true(failed || result == VKA_OK);
    if (failed && open) {
        if (result == VKA_ERROR_DEVICE_LOST)
            expect_lost(&o);
        if (plan_and_run(&o) != VKA_OK)
            fail_msg("after call %u, %s: %s", n, failed, vka_last_error());
    }
    end(&o);
    vk_calls_end();
    return failed != NULL;
}

static bool is_slow(void)
{
    struct ours o;
    vk_calls_begin();
    assert_int_equal(start(&o, 0), VKA_OK);
    bool slow = strstr(vka_device_of(o.device)->name, "SwiftShader") != NULL;
    end(&o);
    vk_calls_end();
    return slow;
}

// Each call fails for want of memory and as lost; one in seven with the other codes, and with each
// where pipelines are slow to make.
static void test_calls(void **state)
{
    (void)state;
    static const VkResult codes[] = {VK_ERROR_OUT_OF_HOST_MEMORY, VK_ERROR_DEVICE_LOST,
                                     VK_ERROR_OUT_OF_DEVICE_MEMORY, VK_ERROR_INITIALIZATION_FAILED};
    unsigned calls = 0, failures = 0;
    bool slow = is_slow();
    for (unsigned c = 0; c < VKA_COUNT(codes); c++) {
        unsigned step = c < 2 && !slow ? 1 : 7, n = step == 1 ? 1 : c + 1;
        for (; fail_call(n, codes[c]); n += step)
            failures++;
        calls = n > calls ? n : calls;
    }
    print_message("(%u calls failed in turn, %u failures)\n", calls - 1, failures);
    assert_true(calls > 25);
}

// --- host memory ---

static void test_allocations(void **state)
{
    (void)state;
    size_t n = 1, failures = 0, step = is_slow() ? 7 : 1;
    for (;; n += step) {
        struct ours o;
        vk_calls_begin();
        vka_result result = start(&o, n);
        if (result == VKA_OK)
            result = plan_and_run(&o);
        bool reached = o.memory.asked >= n;
        // A cache that can't be kept, and what is only logged, cost no result.
        if (result != VKA_OK && (!reached || result != VKA_ERROR_OUT_OF_MEMORY))
            fail_msg("allocation %zu gave %d: %s", n, (int)result, vka_last_error());
        failures += result != VKA_OK;
        if (reached && o.graph && vka_graph_status(o.graph) == VKA_OK) {
            o.memory.fail_at = 0;
            assert_int_equal(plan_and_run(&o), VKA_OK);
        }
        end(&o);
        vk_calls_end();
        if (!reached)
            break;
    }
    print_message("(%zu allocations failed in turn, %zu times an error)\n", (n - 1) / step,
                  failures);
    assert_true(failures > 50 / step);
}

// --- all ---

static int begin_all(void **state)
{
    struct ours o;
    (void)state;
    if (!app_start(&app))
        return -1;
    app_buffer_create(&app, BYTES, &x);
    app_buffer_create(&app, BYTES, &y);
    for (int i = 0; i < COUNT * WIDTH; i++)
        x.map[i] = (float)(i % 7) / 8;
    assert_int_equal(start(&o, 0), VKA_OK);
    assert_int_equal(plan_and_bind(&o), VKA_OK);
    assert_int_equal(vka_plan_run(o.plan, NULL, NULL), VKA_OK);
    memcpy(wanted, y.map, BYTES);
    vka_plan_destroy(o.plan);
    end(&o);
    return 0;
}

static int end_all(void **state)
{
    (void)state;
    app_buffer_destroy(&app, &x);
    app_buffer_destroy(&app, &y);
    app_end(&app);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_allocations),
    };
    return cmocka_run_group_tests(tests, begin_all, end_all);
}
