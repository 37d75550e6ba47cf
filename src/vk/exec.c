// SPDX-License-Identifier: MIT
//
// The Vulkan executor: makes a plan's buffers, fills those that stay, has it recorded.
#include "vk/plan.h"

#include <stdio.h>

// --- buffers ---

static vka_result create_slabs(struct vka_vk_plan *plan)
{
    const struct vka_program *p = plan->program;
    struct vka_vk_device *d = plan->d;
    if (p->slab_count == 0)
        return VKA_OK;
    plan->slabs = vka_calloc(d->context, (uint64_t)p->slab_count, sizeof *plan->slabs);
    if (!plan->slabs)
        return vka_out_of_memory(d->context);
    for (int i = 0; i < p->slab_count; i++) {
        char what[40];
        snprintf(what, sizeof what, "slab %d of the arena", i);
        vka_result result =
            vka_vk_buffer_create(d, p->slabs[i], VKA_USE_DEVICE, what, &plan->slabs[i]);
        if (result != VKA_OK)
            return result;
    }
    return VKA_OK;
}

static vka_result tell_constant(void *user, size_t i, struct vka_vk_piece *piece)
{
    const struct vka_program *p = user;
    const struct vka_value *v = &p->g->values[i];
    if (v->base != (vka_tensor)i || v->store != VKA_STORE_CONSTANT || p->places[i].bytes == 0)
        return VKA_OK;
    uint64_t size = vka_element_size(p, v->dtype);
    piece->offset = p->places[i].offset;
    piece->count = p->places[i].bytes / size;
    piece->words = v->data;
    piece->real = size == 2 ? p->real : VKA_F32;
    return VKA_OK;
}

static vka_result create_constants(struct vka_vk_plan *plan)
{
    const struct vka_program *p = plan->program;
    if (p->constant_bytes == 0)
        return VKA_OK;
    return vka_vk_buffer_upload(plan->d, p->constant_bytes, "the constants", p->g->value_count,
                                tell_constant, (void *)p, &plan->constants);
}

static vka_result create_io(struct vka_vk_device *d, uint64_t bytes, enum vka_vk_use use,
                            bool in_place, const char *what, struct vka_vk_io *io)
{
    if (bytes == 0)
        return VKA_OK;
    if (!in_place && use == VKA_USE_UPLOAD)
        use = VKA_USE_STAGING;
    vka_result result = vka_vk_buffer_create(d, bytes, use, what, &io->host);
    if (result == VKA_OK && !in_place)
        result = vka_vk_buffer_create(d, bytes, VKA_USE_DEVICE, what, &io->local);
    return result;
}

static vka_result create_buffers(struct vka_vk_plan *plan)
{
    const struct vka_program *p = plan->program;
    struct vka_vk_device *d = plan->d;
    vka_result result = create_slabs(plan);
    if (result == VKA_OK)
        result = create_io(d, p->input_bytes, VKA_USE_UPLOAD,
                           vka_vk_upload_in_place(d, p->input_bytes), "the inputs", &plan->in);
    if (result == VKA_OK)
        result = create_io(d, p->output_bytes, VKA_USE_READBACK, vka_vk_readback_in_place(d),
                           "the outputs", &plan->out);
    if (result == VKA_OK)
        result = create_constants(plan);
    if (result == VKA_OK)
        result = vka_vk_weights_acquire(d, p, &plan->weights);
    return result;
}

// --- the executor ---

static void destroy(void *arg)
{
    struct vka_vk_plan *plan = arg;
    if (!plan)
        return;
    struct vka_vk_device *d = plan->d;
    if (plan->in_flight)
        vka_vk_idle(d);
    d->vk.vkDestroyFence(d->handle, plan->fence, NULL);
    d->vk.vkDestroyQueryPool(d->handle, plan->queries, NULL);
    d->vk.vkDestroyCommandPool(d->handle, plan->pool, NULL);
    d->vk.vkDestroyDescriptorPool(d->handle, plan->descriptors, NULL);
    for (int i = 0; plan->slabs && i < plan->program->slab_count; i++)
        vka_vk_buffer_destroy(d, &plan->slabs[i]);
    vka_vk_buffer_destroy(d, &plan->constants);
    vka_vk_buffer_destroy(d, &plan->in.host);
    vka_vk_buffer_destroy(d, &plan->in.local);
    vka_vk_buffer_destroy(d, &plan->out.host);
    vka_vk_buffer_destroy(d, &plan->out.local);
    vka_vk_weights_release(d, plan->weights);
    vka_free(d->context, plan->slabs);
    vka_free(d->context, plan->outside);
    vka_free(d->context, plan->pipelines);
    vka_free(d->context, plan->sets);
    vka_free(d->context, plan->slices);
    vka_free(d->context, plan->sliced);
    vka_free(d->context, plan->cuts);
    vka_free(d->context, plan->commands);
    vka_free(d->context, plan->query_nodes);
    vka_free(d->context, plan->ticks);
    vka_free(d->context, plan->node_ms);
    vka_free(d->context, plan);
}

static vka_result fill(struct vka_vk_plan *plan)
{
    struct vka_vk_device *d = plan->d;
    VkFenceCreateInfo fence = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    vka_result result = create_buffers(plan);
    if (result == VKA_OK)
        result = VKA_VK(d, vkCreateFence, d->handle, &fence, NULL, &plan->fence);
    return result == VKA_OK ? vka_vk_record(plan) : result;
}

static vka_result create(vka_device *device, struct vka_program *program, bool profile, void **out)
{
    struct vka_vk_device *d = device->impl;
    *out = NULL;
    vka_result result = vka_vk_alive(d);
    if (result != VKA_OK)
        return result;
    struct vka_vk_plan *plan = vka_calloc(d->context, 1, sizeof *plan);
    if (!plan)
        return vka_out_of_memory(d->context);
    plan->d = d;
    plan->program = program;
    plan->profile = profile;
    result = fill(plan);
    if (result != VKA_OK) {
        destroy(plan);
        return result;
    }
    *out = plan;
    return VKA_OK;
}

static uint64_t offset_of(const struct vka_program *p, const struct vka_endpoint *end)
{
    return p->places[p->g->values[end->tensor].base].offset;
}

static void *input(void *arg, size_t i)
{
    struct vka_vk_plan *plan = arg;
    return plan->in.host.map + offset_of(plan->program, &plan->program->g->inputs[i]);
}

static const void *output(void *arg, size_t i)
{
    const struct vka_vk_plan *plan = arg;
    return plan->out.host.map + offset_of(plan->program, &plan->program->g->outputs[i]);
}

const struct vka_executor vka_vk_executor = {
    .create = create,
    .destroy = destroy,
    .input = input,
    .output = output,
    .submit = vka_vk_plan_submit,
    .wait = vka_vk_plan_wait,
    .times = vka_vk_plan_times,
};
