// SPDX-License-Identifier: MIT
//
// The list of Vulkan devices: what is told where there is no loader, no driver or a broken one;
// each GPU once; limits clamped.
#include "unit.h"
#include "vk_calls.h"
#include "vk_work.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct work work;

// Sets both variables of the loader to `file`, or back.
static void set_driver(const char *file)
{
    static const char *const names[] = {"VK_DRIVER_FILES", "VK_ICD_FILENAMES"};
    static char old[2][4096];
    for (int i = 0; i < 2; i++) {
        const char *value = getenv(names[i]);
        if (file) {
            snprintf(old[i], sizeof old[i], "%s", value ? value : "");
            unit_setenv(names[i], file);
        } else if (old[i][0]) {
            unit_setenv(names[i], old[i]);
        } else {
            unit_setenv(names[i], NULL);
        }
    }
}

// With the driver file `file` there is no Vulkan, and opening a Vulkan device says `said`.
static void expect_refusal(const char *file, const char *said)
{
#ifdef _WIN32
    unit_skip("Wine's loader doesn't see a variable that the program itself sets");
#endif
    set_driver(file);
    vka_result result = work_start(&work, false);
    set_driver(NULL);
    assert_int_equal(result, VKA_OK);
    assert_int_equal(vka_device_count(work.context), 1);
    assert_non_null(strstr(work.log, "Vulkan is not used: "));
    assert_int_equal(vka_context_validation_count(work.context), -1);
    vka_device *device;
    assert_int_equal(vka_device_open(work.context, "vulkan:0", &device), VKA_ERROR_NOT_FOUND);
    if (!strstr(vka_last_error(), said))
        fail_msg("'%s' isn't in: %s", said, vka_last_error());
    assert_int_equal(vka_device_open(work.context, "auto", &device), VKA_OK);
    assert_int_equal(vka_device_of(device)->type, VKA_DEVICE_CPU);
    vka_device_close(device);
    assert_true(work_end(&work));
}

