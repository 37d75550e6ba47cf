// SPDX-License-Identifier: MIT
//
// A frame: scene -> network's input -> vkattn -> blend -> present, recorded into one command buffer
// of the application's. Only the CPU path cuts it in two, for the copies through the host.
#include "window.h"

#include "image.h"

static bool make_frames(struct frames *f, const struct gpu *g)
{
    VkCommandBufferAllocateInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                        .commandPool = g->pool,
                                        .commandBufferCount = FRAMES};
    VkFenceCreateInfo fence = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO,
                               .flags = VK_FENCE_CREATE_SIGNALED_BIT};
    VkSemaphoreCreateInfo semaphore = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO};
    bool ok = VK(vkAllocateCommandBuffers(g->device, &info, f->command));
    for (int i = 0; ok && i < FRAMES; i++)
        ok = VK(vkCreateFence(g->device, &fence, NULL, &f->done[i])) &&
             VK(vkCreateSemaphore(g->device, &semaphore, NULL, &f->acquired[i]));
    return ok;
}

bool show_open(struct show *w, const struct screen *s, const struct gpu_choice *choice,
               bool on_host, bool hurry)
{
    *w = (struct show){0};
    return gpu_open(&w->gpu, choice) && swapchain_open(&w->chain, s, &w->gpu, hurry) &&
           attention_open(&w->attention, s, &w->gpu, on_host) &&
           painter_open(&w->painter, &w->gpu, w->chain.pass, &w->attention) &&
           make_frames(&w->frames, &w->gpu);
}

// Whatever was made, in the other order; the frames in flight come to their end first.
void show_close(struct show *w)
{
    if (!w->gpu.device)
        return;
    VK(vkDeviceWaitIdle(w->gpu.device));
    for (int i = 0; i < FRAMES; i++) {
        vkDestroyFence(w->gpu.device, w->frames.done[i], NULL);
        vkDestroySemaphore(w->gpu.device, w->frames.acquired[i], NULL);
    }
    painter_close(&w->painter, &w->gpu);
    attention_close(&w->attention, &w->gpu);
    swapchain_close(&w->chain, &w->gpu);
    gpu_close(&w->gpu);
    *w = (struct show){0};
}

// --- recording ---

static bool begin(VkCommandBuffer command)
{
    VkCommandBufferBeginInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
                                     .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT};
    return VK(vkBeginCommandBuffer(command, &info));
}

// What was recorded so far is done now.
static bool flush(const struct gpu *g, VkCommandBuffer command)
{
    VkSubmitInfo submit = {.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                           .commandBufferCount = 1,
                           .pCommandBuffers = &command};
    return VK(vkEndCommandBuffer(command)) &&
           VK(vkQueueSubmit(g->queue, 1, &submit, VK_NULL_HANDLE)) && VK(vkQueueWaitIdle(g->queue));
}

static bool record_attention(struct show *w, VkCommandBuffer command)
{
    const VkPipelineStageFlags compute = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT;
    if (w->attention.on_host) { // what the host wrote is there with the next submission
        barrier(command, compute, VK_ACCESS_SHADER_WRITE_BIT, VK_PIPELINE_STAGE_HOST_BIT,
                VK_ACCESS_HOST_READ_BIT);
        return flush(&w->gpu, command) && attention_compute(&w->attention) && begin(command);
    }
    barrier(command, compute, VK_ACCESS_SHADER_WRITE_BIT, compute,
            VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT);
    if (!attention_record(&w->attention, command))
        return false;
    barrier(command, compute, VK_ACCESS_SHADER_WRITE_BIT,
            VK_PIPELINE_STAGE_VERTEX_SHADER_BIT | VK_PIPELINE_STAGE_FRAGMENT_SHADER_BIT,
            VK_ACCESS_SHADER_READ_BIT);
    return true;
}

