// SPDX-License-Identifier: MIT
//
// Records a program's dispatches into the plan's command buffers, once: a run resubmits them, and
// makes or writes nothing. Or into the application's.
#include "vk/plan.h"

#include <inttypes.h>

// --- commands ---

static void barrier(const struct vka_vk_plan *plan, VkCommandBuffer command,
                    VkPipelineStageFlags from, VkAccessFlags written, VkPipelineStageFlags to,
                    VkAccessFlags used)
{
    VkMemoryBarrier memory = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER, .srcAccessMask = written, .dstAccessMask = used};
    plan->d->vk.vkCmdPipelineBarrier(command, from, to, 0, 1, &memory, 0, NULL, 0, NULL);
}

static void copy(struct vka_vk_plan *plan, VkCommandBuffer command,
                 const struct vka_vk_buffer *from, const struct vka_vk_buffer *to)
{
    VkBufferCopy region = {.size = from->bytes};
    plan->d->vk.vkCmdCopyBuffer(command, from->handle, to->handle, 1, &region);
}

// The host's writes before a submission are seen by it without a barrier.
static void record_begin(struct vka_vk_plan *plan, VkCommandBuffer command)
{
    if (!plan->in.local.handle || !vka_vk_uses_own(plan, true))
        return;
    copy(plan, command, &plan->in.host, &plan->in.local);
    barrier(plan, command, VK_PIPELINE_STAGE_TRANSFER_BIT, VK_ACCESS_TRANSFER_WRITE_BIT,
            VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
            VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT);
}

static void record_end(struct vka_vk_plan *plan, VkCommandBuffer command)
{
    VkPipelineStageFlags last = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT;
    VkAccessFlags written = VK_ACCESS_SHADER_WRITE_BIT;
    if (plan->out.local.handle && vka_vk_uses_own(plan, false)) {
        barrier(plan, command, last, written, VK_PIPELINE_STAGE_TRANSFER_BIT,
                VK_ACCESS_TRANSFER_READ_BIT);
        copy(plan, command, &plan->out.local, &plan->out.host);
        last = VK_PIPELINE_STAGE_TRANSFER_BIT;
        written = VK_ACCESS_TRANSFER_WRITE_BIT;
    }
    barrier(plan, command, last, written, VK_PIPELINE_STAGE_HOST_BIT, VK_ACCESS_HOST_READ_BIT);
}

static vka_result check_groups(const struct vka_vk_plan *plan, const struct vka_dispatch *dispatch)
{
    struct vka_vk_device *d = plan->d;
    const struct vka_op_node *node = &plan->program->g->nodes[dispatch->node];
    const uint64_t *g = dispatch->groups;
    const uint32_t *most = d->limits.max_group_count;
    if (g[0] <= most[0] && g[1] <= most[1] && g[2] <= most[2] && g[0] && g[1] && g[2])
        return VKA_OK;
    return vka_error(d->context, VKA_ERROR_UNSUPPORTED,
                     "%s: %s%sshader %s needs %" PRIu64 " x %" PRIu64 " x %" PRIu64
                     " workgroups, the device's limit is [%u, %u, %u]",
                     d->physical->name, node->path, *node->path ? ": " : "", dispatch->shader, g[0],
                     g[1], g[2], most[0], most[1], most[2]);
}

static void dispatch_slice(const struct vka_vk_device *d, VkCommandBuffer command,
                           const struct vka_dispatch *dispatch, const struct vka_vk_slice *slice)
{
    uint32_t first[3] = {0, 0, 0}, count[3];
    for (int i = 0; i < 3; i++)
        count[i] = (uint32_t)dispatch->groups[i];
    int axis = vka_vk_slice_axis(dispatch);
    first[axis] = slice->first;
    count[axis] = slice->count;
    d->vk.vkCmdDispatchBase(command, first[0], first[1], first[2], count[0], count[1], count[2]);
}

