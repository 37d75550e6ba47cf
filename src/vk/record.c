// SPDX-License-Identifier: MIT
//
// Records a program's dispatches into the plan's command buffer, once: a run resubmits it, and
// makes or writes nothing.
#include "vk/plan.h"

#include <inttypes.h>

// --- descriptors ---

static vka_result create_descriptors(struct vka_vk_plan *plan)
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
    // A place goes on to its alignment: an odd number of 16-bit floats is bound in whole words.
    uint64_t room = (plan->program->places[b->base].bytes + 3) / 4 * 4, offset;
    if (b->begin >= b->end || b->end > room)
        return vka_error(d->context, VKA_ERROR_INVALID,
                         "shader %s: binding %d is bytes %" PRIu64 "..%" PRIu64
                         " of a tensor of %" PRIu64,
                         dispatch->shader, i, b->begin, b->end, room);
    if (b->end - b->begin > d->limits.storage_range)
        return vka_error(
            d->context, VKA_ERROR_UNSUPPORTED,
            "%s: shader %s needs a binding of %" PRIu64 " bytes, the device's limit is %" PRIu64,
            d->physical->name, dispatch->shader, b->end - b->begin, d->limits.storage_range);
    info->buffer = locate(plan, b->base, &offset);
    info->offset = offset + b->begin;
    info->range = b->end - b->begin;
    if (info->offset % d->limits.offset_alignment != 0)
        return vka_error(d->context, VKA_ERROR_INVALID,
                         "shader %s: binding %d is at %" PRIu64 ", not a multiple of %u",
                         dispatch->shader, i, (uint64_t)info->offset, d->limits.offset_alignment);
    return VKA_OK;
}

static vka_result make_set(struct vka_vk_plan *plan, const struct vka_dispatch *dispatch,
                           const struct vka_vk_pipeline *pipeline, VkDescriptorSet *set)
{
    struct vka_vk_device *d = plan->d;
    VkDescriptorBufferInfo buffers[VKA_MAX_BINDINGS];
    for (int i = 0; i < dispatch->n_bindings; i++) {
        vka_result result = describe(plan, dispatch, i, &buffers[i]);
        if (result != VKA_OK)
            return result;
    }
    VkDescriptorSetAllocateInfo info = {.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
                                        .descriptorPool = plan->descriptors,
                                        .descriptorSetCount = 1,
                                        .pSetLayouts = &pipeline->set_layout};
    vka_result result = VKA_VK(d, vkAllocateDescriptorSets, d->handle, &info, set);
    if (result != VKA_OK)
        return result;
    VkWriteDescriptorSet writes[VKA_MAX_BINDINGS];
    for (int i = 0; i < dispatch->n_bindings; i++)
        writes[i] = (VkWriteDescriptorSet){.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
                                           .dstSet = *set,
                                           .dstBinding = (uint32_t)i,
                                           .descriptorCount = 1,
                                           .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                           .pBufferInfo = &buffers[i]};
    d->vk.vkUpdateDescriptorSets(d->handle, (uint32_t)dispatch->n_bindings, writes, 0, NULL);
    return VKA_OK;
}

// --- commands ---

static void barrier(struct vka_vk_plan *plan, VkPipelineStageFlags from, VkAccessFlags written,
                    VkPipelineStageFlags to, VkAccessFlags used)
{
    VkMemoryBarrier memory = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER, .srcAccessMask = written, .dstAccessMask = used};
    plan->d->vk.vkCmdPipelineBarrier(plan->command, from, to, 0, 1, &memory, 0, NULL, 0, NULL);
}

static void copy(struct vka_vk_plan *plan, const struct vka_vk_buffer *from,
                 const struct vka_vk_buffer *to)
{
    VkBufferCopy region = {.size = from->bytes};
    plan->d->vk.vkCmdCopyBuffer(plan->command, from->handle, to->handle, 1, &region);
}

// The host's writes before a submission are seen by it without a barrier.
static void record_begin(struct vka_vk_plan *plan)
{
    if (!plan->in.local.handle)
        return;
    copy(plan, &plan->in.host, &plan->in.local);
    barrier(plan, VK_PIPELINE_STAGE_TRANSFER_BIT, VK_ACCESS_TRANSFER_WRITE_BIT,
            VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
            VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT);
}

static void record_end(struct vka_vk_plan *plan)
{
    VkPipelineStageFlags last = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT;
    VkAccessFlags written = VK_ACCESS_SHADER_WRITE_BIT;
    if (plan->out.local.handle) {
        barrier(plan, last, written, VK_PIPELINE_STAGE_TRANSFER_BIT, VK_ACCESS_TRANSFER_READ_BIT);
        copy(plan, &plan->out.local, &plan->out.host);
        last = VK_PIPELINE_STAGE_TRANSFER_BIT;
        written = VK_ACCESS_TRANSFER_WRITE_BIT;
    }
    barrier(plan, last, written, VK_PIPELINE_STAGE_HOST_BIT, VK_ACCESS_HOST_READ_BIT);
}

static vka_result check_groups(struct vka_vk_device *d, const struct vka_dispatch *dispatch)
{
    const uint64_t *g = dispatch->groups;
    const uint32_t *most = d->limits.max_group_count;
    if (g[0] <= most[0] && g[1] <= most[1] && g[2] <= most[2] && g[0] && g[1] && g[2])
        return VKA_OK;
    return vka_error(d->context, VKA_ERROR_UNSUPPORTED,
                     "%s: shader %s needs %" PRIu64 " x %" PRIu64 " x %" PRIu64
                     " workgroups, the device's limit is [%u, %u, %u]",
                     d->physical->name, dispatch->shader, g[0], g[1], g[2], most[0], most[1],
                     most[2]);
}

