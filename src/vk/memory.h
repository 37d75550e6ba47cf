// SPDX-License-Identifier: MIT
//
// Buffers, each in its part of a block of memory: pool.h.
#ifndef VKA_VK_MEMORY_H
#define VKA_VK_MEMORY_H

#include "vk/device.h"

enum vka_vk_use {
    VKA_USE_DEVICE,   // the device alone
    VKA_USE_UPLOAD,   // the host writes, the device reads: local to both where possible
    VKA_USE_STAGING,  // the host writes, a copy reads
    VKA_USE_READBACK, // the host reads
};

struct vka_vk_buffer {
    VkBuffer handle; // NULL: none
    uint64_t bytes;
    struct vka_vk_block *block;
    struct vka_range *range; // of the block; NULL: no memory
    VkDeviceMemory memory;   // the block's
    uint64_t offset;
    unsigned char *map; // NULL: the host can't reach it
    bool coherent;
};

// `what` is for messages: "arena slab 2". On failure *b is as a destroyed one.
vka_result vka_vk_buffer_create(struct vka_vk_device *d, uint64_t bytes, enum vka_vk_use use,
                                const char *what, struct vka_vk_buffer *b);
void vka_vk_buffer_destroy(struct vka_vk_device *d, struct vka_vk_buffer *b);

// Makes the host's writes seen by the device, and the other way. Nothing to do on coherent memory.
vka_result vka_vk_buffer_flush(struct vka_vk_device *d, const struct vka_vk_buffer *b);
vka_result vka_vk_buffer_invalidate(struct vka_vk_device *d, const struct vka_vk_buffer *b);

// Whether buffers that the host fills (reads) should be used by the device in place.
bool vka_vk_upload_in_place(const struct vka_vk_device *d, uint64_t bytes);
bool vka_vk_readback_in_place(const struct vka_vk_device *d);

// Elements to be written into a device's buffer: 4-byte words, or floats that become halves.
struct vka_vk_piece {
    uint64_t offset; // bytes
    uint64_t count;  // elements
    const void *words;
    vka_dtype real; // F32: words as they are; F16, BF16: from F32
};

// A filled buffer that the device only reads. `fill(user, i, piece)` tells piece i when it is due.
vka_result vka_vk_buffer_upload(struct vka_vk_device *d, uint64_t bytes, const char *what,
                                size_t pieces,
                                vka_result (*piece)(void *user, size_t i, struct vka_vk_piece *p),
                                void *user, struct vka_vk_buffer *b);

#endif
