// SPDX-License-Identifier: MIT
//
// Opens and closes a device; the one place where a Vulkan error becomes ours.
#include "vk/device.h"

#include "vk/cache.h"
#include "vk/pipeline.h"

static vka_result result_of(VkResult result)
{
    switch (result) {
    case VK_ERROR_OUT_OF_HOST_MEMORY:
        return VKA_ERROR_OUT_OF_MEMORY;
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:
    case VK_ERROR_OUT_OF_POOL_MEMORY:
    case VK_ERROR_FRAGMENTED_POOL:
    case VK_ERROR_TOO_MANY_OBJECTS:
        return VKA_ERROR_OUT_OF_DEVICE_MEMORY;
    case VK_ERROR_DEVICE_LOST:
        return VKA_ERROR_DEVICE_LOST;
    default:
        return VKA_ERROR_DRIVER;
    }
}

vka_result vka_vk_check(struct vka_vk_device *d, VkResult result, const char *call)
{
    if (result >= 0)
        return VKA_OK;
    if (result == VK_ERROR_DEVICE_LOST)
        atomic_store(&d->lost, true);
    return vka_error(d->context, result_of(result), "%s: %s failed with %s", d->physical->name,
                     call, vka_vk_result_name(result));
}

vka_result vka_vk_alive(struct vka_vk_device *d)
{
    if (!atomic_load(&d->lost))
        return VKA_OK;
    return vka_error(d->context, VKA_ERROR_DEVICE_LOST,
                     "%s was lost in an earlier call; close the device and open it again",
                     d->physical->name);
}

static void lock_queue(struct vka_vk_device *d)
{
    pthread_mutex_lock(&d->queue_lock);
    if (d->own && d->own->lock)
        d->own->lock(d->own->user);
}

static void unlock_queue(struct vka_vk_device *d)
{
    if (d->own && d->own->unlock)
        d->own->unlock(d->own->user);
    pthread_mutex_unlock(&d->queue_lock);
}

vka_result vka_vk_submit(struct vka_vk_device *d, VkCommandBuffer command, const VkSubmitInfo *with,
                         VkFence fence)
{
    VkSubmitInfo info = with ? *with : (VkSubmitInfo){.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO};
    info.commandBufferCount = 1;
    info.pCommandBuffers = &command;
    lock_queue(d);
    VkResult result = d->vk.vkQueueSubmit(d->queue, 1, &info, fence);
    unlock_queue(d);
    return vka_vk_check(d, result, "vkQueueSubmit");
}

void vka_vk_idle(struct vka_vk_device *d)
{
    lock_queue(d);
    VkResult result = d->vk.vkQueueWaitIdle(d->queue);
    unlock_queue(d);
    if (result == VK_ERROR_DEVICE_LOST)
        atomic_store(&d->lost, true);
}

// --- open and close ---

// Only what is used is switched on, and nothing that the limits (clamped, perhaps) don't show.
static void want_features(const struct vka_physical *p, struct vka_features *f)
{
    vka_features_chain(p, f);
    f->storage16.storageBuffer16BitAccess = p->limits.f16_storage;
    f->float16.shaderFloat16 = p->limits.f16_arithmetic;
#ifdef VK_KHR_cooperative_matrix
    bool matrices = p->limits.matrix.m > 0; // a shader of ours uses them
    f->matrix.cooperativeMatrix = matrices;
    f->memory_model.vulkanMemoryModel = matrices;
    f->subgroups.subgroupSizeControl = matrices && p->sized_subgroups;
    f->subgroups.computeFullSubgroups = matrices && p->sized_subgroups;
#endif
#ifdef VK_NV_cooperative_matrix2
    VkBool32 second = p->limits.matrix2;
    VkPhysicalDeviceCooperativeMatrix2FeaturesNV *f2 = &f->matrix2;
    f2->cooperativeMatrixReductions = f2->cooperativeMatrixConversions = second;
    f2->cooperativeMatrixPerElementOperations = f->maintenance4.maintenance4 = second;
#endif
}

