// SPDX-License-Identifier: MIT
//
// The pictures: scene.comp draws the scene, input.comp makes the network's input of it, blend.vert
// and blend.frag show it with a map over it. All four share one set of bindings and one push block:
//     0 the picture, to write and read    2 the network's input
//     1 the picture, sampled              3 the maps
#include "window.h"

#include "window_shaders.h"

enum { BINDINGS = 4, GROUP = 8 };

static bool make_picture(struct painter *p, const struct gpu *g)
{
    VkImageCreateInfo info = {.sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
                              .imageType = VK_IMAGE_TYPE_2D,
                              .format = VK_FORMAT_R8G8B8A8_UNORM,
                              .extent = {PICTURE, PICTURE, 1},
                              .mipLevels = 1,
                              .arrayLayers = 1,
                              .samples = VK_SAMPLE_COUNT_1_BIT,
                              .usage = VK_IMAGE_USAGE_STORAGE_BIT | VK_IMAGE_USAGE_SAMPLED_BIT};
    VkImageViewCreateInfo view = {.sType = VK_STRUCTURE_TYPE_IMAGE_VIEW_CREATE_INFO,
                                  .viewType = VK_IMAGE_VIEW_TYPE_2D,
                                  .format = info.format,
                                  .subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1}};
    VkSamplerCreateInfo sampler = {.sType = VK_STRUCTURE_TYPE_SAMPLER_CREATE_INFO,
                                   .magFilter = VK_FILTER_LINEAR,
                                   .minFilter = VK_FILTER_LINEAR,
                                   .addressModeU = VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_EDGE,
                                   .addressModeV = VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_EDGE};
    VkMemoryRequirements need;
    if (!VK(vkCreateImage(g->device, &info, NULL, &p->picture)))
        return false;
    vkGetImageMemoryRequirements(g->device, p->picture, &need);
    view.image = p->picture;
    return gpu_allocate(g, &need, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, &p->picture_memory) &&
           VK(vkBindImageMemory(g->device, p->picture, p->picture_memory, 0)) &&
           VK(vkCreateImageView(g->device, &view, NULL, &p->view)) &&
           VK(vkCreateSampler(g->device, &sampler, NULL, &p->sampler));
}

static const VkDescriptorType types[BINDINGS] = {
    VK_DESCRIPTOR_TYPE_STORAGE_IMAGE, VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER,
    VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER};

static bool make_layout(struct painter *p, const struct gpu *g)
{
    VkDescriptorSetLayoutBinding binding[BINDINGS];
    for (uint32_t i = 0; i < BINDINGS; i++)
        binding[i] = (VkDescriptorSetLayoutBinding){i, types[i], 1, VK_SHADER_STAGE_ALL, NULL};
    VkDescriptorSetLayoutCreateInfo set = {.sType =
                                               VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
                                           .bindingCount = BINDINGS,
                                           .pBindings = binding};
    if (!VK(vkCreateDescriptorSetLayout(g->device, &set, NULL, &p->set_layout)))
        return false;
    VkPushConstantRange range = {VK_SHADER_STAGE_ALL, 0, sizeof(struct push)};
    VkPipelineLayoutCreateInfo layout = {.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
                                         .setLayoutCount = 1,
                                         .pSetLayouts = &p->set_layout,
                                         .pushConstantRangeCount = 1,
                                         .pPushConstantRanges = &range};
    return VK(vkCreatePipelineLayout(g->device, &layout, NULL, &p->layout));
}

static bool make_set(struct painter *p, const struct gpu *g, const struct attention *a)
{
    VkDescriptorPoolSize size[BINDINGS];
    for (int i = 0; i < BINDINGS; i++)
        size[i] = (VkDescriptorPoolSize){types[i], 1};
    VkDescriptorPoolCreateInfo pool = {.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
                                       .maxSets = 1,
                                       .poolSizeCount = BINDINGS,
                                       .pPoolSizes = size};
    if (!VK(vkCreateDescriptorPool(g->device, &pool, NULL, &p->pool)))
        return false;
    VkDescriptorSetAllocateInfo info = {.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
                                        .descriptorPool = p->pool,
                                        .descriptorSetCount = 1,
                                        .pSetLayouts = &p->set_layout};
    if (!VK(vkAllocateDescriptorSets(g->device, &info, &p->set)))
        return false;
    VkDescriptorImageInfo image = {p->sampler, p->view, VK_IMAGE_LAYOUT_GENERAL};
    VkDescriptorBufferInfo buffer[BINDINGS] = {
        [2] = {a->input.buffer, 0, VK_WHOLE_SIZE}, [3] = {a->maps.buffer, 0, VK_WHOLE_SIZE}};
    VkWriteDescriptorSet write[BINDINGS];
    for (uint32_t i = 0; i < BINDINGS; i++)
        write[i] = (VkWriteDescriptorSet){.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
                                          .dstSet = p->set,
                                          .dstBinding = i,
                                          .descriptorCount = 1,
                                          .descriptorType = types[i],
                                          .pImageInfo = &image,
                                          .pBufferInfo = &buffer[i]};
    vkUpdateDescriptorSets(g->device, BINDINGS, write, 0, NULL);
    return true;
}

