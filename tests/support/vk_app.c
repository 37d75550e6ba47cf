// SPDX-License-Identifier: MIT
//
// Plain Vulkan, as an application would have it.
#include "vk_app.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
// cmocka.h needs those above it.
#include <cmocka.h>

#define LAYER           "VK_LAYER_KHRONOS_validation"
#define CALL(app, name) ((PFN_##name)(app)->get((app)->instance, #name))

static VKAPI_ATTR VkBool32 VKAPI_CALL count_message(
    VkDebugUtilsMessageSeverityFlagBitsEXT severity, VkDebugUtilsMessageTypeFlagsEXT types,
    const VkDebugUtilsMessengerCallbackDataEXT *data, void *user)
{
    struct app *app = user;
    (void)severity, (void)types;
    app->messages++;
    fprintf(stderr, "validation: %s\n", data->pMessage);
    return VK_FALSE;
}

static bool has_layer(struct app *app)
{
    VkLayerProperties list[64];
    uint32_t count = 64;
    if (CALL(app, vkEnumerateInstanceLayerProperties)(&count, list) < 0)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(list[i].layerName, LAYER) == 0)
            return true;
    }
    return false;
}

static bool make_instance(struct app *app)
{
    static const char *const layers[] = {LAYER};
    static const char *const extensions[] = {VK_EXT_DEBUG_UTILS_EXTENSION_NAME,
                                             VK_EXT_VALIDATION_FEATURES_EXTENSION_NAME};
    static const VkValidationFeatureEnableEXT enable =
        VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT;
    VkApplicationInfo info = {.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
                              .apiVersion = VK_API_VERSION_1_1};
    VkValidationFeaturesEXT features = {.sType = VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT,
                                        .enabledValidationFeatureCount = 1,
                                        .pEnabledValidationFeatures = &enable};
    VkInstanceCreateInfo create = {.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
                                   .pApplicationInfo = &info};
    app->messages = has_layer(app) ? 0 : -1;
    if (app->messages == 0) {
        create.pNext = &features;
        create.enabledLayerCount = 1;
        create.ppEnabledLayerNames = layers;
        create.enabledExtensionCount = 2;
        create.ppEnabledExtensionNames = extensions;
    }
    return CALL(app, vkCreateInstance)(&create, NULL, &app->instance) == VK_SUCCESS;
}

static void make_messenger(struct app *app)
{
    if (app->messages < 0)
        return;
    VkDebugUtilsMessengerCreateInfoEXT info = {
        .sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
        .messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT |
                           VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT,
        .messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT |
                       VK_DEBUG_UTILS_MESSAGE_TYPE_PERFORMANCE_BIT_EXT,
        .pfnUserCallback = count_message,
        .pUserData = app,
    };
    assert_int_equal(
        CALL(app, vkCreateDebugUtilsMessengerEXT)(app->instance, &info, NULL, &app->messenger),
        VK_SUCCESS);
}

static bool choose_physical(struct app *app)
{
    uint32_t count = 1, families = 32;
    VkQueueFamilyProperties list[32];
    if (CALL(app, vkEnumeratePhysicalDevices)(app->instance, &count, &app->physical) < 0 ||
        count == 0)
        return false;
    CALL(app, vkGetPhysicalDeviceQueueFamilyProperties)(app->physical, &families, list);
    for (app->family = 0; app->family < families; app->family++) {
        if (list[app->family].queueFlags & VK_QUEUE_COMPUTE_BIT)
            return true;
    }
    return false;
}

static void make_device(struct app *app)
{
    static const float priority = 1;
    static VkDeviceQueueCreateInfo queue;
    queue = (VkDeviceQueueCreateInfo){.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
                                      .queueFamilyIndex = app->family,
                                      .queueCount = 1,
                                      .pQueuePriorities = &priority};
    app->created = (VkDeviceCreateInfo){.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
                                        .queueCreateInfoCount = 1,
                                        .pQueueCreateInfos = &queue};
    assert_int_equal(CALL(app, vkCreateDevice)(app->physical, &app->created, NULL, &app->device),
                     VK_SUCCESS);
    vka_loader_fill(CALL(app, vkGetDeviceProcAddr), app->device, &app->vk);
    app->vk.vkGetDeviceQueue(app->device, app->family, 0, &app->queue);
}

static void make_commands(struct app *app)
{
    VkCommandPoolCreateInfo pool = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                    .queueFamilyIndex = app->family};
    assert_int_equal(app->vk.vkCreateCommandPool(app->device, &pool, NULL, &app->pool), VK_SUCCESS);
    VkCommandBufferAllocateInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                        .commandPool = app->pool,
                                        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
                                        .commandBufferCount = 1};
    assert_int_equal(app->vk.vkAllocateCommandBuffers(app->device, &info, &app->command),
                     VK_SUCCESS);
}

bool app_start(struct app *app)
{
    memset(app, 0, sizeof *app);
    app->get = vka_loader_find();
    if (!app->get || !make_instance(app))
        return false;
    make_messenger(app);
    assert_true(choose_physical(app));
    make_device(app);
    make_commands(app);
    return true;
}

