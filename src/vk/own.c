// SPDX-License-Identifier: MIT
//
// The application's device, buffers, semaphores and command buffers: include/vkattn/vulkan.h.
#include "vkattn/vulkan.h"

#include "graph/plan.h"
#include "vk/cache.h"
#include "vk/plan.h"

#include <inttypes.h>
#include <string.h>

// --- the device ---

struct features {
    bool storage16, float16;
};

// Only what is on may be used, whatever the device could do.
static struct features enabled(const VkDeviceCreateInfo *info)
{
    struct features f = {false, false};
    for (const VkBaseInStructure *s = info ? info->pNext : NULL; s; s = s->pNext) {
        switch (s->sType) {
        case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES:
            f.storage16 |=
                ((const VkPhysicalDevice16BitStorageFeatures *)s)->storageBuffer16BitAccess != 0;
            break;
        case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES:
            f.storage16 |=
                ((const VkPhysicalDeviceVulkan11Features *)s)->storageBuffer16BitAccess != 0;
            break;
        case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES:
            f.float16 |= ((const VkPhysicalDeviceShaderFloat16Int8Features *)s)->shaderFloat16 != 0;
            break;
        case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES:
            f.float16 |= ((const VkPhysicalDeviceVulkan12Features *)s)->shaderFloat16 != 0;
            break;
        default:
            break;
        }
    }
    return f;
}

static void keep_to_enabled(struct vka_physical *p, const VkDeviceCreateInfo *created)
{
    struct features f = enabled(created);
    p->limits.f16_storage = p->limits.f16_storage && f.storage16;
    p->limits.f16_arithmetic = p->limits.f16_arithmetic && f.float16;
    p->limits.cooperative_matrix = false;
    p->limits.matrix = (struct vka_matrix_shape){0};
    p->limits.matrix2 = false;
    vka_physical_tell_halves(p);
    p->info.cooperative_matrix = false;
}

static bool take_queue_family(struct vka_vk *vk, struct vka_physical *p, uint32_t family)
{
    VkQueueFamilyProperties families[32];
    uint32_t count = VKA_COUNT(families);
    vk->call.vkGetPhysicalDeviceQueueFamilyProperties(p->handle, &count, families);
    if (family >= count || !(families[family].queueFlags & VK_QUEUE_COMPUTE_BIT))
        return false;
    p->queue_family = family;
    p->timestamp_bits = families[family].timestampValidBits;
    return true;
}

static vka_result refuse(vka_context *context, const char *why)
{
    return vka_error(context, VKA_ERROR_UNSUPPORTED, "the application's Vulkan device: %s", why);
}

static vka_result read_physical(vka_context *context, const vka_vulkan_device *given,
                                struct vka_vk_own *own)
{
    struct vka_vk *vk = &own->vk;
    struct vka_physical *p = &own->physical;
    vk->context = context;
    vk->instance = given->instance;
    vk->get = given->get_instance_proc_addr ? given->get_instance_proc_addr : vka_loader_find();
    if (!vk->get)
        return refuse(context, "no Vulkan loader (libvulkan.so.1) here");
    if (!vka_vk_load(vk))
        return refuse(context, "the Vulkan loader lacks functions of Vulkan 1.1");
    vka_vk_read_limits_switch(vk);
    p->handle = given->physical_device;
    const char *why;
    vka_result result = vka_physical_read(vk, p, &why);
    if (result != VKA_OK)
        return result == VKA_ERROR_UNSUPPORTED ? refuse(context, why) : result;
    if (!take_queue_family(vk, p, given->queue_family))
        return vka_error(context, VKA_ERROR_UNSUPPORTED,
                         "the application's Vulkan device: queue family %u doesn't compute",
                         given->queue_family);
    if (p->info.api_version > given->api_version)
        p->info.api_version = given->api_version;
    keep_to_enabled(p, given->created);
    p->info.index = p->info.vulkan_index = -1;
    p->info.name = p->name;
    p->info.driver = p->driver;
    return VKA_OK;
}

