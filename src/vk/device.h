// SPDX-License-Identifier: MIT
//
// An open Vulkan device: what its plans share.
#ifndef VKA_VK_DEVICE_H
#define VKA_VK_DEVICE_H

#include "vk/instance.h"
#include "vk/modules.h"

#include <pthread.h>

struct vka_vk_block;
struct vka_vk_pipeline;
struct vka_vk_weights;

// What belongs to the application: its instance, its queue's lock.
struct vka_vk_own {
    struct vka_vk vk; // `instance` isn't destroyed
    struct vka_physical physical;
    void *user;
    void (*lock)(void *user);
    void (*unlock)(void *user);
};

enum { VKA_PUSH_WORDS = VKA_PUSH_BYTES / 4 };

struct vka_vk_device {
    vka_context *context;
    const struct vka_physical *physical;
    struct vka_limits limits;
    VkDevice handle;
    struct VolkDeviceTable vk;
    VkQueue queue;
    pthread_mutex_t queue_lock; // plans are submitted by several threads
    struct vka_vk_own *own;     // the application's device: own.c; else NULL
    atomic_bool lost;           // for good
    double submission_budget;   // operations; 0: the default of split.c

    pthread_mutex_t memory_lock; // of the next two; none is taken under it
    struct vka_vk_block *blocks; // pool.c
    unsigned allocations;        // alive

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

// One submission under the queue's lock. `with`: its semaphores; or NULL.
vka_result vka_vk_submit(struct vka_vk_device *d, VkCommandBuffer command, const VkSubmitInfo *with,
                         VkFence fence);

// A device of the context's memory, to be filled; NULL: out of memory. Then started: functions,
// pipeline cache. Freed with all that is in it, but for what belongs to the application.
struct vka_vk_device *vka_vk_device_alloc(vka_context *context);
vka_result vka_vk_device_start(struct vka_vk_device *d, PFN_vkGetDeviceProcAddr get);
void vka_vk_device_free(struct vka_vk_device *d);
// The public handle; takes `d` over, also where it fails.
vka_result vka_vk_device_wrap(struct vka_vk_device *d, vka_device **out);

#endif
