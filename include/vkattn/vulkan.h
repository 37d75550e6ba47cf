// SPDX-License-Identifier: MIT
//
// vkattn on the Vulkan device that an application has already: no second device, no copies through
// the host. The application's buffers become inputs and outputs; a plan is submitted to its queue,
// between its semaphores, or recorded into a command buffer of its own:
//
//     vka_device_open_vulkan -> vka_plan_create -> vka_plan_bind
//             -> vka_plan_submit_vulkan, vka_plan_wait          (we submit)
//             or vka_plan_record -> your vkQueueSubmit          (you submit)
//
// Needs the Vulkan headers; nothing is linked. All else is in vkattn.h, and its conventions hold.
#ifndef VKATTN_VULKAN_H
#define VKATTN_VULKAN_H

#include <vkattn/vkattn.h>
#include <vulkan/vulkan_core.h>

#ifdef __cplusplus
extern "C" {
#endif

// ---------------------------------------------------------------------------------------------
// The device

typedef struct vka_vulkan_device {
    VkInstance instance;
    uint32_t api_version; // what the instance was made for (VkApplicationInfo); at least 1.1
    VkPhysicalDevice physical_device;
    VkDevice device;
    // What `device` was made with: its features (pNext chain) and extensions tell what may be used.
    // NULL: nothing but the core of Vulkan 1.1. 16-bit plans need storageBuffer16BitAccess.
    const VkDeviceCreateInfo *created;
    VkQueue queue; // of a family that computes
    uint32_t queue_family;
    // Held around each vkQueueSubmit and vkQueueWaitIdle. NULL where no other thread uses the
    // queue.
    void *user;
    void (*lock_queue)(void *user);
    void (*unlock_queue)(void *user);
    PFN_vkGetInstanceProcAddr get_instance_proc_addr; // NULL: that of the Vulkan loader
} vka_vulkan_device;

// The application's device as one of ours. Nothing of it is changed or destroyed: close ours before
// it. A context of `no_vulkan` will do, and makes no instance of its own.
// VKA_ERROR_UNSUPPORTED where it can't serve (Vulkan 1.0, a queue that doesn't compute).
VKA_API vka_result vka_device_open_vulkan(vka_context *context, const vka_vulkan_device *own,
                                          vka_device **device);

// ---------------------------------------------------------------------------------------------
// The application's buffers

// One input or output of a graph, in the application's memory: dense, floats as the plan's
// dtype stores them, integers and bools as 32-bit words.
typedef struct vka_vulkan_buffer {
    const char *name;    // NULL ends an array
    VkBuffer buffer;     // usage VK_BUFFER_USAGE_STORAGE_BUFFER_BIT. VK_NULL_HANDLE: the plan's own
    VkDeviceSize offset; // a multiple of minStorageBufferOffsetAlignment
    VkDeviceSize range;  // bytes from there on (not VK_WHOLE_SIZE); at least the tensor's, in whole
                         // words of 4
} vka_vulkan_buffer;

// From now on the plan reads and writes these buffers; what isn't named stays as it was. No run may
// be in flight, and command buffers recorded before must not be submitted any more. An output may
// not overlap another bound range. The values of integers aren't checked (a device never reads
// outside of a table for a wrong one). The next run records its commands anew.
VKA_API vka_result vka_plan_bind(vka_plan *plan, const vka_vulkan_buffer *buffers);

// ---------------------------------------------------------------------------------------------
// Runs

typedef struct vka_vulkan_semaphore {
    VkSemaphore semaphore;
    uint64_t value; // of a timeline semaphore; 0 for a binary one
} vka_vulkan_semaphore;

// Waits and signals of one submission. Timeline values need the feature timelineSemaphore.
typedef struct vka_vulkan_sync {
    const vka_vulkan_semaphore *wait; // before anything of the run begins
    uint32_t wait_count;
    const vka_vulkan_semaphore *signal; // when all of it is done, its writes available
    uint32_t signal_count;
} vka_vulkan_sync;

// As vka_plan_submit; bound inputs are not to be given. vka_plan_wait, or vka_plan_destroy, must
// follow. Where it fails, nothing is signaled, and what was to be waited for may have been: make
// those semaphores anew. A semaphore makes the application's writes visible; without one, its
// commands earlier on the same queue need a barrier to VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
// VK_ACCESS_SHADER_READ_BIT.
VKA_API vka_result vka_plan_submit_vulkan(vka_plan *plan, const vka_io *inputs,
                                          const vka_vulkan_sync *sync);

// Records the plan into `command`, which is in the recording state, outside of a render pass, and
// of the device's queue family. All inputs and outputs of the graph must be bound. `command` may be
// submitted as often as you like, as long as the plan lives and isn't bound anew.
//
// Before it: your writes to the inputs, and your reads of the outputs' old contents, need a barrier
// to stage COMPUTE_SHADER, access SHADER_READ and SHADER_WRITE. After it: the outputs were written
// in stage COMPUTE_SHADER with access SHADER_WRITE. Runs of one plan use the same memory in
// between; a barrier at the beginning orders them on one queue, so don't submit to two.
VKA_API vka_result vka_plan_record(vka_plan *plan, VkCommandBuffer command);

#ifdef __cplusplus
}
#endif

#endif
