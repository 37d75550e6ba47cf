// SPDX-License-Identifier: MIT
//
// Machines without Vulkan that works: the CPU path gives the same bits everywhere, and asking for a
// Vulkan device says why there is none. Each machine is a process of its own, because loaders and
// drivers keep what they have read.
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifndef _WIN32
#include <signal.h>
#include <sys/wait.h>
#endif

enum { COUNT = 4096 };

static float want[COUNT], got[COUNT];

static void log_once(void *user, vka_log_level level, const char *message)
{
    (void)level;
    if (strstr(message, "Vulkan is not used"))
        ++*(int *)user;
}

// Attention over made-up numbers on the device that `auto` chooses.
static vka_result compute(vka_context *context, float *y)
{
    static float x[COUNT];
    vka_device *device = NULL;
    vka_graph *g = NULL;
    vka_plan *plan = NULL;
    for (int i = 0; i < COUNT; i++)
        x[i] = (float)(i * 37 % 101 - 50) / 50.0f;
    vka_result result = vka_device_open(context, "auto", &device);
    if (result == VKA_OK)
        result = vka_graph_create(context, NULL, &g);
    if (result == VKA_OK) {
        vka_tensor t = vka_input(g, "x", VKA_F32, &(vka_shape){4, {1, 4, 64, 16}});
        vka_node n = vka_block(g, "sdpa", "a", NULL, VKA_INPUTS({"q", t}, {"k", t}, {"v", t}));
        vka_output(g, "y", vka_out(g, n, "y"));
        result = vka_plan_create(device, g, NULL, &plan);
    }
    if (result == VKA_OK)
        result = rig_run_xy(plan, x, COUNT, y, COUNT);
    vka_plan_destroy(plan);
    vka_graph_destroy(g);
    vka_device_close(device);
    return result;
}

// In the child: 0 where all is as it should be; else the line. `reason`: why there is no Vulkan.
static int be_machine(const char *driver, const char *reason)
{
    vka_context *context;
    vka_device *device;
    int logged = 0;
    vka_context_params params = {.log = log_once,
                                 .log_user = &logged,
                                 .log_level = VKA_LOG_INFO,
                                 .no_vulkan = driver == NULL};
    if (driver) {
        unit_setenv("VK_DRIVER_FILES", driver);
        unit_setenv("VK_ICD_FILENAMES", driver);
    }
    if (vka_context_create(&params, &context) != VKA_OK || vka_device_count(context) != 1)
        return __LINE__;
    if (vka_device_open(context, "vulkan:0", &device) != VKA_ERROR_NOT_FOUND || device)
        return __LINE__;
    if (!strstr(vka_last_error(), reason) && !strstr(vka_last_error(), "no Vulkan loader"))
        return __LINE__;
    if (logged != (driver != NULL))
        return __LINE__;
    if (compute(context, got) != VKA_OK || memcmp(got, want, sizeof got) != 0)
        return __LINE__;
    vka_context_destroy(context);
    return 0;
}

#ifdef _WIN32
static void expect_alike(const char *driver, const char *reason)
{
    if (driver)
        unit_skip("on Windows drivers stand in the registry, too");
    assert_int_equal(be_machine(NULL, reason), 0);
}
#else
static void expect_alike(const char *driver, const char *reason)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL); // cmocka's handler would go on with the tests
        alarm(60);
        _exit(be_machine(driver, reason) % 256);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) != 0)
        fail_msg("driver %s: line %d (mod 256)", driver ? driver : "(none)", WEXITSTATUS(status));
}
#endif

static int compute_want(void **state)
{
    (void)state;
    vka_context *context;
    unit_setenv("VKATTN_DEVICE", NULL);
    if (vka_context_create(&(vka_context_params){.no_vulkan = true}, &context) != VKA_OK ||
        compute(context, want) != VKA_OK)
        return -1;
    vka_context_destroy(context);
    return 0;
}

static void test_switched_off(void **state)
{
    (void)state;
    expect_alike(NULL, "switched off");
}

static void test_no_such_file(void **state)
{
    (void)state;
    expect_alike("/nonexistent", "/nonexistent");
    expect_alike("/nonexistent/driver.json", "/nonexistent/driver.json");
    expect_alike("", "Vulkan");
}

static const char *manifest(const char *library, char *text, size_t size)
{
    snprintf(text, size,
             "{\"file_format_version\": \"1.0.0\", \"ICD\": {\"library_path\": \"%s\", "
             "\"api_version\": \"1.3.0\"}}",
             library);
    return text;
}

static void expect_broken(const char *name, const char *text)
{
    const char *path = unit_path(name);
    unit_write_file(path, text, strlen(text));
    expect_alike(path, name);
}

static void test_broken_driver(void **state)
{
    (void)state;
    char text[1024];
    expect_broken("empty.json", "");
    expect_broken("cut.json", "{\"file_format_version\": \"1.0.0\", \"ICD\": {");
    expect_broken("other.json", "{\"a\": [1, 2, 3]}"); // a list crashes Debian 12's loader itself
    expect_broken("gone.json", manifest("/nonexistent/libdriver.so", text, sizeof text));
    const char *library = unit_path("libtext.so");
    unit_write_file(library, "no library", 10);
    expect_broken("text.json", manifest(library, text, sizeof text));
    // A library, but none of a driver.
    expect_broken("libm.json", manifest("libm.so.6", text, sizeof text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_switched_off),
        cmocka_unit_test(test_no_such_file),
        cmocka_unit_test(test_broken_driver),
    };
    return cmocka_run_group_tests(tests, compute_want, NULL);
}
