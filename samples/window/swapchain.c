// SPDX-License-Identifier: MIT
//
// The window's images: made anew whenever the window has changed, and not at all while it has no
// area.
#include "window.h"

#include <SDL_vulkan.h>
#include <string.h>

static bool choose_format(struct swapchain *c, const struct screen *s, const struct gpu *g)
{
    VkSurfaceFormatKHR list[64];
    uint32_t count = 64;
    if (!VK(vkGetPhysicalDeviceSurfaceFormatsKHR(g->choice->physical, s->surface, &count, list)))
        return false;
    if (count == 0)
        return failed("the window has no format");
    c->format = list[0];
    for (uint32_t i = count; i-- > 0;) { // the colours are written as they are shown
        if (list[i].format == VK_FORMAT_B8G8R8A8_UNORM ||
            list[i].format == VK_FORMAT_R8G8B8A8_UNORM)
            c->format = list[i];
    }
    return true;
}

static bool choose_mode(struct swapchain *c, const struct screen *s, const struct gpu *g,
                        bool hurry)
{
    VkPresentModeKHR list[16];
    uint32_t count = 16;
    c->mode = VK_PRESENT_MODE_FIFO_KHR; // every driver has it
    if (!VK(vkGetPhysicalDeviceSurfacePresentModesKHR(g->choice->physical, s->surface, &count,
                                                      list)))
        return false;
    for (uint32_t i = 0; hurry && i < count; i++) {
        if (list[i] == VK_PRESENT_MODE_IMMEDIATE_KHR)
            c->mode = list[i];
    }
    return true;
}

static bool make_pass(struct swapchain *c, const struct gpu *g)
{
    VkAttachmentDescription colour = {.format = c->format.format,
                                      .samples = VK_SAMPLE_COUNT_1_BIT,
                                      .loadOp = VK_ATTACHMENT_LOAD_OP_CLEAR,
                                      .storeOp = VK_ATTACHMENT_STORE_OP_STORE,
                                      .stencilLoadOp = VK_ATTACHMENT_LOAD_OP_DONT_CARE,
                                      .stencilStoreOp = VK_ATTACHMENT_STORE_OP_DONT_CARE,
                                      .finalLayout = VK_IMAGE_LAYOUT_PRESENT_SRC_KHR};
    VkAttachmentReference use = {.layout = VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL};
    VkSubpassDescription subpass = {.pipelineBindPoint = VK_PIPELINE_BIND_POINT_GRAPHICS,
                                    .colorAttachmentCount = 1,
                                    .pColorAttachments = &use};
    // The image is ours from the semaphore's stage on.
    VkSubpassDependency acquired = {.srcSubpass = VK_SUBPASS_EXTERNAL,
                                    .srcStageMask = VK_PIPELINE_STAGE_COLOR_ATTACHMENT_OUTPUT_BIT,
                                    .dstStageMask = VK_PIPELINE_STAGE_COLOR_ATTACHMENT_OUTPUT_BIT,
                                    .dstAccessMask = VK_ACCESS_COLOR_ATTACHMENT_WRITE_BIT};
    VkRenderPassCreateInfo info = {.sType = VK_STRUCTURE_TYPE_RENDER_PASS_CREATE_INFO,
                                   .attachmentCount = 1,
                                   .pAttachments = &colour,
                                   .subpassCount = 1,
                                   .pSubpasses = &subpass,
                                   .dependencyCount = 1,
                                   .pDependencies = &acquired};
    return VK(vkCreateRenderPass(g->device, &info, NULL, &c->pass));
}

static bool make_image(struct swapchain *c, const struct gpu *g, uint32_t i)
{
    VkImageViewCreateInfo view = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_VIEW_CREATE_INFO,
        .image = c->image[i],
        .viewType = VK_IMAGE_VIEW_TYPE_2D,
        .format = c->format.format,
        .subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1},
    };
    VkSemaphoreCreateInfo semaphore = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO};
    if (!VK(vkCreateImageView(g->device, &view, NULL, &c->view[i])) ||
        !VK(vkCreateSemaphore(g->device, &semaphore, NULL, &c->drawn[i])))
        return false;
    VkFramebufferCreateInfo framebuffer = {.sType = VK_STRUCTURE_TYPE_FRAMEBUFFER_CREATE_INFO,
                                           .renderPass = c->pass,
                                           .attachmentCount = 1,
                                           .pAttachments = &c->view[i],
                                           .width = c->extent.width,
                                           .height = c->extent.height,
                                           .layers = 1};
    return VK(vkCreateFramebuffer(g->device, &framebuffer, NULL, &c->framebuffer[i]));
}

