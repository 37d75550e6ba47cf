// SPDX-License-Identifier: MIT
//
// Device memory in blocks that buffers share: a device takes a few thousand allocations at most,
// and many plans have several buffers each.
#ifndef VKA_VK_POOL_H
#define VKA_VK_POOL_H

#include "util/ranges.h"
#include "vk/memory.h"

// A part of the memory of `type` that meets `need`: sets block, range, memory, offset and coherent
// of `b`. VKA_OK and no range: this type has no room. Any thread.
vka_result vka_vk_pool_take(struct vka_vk_device *d, const VkMemoryRequirements *need,
                            uint32_t type, const char *what, struct vka_vk_buffer *b);
// Sets `b->map`. The block stays mapped for as long as it lives.
vka_result vka_vk_pool_map(struct vka_vk_device *d, struct vka_vk_buffer *b);
// A block that holds nothing more goes back to the driver.
void vka_vk_pool_give(struct vka_vk_device *d, struct vka_vk_buffer *b);

#endif
