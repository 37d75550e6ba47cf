// SPDX-License-Identifier: MIT
//
// Vulkan as the rest of the library sees it: a list of devices, and what to do to open one. No
// Vulkan types here.
#ifndef VKA_VK_VK_H
#define VKA_VK_VK_H

#include "graph/program.h"

struct vka_vk;

// Loads Vulkan and lists its devices. Where there is no Vulkan that works, that is no error: the
// list is empty, vka_vk_reason tells why, and it is logged once. *vk is NULL where the context
// doesn't want Vulkan. Errors are those of host memory.
vka_result vka_vk_create(vka_context *context, struct vka_vk **vk);
void vka_vk_destroy(struct vka_vk *vk);

// The usable devices, each once, in Vulkan's order. `vk` may be NULL.
int vka_vk_count(const struct vka_vk *vk);
// `info->index` is i, its strings live as long as vk.
const vka_device_info *vka_vk_info(const struct vka_vk *vk, int i);
// Why there is no device, or not more: "no Vulkan loader (libvulkan.so.1) here". ""
// where nothing went wrong. `vk` may be NULL.
const char *vka_vk_reason(const struct vka_vk *vk);

// See vka_context_validation_count.
int vka_vk_validation_count(const struct vka_vk *vk);

// Opens device i. (*device)->close releases everything, *device too.
vka_result vka_vk_open(vka_context *context, int i, vka_device **device);

#endif
