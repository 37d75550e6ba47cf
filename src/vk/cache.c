// SPDX-License-Identifier: MIT
//
// Drivers check little of the data that a pipeline cache is made from, and some crash on damaged
// data. So it is kept behind a head with its length and hash, and the driver sees none that doesn't
// match to the last byte.
#include "vk/cache.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { FORMAT = 1, KEY_BYTES = 64 };
static const uint64_t max_bytes = UINT64_C(256) << 20;

// All that the data depends on. As bytes in memory: another byte order is another machine, whose
// magic number doesn't match.
struct head {
    char magic[8];
    uint32_t format, driver_version;
    uint8_t device[16], driver[16]; // deviceUUID, pipelineCacheUUID
    uint64_t bytes, hash;           // of what follows
};
_Static_assert(sizeof(struct head) == 64, "no holes: heads are compared as bytes");

static uint64_t hash_of(const unsigned char *data, size_t bytes)
{
    uint64_t h = UINT64_C(14695981039346656037); // FNV-1a
    for (size_t i = 0; i < bytes; i++)
        h = (h ^ data[i]) * UINT64_C(1099511628211);
    return h;
}

static struct head head_of(const struct vka_physical *p, const void *data, size_t bytes)
{
    struct head h = {.magic = {'v', 'k', 'a', 't', 't', 'n', '\r', '\n'},
                     .format = FORMAT,
                     .driver_version = p->driver_version,
                     .bytes = bytes,
                     .hash = hash_of(data, bytes)};
    memcpy(h.device, p->info.uuid, sizeof h.device);
    memcpy(h.driver, p->cache_uuid, sizeof h.driver);
    return h;
}

static void key_of(const struct vka_physical *p, char key[KEY_BYTES])
{
    int at = 0;
    for (size_t i = 0; i < sizeof p->info.uuid; i++)
        at += snprintf(key + at, (size_t)(KEY_BYTES - at), "%02x", p->info.uuid[i]);
    snprintf(key + at, (size_t)(KEY_BYTES - at), "-%08" PRIx32 ".pipelines", p->driver_version);
}

static bool is_whole(const struct vka_physical *p, const unsigned char *blob, size_t size)
{
    if (size <= sizeof(struct head))
        return false;
    struct head right = head_of(p, blob + sizeof right, size - sizeof right);
    return memcmp(blob, &right, sizeof right) == 0;
}

// What was kept, to be freed; NULL where there is nothing of use.
static unsigned char *load(struct vka_vk_device *d, size_t *size)
{
    const vka_cache *c = &d->context->cache;
    char key[KEY_BYTES];
    key_of(d->physical, key);
    *size = c->load ? c->load(c->user, key, NULL, 0) : 0;
    if (*size == 0 || *size > max_bytes)
        return NULL;
    unsigned char *blob = vka_alloc(d->context, *size, 1);
    // Another process may have written it anew meanwhile.
    if (blob && c->load(c->user, key, blob, *size) == *size && is_whole(d->physical, blob, *size))
        return blob;
    if (blob)
        vka_log(d->context, VKA_LOG_INFO, "%s: the kept pipelines are damaged or of another driver",
                d->physical->name);
    vka_free(d->context, blob);
    return NULL;
}

vka_result vka_vk_cache_open(struct vka_vk_device *d)
{
    size_t size = 0;
    unsigned char *blob = load(d, &size);
    VkPipelineCacheCreateInfo info = {.sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO};
    if (blob) {
        info.initialDataSize = size - sizeof(struct head);
        info.pInitialData = blob + sizeof(struct head);
    }
    VkResult made = d->vk.vkCreatePipelineCache(d->handle, &info, NULL, &d->cache);
    vka_free(d->context, blob);
    if (made != VK_SUCCESS)
        d->cache = NULL;
    return vka_vk_check(d, made, "vkCreatePipelineCache");
}

void vka_vk_cache_keep(struct vka_vk_device *d)
{
    const vka_cache *c = &d->context->cache;
    size_t size = 0;
    if (!c->store || d->vk.vkGetPipelineCacheData(d->handle, d->cache, &size, NULL) != VK_SUCCESS ||
        size == 0 || size > max_bytes - sizeof(struct head))
        return;
    unsigned char *blob = vka_alloc(d->context, sizeof(struct head) + size, 1);
    // VK_INCOMPLETE where another thread made a pipeline meanwhile: then it keeps the rest.
    if (blob && d->vk.vkGetPipelineCacheData(d->handle, d->cache, &size,
                                             blob + sizeof(struct head)) == VK_SUCCESS) {
        struct head h = head_of(d->physical, blob + sizeof h, size);
        memcpy(blob, &h, sizeof h);
        char key[KEY_BYTES];
        key_of(d->physical, key);
        c->store(c->user, key, blob, sizeof h + size);
    }
    vka_free(d->context, blob);
}
