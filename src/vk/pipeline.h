// SPDX-License-Identifier: MIT
//
// Pipelines, made once a device for each (module, constants, bindings, push size).
#ifndef VKA_VK_PIPELINE_H
#define VKA_VK_PIPELINE_H

#include "vk/device.h"

struct vka_vk_pipeline {
    struct vka_vk_pipeline *next;
    const struct vka_module *module;
    uint32_t constants[VKA_MAX_CONSTANTS];
    int n_constants, n_bindings;
    uint32_t push_size;
    VkPipeline handle;
    VkPipelineLayout layout; // the device's, as the next
    VkDescriptorSetLayout set_layout;
};

// Any thread. `real16`: the module's f16 twin, where there is one. The pipeline lives as long as
// the device.
vka_result vka_vk_pipeline_get(struct vka_vk_device *d, const struct vka_dispatch *dispatch,
                               bool real16, const struct vka_vk_pipeline **pipeline);

void vka_vk_pipelines_destroy(struct vka_vk_device *d);

#endif
