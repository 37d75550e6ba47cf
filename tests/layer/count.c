// SPDX-License-Identifier: MIT
//
// A Vulkan layer that writes a line to the file COUNT_FILE for each instance, each device, each
// submission and each mapping of memory in its process: whoever calls, by whatever table. With
// COUNT_DROP it takes all memory barriers out, to see that the validation layer beneath speaks.
// For programs that have one device at a time.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vulkan/vk_layer.h>
#include <vulkan/vulkan.h>

#define EXPORT __attribute__((visibility("default")))

static PFN_vkGetInstanceProcAddr instance_calls;
static PFN_vkGetDeviceProcAddr device_calls;
static VkInstance instance;
static PFN_vkQueueSubmit next_submit;
static PFN_vkMapMemory next_map;
static PFN_vkCmdPipelineBarrier next_barrier;

static void count(const char *what)
{
    const char *path = getenv("COUNT_FILE");
    FILE *file = path ? fopen(path, "a") : NULL;
    if (!file)
        return;
    fprintf(file, "%s\n", what);
    fclose(file);
}

// --- the chain: the loader tells each layer of the next one ---

static VKAPI_ATTR VkResult VKAPI_CALL create_instance(const VkInstanceCreateInfo *info,
                                                      const VkAllocationCallbacks *allocator,
                                                      VkInstance *out)
{
    VkLayerInstanceCreateInfo *link = (VkLayerInstanceCreateInfo *)info->pNext;
    while (link && (link->sType != VK_STRUCTURE_TYPE_LOADER_INSTANCE_CREATE_INFO ||
                    link->function != VK_LAYER_LINK_INFO))
        link = (VkLayerInstanceCreateInfo *)link->pNext;
    if (!link)
        return VK_ERROR_INITIALIZATION_FAILED;
    instance_calls = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
    link->u.pLayerInfo = link->u.pLayerInfo->pNext;
    count("instance");
    VkResult result =
        ((PFN_vkCreateInstance)instance_calls(NULL, "vkCreateInstance"))(info, allocator, out);
    instance = *out;
    return result;
}

static VKAPI_ATTR VkResult VKAPI_CALL create_device(VkPhysicalDevice physical,
                                                    const VkDeviceCreateInfo *info,
                                                    const VkAllocationCallbacks *allocator,
                                                    VkDevice *out)
{
    VkLayerDeviceCreateInfo *link = (VkLayerDeviceCreateInfo *)info->pNext;
    while (link && (link->sType != VK_STRUCTURE_TYPE_LOADER_DEVICE_CREATE_INFO ||
                    link->function != VK_LAYER_LINK_INFO))
        link = (VkLayerDeviceCreateInfo *)link->pNext;
    if (!link)
        return VK_ERROR_INITIALIZATION_FAILED;
    PFN_vkGetInstanceProcAddr next = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
    device_calls = link->u.pLayerInfo->pfnNextGetDeviceProcAddr;
    link->u.pLayerInfo = link->u.pLayerInfo->pNext;
    count("device");
    VkResult result =
        ((PFN_vkCreateDevice)next(instance, "vkCreateDevice"))(physical, info, allocator, out);
    if (result == VK_SUCCESS) {
        next_submit = (PFN_vkQueueSubmit)device_calls(*out, "vkQueueSubmit");
        next_map = (PFN_vkMapMemory)device_calls(*out, "vkMapMemory");
        next_barrier = (PFN_vkCmdPipelineBarrier)device_calls(*out, "vkCmdPipelineBarrier");
    }
    return result;
}

// --- the calls ---

static VKAPI_ATTR VkResult VKAPI_CALL submit(VkQueue queue, uint32_t submits,
                                             const VkSubmitInfo *info, VkFence fence)
{
    count("submit");
    return next_submit(queue, submits, info, fence);
}

static VKAPI_ATTR VkResult VKAPI_CALL map_memory(VkDevice device, VkDeviceMemory memory,
                                                 VkDeviceSize offset, VkDeviceSize size,
                                                 VkMemoryMapFlags flags, void **data)
{
    count("map");
    return next_map(device, memory, offset, size, flags, data);
}

// Images keep their barriers, because their layouts hang on them.
static VKAPI_ATTR void VKAPI_CALL pipeline_barrier(
    VkCommandBuffer command, VkPipelineStageFlags from, VkPipelineStageFlags to,
    VkDependencyFlags flags, uint32_t memories, const VkMemoryBarrier *memory, uint32_t buffers,
    const VkBufferMemoryBarrier *buffer, uint32_t images, const VkImageMemoryBarrier *image)
{
    if (images > 0 || !getenv("COUNT_DROP"))
        next_barrier(command, from, to, flags, memories, memory, buffers, buffer, images, image);
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL device_proc(VkDevice device, const char *name);
static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL instance_proc(VkInstance of, const char *name);

static PFN_vkVoidFunction ours(const char *name)
{
    static const struct {
        const char *name;
        PFN_vkVoidFunction call;
    } table[] = {
        {"vkGetInstanceProcAddr", (PFN_vkVoidFunction)instance_proc},
        {"vkGetDeviceProcAddr", (PFN_vkVoidFunction)device_proc},
        {"vkCreateInstance", (PFN_vkVoidFunction)create_instance},
        {"vkCreateDevice", (PFN_vkVoidFunction)create_device},
        {"vkQueueSubmit", (PFN_vkVoidFunction)submit},
        {"vkMapMemory", (PFN_vkVoidFunction)map_memory},
        {"vkCmdPipelineBarrier", (PFN_vkVoidFunction)pipeline_barrier},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (strcmp(table[i].name, name) == 0)
            return table[i].call;
    }
    return NULL;
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL device_proc(VkDevice device, const char *name)
{
    PFN_vkVoidFunction call = ours(name);
    return call ? call : device_calls(device, name);
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL instance_proc(VkInstance of, const char *name)
{
    PFN_vkVoidFunction call = ours(name);
    return call ? call : instance_calls ? instance_calls(of, name) : NULL;
}

EXPORT VKAPI_ATTR VkResult VKAPI_CALL
vkNegotiateLoaderLayerInterfaceVersion(VkNegotiateLayerInterface *version);

EXPORT VKAPI_ATTR VkResult VKAPI_CALL
vkNegotiateLoaderLayerInterfaceVersion(VkNegotiateLayerInterface *version)
{
    version->loaderLayerInterfaceVersion = 2;
    version->pfnGetInstanceProcAddr = instance_proc;
    version->pfnGetDeviceProcAddr = device_proc;
    version->pfnGetPhysicalDeviceProcAddr = NULL;
    return VK_SUCCESS;
}