static struct push make_push(const struct show *w, double time, const struct view *view)
{
    struct push push = {.opacity = 0};
    for (int c = 0; c < 3; c++) {
        push.mean[c] = w->attention.mean[c];
        push.std[c] = w->attention.std[c];
    }
    if (view->map >= 0) {
        const struct map *m = &w->attention.map[view->map];
        push.opacity = view->opacity;
        push.map = (uint32_t)(m->offset / sizeof(float));
        push.map_width = m->width;
        push.map_height = m->height;
    }
    scene_at(time, &push);
    return push;
}

static bool record(struct show *w, VkCommandBuffer command, uint32_t image, double time,
                   const struct view *view)
{
    struct push push = make_push(w, time, view);
    if (!begin(command))
        return false;
    painter_scene(&w->painter, command, &push);
    if (view->map >= 0 && !record_attention(w, command))
        return false;
    painter_blend(&w->painter, command, &push, &w->chain, image);
    return true;
}

// --- pictures of the window ---

// For the time of the copy the image leaves its layout for presenting.
static void copy_image(const struct show *w, VkCommandBuffer command, uint32_t image, VkBuffer to)
{
    VkImageMemoryBarrier change = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_COLOR_ATTACHMENT_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_TRANSFER_READ_BIT,
        .oldLayout = VK_IMAGE_LAYOUT_PRESENT_SRC_KHR,
        .newLayout = VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL,
        .srcQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
        .dstQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
        .image = w->chain.image[image],
        .subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1},
    };
    VkBufferImageCopy all = {
        .imageSubresource = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1},
        .imageExtent = {w->chain.extent.width, w->chain.extent.height, 1},
    };
    vkCmdPipelineBarrier(command, VK_PIPELINE_STAGE_COLOR_ATTACHMENT_OUTPUT_BIT,
                         VK_PIPELINE_STAGE_TRANSFER_BIT, 0, 0, NULL, 0, NULL, 1, &change);
    vkCmdCopyImageToBuffer(command, w->chain.image[image], change.newLayout, to, 1, &all);
    change.srcAccessMask = 0;
    change.dstAccessMask = 0;
    change.oldLayout = change.newLayout;
    change.newLayout = VK_IMAGE_LAYOUT_PRESENT_SRC_KHR;
    vkCmdPipelineBarrier(command, VK_PIPELINE_STAGE_TRANSFER_BIT,
                         VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, 0, 0, NULL, 0, NULL, 1, &change);
    barrier(command, VK_PIPELINE_STAGE_TRANSFER_BIT, VK_ACCESS_TRANSFER_WRITE_BIT,
            VK_PIPELINE_STAGE_HOST_BIT, VK_ACCESS_HOST_READ_BIT);
}

// Places of red, green and blue in a pixel; NULL for a format that isn't 4 bytes of colour.
static const int *channels(VkFormat format)
{
    static const int rgb[] = {0, 1, 2}, bgr[] = {2, 1, 0};
    switch (format) {
    case VK_FORMAT_R8G8B8A8_UNORM:
    case VK_FORMAT_R8G8B8A8_SRGB:
        return rgb;
    case VK_FORMAT_B8G8R8A8_UNORM:
    case VK_FORMAT_B8G8R8A8_SRGB:
        return bgr;
    default:
        return NULL;
    }
}

static bool save(const struct swapchain *c, const struct buffer *pixels, const char *file)
{
    char error[IMAGE_ERROR];
    struct image image;
    const int *place = channels(c->format.format);
    const unsigned char *from = pixels->map;
    size_t count = (size_t)c->extent.width * c->extent.height;
    if (!image_make((int)c->extent.width, (int)c->extent.height, &image))
        return failed("%s: out of memory", file);
    for (size_t i = 0; i < 3 * count; i++)
        image.rgb[i] = (float)from[i % count * 4 + (size_t)place[i / count]] / 255;
    bool ok = image_save(file, &image, error) || failed("%s", error);
    image_free(&image);
    return ok;
}

