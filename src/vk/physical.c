// SPDX-License-Identifier: MIT
//
// The one place where a device's properties, features and limits are read, and clamped by
// VKATTN_LIMITS=min to what every Vulkan 1.1 device promises. VKATTN_LIMITS=gpu has a driver that
// computes on the CPU taken for a GPU.
#include "vk/instance.h"
#include "vk/modules.h"

#include <stdio.h>
#include <string.h>

static const struct vka_limits floor_limits = {
    .max_invocations = 128,
    .max_group_size = {128, 128, 64},
    .max_group_count = {65535, 65535, 65535},
    .shared_bytes = 16384,
    .push_bytes = 128,
    .storage_buffers = 4,
    .storage_range = 128ull << 20,
    .allocation = 1ull << 30,
    .offset_alignment = 256,
    .subgroup_size = 1,
    .busy = 128,
};

static uint32_t min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void clamp(struct vka_limits *l)
{
    const struct vka_limits *f = &floor_limits;
    for (int i = 0; i < 3; i++) {
        l->max_group_size[i] = min_u32(l->max_group_size[i], f->max_group_size[i]);
        l->max_group_count[i] = min_u32(l->max_group_count[i], f->max_group_count[i]);
    }
    l->max_invocations = min_u32(l->max_invocations, f->max_invocations);
    l->shared_bytes = min_u32(l->shared_bytes, f->shared_bytes);
    l->push_bytes = min_u32(l->push_bytes, f->push_bytes);
    l->storage_buffers = min_u32(l->storage_buffers, f->storage_buffers);
    l->storage_range = min_u64(l->storage_range, f->storage_range);
    l->allocation = min_u64(l->allocation, f->allocation);
    l->offset_alignment = f->offset_alignment; // no device asks for more
    l->subgroup_size = 1;
    l->subgroup_arithmetic = l->f16_storage = l->f16_arithmetic = l->cooperative_matrix = false;
    l->matrix = (struct vka_matrix_shape){0};
    l->matrix2 = false;
    l->is_cpu = false;
    l->busy = f->busy;
}

// --- extensions ---

struct extension_list {
    VkExtensionProperties *items;
    uint32_t count;
};

static bool listed(const struct extension_list *list, const char *name)
{
    for (uint32_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i].extensionName, name) == 0)
            return true;
    }
    return false;
}

// VKA_ERROR_UNSUPPORTED where the driver can't tell.
static vka_result list_extensions(const struct vka_vk *vk, VkPhysicalDevice device,
                                  struct extension_list *list)
{
    VkResult result =
        vk->call.vkEnumerateDeviceExtensionProperties(device, NULL, &list->count, NULL);
    list->items = vka_calloc(vk->context, list->count, sizeof *list->items);
    if (result >= 0 && list->items && list->count > 0)
        result =
            vk->call.vkEnumerateDeviceExtensionProperties(device, NULL, &list->count, list->items);
    if (!list->items || result == VK_ERROR_OUT_OF_HOST_MEMORY)
        return vka_out_of_memory(vk->context);
    return result >= 0 ? VKA_OK : VKA_ERROR_UNSUPPORTED;
}

static void enable(struct vka_physical *p, const char *extension)
{
    p->extensions[p->extension_count++] = extension;
}

static void choose_extensions(struct vka_physical *p, const struct extension_list *list)
{
    uint32_t api = p->info.api_version;
    if (listed(list, "VK_KHR_portability_subset"))
        enable(p, "VK_KHR_portability_subset"); // must be, where it exists
    p->float16_extension = listed(list, "VK_KHR_shader_float16_int8");
    if (p->float16_extension && api < VK_API_VERSION_1_2)
        enable(p, "VK_KHR_shader_float16_int8");
    // Its modules are SPIR-V 1.6.
    p->matrix_extension = listed(list, "VK_KHR_cooperative_matrix") && api >= VK_API_VERSION_1_3;
    p->matrix2_extension = p->matrix_extension && listed(list, "VK_NV_cooperative_matrix2");
}

