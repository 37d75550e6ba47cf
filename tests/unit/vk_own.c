// SPDX-License-Identifier: MIT
//
// The application's device: its buffers as inputs and outputs, its semaphores around a run, a plan
// in its command buffer; what is wrong is told. The layer is silent.
#include "vkattn/vulkan.h"

#include "unit.h"
#include "vk_app.h"

#include <string.h>

enum { COUNT = 300, WIDTH = 2 };

static struct app app;
static struct app_buffer x, y, big;

struct ours {
    vka_context *context;
    vka_device *device;
    vka_graph *graph;
    vka_plan *plan;
};

static vka_tensor pool(vka_graph *g, vka_tensor of, const char *name)
{
    const vka_attr kernel[] = {vka_attr_int(NULL, 3), vka_attr_int(NULL, 1)};
    const vka_attr padding[] = {vka_attr_int(NULL, 1), vka_attr_int(NULL, 0)};
    vka_node node =
        vka_block(g, "max_pool", name,
                  VKA_ATTRS(vka_attr_list("kernel_size", kernel, 2),
                            vka_attr_list("padding", padding, 2), vka_attr_int("stride", 1)),
                  VKA_INPUTS({"x", of}));
    return vka_out(g, node, "y");
}

// y = the maximum over five rows in two passes over three: the first row is the third one of x.
// Small shaders, for each test's device compiles them anew.
static void make_plan(struct ours *o)
{
    vka_context_params params = {.threads = 2};
    vka_vulkan_device own = app_device(&app);
    vka_shape shape = {4, {1, 1, COUNT, WIDTH}};
    assert_int_equal(vka_context_create(&params, &o->context), VKA_OK);
    assert_int_equal(vka_device_open_vulkan(o->context, &own, &o->device), VKA_OK);
    assert_int_equal(vka_graph_create(o->context, NULL, &o->graph), VKA_OK);
    vka_tensor in = vka_input(o->graph, "x", VKA_F32, &shape);
    vka_output(o->graph, "y", pool(o->graph, pool(o->graph, in, "first"), "second"));
    assert_int_equal(vka_plan_create(o->device, o->graph, NULL, &o->plan), VKA_OK);
}

static void drop_plan(struct ours *o)
{
    vka_plan_destroy(o->plan);
    vka_graph_destroy(o->graph);
    vka_device_close(o->device);
    vka_context_destroy(o->context);
}

static void fill(float *data, float first)
{
    for (int i = 0; i < COUNT * WIDTH; i++)
        data[i] = first + (float)(i % 7) / 8;
}

// What the plan gives without any buffer of the application's.
static void expect_like_ours(vka_plan *plan, const float *in, const float *out)
{
    float wanted[COUNT * WIDTH];
    const vka_io from[] = {{"x", VKA_F32, (void *)in, sizeof wanted}, {0}};
    const vka_io to[] = {{"y", VKA_F32, wanted, sizeof wanted}, {0}};
    const vka_vulkan_buffer none[] = {{.name = "x"}, {.name = "y"}, {0}};
    assert_int_equal(vka_plan_bind(plan, none), VKA_OK);
    assert_int_equal(vka_plan_run(plan, from, to), VKA_OK);
    assert_memory_equal(out, wanted, sizeof wanted);
    assert_true(out[0] == in[4] && out[1] == in[5]);
}

static void bind_both(vka_plan *plan)
{
    const vka_vulkan_buffer both[] = {
        {"x", x.buffer, 0, COUNT * WIDTH * 4}, {"y", y.buffer, 0, COUNT * WIDTH * 4}, {0}};
    assert_int_equal(vka_plan_bind(plan, both), VKA_OK);
}

static void test_buffers(void **state)
{
    (void)state;
    struct ours o;
    make_plan(&o);
    fill(x.map, 1);
    bind_both(o.plan);
    assert_int_equal(vka_plan_submit_vulkan(o.plan, NULL, NULL), VKA_OK);
    assert_int_equal(vka_plan_wait(o.plan, NULL), VKA_OK);
    expect_like_ours(o.plan, x.map, y.map);
    assert_true(app.locks > 0 && app.locked == 0);
    drop_plan(&o);
}

// Both in one buffer, side by side.
static void test_offsets(void **state)
{
    (void)state;
    struct ours o;
    make_plan(&o);
    float *in = big.map + 1024, *out = big.map + 2048;
    fill(in, 3);
    const vka_vulkan_buffer both[] = {
        {"x", big.buffer, 4096, 4096}, {"y", big.buffer, 8192, COUNT * WIDTH * 4}, {0}};
    assert_int_equal(vka_plan_bind(o.plan, both), VKA_OK);
    assert_int_equal(vka_plan_run(o.plan, NULL, NULL), VKA_OK);
    assert_true(big.map[2048 + COUNT * WIDTH] == 0);
    expect_like_ours(o.plan, in, out);
    drop_plan(&o);
}

