// SPDX-License-Identifier: MIT
//
// The wrappers: each counts, perhaps fails, and calls on; some then change what comes back.
#include "vk_calls.h"

#include <string.h>

struct vk_calls vk_calls;

static PFN_vkGetInstanceProcAddr real_get;

static struct {
#define MEMBER(name, ...) PFN_##name name;
    VK_CALLS_RESULT(MEMBER) VK_CALLS_DESTROY(MEMBER) VK_CALLS_VOID(MEMBER)
#undef MEMBER
} real;

static bool fails(const char *name)
{
    unsigned n = ++vk_calls.failable;
    if (!vk_calls.fail_at || n < vk_calls.fail_at || (n > vk_calls.fail_at && !vk_calls.fail_on))
        return false;
    if (!vk_calls.failed)
        vk_calls.failed = name;
    return true;
}

// A wait that fails is done all the same: the driver isn't to see its objects destroyed while in
// use.
#define WRAP_RESULT(name, params, args, made)                                                      \
    static VKAPI_ATTR VkResult VKAPI_CALL wrap_##name params                                       \
    {                                                                                              \
        vk_calls.count[CALL_##name]++;                                                             \
        bool wait = CALL_##name == CALL_vkWaitForFences || CALL_##name == CALL_vkQueueWaitIdle;    \
        bool fail = fails(#name);                                                                  \
        if (fail && !wait)                                                                         \
            return vk_calls.fail_with;                                                             \
        VkResult result = real.name args;                                                          \
        if (fail)                                                                                  \
            return vk_calls.fail_with;                                                             \
        vk_calls.alive += result >= 0 ? made : 0;                                                  \
        return result;                                                                             \
    }
VK_CALLS_RESULT(WRAP_RESULT)

#define WRAP_DESTROY(name, params, args)                                                           \
    static VKAPI_ATTR void VKAPI_CALL wrap_##name params                                           \
    {                                                                                              \
        vk_calls.count[CALL_##name]++;                                                             \
        vk_calls.alive -= b != VK_NULL_HANDLE;                                                     \
        real.name args;                                                                            \
    }
VK_CALLS_DESTROY(WRAP_DESTROY)

#define WRAP_VOID(name, params, args)                                                              \
    static VKAPI_ATTR void VKAPI_CALL wrap_##name params                                           \
    {                                                                                              \
        vk_calls.count[CALL_##name]++;                                                             \
        vk_calls.alive -=                                                                          \
            CALL_##name == CALL_vkDestroyInstance || CALL_##name == CALL_vkDestroyDevice;          \
        real.name args;                                                                            \
    }
VK_CALLS_VOID(WRAP_VOID)

// --- a device of MoltenVK's kind: extensions that no driver here has are taken out again ---

#define SUBSET "VK_KHR_portability_subset"

enum { MOST_EXTENSIONS = 64 };

static bool asks_for_portability;
static PFN_vkEnumerateInstanceExtensionProperties real_extensions;

// The list of names without one, into `kept`; true if it was there.
static bool take_out(const char *name, const char *const *names, uint32_t *count,
                     const char *kept[MOST_EXTENSIONS])
{
    uint32_t all = *count;
    *count = 0;
    for (uint32_t i = 0; i < all && i < MOST_EXTENSIONS; i++) {
        if (strcmp(names[i], name) != 0)
            kept[(*count)++] = names[i];
    }
    return *count < all;
}

static void add_extension(const char *name, uint32_t room, uint32_t *count,
                          VkExtensionProperties *list)
{
    if (list && *count < room)
        strcpy(list[*count].extensionName, name);
    ++*count;
}

static VKAPI_ATTR VkResult VKAPI_CALL fake_extensions(const char *layer, uint32_t *count,
                                                      VkExtensionProperties *list)
{
    uint32_t room = *count;
    VkResult result = real_extensions(layer, count, list);
    if (vk_calls.portability && !layer && result >= 0)
        add_extension(VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME, room, count, list);
    return result;
}

static VKAPI_ATTR VkResult VKAPI_CALL fake_instance(const VkInstanceCreateInfo *info,
                                                    const VkAllocationCallbacks *callbacks,
                                                    VkInstance *instance)
{
    const char *kept[MOST_EXTENSIONS];
    VkInstanceCreateInfo plain = *info;
    if (vk_calls.portability) {
        asks_for_portability =
            take_out(VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME, info->ppEnabledExtensionNames,
                     &plain.enabledExtensionCount, kept) &&
            plain.flags & VK_INSTANCE_CREATE_ENUMERATE_PORTABILITY_BIT_KHR;
        plain.flags = 0;
        plain.ppEnabledExtensionNames = kept;
    }
    return wrap_vkCreateInstance(&plain, callbacks, instance);
}

static VKAPI_ATTR VkResult VKAPI_CALL fake_device_extensions(VkPhysicalDevice device,
                                                             const char *layer, uint32_t *count,
                                                             VkExtensionProperties *list)
{
    uint32_t room = *count;
    VkResult result = wrap_vkEnumerateDeviceExtensionProperties(device, layer, count, list);
    if (vk_calls.portability && !layer && result >= 0)
        add_extension(SUBSET, room, count, list);
    return result;
}

static VKAPI_ATTR VkResult VKAPI_CALL fake_device(VkPhysicalDevice physical,
                                                  const VkDeviceCreateInfo *info,
                                                  const VkAllocationCallbacks *callbacks,
                                                  VkDevice *device)
{
    const char *kept[MOST_EXTENSIONS];
    VkDeviceCreateInfo plain = *info;
    if (vk_calls.portability) {
        vk_calls.wrong +=
            !take_out(SUBSET, info->ppEnabledExtensionNames, &plain.enabledExtensionCount, kept);
        plain.ppEnabledExtensionNames = kept;
    }
    return wrap_vkCreateDevice(physical, &plain, callbacks, device);
}

// --- another machine ---

static VKAPI_ATTR VkResult VKAPI_CALL fake_devices(VkInstance instance, uint32_t *count,
                                                   VkPhysicalDevice *devices)
{
    uint32_t room = *count / 2;
    if (vk_calls.portability && !asks_for_portability) {
        *count = 0;
        return VK_SUCCESS;
    }
    if (!vk_calls.twice)
        return wrap_vkEnumeratePhysicalDevices(instance, count, devices);
    VkResult result = wrap_vkEnumeratePhysicalDevices(instance, devices ? &room : count, devices);
    *count = devices ? room * 2 : *count * 2;
    for (uint32_t i = 0; devices && i < room; i++)
        devices[room + i] = devices[i];
    return result;
}

// How many kinds of memory the machine has that is pretended; 0: it is as it is.
static uint32_t kinds(void)
{
    return vk_calls.integrated || vk_calls.window ? 4 : vk_calls.discrete ? 3 : 0;
}

enum { FAKE_ATOM = 256 }; // no machine asks for more

static void fake_one(VkPhysicalDeviceProperties *p)
{
    if (vk_calls.api_1_0)
        p->apiVersion = VK_API_VERSION_1_0;
    if (vk_calls.discrete)
        p->deviceType = VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU;
    if (vk_calls.integrated)
        p->deviceType = VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU;
    if (kinds() > 0)
        p->limits.nonCoherentAtomSize = FAKE_ATOM;
    if (vk_calls.storage_range)
        p->limits.maxStorageBufferRange = vk_calls.storage_range;
    if (vk_calls.max_allocations)
        p->limits.maxMemoryAllocationCount = vk_calls.max_allocations;
}

static VKAPI_ATTR void VKAPI_CALL fake_properties(VkPhysicalDevice device,
                                                  VkPhysicalDeviceProperties *p)
{
    wrap_vkGetPhysicalDeviceProperties(device, p);
    fake_one(p);
}

static VKAPI_ATTR void VKAPI_CALL fake_properties2(VkPhysicalDevice device,
                                                   VkPhysicalDeviceProperties2 *p)
{
    wrap_vkGetPhysicalDeviceProperties2(device, p);
    fake_one(&p->properties);
}

static VKAPI_ATTR void VKAPI_CALL fake_queues(VkPhysicalDevice device, uint32_t *count,
                                              VkQueueFamilyProperties *families)
{
    wrap_vkGetPhysicalDeviceQueueFamilyProperties(device, count, families);
    for (uint32_t i = 0; families && vk_calls.no_queue && i < *count; i++)
        families[i].queueFlags = VK_QUEUE_GRAPHICS_BIT | VK_QUEUE_TRANSFER_BIT;
}

// Types 0: the device's own; 1: the host's, for writing; 2: the host's, cached; 3: both reach it.
// Behind all of them stands type 0 of the driver, which must be one that the host reaches.
static const VkMemoryPropertyFlags fake_flags[] = {
    VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT,
    VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT,
    VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_CACHED_BIT,
    VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT,
};

static VKAPI_ATTR void VKAPI_CALL fake_memory(VkPhysicalDevice device,
                                              VkPhysicalDeviceMemoryProperties *m)
{
    wrap_vkGetPhysicalDeviceMemoryProperties(device, m);
    if (kinds() == 0)
        return;
    m->memoryHeapCount = 2;
    m->memoryHeaps[1] = (VkMemoryHeap){.size = m->memoryHeaps[0].size};
    m->memoryTypeCount = kinds();
    for (uint32_t i = 0; i < m->memoryTypeCount; i++)
        m->memoryTypes[i] = (VkMemoryType){
            fake_flags[i], fake_flags[i] & VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT ? 0 : 1};
}

static VKAPI_ATTR void VKAPI_CALL fake_requirements(VkDevice device, VkBuffer buffer,
                                                    VkMemoryRequirements *r)
{
    wrap_vkGetBufferMemoryRequirements(device, buffer, r);
    if (kinds() > 0)
        r->memoryTypeBits = (1u << kinds()) - 1;
}

static struct {
    VkDeviceMemory memory;
    VkDeviceSize bytes;
    uint32_t type;
} allocated[256];

static VKAPI_ATTR VkResult VKAPI_CALL fake_allocate(VkDevice device,
                                                    const VkMemoryAllocateInfo *info,
                                                    const VkAllocationCallbacks *callbacks,
                                                    VkDeviceMemory *memory)
{
    VkMemoryAllocateInfo moved = *info;
    if (kinds() > 0)
        moved.memoryTypeIndex = 0;
    VkResult result = wrap_vkAllocateMemory(device, &moved, callbacks, memory);
    unsigned at = vk_calls.count[CALL_vkAllocateMemory] % 256;
    for (int i = 0; i < 256; i++) { // a driver may give a handle again
        if (result == VK_SUCCESS && allocated[i].memory == *memory)
            allocated[i].memory = VK_NULL_HANDLE;
    }
    if (result == VK_SUCCESS) {
        allocated[at].memory = *memory;
        allocated[at].bytes = info->allocationSize;
        allocated[at].type = info->memoryTypeIndex;
    }
    return result;
}

static VKAPI_ATTR VkResult VKAPI_CALL fake_map(VkDevice device, VkDeviceMemory memory,
                                               VkDeviceSize offset, VkDeviceSize size,
                                               VkMemoryMapFlags flags, void **map)
{
    for (int i = 0; kinds() > 0 && i < 256; i++)
        vk_calls.wrong += allocated[i].memory == memory && allocated[i].type == 0;
    return wrap_vkMapMemory(device, memory, offset, size, flags, map);
}

// Both ends of a range are multiples of nonCoherentAtomSize, or the memory's end.
static void watch_range(const VkMappedMemoryRange *range)
{
    VkDeviceSize end = 0;
    for (int i = 0; i < 256; i++)
        end = allocated[i].memory == range->memory ? allocated[i].bytes : end;
    vk_calls.wrong +=
        kinds() > 0 && (range->offset % FAKE_ATOM != 0 ||
                        (range->size % FAKE_ATOM != 0 && range->offset + range->size != end) ||
                        range->offset + range->size > end);
}

static VKAPI_ATTR VkResult VKAPI_CALL watch_flush(VkDevice device, uint32_t count,
                                                  const VkMappedMemoryRange *ranges)
{
    watch_range(ranges);
    return wrap_vkFlushMappedMemoryRanges(device, count, ranges);
}

static VKAPI_ATTR VkResult VKAPI_CALL watch_invalidate(VkDevice device, uint32_t count,
                                                       const VkMappedMemoryRange *ranges)
{
    watch_range(ranges);
    return wrap_vkInvalidateMappedMemoryRanges(device, count, ranges);
}

static VKAPI_ATTR VkResult VKAPI_CALL watch_cache(VkDevice device,
                                                  const VkPipelineCacheCreateInfo *info,
                                                  const VkAllocationCallbacks *callbacks,
                                                  VkPipelineCache *cache)
{
    vk_calls.cache_bytes = info->initialDataSize;
    return wrap_vkCreatePipelineCache(device, info, callbacks, cache);
}

// --- handing them out ---

static PFN_vkVoidFunction find_wrapper(const char *name)
{
    static const struct {
        const char *name;
        PFN_vkVoidFunction function;
    } list[] = {
        {"vkCreateInstance", (PFN_vkVoidFunction)fake_instance},
        {"vkEnumeratePhysicalDevices", (PFN_vkVoidFunction)fake_devices},
        {"vkEnumerateInstanceExtensionProperties", (PFN_vkVoidFunction)fake_extensions},
        {"vkEnumerateDeviceExtensionProperties", (PFN_vkVoidFunction)fake_device_extensions},
        {"vkCreateDevice", (PFN_vkVoidFunction)fake_device},
        {"vkGetPhysicalDeviceProperties", (PFN_vkVoidFunction)fake_properties},
        {"vkGetPhysicalDeviceProperties2", (PFN_vkVoidFunction)fake_properties2},
        {"vkGetPhysicalDeviceQueueFamilyProperties", (PFN_vkVoidFunction)fake_queues},
        {"vkGetPhysicalDeviceMemoryProperties", (PFN_vkVoidFunction)fake_memory},
        {"vkGetBufferMemoryRequirements", (PFN_vkVoidFunction)fake_requirements},
        {"vkAllocateMemory", (PFN_vkVoidFunction)fake_allocate},
        {"vkMapMemory", (PFN_vkVoidFunction)fake_map},
        {"vkFlushMappedMemoryRanges", (PFN_vkVoidFunction)watch_flush},
        {"vkInvalidateMappedMemoryRanges", (PFN_vkVoidFunction)watch_invalidate},
        {"vkCreatePipelineCache", (PFN_vkVoidFunction)watch_cache},
#define ROW(name, ...) {#name, (PFN_vkVoidFunction)wrap_##name},
        VK_CALLS_RESULT(ROW) VK_CALLS_DESTROY(ROW) VK_CALLS_VOID(ROW)
#undef ROW
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        if (strcmp(list[i].name, name) == 0)
            return list[i].function;
    }
    return NULL;
}

static PFN_vkGetDeviceProcAddr real_get_device;

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_device(VkDevice device, const char *name)
{
    PFN_vkVoidFunction wrapper = find_wrapper(name);
    return wrapper ? wrapper : real_get_device(device, name);
}

// The loader's own functions serve every device, so one table is enough.
static void load_real(VkInstance instance)
{
#define LOAD(name, ...)                                                                            \
    if (strcmp(#name, "vkCreateInstance") != 0)                                                    \
        real.name = (PFN_##name)real_get(instance, #name);
    VK_CALLS_RESULT(LOAD)
    VK_CALLS_DESTROY(LOAD)
    VK_CALLS_VOID(LOAD)
#undef LOAD
    real_get_device = (PFN_vkGetDeviceProcAddr)real_get(instance, "vkGetDeviceProcAddr");
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get(VkInstance instance, const char *name)
{
    if (!instance) {
        real.vkCreateInstance = (PFN_vkCreateInstance)real_get(NULL, "vkCreateInstance");
        real_extensions = (PFN_vkEnumerateInstanceExtensionProperties)real_get(
            NULL, "vkEnumerateInstanceExtensionProperties");
        PFN_vkVoidFunction own = find_wrapper(name);
        return own ? own : real_get(NULL, name);
    }
    if (strcmp(name, "vkGetDeviceProcAddr") == 0) {
        load_real(instance);
        return (PFN_vkVoidFunction)get_device;
    }
    PFN_vkVoidFunction wrapper = find_wrapper(name);
    return wrapper ? wrapper : real_get(instance, name);
}

static PFN_vkGetInstanceProcAddr find(void)
{
    return real_get ? get : NULL;
}

void vk_calls_begin(void)
{
    vka_vk_wrap(NULL);
    real_get = vka_loader_find();
    memset(&vk_calls, 0, sizeof vk_calls);
    memset(allocated, 0, sizeof allocated);
    vka_vk_wrap(find);
}

void vk_calls_end(void)
{
    vka_vk_wrap(NULL);
}