// Where shaders of this build make use of it on this device; the chain of features follows.
static void choose_matrices(struct vka_physical *p)
{
    p->matrix_extension = p->limits.matrix.m > 0;
    if (p->matrix_extension)
        enable(p, "VK_KHR_cooperative_matrix");
    p->matrix2_extension = p->limits.matrix2;
    if (p->matrix2_extension)
        enable(p, "VK_NV_cooperative_matrix2");
}

// --- properties ---

static vka_device_type type_of(VkPhysicalDeviceType type)
{
    switch (type) {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
        return VKA_DEVICE_DISCRETE;
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
        return VKA_DEVICE_INTEGRATED;
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
        return VKA_DEVICE_VIRTUAL;
    case VK_PHYSICAL_DEVICE_TYPE_CPU:
        return VKA_DEVICE_SOFTWARE;
    default:
        return VKA_DEVICE_OTHER;
    }
}

// A large GPU runs 130 and more workgroups of several kinds at a time, eight of the smallest in the
// place of each; the chips beside a CPU a tenth of that. What runs on a CPU is best left whole.
static uint32_t busy_of(VkPhysicalDeviceType type)
{
    return type == VK_PHYSICAL_DEVICE_TYPE_CPU              ? 1
           : type == VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU ? floor_limits.busy
                                                            : 8 * floor_limits.busy;
}

static void read_core_limits(struct vka_limits *l, const VkPhysicalDeviceLimits *v)
{
    l->max_invocations = v->maxComputeWorkGroupInvocations;
    for (int i = 0; i < 3; i++) {
        l->max_group_size[i] = v->maxComputeWorkGroupSize[i];
        l->max_group_count[i] = v->maxComputeWorkGroupCount[i];
    }
    l->shared_bytes = v->maxComputeSharedMemorySize;
    l->push_bytes = v->maxPushConstantsSize;
    l->storage_buffers =
        min_u32(v->maxPerStageDescriptorStorageBuffers,
                min_u32(v->maxDescriptorSetStorageBuffers, v->maxPerStageResources));
    l->storage_range = v->maxStorageBufferRange;
    l->offset_alignment = (uint32_t)v->minStorageBufferOffsetAlignment;
}

static void read_subgroup(struct vka_limits *l, const VkPhysicalDeviceSubgroupProperties *s)
{
    VkSubgroupFeatureFlags wanted = VK_SUBGROUP_FEATURE_BASIC_BIT |
                                    VK_SUBGROUP_FEATURE_ARITHMETIC_BIT |
                                    VK_SUBGROUP_FEATURE_SHUFFLE_BIT;
    l->subgroup_arithmetic = (s->supportedStages & VK_SHADER_STAGE_COMPUTE_BIT) &&
                             (s->supportedOperations & wanted) == wanted && s->subgroupSize > 1;
    l->subgroup_size = l->subgroup_arithmetic ? s->subgroupSize : 1;
}

static void name_driver(struct vka_physical *p, const VkPhysicalDeviceDriverPropertiesKHR *driver,
                        uint32_t version)
{
    const char *name = driver->driverName[0] ? driver->driverName : "driver";
    if (driver->driverInfo[0])
        snprintf(p->driver, sizeof p->driver, "%s %s", name, driver->driverInfo);
    else
        snprintf(p->driver, sizeof p->driver, "%s %u.%u.%u", name, VK_API_VERSION_MAJOR(version),
                 VK_API_VERSION_MINOR(version), VK_API_VERSION_PATCH(version));
}

