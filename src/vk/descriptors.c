// SPDX-License-Identifier: MIT
//
// Descriptor sets: one a dispatch, written when the plan is made and again when the application
// binds buffers of its own, never in a run.
#include "vk/plan.h"

#include <inttypes.h>

static vka_result create_pool(struct vka_vk_plan *plan)
{
    const struct vka_program *p = plan->program;
    struct vka_vk_device *d = plan->d;
    uint64_t buffers = 0;
    for (size_t i = 0; i < p->dispatch_count; i++)
        buffers += (uint64_t)p->dispatches[i].n_bindings;
    if (buffers == 0)
        return VKA_OK;
    if (buffers > UINT32_MAX)
        return vka_error(d->context, VKA_ERROR_UNSUPPORTED, "%zu dispatches are too many",
                         p->dispatch_count);
    VkDescriptorPoolSize size = {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, (uint32_t)buffers};
    VkDescriptorPoolCreateInfo info = {.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
                                       .maxSets = (uint32_t)p->dispatch_count,
                                       .poolSizeCount = 1,
                                       .pPoolSizes = &size};
    return VKA_VK(d, vkCreateDescriptorPool, d->handle, &info, NULL, &plan->descriptors);
}

static VkBuffer io_buffer(const struct vka_vk_io *io)
{
    return io->local.handle ? io->local.handle : io->host.handle;
}

// The buffer that a base lives in, and where.
static VkBuffer locate(const struct vka_vk_plan *plan, vka_tensor base, uint64_t *offset)
{
    const struct vka_value *value = &plan->program->g->values[base];
    const struct vka_place *place = &plan->program->places[base];
    *offset = place->offset;
    const struct vka_vk_outside *outside = NULL;
    if (value->store == VKA_STORE_INPUT || value->store == VKA_STORE_OUTPUT)
        outside = vka_vk_outside_of(plan, value->store == VKA_STORE_INPUT, (size_t)value->source);
    if (outside && outside->buffer) {
        *offset = outside->offset;
        return outside->buffer;
    }
    switch (value->store) {
    case VKA_STORE_INPUT:
        return io_buffer(&plan->in);
    case VKA_STORE_OUTPUT:
        return io_buffer(&plan->out);
    case VKA_STORE_CONSTANT:
        return plan->constants.handle;
    case VKA_STORE_WEIGHT:
        return vka_vk_weights_find(plan->weights, value->source, offset);
    default:
        return plan->slabs[place->slab].handle;
    }
}

static vka_result describe(const struct vka_vk_plan *plan, const struct vka_dispatch *dispatch,
                           int i, VkDescriptorBufferInfo *info)
{
    struct vka_vk_device *d = plan->d;
    const struct vka_binding *b = &dispatch->bindings[i];
    const struct vka_op_node *node = &plan->program->g->nodes[dispatch->node];
    // A place goes on to its alignment: an odd number of 16-bit floats is bound in whole words.
    uint64_t room = (plan->program->places[b->base].bytes + 3) / 4 * 4, offset;
    if (b->begin >= b->end || b->end > room)
        return vka_error(d->context, VKA_ERROR_INVALID,
                         "shader %s: binding %d is bytes %" PRIu64 "..%" PRIu64
                         " of a tensor of %" PRIu64,
                         dispatch->shader, i, b->begin, b->end, room);
    if (b->end - b->begin > d->limits.storage_range)
        return vka_error(d->context, VKA_ERROR_UNSUPPORTED,
                         "%s: %s%sshader %s needs a binding of %" PRIu64
                         " bytes, the device's limit is %" PRIu64,
                         d->physical->name, node->path, *node->path ? ": " : "", dispatch->shader,
                         b->end - b->begin, d->limits.storage_range);
    info->buffer = locate(plan, b->base, &offset);
    info->offset = offset + b->begin;
    info->range = b->end - b->begin;
    if (info->offset % d->limits.offset_alignment != 0)
        return vka_error(d->context, VKA_ERROR_INVALID,
                         "shader %s: binding %d is at %" PRIu64 ", not a multiple of %u",
                         dispatch->shader, i, (uint64_t)info->offset, d->limits.offset_alignment);
    return VKA_OK;
}

static vka_result write_set(struct vka_vk_plan *plan, size_t i)
{
    const struct vka_dispatch *dispatch = &plan->program->dispatches[i];
    VkDescriptorBufferInfo buffers[VKA_MAX_BINDINGS];
    VkWriteDescriptorSet writes[VKA_MAX_BINDINGS];
    for (int k = 0; k < dispatch->n_bindings; k++) {
        vka_result result = describe(plan, dispatch, k, &buffers[k]);
        if (result != VKA_OK)
            return result;
        writes[k] = (VkWriteDescriptorSet){.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
                                           .dstSet = plan->sets[i],
                                           .dstBinding = (uint32_t)k,
                                           .descriptorCount = 1,
                                           .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                           .pBufferInfo = &buffers[k]};
    }
    plan->d->vk.vkUpdateDescriptorSets(plan->d->handle, (uint32_t)dispatch->n_bindings, writes, 0,
                                       NULL);
    return VKA_OK;
}

vka_result vka_vk_descriptors_write(struct vka_vk_plan *plan)
{
    vka_result result = VKA_OK;
    for (size_t i = 0; i < plan->program->dispatch_count && result == VKA_OK; i++)
        result = write_set(plan, i);
    return result;
}

vka_result vka_vk_descriptors_create(struct vka_vk_plan *plan)
{
    const struct vka_program *p = plan->program;
    struct vka_vk_device *d = plan->d;
    vka_result result = create_pool(plan);
    if (result != VKA_OK || p->dispatch_count == 0)
        return result;
    plan->sets = vka_calloc(d->context, p->dispatch_count, sizeof *plan->sets);
    if (!plan->sets)
        return vka_out_of_memory(d->context);
    for (size_t i = 0; i < p->dispatch_count && result == VKA_OK; i++) {
        VkDescriptorSetAllocateInfo info = {.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
                                            .descriptorPool = plan->descriptors,
                                            .descriptorSetCount = 1,
                                            .pSetLayouts = &plan->pipelines[i]->set_layout};
        result = VKA_VK(d, vkAllocateDescriptorSets, d->handle, &info, &plan->sets[i]);
    }
    return result == VKA_OK ? vka_vk_descriptors_write(plan) : result;
}
