// SPDX-License-Identifier: MIT
//
// Between the library and the Vulkan loader: counts every call, lets the n-th one fail, knows what
// is alive, and can make one driver look like another machine.
#ifndef TESTS_VK_CALLS_H
#define TESTS_VK_CALLS_H

#include "vk/loader.h"

#include <stdatomic.h>
#include <stdbool.h>

// X(name, parameters, arguments, objects made): those that can fail.
#define VK_CALLS_RESULT(X)                                                                         \
    X(vkCreateInstance,                                                                            \
      (const VkInstanceCreateInfo *a, const VkAllocationCallbacks *b, VkInstance *c), (a, b, c),   \
      1)                                                                                           \
    X(vkEnumeratePhysicalDevices, (VkInstance a, uint32_t * b, VkPhysicalDevice * c), (a, b, c),   \
      0)                                                                                           \
    X(vkEnumerateDeviceExtensionProperties,                                                        \
      (VkPhysicalDevice a, const char *b, uint32_t *c, VkExtensionProperties *d), (a, b, c, d), 0) \
    X(vkCreateDevice,                                                                              \
      (VkPhysicalDevice a, const VkDeviceCreateInfo *b, const VkAllocationCallbacks *c,            \
       VkDevice *d),                                                                               \
      (a, b, c, d), 1)                                                                             \
    X(vkCreateDebugUtilsMessengerEXT,                                                              \
      (VkInstance a, const VkDebugUtilsMessengerCreateInfoEXT *b, const VkAllocationCallbacks *c,  \
       VkDebugUtilsMessengerEXT *d),                                                               \
      (a, b, c, d), 1)                                                                             \
    X(vkCreatePipelineCache,                                                                       \
      (VkDevice a, const VkPipelineCacheCreateInfo *b, const VkAllocationCallbacks *c,             \
       VkPipelineCache *d),                                                                        \
      (a, b, c, d), 1)                                                                             \
    X(vkGetPipelineCacheData, (VkDevice a, VkPipelineCache b, size_t * c, void *d), (a, b, c, d),  \
      0)                                                                                           \
    X(vkCreateDescriptorSetLayout,                                                                 \
      (VkDevice a, const VkDescriptorSetLayoutCreateInfo *b, const VkAllocationCallbacks *c,       \
       VkDescriptorSetLayout *d),                                                                  \
      (a, b, c, d), 1)                                                                             \
    X(vkCreatePipelineLayout,                                                                      \
      (VkDevice a, const VkPipelineLayoutCreateInfo *b, const VkAllocationCallbacks *c,            \
       VkPipelineLayout *d),                                                                       \
      (a, b, c, d), 1)                                                                             \
    X(vkCreateShaderModule,                                                                        \
      (VkDevice a, const VkShaderModuleCreateInfo *b, const VkAllocationCallbacks *c,              \
       VkShaderModule *d),                                                                         \
      (a, b, c, d), 1)                                                                             \
    X(vkCreateComputePipelines,                                                                    \
      (VkDevice a, VkPipelineCache b, uint32_t c, const VkComputePipelineCreateInfo *d,            \
       const VkAllocationCallbacks *e, VkPipeline *f),                                             \
      (a, b, c, d, e, f), 1)                                                                       \
    X(vkCreateBuffer,                                                                              \
      (VkDevice a, const VkBufferCreateInfo *b, const VkAllocationCallbacks *c, VkBuffer *d),      \
      (a, b, c, d), 1)                                                                             \
    X(vkAllocateMemory,                                                                            \
      (VkDevice a, const VkMemoryAllocateInfo *b, const VkAllocationCallbacks *c,                  \
       VkDeviceMemory *d),                                                                         \
      (a, b, c, d), 1)                                                                             \
    X(vkBindBufferMemory, (VkDevice a, VkBuffer b, VkDeviceMemory c, VkDeviceSize d),              \
      (a, b, c, d), 0)                                                                             \
    X(vkMapMemory,                                                                                 \
      (VkDevice a, VkDeviceMemory b, VkDeviceSize c, VkDeviceSize d, VkMemoryMapFlags e,           \
       void **f),                                                                                  \
      (a, b, c, d, e, f), 0)                                                                       \
    X(vkFlushMappedMemoryRanges, (VkDevice a, uint32_t b, const VkMappedMemoryRange *c),           \
      (a, b, c), 0)                                                                                \
    X(vkInvalidateMappedMemoryRanges, (VkDevice a, uint32_t b, const VkMappedMemoryRange *c),      \
      (a, b, c), 0)                                                                                \
    X(vkCreateCommandPool,                                                                         \
      (VkDevice a, const VkCommandPoolCreateInfo *b, const VkAllocationCallbacks *c,               \
       VkCommandPool *d),                                                                          \
      (a, b, c, d), 1)                                                                             \
    X(vkResetCommandPool, (VkDevice a, VkCommandPool b, VkCommandPoolResetFlags c), (a, b, c), 0)  \
    X(vkAllocateCommandBuffers,                                                                    \
      (VkDevice a, const VkCommandBufferAllocateInfo *b, VkCommandBuffer *c), (a, b, c), 0)        \
    X(vkBeginCommandBuffer, (VkCommandBuffer a, const VkCommandBufferBeginInfo *b), (a, b), 0)     \
    X(vkEndCommandBuffer, (VkCommandBuffer a), (a), 0)                                             \
    X(vkCreateFence,                                                                               \
      (VkDevice a, const VkFenceCreateInfo *b, const VkAllocationCallbacks *c, VkFence *d),        \
      (a, b, c, d), 1)                                                                             \
    X(vkResetFences, (VkDevice a, uint32_t b, const VkFence *c), (a, b, c), 0)                     \
    X(vkWaitForFences, (VkDevice a, uint32_t b, const VkFence *c, VkBool32 d, uint64_t e),         \
      (a, b, c, d, e), 0)                                                                          \
    X(vkQueueSubmit, (VkQueue a, uint32_t b, const VkSubmitInfo *c, VkFence d), (a, b, c, d), 0)   \
    X(vkQueueWaitIdle, (VkQueue a), (a), 0)                                                        \
    X(vkCreateDescriptorPool,                                                                      \
      (VkDevice a, const VkDescriptorPoolCreateInfo *b, const VkAllocationCallbacks *c,            \
       VkDescriptorPool *d),                                                                       \
      (a, b, c, d), 1)                                                                             \
    X(vkAllocateDescriptorSets,                                                                    \
      (VkDevice a, const VkDescriptorSetAllocateInfo *b, VkDescriptorSet *c), (a, b, c), 0)        \
    X(vkCreateQueryPool,                                                                           \
      (VkDevice a, const VkQueryPoolCreateInfo *b, const VkAllocationCallbacks *c,                 \
       VkQueryPool *d),                                                                            \
      (a, b, c, d), 1)                                                                             \
    X(vkGetQueryPoolResults,                                                                       \
      (VkDevice a, VkQueryPool b, uint32_t c, uint32_t d, size_t e, void *f, VkDeviceSize g,       \
       VkQueryResultFlags h),                                                                      \
      (a, b, c, d, e, f, g, h), 0)