// --- pipelines ---

#define STAGE(g, stage, words, info) make_stage(g, stage, words, sizeof(words), info)

static bool make_stage(const struct gpu *g, VkShaderStageFlagBits stage, const uint32_t *words,
                       size_t bytes, VkPipelineShaderStageCreateInfo *info)
{
    VkShaderModuleCreateInfo module = {
        .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO, .codeSize = bytes, .pCode = words};
    *info = (VkPipelineShaderStageCreateInfo){
        .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
        .stage = stage,
        .pName = "main"};
    return VK(vkCreateShaderModule(g->device, &module, NULL, &info->module));
}

static bool make_compute(struct painter *p, const struct gpu *g)
{
    VkComputePipelineCreateInfo info[2] = {
        {.sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO, .layout = p->layout},
        {.sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO, .layout = p->layout}};
    VkPipeline made[2] = {VK_NULL_HANDLE, VK_NULL_HANDLE};
    bool ok = STAGE(g, VK_SHADER_STAGE_COMPUTE_BIT, module_scene, &info[0].stage) &&
              STAGE(g, VK_SHADER_STAGE_COMPUTE_BIT, module_input, &info[1].stage) &&
              VK(vkCreateComputePipelines(g->device, VK_NULL_HANDLE, 2, info, NULL, made));
    for (int i = 0; i < 2; i++)
        vkDestroyShaderModule(g->device, info[i].stage.module, NULL);
    p->scene = made[0];
    p->input = made[1];
    return ok;
}

// A triangle that covers all, no vertices in memory; the viewport comes with the commands.
static bool make_blend(struct painter *p, const struct gpu *g, VkRenderPass pass)
{
    VkPipelineShaderStageCreateInfo stage[2] = {{0}};
    VkPipelineVertexInputStateCreateInfo vertices = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_VERTEX_INPUT_STATE_CREATE_INFO};
    VkPipelineInputAssemblyStateCreateInfo triangles = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_INPUT_ASSEMBLY_STATE_CREATE_INFO,
        .topology = VK_PRIMITIVE_TOPOLOGY_TRIANGLE_LIST};
    VkPipelineViewportStateCreateInfo viewport = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_VIEWPORT_STATE_CREATE_INFO,
        .viewportCount = 1,
        .scissorCount = 1};
    VkPipelineRasterizationStateCreateInfo fill = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_RASTERIZATION_STATE_CREATE_INFO, .lineWidth = 1};
    VkPipelineMultisampleStateCreateInfo single = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_MULTISAMPLE_STATE_CREATE_INFO,
        .rasterizationSamples = VK_SAMPLE_COUNT_1_BIT};
    VkPipelineColorBlendAttachmentState all = {.colorWriteMask = 0xf};
    VkPipelineColorBlendStateCreateInfo colours = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_COLOR_BLEND_STATE_CREATE_INFO,
        .attachmentCount = 1,
        .pAttachments = &all};
    static const VkDynamicState later[] = {VK_DYNAMIC_STATE_VIEWPORT, VK_DYNAMIC_STATE_SCISSOR};
    VkPipelineDynamicStateCreateInfo dynamic = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_DYNAMIC_STATE_CREATE_INFO,
        .dynamicStateCount = 2,
        .pDynamicStates = later};
    VkGraphicsPipelineCreateInfo info = {.sType = VK_STRUCTURE_TYPE_GRAPHICS_PIPELINE_CREATE_INFO,
                                         .stageCount = 2,
                                         .pStages = stage,
                                         .pVertexInputState = &vertices,
                                         .pInputAssemblyState = &triangles,
                                         .pViewportState = &viewport,
                                         .pRasterizationState = &fill,
                                         .pMultisampleState = &single,
                                         .pColorBlendState = &colours,
                                         .pDynamicState = &dynamic,
                                         .layout = p->layout,
                                         .renderPass = pass};
    bool ok = STAGE(g, VK_SHADER_STAGE_VERTEX_BIT, module_blend_vert, &stage[0]) &&
              STAGE(g, VK_SHADER_STAGE_FRAGMENT_BIT, module_blend_frag, &stage[1]) &&
              VK(vkCreateGraphicsPipelines(g->device, VK_NULL_HANDLE, 1, &info, NULL, &p->blend));
    for (int i = 0; i < 2; i++)
        vkDestroyShaderModule(g->device, stage[i].module, NULL);
    return ok;
}

