// SPDX-License-Identifier: MIT
//
// Buffers and the choice of their memory.
#include "vk/pool.h"

#include <inttypes.h>

#define MIB(bytes) ((double)(bytes) / (1 << 20))

// Memory that needs features or isn't for buffers: AMD's coherent and uncached kinds, protected,
// lazily allocated.
static const VkMemoryPropertyFlags ODD_MEMORY =
    ~(VkMemoryPropertyFlags)(VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT |
                             VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                             VK_MEMORY_PROPERTY_HOST_COHERENT_BIT |
                             VK_MEMORY_PROPERTY_HOST_CACHED_BIT);

struct wish { // the highest score wins, of those that have what is required
    VkMemoryPropertyFlags required;
    int local, visible, coherent, cached; // scores
};

static struct wish wish_for(const struct vka_vk_device *d, enum vka_vk_use use)
{
    switch (use) {
    case VKA_USE_DEVICE: // host-visible memory may be scarce there, leave it to those who need it
        return (struct wish){d->physical->unified ? 0 : VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, 8, -1,
                             0, 0};
    case VKA_USE_UPLOAD:
        return (struct wish){VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT, 8, 0, 2, 0};
    case VKA_USE_STAGING:
        return (struct wish){VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT, -4, 0, 2, 0};
    default: // reading uncached memory is many times slower than a copy
        return (struct wish){VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT, d->physical->unified ? 4 : -4, 0,
                             2, 8};
    }
}

static int score(VkMemoryPropertyFlags flags, const struct wish *w)
{
    return (flags & VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT ? w->local : 0) +
           (flags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT ? w->visible : 0) +
           (flags & VK_MEMORY_PROPERTY_HOST_COHERENT_BIT ? w->coherent : 0) +
           (flags & VK_MEMORY_PROPERTY_HOST_CACHED_BIT ? w->cached : 0);
}

// The best of the types in `allowed`, or -1.
static int best_type(const struct vka_vk_device *d, uint32_t allowed, const struct wish *w)
{
    const VkPhysicalDeviceMemoryProperties *memory = &d->physical->memory;
    int best = -1, best_score = 0;
    for (uint32_t i = 0; i < memory->memoryTypeCount; i++) {
        VkMemoryPropertyFlags flags = memory->memoryTypes[i].propertyFlags;
        if (!(allowed >> i & 1) || (flags & ODD_MEMORY) || (flags & w->required) != w->required)
            continue;
        int s = score(flags, w);
        if (best < 0 || s > best_score) {
            best = (int)i;
            best_score = s;
        }
    }
    return best;
}

bool vka_vk_upload_in_place(const struct vka_vk_device *d, uint64_t bytes)
{
    if (d->physical->unified)
        return true;
    // A window of 256 MiB into the device's memory is to be shared with others; a large one isn't.
    const VkPhysicalDeviceMemoryProperties *memory = &d->physical->memory;
    struct wish w = {VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, 0,
                     0, 0, 0};
    int type = best_type(d, UINT32_MAX, &w);
    return type >= 0 && bytes <= memory->memoryHeaps[memory->memoryTypes[type].heapIndex].size / 16;
}

bool vka_vk_readback_in_place(const struct vka_vk_device *d)
{
    struct wish w = {VK_MEMORY_PROPERTY_HOST_CACHED_BIT | VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, 0, 0,
                     0, 0};
    return d->physical->unified || best_type(d, UINT32_MAX, &w) >= 0;
}

// --- making ---

static vka_result check_size(struct vka_vk_device *d, uint64_t bytes, const char *what)
{
    if (bytes <= d->limits.allocation)
        return VKA_OK;
    return vka_error(d->context, VKA_ERROR_OUT_OF_DEVICE_MEMORY,
                     "%s: %s needs %" PRIu64 " bytes in one allocation, the device's limit is "
                     "%" PRIu64,
                     d->physical->name, what, bytes, d->limits.allocation);
}