static void drop_images(struct swapchain *c, const struct gpu *g)
{
    for (uint32_t i = 0; i < c->count; i++) {
        vkDestroyFramebuffer(g->device, c->framebuffer[i], NULL);
        vkDestroyImageView(g->device, c->view[i], NULL);
        vkDestroySemaphore(g->device, c->drawn[i], NULL);
        c->framebuffer[i] = VK_NULL_HANDLE;
        c->view[i] = VK_NULL_HANDLE;
        c->drawn[i] = VK_NULL_HANDLE;
    }
    vkDestroySwapchainKHR(g->device, c->handle, NULL);
    c->handle = VK_NULL_HANDLE;
    c->count = 0;
}

static uint32_t clamp(uint32_t value, uint32_t low, uint32_t high)
{
    return value < low ? low : value > high ? high : value;
}

static VkExtent2D window_extent(const struct screen *s, const VkSurfaceCapabilitiesKHR *can)
{
    VkExtent2D extent = can->currentExtent;
    if (extent.width == UINT32_MAX) { // the window takes the images' size
        int width, height;
        SDL_Vulkan_GetDrawableSize(s->window, &width, &height);
        extent.width = clamp((uint32_t)width, can->minImageExtent.width, can->maxImageExtent.width);
        extent.height =
            clamp((uint32_t)height, can->minImageExtent.height, can->maxImageExtent.height);
    }
    return extent;
}

static bool make_swapchain(struct swapchain *c, const struct screen *s, const struct gpu *g,
                           const VkSurfaceCapabilitiesKHR *can)
{
    uint32_t least = can->minImageCount + 1;
    // The lowest that there is; opaque is the lowest of all, and every pixel is.
    VkCompositeAlphaFlagBitsKHR alpha =
        can->supportedCompositeAlpha & (~can->supportedCompositeAlpha + 1);
    c->readable = can->supportedUsageFlags & VK_IMAGE_USAGE_TRANSFER_SRC_BIT;
    VkSwapchainCreateInfoKHR info = {
        .sType = VK_STRUCTURE_TYPE_SWAPCHAIN_CREATE_INFO_KHR,
        .surface = s->surface,
        .minImageCount = can->maxImageCount && can->maxImageCount < least ? least - 1 : least,
        .imageFormat = c->format.format,
        .imageColorSpace = c->format.colorSpace,
        .imageExtent = c->extent,
        .imageArrayLayers = 1,
        .imageUsage = VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT |
                      (c->readable ? VK_IMAGE_USAGE_TRANSFER_SRC_BIT : 0u),
        .preTransform = can->currentTransform,
        .compositeAlpha = alpha,
        .presentMode = c->mode,
        .clipped = VK_TRUE,
    };
    uint32_t count = 0;
    if (!VK(vkCreateSwapchainKHR(g->device, &info, NULL, &c->handle)) ||
        !VK(vkGetSwapchainImagesKHR(g->device, c->handle, &count, NULL)))
        return false;
    if (count > MAX_IMAGES)
        return failed("the window has %u images, more than %d", count, MAX_IMAGES);
    c->count = count;
    if (!VK(vkGetSwapchainImagesKHR(g->device, c->handle, &count, c->image)))
        return false;
    bool made = true;
    for (uint32_t i = 0; made && i < count; i++)
        made = make_image(c, g, i);
    return made;
}

bool swapchain_fit(struct swapchain *c, const struct screen *s, const struct gpu *g)
{
    VkSurfaceCapabilitiesKHR can;
    if (!VK(vkDeviceWaitIdle(g->device)) ||
        !VK(vkGetPhysicalDeviceSurfaceCapabilitiesKHR(g->choice->physical, s->surface, &can)))
        return false;
    drop_images(c, g);
    c->extent = window_extent(s, &can);
    c->stale = c->extent.width == 0 || c->extent.height == 0; // minimised: tried again later
    return c->stale || make_swapchain(c, s, g, &can);
}

bool swapchain_open(struct swapchain *c, const struct screen *s, const struct gpu *g, bool hurry)
{
    return choose_format(c, s, g) && choose_mode(c, s, g, hurry) && make_pass(c, g) &&
           swapchain_fit(c, s, g);
}

void swapchain_close(struct swapchain *c, const struct gpu *g)
{
    drop_images(c, g);
    vkDestroyRenderPass(g->device, c->pass, NULL);
}
