// SPDX-License-Identifier: MIT
//
// Weights on a device: one copy for all the plans made with one weight set, in one precision.
#ifndef VKA_VK_WEIGHTS_H
#define VKA_VK_WEIGHTS_H

#include "vk/memory.h"

// Uploads what `program` needs and isn't there yet, and counts its plan as a user. *weights is NULL
// where the program uses none. Any thread.
vka_result vka_vk_weights_acquire(struct vka_vk_device *d, const struct vka_program *program,
                                  struct vka_vk_weights **weights);
// Frees the copy with its last user. Takes NULL.
void vka_vk_weights_release(struct vka_vk_device *d, struct vka_vk_weights *weights);

// Where weight `source` lies.
VkBuffer vka_vk_weights_find(const struct vka_vk_weights *weights, int source, uint64_t *offset);

#endif
