// SPDX-License-Identifier: MIT
//
// Making a context: defaults, threads, Vulkan if there is any.
#include "cpu/kernels.h"
#include "cpu/threads.h"
#include "io/folder.h"
#include "util/context.h"
#include "util/system.h"
#include "vk/vk.h"

#include <stdlib.h>

enum { MAX_THREADS = 256 };

static void *default_alloc(void *user, size_t size)
{
    (void)user;
    return malloc(size);
}

static void *default_realloc(void *user, void *ptr, size_t size)
{
    (void)user;
    return realloc(ptr, size);
}

static void default_free(void *user, void *ptr)
{
    (void)user;
    free(ptr);
}

static void fill(vka_context *context, const vka_context_params *params)
{
    static const char *const off_on[] = {"0", "1", NULL};
    context->log = params->log;
    context->log_user = params->log_user;
    context->log_level = params->log_level ? params->log_level : VKA_LOG_WARN;
    context->no_vulkan = params->no_vulkan;
    const char *asked = vka_getenv_word(context, "VKATTN_VALIDATION", off_on);
    context->validation = params->validation || asked == off_on[1];
    int threads = params->threads > 0 ? params->threads : vka_sys_processors();
    context->thread_count = threads < MAX_THREADS ? threads : MAX_THREADS;
}

static vka_result open_cache(vka_context *context, const vka_cache *cache)
{
    if (cache->folder)
        return vka_folder_open(context, cache->folder, &context->folder, &context->cache);
    context->cache = *cache;
    return VKA_OK;
}

static vka_result start(vka_context *c, const vka_cache *cache)
{
    vka_kernels_check(c);
    c->threads = vka_threads_create(c, c->thread_count);
    if (!c->threads)
        return vka_out_of_memory(c);
    vka_result result = open_cache(c, cache);
    return result == VKA_OK ? vka_vk_create(c, &c->vk) : result;
}

vka_result vka_context_create(const vka_context_params *params, vka_context **context)
{
    static const vka_allocator defaults = {NULL, default_alloc, default_realloc, default_free};
    static const vka_context_params none = {0};
    *context = NULL;
    if (!params)
        params = &none;
    const vka_allocator *a = &params->allocator;
    int given = !!a->alloc + !!a->realloc + !!a->free;
    if (given != 0 && given != 3)
        return vka_error(NULL, VKA_ERROR_INVALID, "an allocator needs alloc, realloc and free");
    if (given == 0)
        a = &defaults;
    const vka_cache *cache = &params->cache;
    if (!cache->load != !cache->store || (cache->folder && cache->load))
        return vka_error(NULL, VKA_ERROR_INVALID,
                         "a cache is a folder, or has the callbacks load and store");
    vka_context *c = a->alloc(a->user, sizeof *c);
    if (!c)
        return vka_out_of_memory(NULL);
    *c = (vka_context){.allocator = *a};
    fill(c, params);
    vka_result result = start(c, cache);
    if (result != VKA_OK)
        vka_context_destroy(c);
    else
        *context = c;
    return result;
}

void vka_context_destroy(vka_context *context)
{
    if (!context)
        return;
    vka_vk_destroy(context->vk);
    vka_threads_destroy(context->threads);
    vka_folder_free(context->folder);
    vka_allocator a = context->allocator;
    a.free(a.user, context);
}

int vka_context_validation_count(const vka_context *context)
{
    return vka_vk_validation_count(context->vk);
}