void app_end(struct app *app)
{
    app->vk.vkDeviceWaitIdle(app->device);
    app->vk.vkDestroyCommandPool(app->device, app->pool, NULL);
    app->vk.vkDestroyDevice(app->device, NULL);
    if (app->messenger) {
        CALL(app, vkDestroyDebugUtilsMessengerEXT)(app->instance, app->messenger, NULL);
    }
    CALL(app, vkDestroyInstance)(app->instance, NULL);
    assert_true(app->messages <= 0);
    assert_int_equal(app->locked, 0);
}

// --- buffers ---

static uint32_t visible_type(struct app *app, uint32_t bits)
{
    const VkMemoryPropertyFlags want =
        VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    VkPhysicalDeviceMemoryProperties m;
    CALL(app, vkGetPhysicalDeviceMemoryProperties)(app->physical, &m);
    uint32_t i = 0;
    while (i < m.memoryTypeCount &&
           (!(bits >> i & 1) || (m.memoryTypes[i].propertyFlags & want) != want))
        i++;
    assert_true(i < m.memoryTypeCount);
    return i;
}

void app_buffer_create(struct app *app, VkDeviceSize bytes, struct app_buffer *b)
{
    VkBufferCreateInfo info = {.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
                               .size = bytes,
                               .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT |
                                        VK_BUFFER_USAGE_TRANSFER_DST_BIT |
                                        VK_BUFFER_USAGE_TRANSFER_SRC_BIT};
    assert_int_equal(app->vk.vkCreateBuffer(app->device, &info, NULL, &b->buffer), VK_SUCCESS);
    VkMemoryRequirements need;
    app->vk.vkGetBufferMemoryRequirements(app->device, b->buffer, &need);
    VkMemoryAllocateInfo memory = {.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
                                   .allocationSize = need.size,
                                   .memoryTypeIndex = visible_type(app, need.memoryTypeBits)};
    assert_int_equal(app->vk.vkAllocateMemory(app->device, &memory, NULL, &b->memory), VK_SUCCESS);
    assert_int_equal(app->vk.vkBindBufferMemory(app->device, b->buffer, b->memory, 0), VK_SUCCESS);
    assert_int_equal(
        app->vk.vkMapMemory(app->device, b->memory, 0, VK_WHOLE_SIZE, 0, (void **)&b->map),
        VK_SUCCESS);
    memset(b->map, 0, bytes);
}

void app_buffer_destroy(struct app *app, struct app_buffer *b)
{
    app->vk.vkDestroyBuffer(app->device, b->buffer, NULL);
    app->vk.vkFreeMemory(app->device, b->memory, NULL);
}

VkSemaphore app_semaphore(struct app *app)
{
    VkSemaphoreCreateInfo info = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO};
    VkSemaphore made;
    assert_int_equal(app->vk.vkCreateSemaphore(app->device, &info, NULL, &made), VK_SUCCESS);
    return made;
}

// --- commands ---

VkCommandBuffer app_begin(struct app *app)
{
    VkCommandBufferBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    assert_int_equal(app->vk.vkResetCommandPool(app->device, app->pool, 0), VK_SUCCESS);
    assert_int_equal(app->vk.vkBeginCommandBuffer(app->command, &begin), VK_SUCCESS);
    return app->command;
}

void app_submit(struct app *app, VkSemaphore wait_for, VkSemaphore signal, bool wait)
{
    static const VkPipelineStageFlags stage = VK_PIPELINE_STAGE_ALL_COMMANDS_BIT;
    VkSubmitInfo info = {.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                         .waitSemaphoreCount = wait_for ? 1 : 0,
                         .pWaitSemaphores = &wait_for,
                         .pWaitDstStageMask = &stage,
                         .commandBufferCount = 1,
                         .pCommandBuffers = &app->command,
                         .signalSemaphoreCount = signal ? 1 : 0,
                         .pSignalSemaphores = &signal};
    assert_int_equal(app->vk.vkEndCommandBuffer(app->command), VK_SUCCESS);
    assert_int_equal(app->vk.vkQueueSubmit(app->queue, 1, &info, VK_NULL_HANDLE), VK_SUCCESS);
    if (wait)
        assert_int_equal(app->vk.vkQueueWaitIdle(app->queue), VK_SUCCESS);
}

void app_barrier(struct app *app)
{
    VkMemoryBarrier all = {.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
                           .srcAccessMask = VK_ACCESS_MEMORY_WRITE_BIT,
                           .dstAccessMask = VK_ACCESS_MEMORY_READ_BIT | VK_ACCESS_MEMORY_WRITE_BIT};
    VkPipelineStageFlags stage = VK_PIPELINE_STAGE_ALL_COMMANDS_BIT;
    app->vk.vkCmdPipelineBarrier(app->command, stage, stage, 0, 1, &all, 0, NULL, 0, NULL);
}

vka_vulkan_device app_device(struct app *app)
{
    return (vka_vulkan_device){.instance = app->instance,
                               .api_version = VK_API_VERSION_1_1,
                               .physical_device = app->physical,
                               .device = app->device,
                               .created = &app->created,
                               .queue = app->queue,
                               .queue_family = app->family,
                               .user = app,
                               .lock_queue = app_lock,
                               .unlock_queue = app_unlock};
}

void app_lock(void *user)
{
    struct app *app = user;
    app->locks++;
    app->locked++;
}

void app_unlock(void *user)
{
    ((struct app *)user)->locked--;
}