// X(name, parameters, arguments): those that destroy their last argument but one.
#define VK_CALLS_DESTROY(X)                                                                        \
    X(vkDestroyDebugUtilsMessengerEXT,                                                             \
      (VkInstance a, VkDebugUtilsMessengerEXT b, const VkAllocationCallbacks *c), (a, b, c))       \
    X(vkDestroyPipelineCache, (VkDevice a, VkPipelineCache b, const VkAllocationCallbacks *c),     \
      (a, b, c))                                                                                   \
    X(vkDestroyDescriptorSetLayout,                                                                \
      (VkDevice a, VkDescriptorSetLayout b, const VkAllocationCallbacks *c), (a, b, c))            \
    X(vkDestroyPipelineLayout, (VkDevice a, VkPipelineLayout b, const VkAllocationCallbacks *c),   \
      (a, b, c))                                                                                   \
    X(vkDestroyShaderModule, (VkDevice a, VkShaderModule b, const VkAllocationCallbacks *c),       \
      (a, b, c))                                                                                   \
    X(vkDestroyPipeline, (VkDevice a, VkPipeline b, const VkAllocationCallbacks *c), (a, b, c))    \
    X(vkDestroyBuffer, (VkDevice a, VkBuffer b, const VkAllocationCallbacks *c), (a, b, c))        \
    X(vkFreeMemory, (VkDevice a, VkDeviceMemory b, const VkAllocationCallbacks *c), (a, b, c))     \
    X(vkDestroyCommandPool, (VkDevice a, VkCommandPool b, const VkAllocationCallbacks *c),         \
      (a, b, c))                                                                                   \
    X(vkDestroyFence, (VkDevice a, VkFence b, const VkAllocationCallbacks *c), (a, b, c))          \
    X(vkDestroyDescriptorPool, (VkDevice a, VkDescriptorPool b, const VkAllocationCallbacks *c),   \
      (a, b, c))                                                                                   \
    X(vkDestroyQueryPool, (VkDevice a, VkQueryPool b, const VkAllocationCallbacks *c), (a, b, c))

