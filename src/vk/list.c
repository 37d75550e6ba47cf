// SPDX-License-Identifier: MIT
//
// Lists the physical devices that are of use, each GPU once.
#include "vk/instance.h"

#include <stdio.h>
#include <string.h>

// One GPU that two drivers show has one UUID. A driver that has none gives zeros.
static bool same_device(const struct vka_physical *a, const struct vka_physical *b)
{
    static const uint8_t none[VK_UUID_SIZE];
    return memcmp(a->info.uuid, none, VK_UUID_SIZE) != 0 &&
           memcmp(a->info.uuid, b->info.uuid, VK_UUID_SIZE) == 0;
}

static void add_device(struct vka_vk *vk, struct vka_physical *p)
{
    for (int i = 0; i < vk->count; i++) {
        if (!same_device(&vk->devices[i], p))
            continue;
        bool better = vk->devices[i].translated && !p->translated;
        vka_log(vk->context, VKA_LOG_DEBUG,
                "vulkan:%d is the same GPU as vulkan:%d, %s is left out", p->info.vulkan_index,
                vk->devices[i].info.vulkan_index, better ? vk->devices[i].driver : p->driver);
        if (better)
            vk->devices[i] = *p;
        return;
    }
    vk->devices[vk->count++] = *p;
}

static void finish_list(struct vka_vk *vk, uint32_t found, const char *why)
{
    for (int i = 0; i < vk->count; i++) {
        struct vka_physical *p = &vk->devices[i];
        p->info.index = i;
        p->info.name = p->name;
        p->info.driver = p->driver;
    }
    if (vk->count > 0)
        vk->reason[0] = '\0';
    else if (found > 0)
        snprintf(vk->reason, sizeof vk->reason, "no Vulkan device is usable: %s", why);
    else
        vka_vk_set_reason(vk, "the Vulkan drivers show no device");
}

vka_result vka_vk_list(struct vka_vk *vk)
{
    uint32_t count = 0;
    VkResult result = vk->call.vkEnumeratePhysicalDevices(vk->instance, &count, NULL);
    VkPhysicalDevice *handles = vka_calloc(vk->context, count, sizeof *handles);
    vk->devices = vka_calloc(vk->context, count, sizeof *vk->devices);
    if (!handles || !vk->devices) {
        vka_free(vk->context, handles);
        return vka_out_of_memory(vk->context);
    }
    if (result == VK_SUCCESS && count > 0)
        result = vk->call.vkEnumeratePhysicalDevices(vk->instance, &count, handles);
    if (result < 0) {
        vka_free(vk->context, handles);
        char what[96];
        snprintf(what, sizeof what, "vkEnumeratePhysicalDevices failed with %s",
                 vka_vk_result_name(result));
        vka_vk_set_reason(vk, what);
        return VKA_OK;
    }
    const char *why = "";
    vka_result read = VKA_OK;
    for (uint32_t i = 0; i < count && read != VKA_ERROR_OUT_OF_MEMORY; i++) {
        struct vka_physical p = {.handle = handles[i]};
        p.info.vulkan_index = (int)i;
        read = vka_physical_read(vk, &p, &why);
        if (read == VKA_OK)
            add_device(vk, &p);
        else if (read == VKA_ERROR_UNSUPPORTED)
            vka_log(vk->context, VKA_LOG_INFO, "vulkan:%u (%s) is left out: %s", i, p.name, why);
    }
    vka_free(vk->context, handles);
    finish_list(vk, count, why);
    return read == VKA_ERROR_OUT_OF_MEMORY ? read : VKA_OK;
}
