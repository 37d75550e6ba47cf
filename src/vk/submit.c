// SPDX-License-Identifier: MIT
//
// Runs a recorded plan: submits, waits, reads the times.
#include "util/system.h"
#include "vk/plan.h"

static vka_result wait_fence(struct vka_vk_plan *plan)
{
    struct vka_vk_device *d = plan->d;
    vka_result result = VKA_VK(d, vkWaitForFences, d->handle, 1, &plan->fence, VK_TRUE, UINT64_MAX);
    plan->in_flight = result != VKA_OK;
    return result;
}

// The first submission waits, the last one signals.
static vka_result submit_parts(struct vka_vk_plan *plan, const VkSubmitInfo *all)
{
    static const VkSubmitInfo none = {.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO};
    vka_result result = VKA_OK;
    for (size_t i = 0; i < plan->cut_count && result == VKA_OK; i++) {
        bool last = i + 1 == plan->cut_count;
        VkSubmitInfo info = all ? *all : none;
        if (i > 0)
            info.waitSemaphoreCount = 0;
        if (!last)
            info.signalSemaphoreCount = 0;
        result =
            vka_vk_submit(plan->d, plan->commands[i], &info, last ? plan->fence : VK_NULL_HANDLE);
        if (result != VKA_OK && i > 0)
            vka_vk_idle(plan->d); // those before it use the plan's memory
    }
    return result;
}

vka_result vka_vk_plan_submit_with(struct vka_vk_plan *plan, const VkSubmitInfo *info)
{
    struct vka_vk_device *d = plan->d;
    vka_result result = vka_vk_alive(d);
    if (result == VKA_OK && plan->in_flight) // a wait that failed left the run in flight
        result = wait_fence(plan);
    if (result == VKA_OK && !plan->recorded)
        result = vka_vk_record_again(plan);
    if (result == VKA_OK)
        result = vka_vk_buffer_flush(d, &plan->in.host);
    if (result == VKA_OK)
        result = VKA_VK(d, vkResetFences, d->handle, 1, &plan->fence);
    if (result != VKA_OK)
        return result;
    plan->start_ms = vka_sys_ms();
    result = submit_parts(plan, info);
    plan->in_flight = result == VKA_OK;
    return result;
}

vka_result vka_vk_plan_submit(void *plan)
{
    return vka_vk_plan_submit_with(plan, NULL);
}

// A tick counter of fewer than 64 bits wraps.
static void read_times(struct vka_vk_plan *plan)
{
    uint32_t bits = plan->d->physical->timestamp_bits;
    uint64_t mask = bits >= 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
    double tick = plan->d->physical->timestamp_ns * 1e-6;
    for (size_t i = 0; i < plan->program->g->node_count; i++)
        plan->node_ms[i] = 0;
    plan->total_ms = 0;
    for (uint32_t i = 1; i < plan->query_count; i++) {
        double ms = (double)((plan->ticks[i] - plan->ticks[i - 1]) & mask) * tick;
        plan->node_ms[plan->query_nodes[i]] += ms;
        plan->total_ms += ms;
    }
}

vka_result vka_vk_plan_wait(void *arg)
{
    struct vka_vk_plan *plan = arg;
    struct vka_vk_device *d = plan->d;
    vka_result result = vka_vk_alive(d);
    if (result == VKA_OK && !plan->in_flight)
        result = vka_error(d->context, VKA_ERROR_BUSY, "no run of this plan is in flight");
    if (result == VKA_OK)
        result = wait_fence(plan);
    if (result != VKA_OK)
        return result;
    plan->total_ms = vka_sys_ms() - plan->start_ms;
    result = vka_vk_buffer_invalidate(d, &plan->out.host);
    if (result == VKA_OK && plan->queries) {
        result = VKA_VK(d, vkGetQueryPoolResults, d->handle, plan->queries, 0, plan->query_count,
                        plan->query_count * sizeof *plan->ticks, plan->ticks, sizeof *plan->ticks,
                        VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT);
        if (result == VKA_OK)
            read_times(plan);
    }
    return result;
}

void vka_vk_plan_times(void *arg, double *node_ms, double *total_ms)
{
    const struct vka_vk_plan *plan = arg;
    for (size_t i = 0; i < plan->program->g->node_count; i++)
        node_ms[i] = plan->node_ms ? plan->node_ms[i] : 0;
    *total_ms = plan->total_ms;
}
