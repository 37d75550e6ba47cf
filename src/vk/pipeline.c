// SPDX-License-Identifier: MIT
//
// Makes and keeps pipelines and their layouts.
#include "vk/pipeline.h"

#include "cpu/threads.h"
#include "vk/cache.h"

#include <string.h>

// The layers don't see specialization constants that break a limit.
static vka_result check_limits(struct vka_vk_device *d, const struct vka_dispatch *p)
{
    const struct vka_limits *l = &d->limits;
    if (p->n_constants < 3 || p->n_constants > VKA_MAX_CONSTANTS || p->n_bindings < 1 ||
        p->n_bindings > VKA_MAX_BINDINGS || p->push_size % 4 != 0 || p->push_size > VKA_PUSH_BYTES)
        return vka_error(d->context, VKA_ERROR_INVALID,
                         "shader %s: a dispatch with %d constants, %d bindings, %u bytes of push "
                         "constants is malformed",
                         p->shader, p->n_constants, p->n_bindings, p->push_size);
    uint64_t all = (uint64_t)p->constants[0] * p->constants[1] * p->constants[2];
    if (all == 0 || all > l->max_invocations || p->constants[0] > l->max_group_size[0] ||
        p->constants[1] > l->max_group_size[1] || p->constants[2] > l->max_group_size[2])
        return vka_error(d->context, VKA_ERROR_UNSUPPORTED,
                         "shader %s: workgroup of %u x %u x %u, the device's limit is %u "
                         "invocations, [%u, %u, %u]",
                         p->shader, p->constants[0], p->constants[1], p->constants[2],
                         l->max_invocations, l->max_group_size[0], l->max_group_size[1],
                         l->max_group_size[2]);
    if ((uint32_t)p->n_bindings > l->storage_buffers)
        return vka_error(d->context, VKA_ERROR_UNSUPPORTED,
                         "shader %s: %d storage buffers, the device's limit is %u", p->shader,
                         p->n_bindings, l->storage_buffers);
    if (p->push_size > l->push_bytes)
        return vka_error(d->context, VKA_ERROR_UNSUPPORTED,
                         "shader %s: %u bytes of push constants, the device's limit is %u",
                         p->shader, p->push_size, l->push_bytes);
    return VKA_OK;
}

static vka_result get_set_layout(struct vka_vk_device *d, int n_bindings)
{
    if (d->set_layouts[n_bindings])
        return VKA_OK;
    VkDescriptorSetLayoutBinding bindings[VKA_MAX_BINDINGS];
    for (int i = 0; i < n_bindings; i++)
        bindings[i] = (VkDescriptorSetLayoutBinding){
            .binding = (uint32_t)i,
            .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
            .descriptorCount = 1,
            .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
        };
    VkDescriptorSetLayoutCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
        .bindingCount = (uint32_t)n_bindings,
        .pBindings = bindings,
    };
    VkDescriptorSetLayout made = NULL;
    vka_result result = VKA_VK(d, vkCreateDescriptorSetLayout, d->handle, &info, NULL, &made);
    if (result == VKA_OK)
        d->set_layouts[n_bindings] = made;
    return result;
}

static vka_result get_layout(struct vka_vk_device *d, int n_bindings, uint32_t push_size)
{
    VkPipelineLayout *layout = &d->layouts[n_bindings][push_size / 4];
    vka_result result = get_set_layout(d, n_bindings);
    if (result != VKA_OK || *layout)
        return result;
    VkPushConstantRange range = {.stageFlags = VK_SHADER_STAGE_COMPUTE_BIT, .size = push_size};
    VkPipelineLayoutCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
        .setLayoutCount = 1,
        .pSetLayouts = &d->set_layouts[n_bindings],
        .pushConstantRangeCount = push_size ? 1 : 0,
        .pPushConstantRanges = &range,
    };
    VkPipelineLayout made = NULL;
    result = VKA_VK(d, vkCreatePipelineLayout, d->handle, &info, NULL, &made);
    if (result == VKA_OK)
        *layout = made;
    return result;
}

// Runs in any thread: the error becomes a message in the caller's.
static void make_pipeline(const struct vka_vk_device *d, struct vka_vk_pipeline *p)
{
    VkShaderModuleCreateInfo module = {
        .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
        .codeSize = (size_t)p->module->words * sizeof *p->words,
        .pCode = p->words,
    };
    VkShaderModule shader = NULL;
    p->call = "vkCreateShaderModule";
    p->made = d->vk.vkCreateShaderModule(d->handle, &module, NULL, &shader);
    if (p->made != VK_SUCCESS)
        return;
    VkSpecializationMapEntry entries[VKA_MAX_CONSTANTS];
    for (uint32_t i = 0; i < (uint32_t)p->n_constants; i++)
        entries[i] = (VkSpecializationMapEntry){i, i * 4, 4};
    VkSpecializationInfo constants = {
        .mapEntryCount = (uint32_t)p->n_constants,
        .pMapEntries = entries,
        .dataSize = (size_t)p->n_constants * 4,
        .pData = p->constants,
    };
    VkComputePipelineCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .stage = {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                  .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                  .module = shader,
                  .pName = "main",
                  .pSpecializationInfo = &constants},
        .layout = p->layout,
    };
    VkPipelineShaderStageRequiredSubgroupSizeCreateInfo size = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO,
        .requiredSubgroupSize = p->subgroup,
    };
    if (p->subgroup) {
        info.stage.pNext = &size;
        info.stage.flags = VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT;
    }
    if (p->sliced)
        info.flags |= VK_PIPELINE_CREATE_DISPATCH_BASE_BIT;
    p->call = "vkCreateComputePipelines";
    p->made = d->vk.vkCreateComputePipelines(d->handle, d->cache, 1, &info, NULL, &p->handle);
    if (p->made != VK_SUCCESS)
        p->handle = NULL;
    d->vk.vkDestroyShaderModule(d->handle, shader, NULL);
}

