// SPDX-License-Identifier: MIT
//
// The choice of a device, on machines that the test makes up: the list of Vulkan devices and their
// opening are replaced when the program is linked.
#include "unit.h"

#include "graph/program.h"
#include "vk/vk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// --- the machine ---

static const vka_device_info all[] = {
    {.name = "NVIDIA GeForce RTX 4090", .type = VKA_DEVICE_DISCRETE, .uuid = {0xab, 0xcd, 1}},
    {.name = "NVIDIA GeForce RTX 4090 D", .type = VKA_DEVICE_DISCRETE, .uuid = {0xab, 0xcd, 2}},
    {.name = "Intel(R) UHD Graphics 770", .type = VKA_DEVICE_INTEGRATED, .uuid = {3}},
    {.name = "llvmpipe (LLVM 15.0.6, 256 bits)", .type = VKA_DEVICE_SOFTWARE, .uuid = {4}},
    {.name = "Virtio-GPU Venus", .type = VKA_DEVICE_VIRTUAL, .uuid = {5}},
    {.name = "Strange thing", .type = VKA_DEVICE_OTHER, .uuid = {6}},
};
enum { NVIDIA, NVIDIA_D, INTEL, LLVMPIPE, VENUS, STRANGE, CPU = -1 };

static vka_device_info machine[8];
static int machine_count, opened;
static const char *reason = "";

int __wrap_vka_vk_count(const struct vka_vk *vk);
const vka_device_info *__wrap_vka_vk_info(const struct vka_vk *vk, int i);
const char *__wrap_vka_vk_reason(const struct vka_vk *vk);
vka_result __wrap_vka_vk_open(vka_context *context, int i, vka_device **device);

int __wrap_vka_vk_count(const struct vka_vk *vk)
{
    (void)vk;
    return machine_count;
}

const vka_device_info *__wrap_vka_vk_info(const struct vka_vk *vk, int i)
{
    (void)vk;
    assert_true(i >= 0 && i < machine_count);
    return &machine[i];
}

const char *__wrap_vka_vk_reason(const struct vka_vk *vk)
{
    (void)vk;
    return reason;
}

static vka_device fake;

vka_result __wrap_vka_vk_open(vka_context *context, int i, vka_device **device)
{
    (void)context;
    opened = i;
    *device = &fake;
    return VKA_OK;
}

// `devices` in the order of their indices; raw Vulkan order is backwards.
static void set_machine(int count, const int *devices)
{
    machine_count = count;
    for (int i = 0; i < count; i++) {
        machine[i] = all[devices[i]];
        machine[i].index = i;
        machine[i].vulkan_index = 10 + count - 1 - i;
    }
}
#define MACHINE(...)                                                                               \
    set_machine((int)(sizeof((int[]){__VA_ARGS__}) / sizeof(int)), (int[]){__VA_ARGS__})

static vka_context *context;

static int open_context(void **state)
{
    (void)state;
    unit_setenv("VKATTN_DEVICE", NULL);
    return vka_context_create(&(vka_context_params){.no_vulkan = true}, &context) != VKA_OK;
}

static int close_context(void **state)
{
    (void)state;
    vka_context_destroy(context);
    return 0;
}

static void picks(const char *select, int want)
{
    vka_device *device = NULL;
    opened = CPU;
    if (vka_device_open(context, select, &device) != VKA_OK)
        fail_msg("%s: %s", select, vka_last_error());
    if (opened != want)
        fail_msg("%s: opened %d, not %d", select, opened, want);
    if (device == &fake)
        return;
    assert_int_equal(vka_device_of(device)->type, VKA_DEVICE_CPU);
    assert_string_equal(vka_device_of(device)->name, "cpu");
    vka_device_close(device);
}

static void refuses(const char *select, vka_result want, const char *text)
{
    vka_device *device = &fake;
    assert_int_equal(vka_device_open(context, select, &device), want);
    assert_null(device);
    unit_assert_error_has(text);
    unit_assert_error_has("Devices: ");
    unit_assert_error_has("cpu");
    for (int i = 0; i < machine_count; i++)
        unit_assert_error_has(machine[i].name);
}