static vka_result check_device(vka_context *context, const vka_vulkan_device *g)
{
    if (!g->instance || !g->physical_device || !g->device || !g->queue)
        return vka_error(context, VKA_ERROR_INVALID, "the application's Vulkan device needs %s",
                         !g->instance          ? "an instance"
                         : !g->physical_device ? "a physical device"
                         : !g->device          ? "a device"
                                               : "a queue");
    if (!g->lock_queue != !g->unlock_queue)
        return vka_error(context, VKA_ERROR_INVALID,
                         "lock_queue and unlock_queue are given both or not at all");
    if (g->api_version < VK_API_VERSION_1_1)
        return refuse(context, "its instance was made for less than Vulkan 1.1");
    return VKA_OK;
}

vka_result vka_device_open_vulkan(vka_context *context, const vka_vulkan_device *given,
                                  vka_device **out)
{
    *out = NULL;
    vka_result result = check_device(context, given);
    if (result != VKA_OK)
        return result;
    struct vka_vk_device *d = vka_vk_device_alloc(context);
    if (d)
        d->own = vka_calloc(context, 1, sizeof *d->own);
    if (!d || !d->own) {
        if (d)
            vka_vk_device_free(d);
        return vka_out_of_memory(context);
    }
    d->own->user = given->user;
    d->own->lock = given->lock_queue;
    d->own->unlock = given->unlock_queue;
    result = read_physical(context, given, d->own);
    if (result == VKA_OK) {
        d->physical = &d->own->physical;
        d->limits = d->physical->limits;
        d->handle = given->device;
        d->queue = given->queue;
        result = vka_vk_device_start(d, d->own->vk.call.vkGetDeviceProcAddr);
    }
    if (result == VKA_OK)
        return vka_vk_device_wrap(d, out);
    vka_vk_device_free(d);
    return result;
}

// --- the application's buffers ---

bool vka_vk_uses_own(const struct vka_vk_plan *plan, bool inputs)
{
    const struct vka_graph *g = plan->program->g;
    size_t count = inputs ? g->input_count : g->output_count;
    for (size_t i = 0; i < count; i++) {
        const struct vka_vk_outside *o = vka_vk_outside_of(plan, inputs, i);
        if (!o || !o->buffer)
            return true;
    }
    return false;
}

static vka_result check_buffer(const struct vka_vk_plan *plan, const vka_vulkan_buffer *b, size_t i)
{
    const struct vka_vk_device *d = plan->d;
    vka_tensor t = vka_end_of(plan->program, i)->tensor;
    uint64_t bytes = (vka_base_bytes(plan->program, t) + 3) / 4 * 4;
    vka_shape shape = vka_shape_of(plan->program->g, t);
    char text[VKA_SHAPE_TEXT];
    if (b->range < bytes)
        return vka_error(d->context, VKA_ERROR_INVALID,
                         "'%s' of shape %s takes %" PRIu64
                         " bytes, the buffer's range has %" PRIu64,
                         b->name, vka_shape_text(&shape, text), bytes, (uint64_t)b->range);
    if (b->range == VK_WHOLE_SIZE || b->offset > UINT64_MAX - b->range)
        return vka_error(
            d->context, VKA_ERROR_INVALID,
            "'%s': the buffer's range isn't told in bytes (nothing tells how large the "
            "buffer is, so VK_WHOLE_SIZE won't do)",
            b->name);
    if (b->offset % d->limits.offset_alignment != 0)
        return vka_error(d->context, VKA_ERROR_INVALID,
                         "'%s': the buffer's offset %" PRIu64 " is not a multiple of %u", b->name,
                         (uint64_t)b->offset, d->limits.offset_alignment);
    return VKA_OK;
}

