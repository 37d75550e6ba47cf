// SPDX-License-Identifier: MIT
//
// A program on a Vulkan device: its buffers, and its command buffers (one, where the work isn't
// long), recorded once.
#ifndef VKA_VK_PLAN_H
#define VKA_VK_PLAN_H

#include "vk/memory.h"
#include "vk/pipeline.h"
#include "vk/weights.h"

// Inputs, or outputs. Where the device can't well use what the host maps, it has a twin of its own,
// and the command buffer copies.
struct vka_vk_io {
    struct vka_vk_buffer host;
    struct vka_vk_buffer local; // handle NULL: used in place
};

// The application's memory in the place of an input or output. buffer NULL: the plan's own.
struct vka_vk_outside {
    VkBuffer buffer;
    uint64_t offset, bytes;
};

// Workgroups `first` to `first + count` of a dispatch, along the last direction that has several:
// there the others' counts, of which group_index() of the shaders makes an index, stay whole.
struct vka_vk_slice {
    size_t dispatch;
    uint32_t first, count;
};

static inline int vka_vk_slice_axis(const struct vka_dispatch *d)
{
    return d->groups[2] > 1 ? 2 : d->groups[1] > 1 ? 1 : 0;
}

struct vka_vk_plan {
    struct vka_vk_device *d;
    const struct vka_program *program;
    bool profile;
    struct vka_vk_buffer *slabs;
    struct vka_vk_buffer constants;
    struct vka_vk_weights *weights;
    struct vka_vk_io in, out;
    struct vka_vk_outside *outside; // by input, then by public output; NULL: none at all

    VkDescriptorPool descriptors;
    const struct vka_vk_pipeline **pipelines; // by dispatch
    VkDescriptorSet *sets;                    // by dispatch
    VkCommandPool pool;
    struct vka_vk_slice *slices; // in order
    size_t slice_count;
    bool *sliced; // by dispatch: it has several
    size_t *cuts; // the first slice of each submission
    size_t cut_count;
    VkCommandBuffer *commands; // one a submission
    VkFence fence;
    bool recorded;
    bool in_flight;

    // Profile, where the queue has timestamps: one before the first node, one after each.
    VkQueryPool queries;
    uint32_t query_count;
    int *query_nodes; // of each but the first
    uint64_t *ticks;
    double *node_ms; // by node; NULL: not measured
    double start_ms, total_ms;
};

// The outside of input or output `i`; NULL where nothing was ever bound, or none can be (a result
// of the checks).
static inline struct vka_vk_outside *vka_vk_outside_of(const struct vka_vk_plan *plan, bool input,
                                                       size_t i)
{
    const struct vka_program *p = plan->program;
    if (!plan->outside || (!input && i >= p->public_outputs))
        return NULL;
    return &plan->outside[input ? i : p->g->input_count + i];
}
// Whether any input (output) is in the plan's own memory.
bool vka_vk_uses_own(const struct vka_vk_plan *plan, bool inputs); // own.c

vka_result vka_vk_descriptors_create(struct vka_vk_plan *plan); // descriptors.c
vka_result vka_vk_descriptors_write(struct vka_vk_plan *plan);  // anew, none in use

vka_result vka_vk_split(struct vka_vk_plan *plan);  // split.c: fills `slices` and `cuts`
vka_result vka_vk_record(struct vka_vk_plan *plan); // record.c: all that a run needs
vka_result vka_vk_record_again(struct vka_vk_plan *plan);
vka_result vka_vk_record_into(struct vka_vk_plan *plan, VkCommandBuffer command);

vka_result vka_vk_plan_submit(void *plan); // submit.c
// `info` has the semaphores; NULL: none.
vka_result vka_vk_plan_submit_with(struct vka_vk_plan *plan, const VkSubmitInfo *info);
vka_result vka_vk_plan_wait(void *plan);
void vka_vk_plan_times(void *plan, double *node_ms, double *total_ms);

#endif