static vka_result allocate(struct vka_vk_device *d, const VkMemoryRequirements *need,
                           enum vka_vk_use use, const char *what, struct vka_vk_buffer *b)
{
    struct wish w = wish_for(d, use);
    uint32_t allowed = need->memoryTypeBits;
    const VkPhysicalDeviceMemoryProperties *memory = &d->physical->memory;
    uint64_t largest = 0;
    // A full heap sends us to the next best type.
    for (int type; (type = best_type(d, allowed, &w)) >= 0; allowed &= ~(1u << type)) {
        uint64_t heap = memory->memoryHeaps[memory->memoryTypes[type].heapIndex].size;
        largest = heap > largest ? heap : largest;
        if (need->size > heap)
            continue;
        vka_result result = vka_vk_pool_take(d, need, (uint32_t)type, what, b);
        if (result != VKA_OK || b->range)
            return result;
    }
    return vka_error(d->context, VKA_ERROR_OUT_OF_DEVICE_MEMORY,
                     "%s: no room for %s of %.1f MiB; the heap has %.1f MiB in all",
                     d->physical->name, what, MIB(need->size), MIB(largest));
}

static vka_result fill_buffer(struct vka_vk_device *d, enum vka_vk_use use, const char *what,
                              struct vka_vk_buffer *b)
{
    VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .size = b->bytes,
        .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
                 VK_BUFFER_USAGE_TRANSFER_DST_BIT,
    };
    VkBuffer made = NULL;
    vka_result result = VKA_VK(d, vkCreateBuffer, d->handle, &info, NULL, &made);
    if (result != VKA_OK)
        return result;
    b->handle = made;
    VkMemoryRequirements need;
    d->vk.vkGetBufferMemoryRequirements(d->handle, b->handle, &need);
    result = check_size(d, need.size, what);
    if (result == VKA_OK)
        result = allocate(d, &need, use, what, b);
    if (result == VKA_OK)
        result = VKA_VK(d, vkBindBufferMemory, d->handle, b->handle, b->memory, b->offset);
    return result == VKA_OK && use != VKA_USE_DEVICE ? vka_vk_pool_map(d, b) : result;
}

vka_result vka_vk_buffer_create(struct vka_vk_device *d, uint64_t bytes, enum vka_vk_use use,
                                const char *what, struct vka_vk_buffer *b)
{
    *b = (struct vka_vk_buffer){.bytes = bytes};
    vka_result result = check_size(d, bytes, what);
    if (result == VKA_OK)
        result = fill_buffer(d, use, what, b);
    if (result != VKA_OK)
        vka_vk_buffer_destroy(d, b);
    return result;
}

void vka_vk_buffer_destroy(struct vka_vk_device *d, struct vka_vk_buffer *b)
{
    if (b->handle)
        d->vk.vkDestroyBuffer(d->handle, b->handle, NULL);
    vka_vk_pool_give(d, b);
    *b = (struct vka_vk_buffer){0};
}

// The buffer's whole part of a block: its ends are multiples of nonCoherentAtomSize.
static VkMappedMemoryRange whole(const struct vka_vk_buffer *b)
{
    return (VkMappedMemoryRange){.sType = VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE,
                                 .memory = b->memory,
                                 .offset = b->offset,
                                 .size = b->range->bytes};
}

vka_result vka_vk_buffer_flush(struct vka_vk_device *d, const struct vka_vk_buffer *b)
{
    if (!b->map || b->coherent)
        return VKA_OK;
    VkMappedMemoryRange range = whole(b);
    return VKA_VK(d, vkFlushMappedMemoryRanges, d->handle, 1, &range);
}

vka_result vka_vk_buffer_invalidate(struct vka_vk_device *d, const struct vka_vk_buffer *b)
{
    if (!b->map || b->coherent)
        return VKA_OK;
    VkMappedMemoryRange range = whole(b);
    return VKA_VK(d, vkInvalidateMappedMemoryRanges, d->handle, 1, &range);
}
