// SPDX-License-Identifier: MIT
//
// An application that has Vulkan already: its instance (with the validation layer, where there is
// one), device, queue, and buffers that it reaches.
#ifndef TESTS_VK_APP_H
#define TESTS_VK_APP_H

#include "vk/loader.h"
#include "vkattn/vulkan.h"

#include <stdbool.h>

struct app_buffer {
    VkBuffer buffer;
    VkDeviceMemory memory;
    float *map;
};

struct app {
    PFN_vkGetInstanceProcAddr get;
    VkInstance instance;
    VkDebugUtilsMessengerEXT messenger;
    int messages; // of the layer; -1: there is none
    VkPhysicalDevice physical;
    VkDeviceCreateInfo created;
    VkDevice device;
    VkQueue queue;
    uint32_t family;
    struct VolkDeviceTable vk;
    VkCommandPool pool;
    VkCommandBuffer command;
    int locks, locked; // of the queue
};

// Asserts that all goes well. False: there is no Vulkan here.
bool app_start(struct app *app);
void app_end(struct app *app);

void app_buffer_create(struct app *app, VkDeviceSize bytes, struct app_buffer *b);
void app_buffer_destroy(struct app *app, struct app_buffer *b);
VkSemaphore app_semaphore(struct app *app);

// Its command buffer, once: begun, then ended, submitted (with a semaphore to wait for and one to
// signal, or NULL) and, where `wait`, waited for.
VkCommandBuffer app_begin(struct app *app);
void app_submit(struct app *app, VkSemaphore wait_for, VkSemaphore signal, bool wait);
// A barrier over all memory, from everything to everything.
void app_barrier(struct app *app);

// What vka_device_open_vulkan takes, with app_lock and app_unlock round the queue.
vka_vulkan_device app_device(struct app *app);

void app_lock(void *app);
void app_unlock(void *app);

#endif
