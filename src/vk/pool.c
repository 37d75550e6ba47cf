// SPDX-License-Identifier: MIT
//
// Each block of a type is twice as large as the one before, up to a bound. A buffer that would take
// more than half of the next one gets a block of its own size: so one plan alone takes no more than
// it needs, and a device's last allocation is far beyond its memory. A block that is empty goes
// back at once: who destroys a plan has its memory back, and who makes one after another keeps one.
#include "vk/pool.h"

enum {
    FIRST_MIB = 1,
    DOUBLED = 6,        // blocks of 1 to 64 MiB
    MAP_ALIGNMENT = 64, // as vka_plan_map promises; maps begin so, too (minMemoryMapAlignment)
};

struct vka_vk_block {
    struct vka_vk_block *next;
    VkDeviceMemory memory;
    uint32_t type;
    unsigned char *map; // NULL: not mapped so far
    struct vka_ranges ranges;
};

static void destroy(struct vka_vk_device *d, struct vka_vk_block *block)
{
    if (block->memory) {
        d->vk.vkFreeMemory(d->handle, block->memory, NULL); // that unmaps it
        d->allocations--;
    }
    vka_ranges_destroy(&block->ranges);
    vka_free(d->context, block);
}

// Takes a range and tells the buffer, where the block has room.
static vka_result take(struct vka_vk_block *block, uint64_t bytes, uint64_t alignment,
                       struct vka_vk_buffer *b)
{
    vka_result result = vka_ranges_take(&block->ranges, bytes, alignment, &b->range);
    if (b->range) {
        b->block = block;
        b->memory = block->memory;
        b->offset = b->range->offset;
    }
    return result;
}

static uint64_t next_bytes(const struct vka_vk_device *d, uint32_t type)
{
    const VkPhysicalDeviceMemoryProperties *memory = &d->physical->memory;
    uint64_t heap = memory->memoryHeaps[memory->memoryTypes[type].heapIndex].size;
    int doubled = 0;
    for (const struct vka_vk_block *block = d->blocks; block; block = block->next)
        doubled += block->type == type && doubled < DOUBLED;
    uint64_t bytes = (uint64_t)FIRST_MIB << 20 << doubled;
    while (bytes > heap / 16 || bytes > d->limits.allocation)
        bytes /= 2;
    return bytes;
}

// A block that has all of `bytes` free. VKA_OK and NULL: the heap is full.
static vka_result make_block(struct vka_vk_device *d, uint32_t type, uint64_t bytes,
                             struct vka_vk_block **out)
{
    VkMemoryAllocateInfo info = {.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
                                 .allocationSize = bytes,
                                 .memoryTypeIndex = type};
    struct vka_vk_block *block = vka_calloc(d->context, 1, sizeof *block);
    *out = NULL;
    if (!block)
        return vka_out_of_memory(d->context);
    block->type = type;
    if (!vka_ranges_create(d->context, bytes, &block->ranges)) {
        vka_free(d->context, block);
        return VKA_ERROR_OUT_OF_MEMORY;
    }
    VkDeviceMemory memory = NULL;
    VkResult made = d->vk.vkAllocateMemory(d->handle, &info, NULL, &memory);
    if (made == VK_SUCCESS) {
        block->memory = memory;
        d->allocations++;
        *out = block;
        return VKA_OK;
    }
    destroy(d, block);
    if (made == VK_ERROR_OUT_OF_DEVICE_MEMORY)
        return VKA_OK;
    return vka_vk_check(d, made, "vkAllocateMemory");
}

static vka_result check_count(struct vka_vk_device *d, const char *what)
{
    if (d->allocations < d->physical->max_allocations)
        return VKA_OK;
    return vka_error(d->context, VKA_ERROR_OUT_OF_DEVICE_MEMORY,
                     "%s: %s would be allocation %u, the device's limit is %u", d->physical->name,
                     what, d->allocations + 1, d->physical->max_allocations);
}

static vka_result take_new(struct vka_vk_device *d, uint32_t type, uint64_t bytes,
                           struct vka_vk_buffer *b)
{
    uint64_t shared = next_bytes(d, type);
    struct vka_vk_block *block = NULL;
    vka_result result = VKA_OK;
    if (bytes <= shared / 2)
        result = make_block(d, type, shared, &block);
    if (result == VKA_OK && !block)
        result = make_block(d, type, bytes, &block);
    if (!block)
        return result;
    result = take(block, bytes, 1, b); // at 0
    if (result != VKA_OK) {
        destroy(d, block);
        return result;
    }
    block->next = d->blocks;
    d->blocks = block;
    return VKA_OK;
}

static vka_result find_or_make(struct vka_vk_device *d, uint32_t type, uint64_t bytes,
                               uint64_t alignment, const char *what, struct vka_vk_buffer *b)
{
    for (struct vka_vk_block *block = d->blocks; block; block = block->next) {
        vka_result result = block->type == type ? take(block, bytes, alignment, b) : VKA_OK;
        if (result != VKA_OK || b->range)
            return result;
    }
    vka_result result = check_count(d, what);
    return result == VKA_OK ? take_new(d, type, bytes, b) : result;
}

vka_result vka_vk_pool_take(struct vka_vk_device *d, const VkMemoryRequirements *need,
                            uint32_t type, const char *what, struct vka_vk_buffer *b)
{
    VkMemoryPropertyFlags flags = d->physical->memory.memoryTypes[type].propertyFlags;
    // What is flushed begins and ends at these.
    uint64_t atom = d->physical->non_coherent_atom;
    uint64_t alignment = need->alignment > atom ? need->alignment : atom;
    if (alignment < MAP_ALIGNMENT)
        alignment = MAP_ALIGNMENT;
    uint64_t bytes = (need->size + atom - 1) / atom * atom;
    if (bytes > d->limits.allocation)
        bytes = need->size; // a block of its own, whose end may be flushed as it is
    pthread_mutex_lock(&d->memory_lock);
    vka_result result = find_or_make(d, type, bytes, alignment, what, b);
    pthread_mutex_unlock(&d->memory_lock);
    b->coherent = flags & VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    return result;
}

vka_result vka_vk_pool_map(struct vka_vk_device *d, struct vka_vk_buffer *b)
{
    struct vka_vk_block *block = b->block;
    vka_result result = VKA_OK;
    pthread_mutex_lock(&d->memory_lock);
    if (!block->map) {
        void *map = NULL;
        result = VKA_VK(d, vkMapMemory, d->handle, block->memory, 0, VK_WHOLE_SIZE, 0, &map);
        if (result == VKA_OK)
            block->map = map;
    }
    if (result == VKA_OK)
        b->map = block->map + b->offset;
    pthread_mutex_unlock(&d->memory_lock);
    return result;
}

void vka_vk_pool_give(struct vka_vk_device *d, struct vka_vk_buffer *b)
{
    if (!b->range)
        return;
    struct vka_vk_block *block = b->block;
    pthread_mutex_lock(&d->memory_lock);
    vka_ranges_give(&block->ranges, b->range);
    if (vka_ranges_empty(&block->ranges)) {
        struct vka_vk_block **link = &d->blocks;
        while (*link != block)
            link = &(*link)->next;
        *link = block->next;
        destroy(d, block);
    }
    pthread_mutex_unlock(&d->memory_lock);
    b->range = NULL;
}