static bool overlap(const struct vka_vk_outside *a, const struct vka_vk_outside *b)
{
    return a->buffer && a->buffer == b->buffer && a->offset < b->offset + b->bytes &&
           b->offset < a->offset + a->bytes;
}

// No output may share memory with anything else that is bound.
static vka_result check_overlaps(const struct vka_vk_plan *plan, const struct vka_vk_outside *list)
{
    const struct vka_program *p = plan->program;
    size_t inputs = p->g->input_count, all = inputs + p->public_outputs;
    for (size_t i = inputs; i < all; i++) {
        for (size_t k = 0; k < i; k++) {
            if (overlap(&list[i], &list[k]))
                return vka_error(plan->d->context, VKA_ERROR_INVALID,
                                 "the buffers of output '%s' and of '%s' overlap",
                                 vka_end_of(p, i)->name, vka_end_of(p, k)->name);
        }
    }
    return VKA_OK;
}

static bool named_before(const vka_vulkan_buffer *list, const vka_vulkan_buffer *b)
{
    while (list < b && strcmp(list->name, b->name) != 0)
        list++;
    return list < b;
}

static vka_result fill_outside(const struct vka_vk_plan *plan, const vka_vulkan_buffer *buffers,
                               struct vka_vk_outside *list)
{
    const struct vka_program *p = plan->program;
    for (const vka_vulkan_buffer *b = buffers; b && b->name; b++) {
        size_t i;
        if (!vka_find_input_or_output(p, b->name, &i))
            return vka_error(plan->d->context, VKA_ERROR_INVALID,
                             "the graph has no input or output '%s'", b->name);
        if (named_before(buffers, b))
            return vka_error(plan->d->context, VKA_ERROR_INVALID, "'%s' is bound twice", b->name);
        vka_result result = b->buffer ? check_buffer(plan, b, i) : VKA_OK;
        if (result != VKA_OK)
            return result;
        list[i] = (struct vka_vk_outside){0};
        if (b->buffer)
            list[i] = (struct vka_vk_outside){b->buffer, b->offset, b->range};
    }
    return check_overlaps(plan, list);
}

static struct vka_vk_plan *impl_of(const vka_plan *plan, const char *call)
{
    if (plan->device->executor == &vka_vk_executor)
        return plan->impl;
    vka_error(plan->context, VKA_ERROR_INVALID,
              "%s: the plan's device is '%s', not a Vulkan device", call, plan->device->info.name);
    return NULL;
}

// The new list takes effect as a whole or not at all.
static vka_result take_outside(vka_plan *plan, struct vka_vk_plan *impl,
                               struct vka_vk_outside *list, size_t ends)
{
    struct vka_vk_outside *old = impl->outside;
    impl->outside = list;
    vka_result result = vka_vk_descriptors_write(impl);
    if (result != VKA_OK) {
        impl->outside = old;
        vka_vk_descriptors_write(impl); // what could be written once
        vka_free(plan->context, list);
        return result;
    }
    vka_free(plan->context, old);
    for (size_t i = 0; i < ends; i++)
        plan->outside[i] = list[i].buffer != NULL;
    impl->recorded = false;
    return VKA_OK;
}

vka_result vka_plan_bind(vka_plan *plan, const vka_vulkan_buffer *buffers)
{
    struct vka_vk_plan *impl = impl_of(plan, "vka_plan_bind");
    if (!impl)
        return VKA_ERROR_INVALID;
    if (plan->in_flight)
        return vka_error(plan->context, VKA_ERROR_BUSY, "a run of this plan is in flight");
    vka_result result = vka_vk_alive(impl->d);
    if (result != VKA_OK)
        return result;
    const struct vka_program *p = plan->program;
    size_t ends = p->g->input_count + p->public_outputs;
    struct vka_vk_outside *list = vka_calloc(plan->context, ends, sizeof *list);
    if (!list)
        return vka_out_of_memory(plan->context);
    for (size_t i = 0; i < ends && impl->outside; i++)
        list[i] = impl->outside[i];
    result = fill_outside(impl, buffers, list);
    if (result == VKA_OK)
        return take_outside(plan, impl, list, ends);
    vka_free(plan->context, list);
    return result;
}