// X(name, parameters, arguments): the others.
#define VK_CALLS_VOID(X)                                                                           \
    X(vkDestroyInstance, (VkInstance a, const VkAllocationCallbacks *b), (a, b))                   \
    X(vkDestroyDevice, (VkDevice a, const VkAllocationCallbacks *b), (a, b))                       \
    X(vkUpdateDescriptorSets,                                                                      \
      (VkDevice a, uint32_t b, const VkWriteDescriptorSet *c, uint32_t d,                          \
       const VkCopyDescriptorSet *e),                                                              \
      (a, b, c, d, e))                                                                             \
    X(vkCmdPipelineBarrier,                                                                        \
      (VkCommandBuffer a, VkPipelineStageFlags b, VkPipelineStageFlags c, VkDependencyFlags d,     \
       uint32_t e, const VkMemoryBarrier *f, uint32_t g, const VkBufferMemoryBarrier *h,           \
       uint32_t i, const VkImageMemoryBarrier *j),                                                 \
      (a, b, c, d, e, f, g, h, i, j))                                                              \
    X(vkCmdCopyBuffer,                                                                             \
      (VkCommandBuffer a, VkBuffer b, VkBuffer c, uint32_t d, const VkBufferCopy *e),              \
      (a, b, c, d, e))                                                                             \
    X(vkCmdDispatch, (VkCommandBuffer a, uint32_t b, uint32_t c, uint32_t d), (a, b, c, d))        \
    X(vkCmdDispatchBase,                                                                           \
      (VkCommandBuffer a, uint32_t b, uint32_t c, uint32_t d, uint32_t e, uint32_t f, uint32_t g), \
      (a, b, c, d, e, f, g))                                                                       \
    X(vkGetPhysicalDeviceProperties, (VkPhysicalDevice a, VkPhysicalDeviceProperties * b), (a, b)) \
    X(vkGetPhysicalDeviceProperties2, (VkPhysicalDevice a, VkPhysicalDeviceProperties2 * b),       \
      (a, b))                                                                                      \
    X(vkGetPhysicalDeviceMemoryProperties,                                                         \
      (VkPhysicalDevice a, VkPhysicalDeviceMemoryProperties * b), (a, b))                          \
    X(vkGetPhysicalDeviceQueueFamilyProperties,                                                    \
      (VkPhysicalDevice a, uint32_t * b, VkQueueFamilyProperties * c), (a, b, c))                  \
    X(vkGetBufferMemoryRequirements, (VkDevice a, VkBuffer b, VkMemoryRequirements * c), (a, b, c))

enum vk_call {
#define VK_CALLS_KIND(name, ...) CALL_##name,
    VK_CALLS_RESULT(VK_CALLS_KIND) VK_CALLS_DESTROY(VK_CALLS_KIND) VK_CALLS_VOID(VK_CALLS_KIND)
#undef VK_CALLS_KIND
        CALL_COUNT
};

struct vk_calls {
    // Pipelines are made on several threads.
    atomic_uint count[CALL_COUNT];
    atomic_uint failable; // calls so far that could have failed
    unsigned fail_at;     // the n-th of those fails; 0: none
    bool fail_on;         // and all behind it
    VkResult fail_with;
    const char *_Atomic failed; // its name
    atomic_int alive;           // objects

    size_t cache_bytes; // that the last pipeline cache was made from

    // What the machine pretends to be.
    bool twice;      // every device is listed two times
    bool api_1_0;    // no newer Vulkan
    bool no_queue;   // nothing that computes
    bool discrete;   // memory of its own, none of it reached by the host; the host's isn't coherent
    bool window;     // beside that, memory that both reach
    bool integrated; // one memory for both, of the same four kinds
    bool portability; // listed for whoever asks for such devices; used with their extension enabled
    unsigned max_allocations;
    uint32_t storage_range; // maxStorageBufferRange
    unsigned wrong;         // uses that such a machine doesn't allow
};

extern struct vk_calls vk_calls;

// Zeroes the counts and takes effect for contexts made from now on, until vk_calls_end.
void vk_calls_begin(void);
void vk_calls_end(void);

#endif
