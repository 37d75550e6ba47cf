// SPDX-License-Identifier: MIT
//
// The device's pipeline cache, and what is kept of it between processes (vka_context_params.cache).
#ifndef VKA_VK_CACHE_H
#define VKA_VK_CACHE_H

#include "vk/device.h"

// Makes d->cache, from what was kept where that is whole and fits device and driver.
vka_result vka_vk_cache_open(struct vka_vk_device *d);

// Keeps what the driver has compiled by now. Nothing that goes wrong here is an error. Under the
// device's shared lock.
void vka_vk_cache_keep(struct vka_vk_device *d);

#endif