// The application fills x, we compute behind its semaphore, it reads behind ours.
static void test_semaphores(void **state)
{
    (void)state;
    struct ours o;
    make_plan(&o);
    VkSemaphore filled = app_semaphore(&app), done = app_semaphore(&app);
    fill(big.map, 5);
    memset(x.map, 0, COUNT * WIDTH * 4);
    bind_both(o.plan);
    VkBufferCopy all = {.size = COUNT * WIDTH * 4};
    app.vk.vkCmdCopyBuffer(app_begin(&app), big.buffer, x.buffer, 1, &all);
    app_submit(&app, VK_NULL_HANDLE, filled, false);
    const vka_vulkan_semaphore wait = {filled, 0}, signal = {done, 0};
    const vka_vulkan_sync sync = {&wait, 1, &signal, 1};
    assert_int_equal(vka_plan_submit_vulkan(o.plan, NULL, &sync), VKA_OK);
    assert_int_equal(vka_plan_wait(o.plan, NULL), VKA_OK); // the command buffer is used again
    VkBufferCopy back = {.size = COUNT * WIDTH * 4, .dstOffset = 8192};
    app.vk.vkCmdCopyBuffer(app_begin(&app), y.buffer, big.buffer, 1, &back);
    app_submit(&app, done, VK_NULL_HANDLE, true);
    expect_like_ours(o.plan, big.map, big.map + 2048);
    app.vk.vkDestroySemaphore(app.device, filled, NULL);
    app.vk.vkDestroySemaphore(app.device, done, NULL);
    drop_plan(&o);
}

// Two runs and two copies in one command buffer of the application's.
static void test_recorded(void **state)
{
    (void)state;
    struct ours o;
    make_plan(&o);
    fill(big.map, 7);
    bind_both(o.plan);
    VkBufferCopy all = {.size = COUNT * WIDTH * 4}, back = all;
    back.dstOffset = 8192;
    VkCommandBuffer command = app_begin(&app);
    app.vk.vkCmdCopyBuffer(command, big.buffer, x.buffer, 1, &all);
    app_barrier(&app);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(vka_plan_record(o.plan, command), VKA_OK);
        app_barrier(&app);
        app.vk.vkCmdCopyBuffer(command, y.buffer, big.buffer, 1, &back);
        app_barrier(&app);
    }
    app_submit(&app, VK_NULL_HANDLE, VK_NULL_HANDLE, true);
    expect_like_ours(o.plan, big.map, big.map + 2048);
    drop_plan(&o);
}

// A context of ours beside the application's, with a device of its own.
static void test_beside(void **state)
{
    (void)state;
    struct ours o;
    make_plan(&o);
    vka_device *second;
    vka_plan *plan;
    fill(x.map, 2);
    assert_int_equal(vka_device_open(o.context, "vulkan", &second), VKA_OK);
    assert_int_equal(vka_plan_create(second, o.graph, NULL, &plan), VKA_OK);
    bind_both(o.plan);
    assert_int_equal(vka_plan_run(o.plan, NULL, NULL), VKA_OK);
    expect_like_ours(plan, x.map, y.map);
    vka_plan_destroy(plan);
    vka_device_close(second);
    drop_plan(&o);
}

// --- what is wrong ---

static void expect_bind(vka_plan *plan, vka_vulkan_buffer b, const char *said)
{
    const vka_vulkan_buffer list[] = {b, {0}};
    assert_int_equal(vka_plan_bind(plan, list), VKA_ERROR_INVALID);
    if (!strstr(vka_last_error(), said))
        fail_msg("'%s' isn't in: %s", said, vka_last_error());
}

static void test_wrong_buffers(void **state)
{
    (void)state;
    struct ours o;
    make_plan(&o);
    expect_bind(o.plan, (vka_vulkan_buffer){"z", x.buffer, 0, 9999}, "no input or output 'z'");
    expect_bind(o.plan, (vka_vulkan_buffer){"x", x.buffer, 0, 2396},
                "'x' of shape [1, 1, 300, 2] takes 2400 bytes, the buffer's range has 2396");
    expect_bind(o.plan, (vka_vulkan_buffer){"x", x.buffer, 2, 2400}, "offset 2 is not a multiple");
    expect_bind(o.plan, (vka_vulkan_buffer){"x", x.buffer, 0, VK_WHOLE_SIZE}, "VK_WHOLE_SIZE");
    expect_bind(o.plan, (vka_vulkan_buffer){"x", x.buffer, 256, UINT64_MAX - 255}, "in bytes");
    const vka_vulkan_buffer overlap[] = {
        {"x", big.buffer, 0, 4096}, {"y", big.buffer, 1024, 4096}, {0}};
    assert_int_equal(vka_plan_bind(o.plan, overlap), VKA_ERROR_INVALID);
    assert_non_null(strstr(vka_last_error(), "output 'y' and of 'x' overlap"));

    const vka_vulkan_buffer twice[] = {
        {"x", x.buffer, 0, 2400}, {"y", y.buffer, 0, 2400}, {"x", big.buffer, 0, 2400}, {0}};
    assert_int_equal(vka_plan_bind(o.plan, twice), VKA_ERROR_INVALID);
    assert_non_null(strstr(vka_last_error(), "'x' is bound twice"));

    assert_int_equal(vka_plan_record(o.plan, app_begin(&app)), VKA_ERROR_INVALID);
    assert_non_null(strstr(vka_last_error(), "'x' is bound to no buffer"));
    bind_both(o.plan);
    float data[COUNT * WIDTH];
    const vka_io io[] = {{"x", VKA_F32, data, sizeof data}, {0}};
    assert_int_equal(vka_plan_submit(o.plan, io), VKA_ERROR_INVALID);
    assert_non_null(strstr(vka_last_error(), "input 'x' is bound to a buffer"));
    const vka_io out[] = {{"y", VKA_F32, data, sizeof data}, {0}};
    assert_int_equal(vka_plan_run(o.plan, NULL, out), VKA_ERROR_INVALID);
    assert_non_null(strstr(vka_last_error(), "output 'y' is bound to a buffer"));
    vka_io mapped;
    assert_int_equal(vka_plan_map(o.plan, "y", &mapped), VKA_ERROR_INVALID);
    assert_non_null(strstr(vka_last_error(), "'y' is bound to a buffer"));
    drop_plan(&o);
}

