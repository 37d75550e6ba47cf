// SPDX-License-Identifier: MIT
//
// An open Vulkan device: what its plans share.
#ifndef VKA_VK_DEVICE_H
#define VKA_VK_DEVICE_H

#include "vk/instance.h"
#include "vk/modules.h"

#include <pthread.h>

struct vka_vk_pipeline;
struct vka_vk_weights;

enum { VKA_PUSH_WORDS = VKA_PUSH_BYTES / 4 };

struct vka_vk_device {
    vka_context *context;
    const struct vka_physical *physical;
    struct vka_limits limits;
    VkDevice handle;
    struct VolkDeviceTable vk;
    VkQueue queue;
    pthread_mutex_t queue_lock; // plans are submitted by several threads
    atomic_bool lost;           // for good
    atomic_uint allocations;    // alive

    pthread_mutex_t shared_lock; // of all below
    VkPipelineCache cache;
    VkDescriptorSetLayout set_layouts[VKA_MAX_BINDINGS + 1]; // by bindings
    VkPipelineLayout layouts[VKA_MAX_BINDINGS + 1][VKA_PUSH_WORDS + 1];
    struct vka_vk_pipeline *pipelines;
    struct vka_vk_weights *weights;
};

// The one way from a VkResult to ours: the message names the call. A lost device is remembered.
vka_result vka_vk_check(struct vka_vk_device *d, VkResult result, const char *call);
#define VKA_VK(d, name, ...) vka_vk_check(d, (d)->vk.name(__VA_ARGS__), #name)

// VKA_ERROR_DEVICE_LOST once the device is lost.
vka_result vka_vk_alive(struct vka_vk_device *d);

// Waits until the queue is empty; for ways out after an error, so it tells none.
void vka_vk_idle(struct vka_vk_device *d);

// One submission under the queue's lock.
vka_result vka_vk_submit(struct vka_vk_device *d, VkCommandBuffer command, VkFence fence);

#endif
