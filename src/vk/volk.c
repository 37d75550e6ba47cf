// SPDX-License-Identifier: MIT
//
// The one file that volk's code is compiled into. Its globals are touched under a lock and nowhere
// else: several contexts may start at once.
#define VOLK_IMPLEMENTATION
#include "vk/loader.h"

#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static PFN_vkGetInstanceProcAddr found;
static PFN_vkGetInstanceProcAddr (*wrapped)(void);

void vka_vk_wrap(PFN_vkGetInstanceProcAddr (*find)(void))
{
    wrapped = find;
}

PFN_vkGetInstanceProcAddr vka_loader_find(void)
{
    if (wrapped)
        return wrapped();
    pthread_mutex_lock(&lock);
    if (!found && volkInitialize() == VK_SUCCESS)
        found = vkGetInstanceProcAddr;
    PFN_vkGetInstanceProcAddr get = found;
    pthread_mutex_unlock(&lock);
    return get;
}

void vka_loader_fill(PFN_vkGetDeviceProcAddr get, VkDevice device, struct VolkDeviceTable *table)
{
    pthread_mutex_lock(&lock);
    vkGetDeviceProcAddr = get;
    volkLoadDeviceTable(table, device);
    pthread_mutex_unlock(&lock);
}