// Slices of a dispatch write to other places of the same buffers; the layers see buffers.
static vka_result record_slice(const struct vka_vk_plan *plan, VkCommandBuffer command,
                               const struct vka_vk_slice *slice, VkPipeline *bound)
{
    struct vka_vk_device *d = plan->d;
    size_t i = slice->dispatch;
    const struct vka_dispatch *dispatch = &plan->program->dispatches[i];
    const struct vka_vk_pipeline *pipeline = plan->pipelines[i];
    vka_result result = check_groups(plan, dispatch);
    if (result != VKA_OK)
        return result;
    if (dispatch->barrier_before || slice->first > 0)
        barrier(plan, command, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, VK_ACCESS_SHADER_WRITE_BIT,
                VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
                VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT);
    if (pipeline->handle != *bound)
        d->vk.vkCmdBindPipeline(command, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline->handle);
    *bound = pipeline->handle;
    d->vk.vkCmdBindDescriptorSets(command, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline->layout, 0, 1,
                                  &plan->sets[i], 0, NULL);
    if (dispatch->push_size > 0)
        d->vk.vkCmdPushConstants(command, pipeline->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0,
                                 dispatch->push_size, dispatch->push);
    if (plan->sliced[i])
        dispatch_slice(d, command, dispatch, slice);
    else
        d->vk.vkCmdDispatch(command, (uint32_t)dispatch->groups[0], (uint32_t)dispatch->groups[1],
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
static void timestamp(struct vka_vk_plan *plan, VkCommandBuffer command, int node)
{
    if (!plan->queries)
        return;
    if (node < 0)
        plan->d->vk.vkCmdResetQueryPool(command, plan->queries, 0,
                                        (uint32_t)plan->program->dispatch_count + 1);
    plan->query_nodes[plan->query_count] = node;
    plan->d->vk.vkCmdWriteTimestamp(command,
                                    node < 0 ? VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT
                                             : VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT,
                                    plan->queries, plan->query_count++);
}

// --- all ---

static vka_result create_commands(struct vka_vk_plan *plan)
{
    struct vka_vk_device *d = plan->d;
    VkCommandPoolCreateInfo pool = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                    .queueFamilyIndex = d->physical->queue_family};
    vka_result result = VKA_VK(d, vkCreateCommandPool, d->handle, &pool, NULL, &plan->pool);
    if (result != VKA_OK)
        return result;
    plan->commands = vka_calloc(d->context, plan->cut_count, sizeof *plan->commands);
    if (!plan->commands)
        return vka_out_of_memory(d->context);
    VkCommandBufferAllocateInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                        .commandPool = plan->pool,
                                        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
                                        .commandBufferCount = (uint32_t)plan->cut_count};
    return VKA_VK(d, vkAllocateCommandBuffers, d->handle, &info, plan->commands);
}

// Submission `part`. Barriers reach over all that was submitted to the queue before.
static vka_result record_part(struct vka_vk_plan *plan, size_t part)
{
    const struct vka_program *p = plan->program;
    VkCommandBuffer command = plan->commands[part];
    bool last = part + 1 == plan->cut_count;
    size_t end = last ? plan->slice_count : plan->cuts[part + 1];
    VkPipeline bound = NULL;
    if (part == 0) {
        record_begin(plan, command);
        timestamp(plan, command, -1);
    }
    for (size_t i = plan->cuts[part]; i < end; i++) {
        vka_result result = record_slice(plan, command, &plan->slices[i], &bound);
        if (result != VKA_OK)
            return result;
        int node = p->dispatches[plan->slices[i].dispatch].node;
        if (i + 1 == plan->slice_count || p->dispatches[plan->slices[i + 1].dispatch].node != node)
            timestamp(plan, command, node);
    }
    if (last)
        record_end(plan, command);
    return VKA_OK;
}

vka_result vka_vk_record_again(struct vka_vk_plan *plan)
{
    struct vka_vk_device *d = plan->d;
    VkCommandBufferBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    plan->recorded = false;
    plan->query_count = 0;
    vka_result result = VKA_VK(d, vkResetCommandPool, d->handle, plan->pool, 0);
    for (size_t i = 0; i < plan->cut_count && result == VKA_OK; i++) {
        result = VKA_VK(d, vkBeginCommandBuffer, plan->commands[i], &begin);
        if (result == VKA_OK)
            result = record_part(plan, i);
        if (result == VKA_OK)
            result = VKA_VK(d, vkEndCommandBuffer, plan->commands[i]);
    }
    plan->recorded = result == VKA_OK;
    return result;
}

vka_result vka_vk_record_into(struct vka_vk_plan *plan, VkCommandBuffer command)
{
    VkPipeline bound = NULL;
    vka_result result = VKA_OK;
    // Behind an earlier run, which wrote to the same arena.
    barrier(plan, command, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
            VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT,
            VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
            VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT);
    // The application submits it as one: slices would only wait for each other.
    for (size_t i = 0; i < plan->program->dispatch_count && result == VKA_OK; i++) {
        const struct vka_dispatch *d = &plan->program->dispatches[i];
        struct vka_vk_slice whole = {i, 0, (uint32_t)d->groups[vka_vk_slice_axis(d)]};
        result = record_slice(plan, command, &whole, &bound);
    }
    return result;
}

vka_result vka_vk_record(struct vka_vk_plan *plan)
{
    const struct vka_program *p = plan->program;
    plan->pipelines = vka_calloc(plan->d->context, p->dispatch_count, sizeof *plan->pipelines);
    if (!plan->pipelines)
        return vka_out_of_memory(plan->d->context);
    vka_result result = vka_vk_split(plan);
    if (result == VKA_OK)
        result = vka_vk_pipelines_make(plan->d, p->dispatches, plan->sliced, p->dispatch_count,
                                       p->real, plan->pipelines);
    if (result == VKA_OK)
        result = vka_vk_descriptors_create(plan);
    if (result == VKA_OK)
        result = create_queries(plan);
    if (result == VKA_OK)
        result = create_commands(plan);
    return result == VKA_OK ? vka_vk_record_again(plan) : result;
}