// --- tests ---

static void test_auto(void **state)
{
    (void)state;
    MACHINE(LLVMPIPE, STRANGE, VENUS, INTEL, NVIDIA, NVIDIA_D);
    picks("auto", 4);
    MACHINE(LLVMPIPE, VENUS, INTEL);
    picks("auto", 2);
    MACHINE(LLVMPIPE, VENUS, STRANGE);
    picks("auto", 1);
    MACHINE(LLVMPIPE);
    picks("auto", CPU);
    MACHINE(STRANGE, LLVMPIPE);
    picks("auto", CPU);
    machine_count = 0;
    picks("auto", CPU);
}

static void test_vulkan(void **state)
{
    (void)state;
    MACHINE(LLVMPIPE, STRANGE, VENUS, INTEL, NVIDIA);
    picks("vulkan", 4);
    MACHINE(LLVMPIPE, STRANGE);
    picks("vulkan", 1);
    MACHINE(LLVMPIPE);
    picks("vulkan", 0); // where there is no other
    machine_count = 0;
    reason = "the driver is broken";
    refuses("vulkan", VKA_ERROR_NOT_FOUND, "there is no Vulkan device");
    unit_assert_error_has("the driver is broken");
    refuses("vulkan:0", VKA_ERROR_NOT_FOUND, "the driver is broken");
    refuses("0", VKA_ERROR_NOT_FOUND, "the driver is broken");
    reason = "";
}

static void test_numbers(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "3",          "10",         "-1",         "1.0",
        "0x1",        "999999",     "1000000",    "99999999999999999999",
        "vulkan:9",   "vulkan:13",  "vulkan:",    "vulkan:x",
        "vulkan:-1",  "vulkan: 10", "vulkan:1e1", "vulkan:4294967306",
        "Vulkan:10x", " 0"};
    MACHINE(NVIDIA, INTEL, LLVMPIPE);
    for (int i = 0; i < 3; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        picks(text, i);
        snprintf(text, sizeof text, "vulkan:%d", 12 - i);
        picks(text, i);
    }
    for (size_t i = 0; i < VKA_COUNT(wrong); i++)
        refuses(wrong[i], VKA_ERROR_NOT_FOUND, wrong[i]);
}

static void test_uuids(void **state)
{
    (void)state;
    static const char *const wrong[] = {"uuid:",
                                        "uuid:ab",
                                        "uuid:abcd010000000000000000000000000",
                                        "uuid:abcd0100000000000000000000000000f",
                                        "uuid:abcd010000000000000000000000000g",
                                        "uuid:abcd010000000000 000000000000000",
                                        "uuid:abcd0300000000000000000000000000",
                                        "uuid:00000000000000000000000000000000", // cpu has none
                                        "abcd0100000000000000000000000000"};
    MACHINE(LLVMPIPE, NVIDIA, NVIDIA_D);
    picks("uuid:abcd0100000000000000000000000000", 1);
    picks("uuid:ABcd0200000000000000000000000000", 2);
    picks("uuid:04000000-0000-0000-0000-000000000000", 0);
    picks("uuid:-0-4-000000-0000-0000-0000-000000000000-", 0);
    for (size_t i = 0; i < VKA_COUNT(wrong); i++)
        refuses(wrong[i], VKA_ERROR_NOT_FOUND, wrong[i]);
}

static void test_names(void **state)
{
    (void)state;
    MACHINE(NVIDIA, NVIDIA_D, INTEL, LLVMPIPE);
    picks("llvmpipe", 3);
    picks("LLVMPipe", 3);
    picks("uhd graphics", 2);
    picks("(r)", 2);
    picks("256 BITS", 3);
    picks("4090 D", 1);
    picks("nvidia geforce rtx 4090", 0); // the whole name of one, a part of two
    picks("cpu", CPU);
    picks("CPU", CPU);
    picks("Cp", CPU);
    refuses("nvidia", VKA_ERROR_AMBIGUOUS, "several");
    refuses("RTX", VKA_ERROR_AMBIGUOUS, "'RTX'");
    refuses("p", VKA_ERROR_AMBIGUOUS, "several"); // llvmpipe, cpu, ...
    refuses("radeon", VKA_ERROR_NOT_FOUND, "'radeon'");
    refuses("llvmpipe  ", VKA_ERROR_NOT_FOUND, "'llvmpipe  '");
}