static void test_no_driver(void **state)
{
    (void)state;
    expect_refusal("/nonexistent", "/nonexistent");
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void test_broken_driver(void **state)
{
    (void)state;
    const char *path = unit_path("broken_driver.json");
    write_file(path, "{ \"broken");
    expect_refusal(path, path);
    write_file(path, "{\"file_format_version\": \"1.0.0\", \"ICD\": {\"library_path\": "
                     "\"/nonexistent/driver.so\", \"api_version\": \"1.3.0\"}}");
    expect_refusal(path, "/nonexistent/driver.so");
    vka_sys_remove(path);
}

static PFN_vkGetInstanceProcAddr find_nothing(void)
{
    return NULL;
}

static void test_no_loader(void **state)
{
    (void)state;
    vka_vk_wrap(find_nothing);
    assert_int_equal(work_start(&work, true), VKA_OK);
    vka_vk_wrap(NULL);
    vka_device *device;
    assert_int_equal(vka_device_open(work.context, "vulkan", &device), VKA_ERROR_NOT_FOUND);
    assert_non_null(strstr(vka_last_error(), "no Vulkan loader"));
    assert_true(work_end(&work));
}

static void test_not_wanted(void **state)
{
    (void)state;
    vka_context *context;
    vka_context_params params = {.no_vulkan = true};
    assert_int_equal(vka_context_create(&params, &context), VKA_OK);
    assert_int_equal(vka_device_count(context), 1);
    assert_int_equal(vka_context_validation_count(context), -1);
    vka_device *device;
    assert_int_equal(vka_device_open(context, "vulkan:0", &device), VKA_ERROR_NOT_FOUND);
    assert_non_null(strstr(vka_last_error(), "switched off"));
    vka_context_destroy(context);
}

// --- with a driver ---

static int count_devices(void)
{
    assert_int_equal(work_start(&work, false), VKA_OK);
    return vka_device_count(work.context) - 1;
}

static void test_info(void **state)
{
    (void)state;
    int count = count_devices();
    assert_true(count > 0);
    for (int i = 0; i < count; i++) {
        vka_device_info info;
        assert_int_equal(vka_device_get_info(work.context, i, &info), VKA_OK);
        assert_int_equal(info.index, i);
        assert_true(info.vulkan_index >= i);
        assert_true(info.name[0] && info.driver[0] && info.memory > 0);
        assert_true(info.api_version >= VK_API_VERSION_1_1);
        assert_int_not_equal(info.type, VKA_DEVICE_CPU);
    }
    assert_true(work_end(&work));
}

static void test_each_once(void **state)
{
    (void)state;
    int count = count_devices();
    assert_true(work_end(&work));
    vk_calls_begin();
    vk_calls.twice = true;
    assert_int_equal(count_devices(), count);
    vka_device_info info;
    assert_int_equal(vka_device_get_info(work.context, 0, &info), VKA_OK);
    assert_int_equal(info.vulkan_index, 0);
    assert_true(work_end(&work));
    vk_calls_end();
}

// As on macOS: a driver that isn't all of Vulkan is listed only where it is asked for, and wants
// its extension enabled.
static void test_portability(void **state)
{
    (void)state;
    int count = count_devices();
    assert_true(work_end(&work));
    vk_calls_begin();
    vk_calls.portability = true;
    assert_int_equal(count_devices(), count);
    assert_int_equal(work_open(&work, NULL), VKA_OK);
    assert_int_equal(vk_calls.count[CALL_vkCreateDevice], 1);
    assert_int_equal(vk_calls.wrong, 0);
    assert_true(work_end(&work));
    vk_calls_end();
}

static void expect_left_out(const char *why)
{
    assert_int_equal(count_devices(), 0);
    vka_device *device;
    assert_int_equal(vka_device_open(work.context, "0", &device), VKA_ERROR_NOT_FOUND);
    assert_non_null(strstr(vka_last_error(), why));
    assert_non_null(strstr(work.log, "is left out"));
    assert_true(work_end(&work));
    vk_calls_end();
}

static void test_of_no_use(void **state)
{
    (void)state;
    vk_calls_begin();
    vk_calls.api_1_0 = true;
    expect_left_out("Vulkan 1.0");
    vk_calls_begin();
    vk_calls.no_queue = true;
    expect_left_out("no queue that computes");
}

static void test_clamped(void **state)
{
    (void)state;
    bool before = getenv("VKATTN_LIMITS") != NULL;
    unit_setenv("VKATTN_LIMITS", "min");
    vka_result result = work_start(&work, false);
    if (!before)
        unit_setenv("VKATTN_LIMITS", NULL);
    assert_int_equal(result, VKA_OK);
    assert_int_equal(work_open(&work, NULL), VKA_OK);
    const struct vka_limits *l = &work.device->limits;
    assert_int_equal(l->max_invocations, 128);
    assert_int_equal(l->max_group_size[0], 128);
    assert_int_equal(l->max_group_size[1], 128);
    assert_int_equal(l->max_group_size[2], 64);
    assert_int_equal(l->max_group_count[0], 65535);
    assert_int_equal(l->shared_bytes, 16384);
    assert_int_equal(l->push_bytes, 128);
    assert_int_equal(l->storage_buffers, 4);
    assert_int_equal(l->storage_range, 128 << 20);
    assert_int_equal(l->allocation, 1 << 30);
    assert_int_equal(l->offset_alignment, 256);
    assert_int_equal(l->subgroup_size, 1);
    assert_false(l->subgroup_arithmetic || l->f16_storage || l->f16_arithmetic);
    assert_false(l->cooperative_matrix || l->is_cpu || work.device->info.f16);
    assert_true(work_end(&work));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_driver),   cmocka_unit_test(test_broken_driver),
        cmocka_unit_test(test_no_loader),   cmocka_unit_test(test_not_wanted),
        cmocka_unit_test(test_info),        cmocka_unit_test(test_each_once),
        cmocka_unit_test(test_of_no_use),   cmocka_unit_test(test_clamped),
        cmocka_unit_test(test_portability),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