// --- runs ---

enum { MAX_SEMAPHORES = 16 };

// A submission's semaphores in Vulkan's form.
struct semaphores {
    VkSemaphore wait[MAX_SEMAPHORES], signal[MAX_SEMAPHORES];
    uint64_t wait_value[MAX_SEMAPHORES], signal_value[MAX_SEMAPHORES];
    VkPipelineStageFlags stage[MAX_SEMAPHORES];
    VkTimelineSemaphoreSubmitInfo values;
    VkSubmitInfo info;
};

static bool split(const vka_vulkan_semaphore *list, uint32_t count, VkSemaphore *semaphores,
                  uint64_t *values)
{
    bool timeline = false;
    for (uint32_t i = 0; i < count; i++) {
        semaphores[i] = list[i].semaphore;
        values[i] = list[i].value;
        timeline = timeline || list[i].value != 0;
    }
    return timeline;
}

static void fill_semaphores(struct semaphores *s, const vka_vulkan_sync *sync)
{
    s->info = (VkSubmitInfo){.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                             .waitSemaphoreCount = sync->wait_count,
                             .pWaitSemaphores = s->wait,
                             .pWaitDstStageMask = s->stage,
                             .signalSemaphoreCount = sync->signal_count,
                             .pSignalSemaphores = s->signal};
    // The first thing of a run may be a copy.
    for (uint32_t i = 0; i < sync->wait_count; i++)
        s->stage[i] = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
    bool waits = split(sync->wait, sync->wait_count, s->wait, s->wait_value);
    bool signals = split(sync->signal, sync->signal_count, s->signal, s->signal_value);
    if (!waits && !signals)
        return;
    s->values =
        (VkTimelineSemaphoreSubmitInfo){.sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO,
                                        .waitSemaphoreValueCount = sync->wait_count,
                                        .pWaitSemaphoreValues = s->wait_value,
                                        .signalSemaphoreValueCount = sync->signal_count,
                                        .pSignalSemaphoreValues = s->signal_value};
    s->info.pNext = &s->values;
}

static vka_result submit_with(void *impl, const void *info)
{
    return vka_vk_plan_submit_with(impl, info);
}

vka_result vka_plan_submit_vulkan(vka_plan *plan, const vka_io *inputs, const vka_vulkan_sync *sync)
{
    static const vka_vulkan_sync none = {0};
    if (!impl_of(plan, "vka_plan_submit_vulkan"))
        return VKA_ERROR_INVALID;
    if (!sync)
        sync = &none;
    if (sync->wait_count > MAX_SEMAPHORES || sync->signal_count > MAX_SEMAPHORES)
        return vka_error(plan->context, VKA_ERROR_INVALID,
                         "a submission takes at most %d semaphores of a kind, not %u and %u",
                         MAX_SEMAPHORES, sync->wait_count, sync->signal_count);
    struct semaphores s;
    fill_semaphores(&s, sync);
    return vka_plan_submit_by(plan, inputs, submit_with, &s.info);
}

vka_result vka_plan_record(vka_plan *plan, VkCommandBuffer command)
{
    struct vka_vk_plan *impl = impl_of(plan, "vka_plan_record");
    if (!impl)
        return VKA_ERROR_INVALID;
    const struct vka_program *p = plan->program;
    for (size_t i = 0; i < p->g->input_count + p->public_outputs; i++) {
        if (!plan->outside[i])
            return vka_error(plan->context, VKA_ERROR_INVALID,
                             "'%s' is bound to no buffer: what is recorded reads and writes the "
                             "application's buffers alone",
                             vka_end_of(p, i)->name);
    }
    vka_result result = vka_vk_alive(impl->d);
    return result == VKA_OK ? vka_vk_record_into(impl, command) : result;
}