static vka_result create_handle(struct vka_vk *vk, struct vka_vk_device *d)
{
    const struct vka_physical *p = d->physical;
    struct vka_features features;
    want_features(p, &features);
    float priority = 1.0f;
    VkDeviceQueueCreateInfo queue = {.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
                                     .queueFamilyIndex = p->queue_family,
                                     .queueCount = 1,
                                     .pQueuePriorities = &priority};
    VkDeviceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
                               .pNext = &features.base,
                               .queueCreateInfoCount = 1,
                               .pQueueCreateInfos = &queue,
                               .enabledExtensionCount = p->extension_count,
                               .ppEnabledExtensionNames = p->extensions};
    VkResult result = vk->call.vkCreateDevice(p->handle, &info, NULL, &d->handle);
    if (result != VK_SUCCESS)
        d->handle = NULL;
    return vka_vk_check(d, result, "vkCreateDevice");
}

vka_result vka_vk_device_start(struct vka_vk_device *d, PFN_vkGetDeviceProcAddr get)
{
    vka_loader_fill(get, d->handle, &d->vk);
    if (!d->own)
        d->vk.vkGetDeviceQueue(d->handle, d->physical->queue_family, 0, &d->queue);
    return vka_vk_cache_open(d);
}

static void tell(const struct vka_vk_device *d)
{
    const vka_device_info *info = &d->physical->info;
    vka_log(d->context, VKA_LOG_INFO, "%s, %s, Vulkan %u.%u", info->name, info->driver,
            VK_API_VERSION_MAJOR(info->api_version), VK_API_VERSION_MINOR(info->api_version));
    if (info->type == VKA_DEVICE_SOFTWARE)
        vka_log(d->context, VKA_LOG_WARN, "%s is a program that computes on the CPU, not a GPU",
                info->name);
}

void vka_vk_device_free(struct vka_vk_device *d)
{
    if (d->handle && d->vk.vkDestroyDevice) { // the functions are there
        vka_vk_pipelines_destroy(d);
        if (d->cache)
            d->vk.vkDestroyPipelineCache(d->handle, d->cache, NULL);
        if (!d->own)
            d->vk.vkDestroyDevice(d->handle, NULL);
    }
    pthread_mutex_destroy(&d->queue_lock);
    pthread_mutex_destroy(&d->memory_lock);
    pthread_mutex_destroy(&d->shared_lock);
    vka_free(d->context, d->own);
    vka_free(d->context, d);
}

static void close_device(vka_device *device)
{
    vka_vk_device_free(device->impl);
    vka_free(device->context, device);
}

struct vka_vk_device *vka_vk_device_alloc(vka_context *context)
{
    struct vka_vk_device *d = vka_calloc(context, 1, sizeof *d);
    if (!d)
        return NULL;
    d->context = context;
    pthread_mutex_init(&d->queue_lock, NULL);
    pthread_mutex_init(&d->memory_lock, NULL);
    pthread_mutex_init(&d->shared_lock, NULL);
    return d;
}

vka_result vka_vk_device_wrap(struct vka_vk_device *d, vka_device **out)
{
    vka_device *device = vka_calloc(d->context, 1, sizeof *device);
    if (!device) {
        vka_context *context = d->context;
        vka_vk_device_free(d);
        return vka_out_of_memory(context);
    }
    tell(d);
    *device = (vka_device){.context = d->context,
                           .info = d->physical->info,
                           .executor = &vka_vk_executor,
                           .limits = d->limits,
                           .impl = d,
                           .close = close_device};
    *out = device;
    return VKA_OK;
}

vka_result vka_vk_open(vka_context *context, int i, vka_device **out)
{
    *out = NULL;
    struct vka_vk *vk = context->vk;
    struct vka_vk_device *d = vka_vk_device_alloc(context);
    if (!d)
        return vka_out_of_memory(context);
    d->physical = &vk->devices[i];
    d->limits = d->physical->limits;
    vka_result result = create_handle(vk, d);
    if (result == VKA_OK)
        result = vka_vk_device_start(d, vk->call.vkGetDeviceProcAddr);
    if (result == VKA_OK)
        return vka_vk_device_wrap(d, out);
    vka_vk_device_free(d);
    return result;
}