static vka_result record_dispatch(struct vka_vk_plan *plan, const struct vka_dispatch *dispatch,
                                  VkPipeline *bound)
{
    struct vka_vk_device *d = plan->d;
    const struct vka_vk_pipeline *pipeline =
        vka_vk_pipeline_find(d, dispatch, plan->program->real16);
    VkDescriptorSet set;
    vka_result result = check_groups(d, dispatch);
    if (result == VKA_OK)
        result = make_set(plan, dispatch, pipeline, &set);
    if (result != VKA_OK)
        return result;
    if (dispatch->barrier_before)
        barrier(plan, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, VK_ACCESS_SHADER_WRITE_BIT,
                VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
                VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT);
    if (pipeline->handle != *bound)
        d->vk.vkCmdBindPipeline(plan->command, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline->handle);
    *bound = pipeline->handle;
    d->vk.vkCmdBindDescriptorSets(plan->command, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline->layout,
                                  0, 1, &set, 0, NULL);
    if (dispatch->push_size > 0)
        d->vk.vkCmdPushConstants(plan->command, pipeline->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0,
                                 dispatch->push_size, dispatch->push);
    d->vk.vkCmdDispatch(plan->command, (uint32_t)dispatch->groups[0], (uint32_t)dispatch->groups[1],
                        (uint32_t)dispatch->groups[2]);
    return VKA_OK;
}

// --- timestamps ---

static vka_result create_queries(struct vka_vk_plan *plan)
{
    const struct vka_program *p = plan->program;
    struct vka_vk_device *d = plan->d;
    if (!plan->profile || d->physical->timestamp_bits == 0 || p->dispatch_count == 0)
        return VKA_OK;
    plan->query_nodes = vka_calloc(d->context, p->dispatch_count + 1, sizeof *plan->query_nodes);
    plan->ticks = vka_calloc(d->context, p->dispatch_count + 1, sizeof *plan->ticks);
    plan->node_ms = vka_calloc(d->context, p->g->node_count + 1, sizeof *plan->node_ms);
    if (!plan->query_nodes || !plan->ticks || !plan->node_ms)
        return vka_out_of_memory(d->context);
    VkQueryPoolCreateInfo info = {.sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
                                  .queryType = VK_QUERY_TYPE_TIMESTAMP,
                                  .queryCount = (uint32_t)p->dispatch_count + 1};
    return VKA_VK(d, vkCreateQueryPool, d->handle, &info, NULL, &plan->queries);
}

// After the last dispatch of each node. Node -1: the start.
static void timestamp(struct vka_vk_plan *plan, int node)
{
    if (!plan->queries)
        return;
    if (node < 0)
        plan->d->vk.vkCmdResetQueryPool(plan->command, plan->queries, 0,
                                        (uint32_t)plan->program->dispatch_count + 1);
    plan->query_nodes[plan->query_count] = node;
    plan->d->vk.vkCmdWriteTimestamp(plan->command,
                                    node < 0 ? VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT
                                             : VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT,
                                    plan->queries, plan->query_count++);
}

// --- all ---

static vka_result create_command(struct vka_vk_plan *plan)
{
    struct vka_vk_device *d = plan->d;
    VkCommandPoolCreateInfo pool = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                    .queueFamilyIndex = d->physical->queue_family};
    vka_result result = VKA_VK(d, vkCreateCommandPool, d->handle, &pool, NULL, &plan->pool);
    if (result != VKA_OK)
        return result;
    VkCommandBufferAllocateInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                        .commandPool = plan->pool,
                                        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
                                        .commandBufferCount = 1};
    return VKA_VK(d, vkAllocateCommandBuffers, d->handle, &info, &plan->command);
}

static vka_result record_all(struct vka_vk_plan *plan)
{
    const struct vka_program *p = plan->program;
    struct vka_vk_device *d = plan->d;
    VkCommandBufferBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    vka_result result = VKA_VK(d, vkBeginCommandBuffer, plan->command, &begin);
    if (result != VKA_OK)
        return result;
    VkPipeline bound = NULL;
    record_begin(plan);
    timestamp(plan, -1);
    for (size_t i = 0; i < p->dispatch_count; i++) {
        const struct vka_dispatch *dispatch = &p->dispatches[i];
        result = record_dispatch(plan, dispatch, &bound);
        if (result != VKA_OK)
            return result;
        if (i + 1 == p->dispatch_count || p->dispatches[i + 1].node != dispatch->node)
            timestamp(plan, dispatch->node);
    }
    record_end(plan);
    return VKA_VK(d, vkEndCommandBuffer, plan->command);
}

vka_result vka_vk_record(struct vka_vk_plan *plan)
{
    const struct vka_program *p = plan->program;
    vka_result result = vka_vk_pipelines_make(plan->d, p->dispatches, p->dispatch_count, p->real16);
    if (result == VKA_OK)
        result = create_descriptors(plan);
    if (result == VKA_OK)
        result = create_queries(plan);
    if (result == VKA_OK)
        result = create_command(plan);
    return result == VKA_OK ? record_all(plan) : result;
}