static void expect_device(const vka_vulkan_device *own, vka_result wanted, const char *said)
{
    vka_context *context;
    vka_device *device;
    assert_int_equal(vka_context_create(NULL, &context), VKA_OK);
    assert_int_equal(vka_device_open_vulkan(context, own, &device), wanted);
    assert_null(device);
    if (!strstr(vka_last_error(), said))
        fail_msg("'%s' isn't in: %s", said, vka_last_error());
    vka_context_destroy(context);
}

static void test_wrong_devices(void **state)
{
    (void)state;
    vka_vulkan_device own = app_device(&app);
    own.instance = VK_NULL_HANDLE;
    expect_device(&own, VKA_ERROR_INVALID, "needs an instance");
    own = app_device(&app);
    own.unlock_queue = NULL;
    expect_device(&own, VKA_ERROR_INVALID, "both or not at all");
    own = app_device(&app);
    own.api_version = VK_API_VERSION_1_0;
    expect_device(&own, VKA_ERROR_UNSUPPORTED, "less than Vulkan 1.1");
    own = app_device(&app);
    own.queue_family = 77;
    expect_device(&own, VKA_ERROR_UNSUPPORTED, "queue family 77 doesn't compute");
}

static void test_on_cpu(void **state)
{
    (void)state;
    struct ours o;
    vka_context_params params = {.no_vulkan = true};
    vka_shape shape = {1, {4}};
    assert_int_equal(vka_context_create(&params, &o.context), VKA_OK);
    assert_int_equal(vka_device_open(o.context, "cpu", &o.device), VKA_OK);
    assert_int_equal(vka_graph_create(o.context, NULL, &o.graph), VKA_OK);
    vka_output(o.graph, "y", vka_input(o.graph, "x", VKA_F32, &shape));
    assert_int_equal(vka_plan_create(o.device, o.graph, NULL, &o.plan), VKA_OK);
    assert_int_equal(vka_plan_bind(o.plan, NULL), VKA_ERROR_INVALID);
    assert_non_null(strstr(vka_last_error(), "'cpu', not a Vulkan device"));
    assert_int_equal(vka_plan_record(o.plan, VK_NULL_HANDLE), VKA_ERROR_INVALID);
    assert_int_equal(vka_plan_submit_vulkan(o.plan, NULL, NULL), VKA_ERROR_INVALID);
    drop_plan(&o);
}

// 16-bit storage that the application didn't switch on isn't used.
static void test_features_off(void **state)
{
    (void)state;
    struct ours o;
    vka_plan *plan;
    make_plan(&o);
    assert_false(vka_device_of(o.device)->f16);
    vka_plan_params params = {.dtype = VKA_F16};
    assert_int_equal(vka_plan_create(o.device, o.graph, &params, &plan), VKA_ERROR_UNSUPPORTED);
    drop_plan(&o);
}

static int start(void **state)
{
    (void)state;
    if (!app_start(&app))
        return -1;
    app_buffer_create(&app, COUNT * WIDTH * 4, &x);
    app_buffer_create(&app, COUNT * WIDTH * 4, &y);
    app_buffer_create(&app, 16384, &big);
    return 0;
}

static int end(void **state)
{
    (void)state;
    app_buffer_destroy(&app, &x);
    app_buffer_destroy(&app, &y);
    app_buffer_destroy(&app, &big);
    app_end(&app);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buffers),       cmocka_unit_test(test_offsets),
        cmocka_unit_test(test_semaphores),    cmocka_unit_test(test_recorded),
        cmocka_unit_test(test_beside),        cmocka_unit_test(test_wrong_buffers),
        cmocka_unit_test(test_wrong_devices), cmocka_unit_test(test_on_cpu),
        cmocka_unit_test(test_features_off),
    };
    return cmocka_run_group_tests(tests, start, end);
}
