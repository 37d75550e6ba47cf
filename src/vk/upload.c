// SPDX-License-Identifier: MIT
//
// Fills buffers that the device only reads, in place or through a small staging buffer.
#include "vk/memory.h"

#include "util/half.h"

#include <string.h>

enum { STAGING_BYTES = 4 << 20 };

// Elements first .. first + count - 1 of the piece, as the device stores them.
static void write_elements(unsigned char *to, const struct vka_vk_piece *p, uint64_t first,
                           uint64_t count)
{
    if (p->real == VKA_F32) {
        memcpy(to, (const uint32_t *)p->words + first, (size_t)count * 4);
        return;
    }
    const float *from = (const float *)p->words + first;
    for (uint64_t i = 0; i < count; i++) {
        uint16_t h = p->real == VKA_F16 ? vka_f32_to_f16(from[i]) : vka_f32_to_bf16(from[i]);
        memcpy(to + i * 2, &h, sizeof h);
    }
}

// --- through staging ---

struct stager {
    struct vka_vk_device *d;
    struct vka_vk_buffer staging;
    VkCommandPool pool;
    VkCommandBuffer command;
    VkFence fence;
    uint64_t begin, end; // of the target, what the staging buffer holds
};

static void stager_destroy(struct stager *s)
{
    struct vka_vk_device *d = s->d;
    if (s->fence)
        d->vk.vkDestroyFence(d->handle, s->fence, NULL);
    if (s->pool)
        d->vk.vkDestroyCommandPool(d->handle, s->pool, NULL);
    vka_vk_buffer_destroy(d, &s->staging);
}

static vka_result stager_create(struct stager *s, uint64_t bytes)
{
    struct vka_vk_device *d = s->d;
    uint64_t size = bytes < STAGING_BYTES ? bytes : STAGING_BYTES;
    VkCommandPoolCreateInfo pool = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                    .flags = VK_COMMAND_POOL_CREATE_TRANSIENT_BIT,
                                    .queueFamilyIndex = d->physical->queue_family};
    VkFenceCreateInfo fence = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    vka_result result =
        vka_vk_buffer_create(d, size, VKA_USE_STAGING, "a staging buffer", &s->staging);
    if (result == VKA_OK)
        result = VKA_VK(d, vkCreateCommandPool, d->handle, &pool, NULL, &s->pool);
    if (result == VKA_OK)
        result = VKA_VK(d, vkCreateFence, d->handle, &fence, NULL, &s->fence);
    if (result != VKA_OK)
        return result;
    VkCommandBufferAllocateInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                        .commandPool = s->pool,
                                        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
                                        .commandBufferCount = 1};
    return VKA_VK(d, vkAllocateCommandBuffers, d->handle, &info, &s->command);
}

// The barrier at the end serves every later submission to the queue.
static vka_result stager_record(struct stager *s, VkBuffer to, uint64_t offset, uint64_t bytes)
{
    struct vka_vk_device *d = s->d;
    VkCommandBufferBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
                                      .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT};
    VkBufferCopy copy = {.dstOffset = offset, .size = bytes};
    VkMemoryBarrier barrier = {.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
                               .srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
                               .dstAccessMask = VK_ACCESS_SHADER_READ_BIT};
    vka_result result = VKA_VK(d, vkResetCommandPool, d->handle, s->pool, 0);
    if (result == VKA_OK)
        result = VKA_VK(d, vkBeginCommandBuffer, s->command, &begin);
    if (result != VKA_OK)
        return result;
    d->vk.vkCmdCopyBuffer(s->command, s->staging.handle, to, 1, &copy);
    d->vk.vkCmdPipelineBarrier(s->command, VK_PIPELINE_STAGE_TRANSFER_BIT,
                               VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, 0, 1, &barrier, 0, NULL, 0,
                               NULL);
    return VKA_VK(d, vkEndCommandBuffer, s->command);
}

static vka_result stager_copy(struct stager *s, VkBuffer to, uint64_t offset, uint64_t bytes)
{
    struct vka_vk_device *d = s->d;
    vka_result result = vka_vk_buffer_flush(d, &s->staging);
    if (result == VKA_OK)
        result = stager_record(s, to, offset, bytes);
    if (result == VKA_OK)
        result = VKA_VK(d, vkResetFences, d->handle, 1, &s->fence);
    if (result == VKA_OK)
        result = vka_vk_submit(d, s->command, NULL, s->fence);
    if (result != VKA_OK)
        return result;
    result = VKA_VK(d, vkWaitForFences, d->handle, 1, &s->fence, VK_TRUE, UINT64_MAX);
    if (result != VKA_OK)
        vka_vk_idle(d); // what is about to be destroyed must not be in use
    return result;
}

// Sends the window, the next one starts at `begin`.
static vka_result stager_turn(struct stager *s, VkBuffer to, uint64_t begin)
{
    vka_result result = VKA_OK;
    if (s->end > s->begin)
        result = stager_copy(s, to, s->begin, s->end - s->begin);
    s->begin = s->end = begin;
    return result;
}

// The staging buffer is a window that moves over the target: many small pieces go in one copy.
static vka_result stage_piece(struct stager *s, VkBuffer to, const struct vka_vk_piece *p)
{
    uint64_t size = vka_dtype_size(p->real);
    for (uint64_t first = 0; first < p->count;) {
        uint64_t at = p->offset + first * size;
        if (at < s->begin || at + size > s->begin + s->staging.bytes) {
            vka_result result = stager_turn(s, to, at);
            if (result != VKA_OK)
                return result;
        }
        uint64_t most = (s->begin + s->staging.bytes - at) / size;
        uint64_t count = p->count - first < most ? p->count - first : most;
        write_elements(s->staging.map + (at - s->begin), p, first, count);
        s->end = at + count * size;
        first += count;
    }
    return VKA_OK;
}

// --- both ways ---

static vka_result upload_all(struct vka_vk_device *d, struct stager *s, size_t pieces,
                             vka_result (*piece)(void *user, size_t i, struct vka_vk_piece *p),
                             void *user, struct vka_vk_buffer *b)
{
    vka_result result = s ? stager_create(s, b->bytes) : VKA_OK;
    for (size_t i = 0; i < pieces && result == VKA_OK; i++) {
        struct vka_vk_piece p = {0};
        result = piece(user, i, &p);
        if (result != VKA_OK || p.count == 0)
            continue;
        if (s)
            result = stage_piece(s, b->handle, &p);
        else
            write_elements(b->map + p.offset, &p, 0, p.count);
    }
    if (result != VKA_OK)
        return result;
    return s ? stager_turn(s, b->handle, 0) : vka_vk_buffer_flush(d, b);
}

vka_result vka_vk_buffer_upload(struct vka_vk_device *d, uint64_t bytes, const char *what,
                                size_t pieces,
                                vka_result (*piece)(void *user, size_t i, struct vka_vk_piece *p),
                                void *user, struct vka_vk_buffer *b)
{
    bool in_place = d->physical->unified;
    struct stager stager = {.d = d};
    vka_result result =
        vka_vk_buffer_create(d, bytes, in_place ? VKA_USE_UPLOAD : VKA_USE_DEVICE, what, b);
    if (result != VKA_OK)
        return result;
    result = upload_all(d, in_place ? NULL : &stager, pieces, piece, user, b);
    stager_destroy(&stager);
    if (result != VKA_OK)
        vka_vk_buffer_destroy(d, b);
    return result;
}