static void read_properties(const struct vka_vk *vk, struct vka_physical *p,
                            const struct extension_list *list)
{
    uint32_t api = p->info.api_version;
    VkPhysicalDeviceMaintenance4PropertiesKHR buffers = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_4_PROPERTIES_KHR};
    VkPhysicalDeviceDriverPropertiesKHR driver = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES_KHR};
    VkPhysicalDeviceMaintenance3Properties memory = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES};
    VkPhysicalDeviceSubgroupProperties subgroup = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES, .pNext = &memory};
    VkPhysicalDeviceIDProperties id = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES,
                                       .pNext = &subgroup};
    VkPhysicalDeviceProperties2 all = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
                                       .pNext = &id};
    if (api >= VK_API_VERSION_1_3 || listed(list, "VK_KHR_maintenance4")) {
        buffers.pNext = all.pNext;
        all.pNext = &buffers;
    }
    if (api >= VK_API_VERSION_1_2 || listed(list, "VK_KHR_driver_properties")) {
        driver.pNext = all.pNext;
        all.pNext = &driver;
    }
    vk->call.vkGetPhysicalDeviceProperties2(p->handle, &all);

    const VkPhysicalDeviceProperties *v = &all.properties;
    read_core_limits(&p->limits, &v->limits);
    read_subgroup(&p->limits, &subgroup);
    p->limits.allocation = memory.maxMemoryAllocationSize;
    if (buffers.maxBufferSize > 0)
        p->limits.allocation = min_u64(p->limits.allocation, buffers.maxBufferSize);
    p->limits.is_cpu = v->deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU;
    p->limits.busy = busy_of(v->deviceType);
    p->limits.max_turns = p->limits.is_cpu ? VKA_MOST_TURNS : UINT32_MAX;
    p->max_allocations = v->limits.maxMemoryAllocationCount;
    p->non_coherent_atom = v->limits.nonCoherentAtomSize ? v->limits.nonCoherentAtomSize : 1;
    p->timestamp_ns = v->limits.timestampPeriod;
    p->translated = driver.driverID == 18; // VK_DRIVER_ID_MESA_DOZEN, on Direct3D 12
    p->info.type = type_of(v->deviceType);
    p->info.subgroup = subgroup.subgroupSize;
    memcpy(p->info.uuid, id.deviceUUID, sizeof p->info.uuid);
    memcpy(p->cache_uuid, v->pipelineCacheUUID, sizeof p->cache_uuid);
    p->driver_version = v->driverVersion;
    name_driver(p, &driver, v->driverVersion);
}

// --- features ---

void vka_features_chain(const struct vka_physical *p, struct vka_features *f)
{
    memset(f, 0, sizeof *f);
    f->base.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2;
    f->storage16.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES;
    f->float16.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES_KHR;
    f->base.pNext = &f->storage16;
    if (p->float16_extension || p->info.api_version >= VK_API_VERSION_1_2)
        f->storage16.pNext = &f->float16;
#ifdef VK_KHR_cooperative_matrix
    f->matrix.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR;
    f->memory_model.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_MEMORY_MODEL_FEATURES_KHR;
    f->subgroups.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES;
    if (p->matrix_extension) {
        f->float16.pNext = &f->matrix;
        f->matrix.pNext = &f->memory_model;
        f->memory_model.pNext = &f->subgroups;
    }
#endif
#ifdef VK_NV_cooperative_matrix2
    f->matrix2.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_2_FEATURES_NV;
    f->maintenance4.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_4_FEATURES;
    if (p->matrix2_extension) {
        f->subgroups.pNext = &f->matrix2;
        f->matrix2.pNext = &f->maintenance4;
    }
#endif
}

static void read_features(const struct vka_vk *vk, struct vka_physical *p)
{
    struct vka_features f;
    vka_features_chain(p, &f);
    vk->call.vkGetPhysicalDeviceFeatures2(p->handle, &f.base);
    p->limits.f16_storage = f.storage16.storageBuffer16BitAccess;
    p->limits.f16_arithmetic = f.float16.shaderFloat16;
#ifdef VK_KHR_cooperative_matrix
    p->limits.cooperative_matrix =
        f.matrix.cooperativeMatrix && f.memory_model.vulkanMemoryModel && f.float16.shaderFloat16;
    p->sized_subgroups = f.subgroups.subgroupSizeControl && f.subgroups.computeFullSubgroups;
#else
    p->limits.cooperative_matrix = p->matrix_extension; // to be told of
#endif
#ifdef VK_NV_cooperative_matrix2
    p->limits.matrix2 = f.maintenance4.maintenance4 && f.matrix2.cooperativeMatrixReductions &&
                        f.matrix2.cooperativeMatrixConversions &&
                        f.matrix2.cooperativeMatrixPerElementOperations;
#endif
}

