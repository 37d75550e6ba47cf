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
    uint32_t subgroup; // required; 0: any
    bool sliced;       // for vkCmdDispatchBase
    uint32_t *words;   // of the module, until the pipeline is made
    VkPipeline handle;
    VkResult made; // of the call that failed, or the last
    const char *call;
    VkPipelineLayout layout; // the device's, as the next
    VkDescriptorSetLayout set_layout;
};

// Makes those that the dispatches need and that aren't there yet, on all threads of the context;
// out[i] is the pipeline of dispatches[i], sliced[i] whether it goes in slices. `real`: of the
// module's twin, where there is one. They live as long as the device. Any thread.
vka_result vka_vk_pipelines_make(struct vka_vk_device *d, const struct vka_dispatch *dispatches,
                                 const bool *sliced, size_t count, vka_dtype real,
                                 const struct vka_vk_pipeline **out);
void vka_vk_pipelines_destroy(struct vka_vk_device *d);

#endif