bool painter_open(struct painter *p, const struct gpu *g, VkRenderPass pass,
                  const struct attention *a)
{
    return make_picture(p, g) && make_layout(p, g) && make_set(p, g, a) && make_compute(p, g) &&
           make_blend(p, g, pass);
}

void painter_close(struct painter *p, const struct gpu *g)
{
    vkDestroyPipeline(g->device, p->scene, NULL);
    vkDestroyPipeline(g->device, p->input, NULL);
    vkDestroyPipeline(g->device, p->blend, NULL);
    vkDestroyPipelineLayout(g->device, p->layout, NULL);
    vkDestroyDescriptorPool(g->device, p->pool, NULL);
    vkDestroyDescriptorSetLayout(g->device, p->set_layout, NULL);
    vkDestroySampler(g->device, p->sampler, NULL);
    vkDestroyImageView(g->device, p->view, NULL);
    vkDestroyImage(g->device, p->picture, NULL);
    vkFreeMemory(g->device, p->picture_memory, NULL);
}

// --- commands ---

static void use(const struct painter *p, VkCommandBuffer command, VkPipelineBindPoint point,
                VkPipeline pipeline, const struct push *push)
{
    vkCmdBindPipeline(command, point, pipeline);
    vkCmdBindDescriptorSets(command, point, p->layout, 0, 1, &p->set, 0, NULL);
    vkCmdPushConstants(command, p->layout, VK_SHADER_STAGE_ALL, 0, sizeof *push, push);
}

// Its old contents aren't wanted. The frame before may still read it, the input and the maps.
static void begin_picture(const struct painter *p, VkCommandBuffer command)
{
    VkImageMemoryBarrier image = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER,
        .dstAccessMask = VK_ACCESS_SHADER_WRITE_BIT,
        .newLayout = VK_IMAGE_LAYOUT_GENERAL,
        .srcQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
        .dstQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
        .image = p->picture,
        .subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1},
    };
    vkCmdPipelineBarrier(command,
                         VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT |
                             VK_PIPELINE_STAGE_VERTEX_SHADER_BIT |
                             VK_PIPELINE_STAGE_FRAGMENT_SHADER_BIT,
                         VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, 0, 0, NULL, 0, NULL, 1, &image);
}

void painter_scene(const struct painter *p, VkCommandBuffer command, const struct push *push)
{
    const VkPipelineStageFlags compute = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT;
    begin_picture(p, command);
    use(p, command, VK_PIPELINE_BIND_POINT_COMPUTE, p->scene, push);
    vkCmdDispatch(command, PICTURE / GROUP, PICTURE / GROUP, 1);
    // The picture is read by input.comp and blend.frag.
    barrier(command, compute, VK_ACCESS_SHADER_WRITE_BIT,
            compute | VK_PIPELINE_STAGE_FRAGMENT_SHADER_BIT, VK_ACCESS_SHADER_READ_BIT);
    use(p, command, VK_PIPELINE_BIND_POINT_COMPUTE, p->input, push);
    vkCmdDispatch(command, SIDE / GROUP, SIDE / GROUP, 1);
}

VkRect2D painter_square(VkExtent2D extent)
{
    uint32_t side = extent.width < extent.height ? extent.width : extent.height;
    VkOffset2D corner = {(int32_t)(extent.width - side) / 2, (int32_t)(extent.height - side) / 2};
    return (VkRect2D){corner, {side, side}};
}

void painter_blend(const struct painter *p, VkCommandBuffer command, const struct push *push,
                   const struct swapchain *c, uint32_t image)
{
    VkClearValue black = {.color = {.float32 = {0, 0, 0, 1}}};
    VkRenderPassBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_RENDER_PASS_BEGIN_INFO,
                                   .renderPass = c->pass,
                                   .framebuffer = c->framebuffer[image],
                                   .renderArea = {.extent = c->extent},
                                   .clearValueCount = 1,
                                   .pClearValues = &black};
    VkRect2D square = painter_square(c->extent);
    VkViewport viewport = {(float)square.offset.x,
                           (float)square.offset.y,
                           (float)square.extent.width,
                           (float)square.extent.height,
                           0,
                           1};
    vkCmdBeginRenderPass(command, &begin, VK_SUBPASS_CONTENTS_INLINE);
    use(p, command, VK_PIPELINE_BIND_POINT_GRAPHICS, p->blend, push);
    vkCmdSetViewport(command, 0, 1, &viewport);
    vkCmdSetScissor(command, 0, 1, &square);
    vkCmdDraw(command, 3, 1, 0, 0);
    vkCmdEndRenderPass(command);
}