// --- memory and queues ---

static void read_memory(const struct vka_vk *vk, struct vka_physical *p)
{
    vk->call.vkGetPhysicalDeviceMemoryProperties(p->handle, &p->memory);
    bool all_local = true;
    for (uint32_t i = 0; i < p->memory.memoryHeapCount; i++) {
        const VkMemoryHeap *heap = &p->memory.memoryHeaps[i];
        if (!(heap->flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT))
            all_local = false;
        else if (heap->size > p->info.memory)
            p->info.memory = heap->size;
    }
    p->unified =
        all_local || p->info.type == VKA_DEVICE_INTEGRATED || p->info.type == VKA_DEVICE_SOFTWARE;
}

// A family that computes but doesn't draw comes first: long dispatches there don't hold up the
// desktop, and they escape the shorter time-outs of graphics queues.
static bool choose_queue(const struct vka_vk *vk, struct vka_physical *p)
{
    VkQueueFamilyProperties families[32];
    uint32_t count = VKA_COUNT(families);
    vk->call.vkGetPhysicalDeviceQueueFamilyProperties(p->handle, &count, families);
    bool found = false, compute_only = false;
    for (uint32_t i = 0; i < count; i++) {
        VkQueueFlags flags = families[i].queueFlags;
        bool only = !(flags & VK_QUEUE_GRAPHICS_BIT);
        if (!(flags & VK_QUEUE_COMPUTE_BIT) || families[i].queueCount == 0)
            continue;
        if (found && (compute_only || !only))
            continue;
        found = true;
        compute_only = only;
        p->queue_family = i;
        p->timestamp_bits = families[i].timestampValidBits;
    }
    return found;
}

// Nothing past 1.1 may be asked of an older device, not even its properties.
static bool read_version(const struct vka_vk *vk, struct vka_physical *p)
{
    VkPhysicalDeviceProperties v;
    vk->call.vkGetPhysicalDeviceProperties(p->handle, &v);
    snprintf(p->name, sizeof p->name, "%s", v.deviceName);
    p->info.api_version = v.apiVersion;
    return v.apiVersion >= VK_API_VERSION_1_1;
}

void vka_physical_tell_halves(struct vka_physical *p)
{
    p->info.f16 = p->limits.f16_storage;
    p->info.bf16 = p->info.f16 && vka_module_find("copy_bf16");
}

vka_result vka_physical_read(const struct vka_vk *vk, struct vka_physical *p, const char **why)
{
    if (!read_version(vk, p)) {
        *why = "it offers Vulkan 1.0 only, 1.1 is needed";
        return VKA_ERROR_UNSUPPORTED;
    }
    if (!choose_queue(vk, p)) {
        *why = "it has no queue that computes";
        return VKA_ERROR_UNSUPPORTED;
    }
    struct extension_list list = {0};
    vka_result result = list_extensions(vk, p->handle, &list);
    *why = "its extensions can't be listed";
    if (result == VKA_OK) {
        choose_extensions(p, &list);
        read_properties(vk, p, &list);
        read_features(vk, p);
        read_memory(vk, p);
        vka_matrix_read(vk, p);
        if (vk->minimum)
            clamp(&p->limits);
        if (vk->as_gpu) {
            p->limits.is_cpu = false;
            p->limits.busy = busy_of(VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU);
        }
        choose_matrices(p);
        vka_physical_tell_halves(p);
        p->info.cooperative_matrix = p->limits.cooperative_matrix;
    }
    vka_free(vk->context, list.items);
    return result;
}