// --- one frame ---

static bool submit(const struct show *w, uint32_t slot, uint32_t image)
{
    static const VkPipelineStageFlags stage = VK_PIPELINE_STAGE_COLOR_ATTACHMENT_OUTPUT_BIT;
    const struct frames *f = &w->frames;
    VkSubmitInfo info = {.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                         .waitSemaphoreCount = 1,
                         .pWaitSemaphores = &f->acquired[slot],
                         .pWaitDstStageMask = &stage,
                         .commandBufferCount = 1,
                         .pCommandBuffers = &f->command[slot],
                         .signalSemaphoreCount = 1,
                         .pSignalSemaphores = &w->chain.drawn[image]};
    return VK(vkEndCommandBuffer(f->command[slot])) &&
           VK(vkResetFences(w->gpu.device, 1, &f->done[slot])) &&
           VK(vkQueueSubmit(w->gpu.queue, 1, &info, f->done[slot]));
}

// The window may change at any moment: then the frame is lost, and the images are made anew.
static bool is_stale(struct swapchain *c, VkResult result)
{
    c->stale |= result == VK_ERROR_OUT_OF_DATE_KHR || result == VK_SUBOPTIMAL_KHR;
    return result == VK_ERROR_OUT_OF_DATE_KHR;
}

static bool present(struct show *w, uint32_t image)
{
    VkPresentInfoKHR info = {.sType = VK_STRUCTURE_TYPE_PRESENT_INFO_KHR,
                             .waitSemaphoreCount = 1,
                             .pWaitSemaphores = &w->chain.drawn[image],
                             .swapchainCount = 1,
                             .pSwapchains = &w->chain.handle,
                             .pImageIndices = &image};
    VkResult result = vkQueuePresentKHR(w->gpu.queue, &info);
    return is_stale(&w->chain, result) || vk_ok(result, "vkQueuePresentKHR");
}

static bool draw(struct show *w, uint32_t slot, uint32_t image, double time,
                 const struct view *view, const char *file)
{
    VkCommandBuffer command = w->frames.command[slot];
    struct buffer pixels = {0};
    if (file && (!w->chain.readable || !channels(w->chain.format.format)))
        return failed("%s: this window can't be copied from", file);
    bool ok = record(w, command, image, time, view);
    if (ok && file) {
        VkDeviceSize bytes = (VkDeviceSize)w->chain.extent.width * w->chain.extent.height * 4;
        ok = buffer_create(&w->gpu, bytes, VK_BUFFER_USAGE_TRANSFER_DST_BIT, true, &pixels);
        if (ok)
            copy_image(w, command, image, pixels.buffer);
    }
    ok = ok && submit(w, slot, image) && present(w, image);
    if (file) {
        ok = ok && VK(vkQueueWaitIdle(w->gpu.queue)) && save(&w->chain, &pixels, file);
        buffer_destroy(&w->gpu, &pixels);
    }
    return ok;
}

bool show_frame(struct show *w, const struct screen *s, double time, const struct view *view,
                const char *file, bool *drawn)
{
    struct frames *f = &w->frames;
    uint32_t slot = f->next, image;
    *drawn = false;
    if (w->chain.stale && !swapchain_fit(&w->chain, s, &w->gpu))
        return false;
    if (w->chain.stale)
        return true;
    if (!VK(vkWaitForFences(w->gpu.device, 1, &f->done[slot], VK_TRUE, UINT64_MAX)))
        return false;
    VkResult result = vkAcquireNextImageKHR(w->gpu.device, w->chain.handle, UINT64_MAX,
                                            f->acquired[slot], VK_NULL_HANDLE, &image);
    if (is_stale(&w->chain, result))
        return true;
    if (!vk_ok(result, "vkAcquireNextImageKHR") || !draw(w, slot, image, time, view, file))
        return false;
    f->next = (slot + 1) % FRAMES;
    *drawn = true;
    return true;
}
