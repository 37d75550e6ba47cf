// SPDX-License-Identifier: MIT
//
// volk, which finds the Vulkan loader at run time and fills tables of functions. All that includes
// volk.h goes through here: the generated volk_names.h gives volk's symbols names of our own.
#ifndef VKA_VK_LOADER_H
#define VKA_VK_LOADER_H

#include "volk_names.h"

#include <volk.h>

// NULL: there is no Vulkan loader on this machine. Any thread.
PFN_vkGetInstanceProcAddr vka_loader_find(void);

// Fills the table of one device. Any thread.
void vka_loader_fill(PFN_vkGetDeviceProcAddr get, VkDevice device, struct VolkDeviceTable *table);

// For tests: `find` takes the place of vka_loader_find in contexts made from now on; NULL ends
// that. All functions, vkGetDeviceProcAddr too, are asked of what it returns: a test that hands out
// its own can count calls or let them fail.
void vka_vk_wrap(PFN_vkGetInstanceProcAddr (*find)(void));

#endif