static bool fits(const struct vka_vk_pipeline *p, const struct vka_vk_pipeline *key)
{
    return p->module == key->module && p->n_constants == key->n_constants &&
           p->n_bindings == key->n_bindings && p->push_size == key->push_size &&
           p->subgroup == key->subgroup && p->sliced == key->sliced &&
           memcmp(p->constants, key->constants, (size_t)key->n_constants * 4) == 0;
}

static struct vka_vk_pipeline *find(const struct vka_vk_device *d,
                                    const struct vka_vk_pipeline *key)
{
    struct vka_vk_pipeline *p = d->pipelines;
    while (p && !fits(p, key))
        p = p->next;
    return p;
}

static vka_result key_of(struct vka_vk_device *d, const struct vka_dispatch *dispatch,
                         vka_dtype real, struct vka_vk_pipeline *key)
{
    *key = (struct vka_vk_pipeline){
        .module = vka_module_for(dispatch->shader, real),
        .n_constants = dispatch->n_constants,
        .n_bindings = dispatch->n_bindings,
        .push_size = dispatch->push_size,
        .subgroup = d->physical->sized_subgroups ? dispatch->subgroup : 0,
    };
    vka_result result = check_limits(d, dispatch);
    if (result != VKA_OK)
        return result;
    if (!key->module)
        return vka_error(d->context, VKA_ERROR_UNSUPPORTED, "this build has no shader module '%s'",
                         dispatch->shader);
    memcpy(key->constants, dispatch->constants, (size_t)key->n_constants * 4);
    return VKA_OK;
}

// --- many at once ---

// Pipelines to be made: they head the device's list already, so that none is made twice.
struct wanted {
    struct vka_vk_device *d;
    struct vka_vk_pipeline **list;
    size_t count, capacity;
};

static vka_result want(struct wanted *w, const struct vka_vk_pipeline *key,
                       const struct vka_vk_pipeline **out)
{
    struct vka_vk_device *d = w->d;
    *out = find(d, key);
    if (*out)
        return VKA_OK;
    vka_result result = get_layout(d, key->n_bindings, key->push_size);
    if (result != VKA_OK)
        return result;
    if (!vka_grow(d->context, (void **)&w->list, &w->capacity, w->count, sizeof *w->list))
        return vka_out_of_memory(d->context);
    struct vka_vk_pipeline *p = vka_alloc(d->context, 1, sizeof *p);
    if (!p)
        return vka_out_of_memory(d->context);
    *p = *key;
    result = vka_module_unpack(d->context, key->module, &p->words);
    if (result != VKA_OK) {
        vka_free(d->context, p);
        return result;
    }
    p->layout = d->layouts[key->n_bindings][key->push_size / 4];
    p->set_layout = d->set_layouts[key->n_bindings];
    p->next = d->pipelines;
    d->pipelines = p;
    w->list[w->count++] = p;
    *out = p;
    return VKA_OK;
}

static void make_one(void *arg, int64_t i, int thread)
{
    (void)thread;
    const struct wanted *w = arg;
    make_pipeline(w->d, w->list[i]);
}

// Those that weren't made leave the list; the first error of a call is told.
static vka_result settle(struct wanted *w, vka_result result)
{
    struct vka_vk_device *d = w->d;
    struct vka_vk_pipeline *kept = w->count ? w->list[0]->next : d->pipelines;
    for (size_t i = 0; i < w->count; i++) {
        struct vka_vk_pipeline *p = w->list[i];
        vka_free(d->context, p->words);
        p->words = NULL;
        if (p->handle) {
            p->next = kept;
            kept = p;
            continue;
        }
        if (result == VKA_OK)
            result = vka_vk_check(d, p->made, p->call);
        vka_free(d->context, p);
    }
    d->pipelines = kept;
    vka_free(d->context, w->list);
    return result;
}

vka_result vka_vk_pipelines_make(struct vka_vk_device *d, const struct vka_dispatch *dispatches,
                                 const bool *sliced, size_t count, vka_dtype real,
                                 const struct vka_vk_pipeline **out)
{
    struct wanted w = {.d = d};
    vka_result result = VKA_OK;
    pthread_mutex_lock(&d->shared_lock);
    for (size_t i = 0; i < count && result == VKA_OK; i++) {
        struct vka_vk_pipeline key;
        result = key_of(d, &dispatches[i], real, &key);
        key.sliced = sliced[i];
        if (result == VKA_OK)
            result = want(&w, &key, &out[i]);
    }
    if (result == VKA_OK)
        vka_parallel(d->context->threads, (int64_t)w.count, make_one, &w);
    bool any = w.count > 0;
    result = settle(&w, result);
    if (any && result == VKA_OK)
        vka_vk_cache_keep(d);
    pthread_mutex_unlock(&d->shared_lock);
    return result;
}

void vka_vk_pipelines_destroy(struct vka_vk_device *d)
{
    while (d->pipelines) {
        struct vka_vk_pipeline *next = d->pipelines->next;
        d->vk.vkDestroyPipeline(d->handle, d->pipelines->handle, NULL);
        vka_free(d->context, d->pipelines);
        d->pipelines = next;
    }
    for (int i = 0; i <= VKA_MAX_BINDINGS; i++) {
        for (int j = 0; j <= VKA_PUSH_WORDS; j++) {
            if (d->layouts[i][j])
                d->vk.vkDestroyPipelineLayout(d->handle, d->layouts[i][j], NULL);
        }
        if (d->set_layouts[i])
            d->vk.vkDestroyDescriptorSetLayout(d->handle, d->set_layouts[i], NULL);
    }
}