// Two cards of one kind have one name: the index and the UUID tell them apart.
static void test_twins(void **state)
{
    (void)state;
    MACHINE(NVIDIA, NVIDIA);
    refuses("NVIDIA GeForce RTX 4090", VKA_ERROR_AMBIGUOUS, "several");
    picks("1", 1);
    picks("vulkan:10", 1);
}

static void test_environment(void **state)
{
    (void)state;
    MACHINE(LLVMPIPE, INTEL, NVIDIA);
    picks(NULL, 2);
    picks("", 2);
    unit_setenv("VKATTN_DEVICE", "");
    picks(NULL, 2);
    unit_setenv("VKATTN_DEVICE", "llvm");
    picks(NULL, 0);
    picks("", 0);
    picks("1", 1); // what is asked for beats it
    picks("auto", 2);
    unit_setenv("VKATTN_DEVICE", "cpu");
    picks(NULL, CPU);
    unit_setenv("VKATTN_DEVICE", "vulkan:11");
    picks(NULL, 1);
    unit_setenv("VKATTN_DEVICE", "radeon");
    refuses(NULL, VKA_ERROR_NOT_FOUND, "'radeon'");
    picks("cpu", CPU);
    unit_setenv("VKATTN_DEVICE", NULL);
}

static void test_info(void **state)
{
    (void)state;
    vka_device_info info;
    MACHINE(LLVMPIPE, INTEL);
    assert_int_equal(vka_device_count(context), 3);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(vka_device_get_info(context, i, &info), VKA_OK);
        assert_string_equal(info.name, machine[i].name);
        assert_int_equal(info.index, i);
    }
    assert_int_equal(vka_device_get_info(context, 2, &info), VKA_OK);
    assert_string_equal(info.name, "cpu");
    assert_int_equal(info.type, VKA_DEVICE_CPU);
    assert_true(info.index == -1 && info.vulkan_index == -1 && info.api_version == 0);
    assert_true(info.memory > 0 && !info.f16 && !info.cooperative_matrix);
    static const int wrong[] = {-1, 3, 1000000, -2147483647 - 1, 2147483647};
    for (size_t i = 0; i < VKA_COUNT(wrong); i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", wrong[i]);
        assert_int_equal(vka_device_get_info(context, wrong[i], &info), VKA_ERROR_NOT_FOUND);
        unit_assert_error_has(text);
    }
    vka_device_close(NULL);
}

// Long selections and long lists end in an error, cut short.
static void test_long(void **state)
{
    (void)state;
    static char select[10000], name[4000];
    vka_device *device;
    memset(select, 'z', sizeof select - 1);
    memset(name, 'n', sizeof name - 1);
    MACHINE(LLVMPIPE, INTEL, NVIDIA, NVIDIA, NVIDIA, NVIDIA, NVIDIA);
    for (int i = 0; i < machine_count; i++)
        machine[i].name = name;
    assert_int_equal(vka_device_open(context, select, &device), VKA_ERROR_NOT_FOUND);
    assert_int_equal(vka_device_open(context, "%s%n%d", &device), VKA_ERROR_NOT_FOUND);
    unit_assert_error_has("'%s%n%d'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_auto),        cmocka_unit_test(test_vulkan),
        cmocka_unit_test(test_numbers),     cmocka_unit_test(test_uuids),
        cmocka_unit_test(test_names),       cmocka_unit_test(test_twins),
        cmocka_unit_test(test_environment), cmocka_unit_test(test_info),
        cmocka_unit_test(test_long),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
