// SPDX-License-Identifier: MIT
//
// A program on a Vulkan device: its buffers, and one command buffer recorded once.
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

struct vka_vk_plan {
    struct vka_vk_device *d;
    const struct vka_program *program;
    bool profile;
    struct vka_vk_buffer *slabs;
    struct vka_vk_buffer constants;
    struct vka_vk_weights *weights;
    struct vka_vk_io in, out;

    VkDescriptorPool descriptors;
    VkCommandPool pool;
    VkCommandBuffer command;
    VkFence fence;
    bool in_flight;

    // Profile, where the queue has timestamps: one before the first node, one after each.
    VkQueryPool queries;
    uint32_t query_count;
    int *query_nodes; // of each but the first
    uint64_t *ticks;
    double *node_ms; // by node; NULL: not measured
    double start_ms, total_ms;
};

vka_result vka_vk_record(struct vka_vk_plan *plan); // record.c

vka_result vka_vk_plan_submit(void *plan); // submit.c
vka_result vka_vk_plan_wait(void *plan);
void vka_vk_plan_times(void *plan, double *node_ms, double *total_ms);

#endif
