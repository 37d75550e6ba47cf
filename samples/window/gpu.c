// SPDX-License-Identifier: MIT
//
// The window, the application's instance and device, and memory. One queue draws, computes and
// presents, so that all is ordered by barriers alone.
#include "window.h"

#include <SDL_vulkan.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool failed(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    fputs("window: ", stderr);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    va_end(list);
    return false;
}

bool vk_ok(VkResult result, const char *call)
{
    return result >= 0 || failed("%s: VkResult %d", call, (int)result);
}

// --- the screen ---

static VKAPI_ATTR VkBool32 VKAPI_CALL count_message(
    VkDebugUtilsMessageSeverityFlagBitsEXT severity, VkDebugUtilsMessageTypeFlagsEXT types,
    const VkDebugUtilsMessengerCallbackDataEXT *data, void *user)
{
    (void)severity, (void)types;
    ((struct screen *)user)->messages++;
    failed("validation: %s: %s", data->pMessageIdName ? data->pMessageIdName : "", data->pMessage);
    return VK_FALSE;
}

static VkDebugUtilsMessengerCreateInfoEXT messenger_info(struct screen *s)
{
    return (VkDebugUtilsMessengerCreateInfoEXT){
        .sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
        .messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT |
                           VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT,
        .messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT |
                       VK_DEBUG_UTILS_MESSAGE_TYPE_PERFORMANCE_BIT_EXT,
        .pfnUserCallback = count_message,
        .pUserData = s,
    };
}

static bool make_messenger(struct screen *s)
{
    PFN_vkCreateDebugUtilsMessengerEXT create =
        (PFN_vkCreateDebugUtilsMessengerEXT)vkGetInstanceProcAddr(s->instance,
                                                                  "vkCreateDebugUtilsMessengerEXT");
    VkDebugUtilsMessengerCreateInfoEXT info = messenger_info(s);
    return create && VK(create(s->instance, &info, NULL, &s->messenger));
}

static bool make_instance(struct screen *s, bool validate)
{
    static const char *const layers[] = {"VK_LAYER_KHRONOS_validation"};
    static const VkValidationFeatureEnableEXT enable =
        VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT;
    const char *extensions[18];
    unsigned count = 16;
    if (!SDL_Vulkan_GetInstanceExtensions(s->window, &count, extensions))
        return failed("the window's Vulkan extensions: %s", SDL_GetError());
    VkApplicationInfo application = {.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
                                     .pApplicationName = "window",
                                     .apiVersion = VK_API_VERSION_1_1};
    VkValidationFeaturesEXT features = {.sType = VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT,
                                        .enabledValidationFeatureCount = 1,
                                        .pEnabledValidationFeatures = &enable};
    VkInstanceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
                                 .pApplicationInfo = &application,
                                 .ppEnabledExtensionNames = extensions,
                                 .ppEnabledLayerNames = layers};
    if (validate) {
        extensions[count++] = VK_EXT_DEBUG_UTILS_EXTENSION_NAME;
        extensions[count++] = VK_EXT_VALIDATION_FEATURES_EXTENSION_NAME;
        info.enabledLayerCount = 1;
        info.pNext = &features;
    }
    info.enabledExtensionCount = count;
    VkResult result = vkCreateInstance(&info, NULL, &s->instance);
    if (result == VK_ERROR_LAYER_NOT_PRESENT)
        return failed("--validate: the layer %s isn't installed", layers[0]);
    return vk_ok(result, "vkCreateInstance") && (!validate || make_messenger(s));
}

static bool has_swapchain(VkPhysicalDevice physical)
{
    uint32_t count = 0;
    bool found = false;
    if (vkEnumerateDeviceExtensionProperties(physical, NULL, &count, NULL) < 0)
        return false;
    VkExtensionProperties *list = calloc(count, sizeof *list);
    if (list && vkEnumerateDeviceExtensionProperties(physical, NULL, &count, list) < 0)
        count = 0;
    for (uint32_t i = 0; list && i < count; i++)
        found |= strcmp(list[i].extensionName, VK_KHR_SWAPCHAIN_EXTENSION_NAME) == 0;
    free(list);
    return found;
}

// A queue family that does all three.
static bool find_family(const struct screen *s, struct gpu_choice *choice)
{
    const VkQueueFlags want = VK_QUEUE_GRAPHICS_BIT | VK_QUEUE_COMPUTE_BIT;
    VkQueueFamilyProperties list[32];
    uint32_t count = 32;
    vkGetPhysicalDeviceQueueFamilyProperties(choice->physical, &count, list);
    for (uint32_t i = 0; i < count; i++) {
        VkBool32 presents = VK_FALSE;
        if ((list[i].queueFlags & want) != want ||
            vkGetPhysicalDeviceSurfaceSupportKHR(choice->physical, i, s->surface, &presents) < 0 ||
            !presents)
            continue;
        choice->family = i;
        return true;
    }
    return false;
}

static bool find_gpus(struct screen *s)
{
    VkPhysicalDevice list[MAX_GPUS];
    uint32_t count = MAX_GPUS; // VK_INCOMPLETE, where there are more, is no error
    if (!VK(vkEnumeratePhysicalDevices(s->instance, &count, list)))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        struct gpu_choice *choice = &s->choice[s->choices];
        choice->physical = list[i];
        choice->index = (int)i;
        vkGetPhysicalDeviceProperties(list[i], &choice->properties);
        if (choice->properties.apiVersion >= VK_API_VERSION_1_1 && has_swapchain(list[i]) &&
            find_family(s, choice))
            s->choices++;
    }
    return s->choices > 0 || failed("none of %u Vulkan devices can draw into a window here", count);
}

// Without a display SDL falls back to drivers that show nothing.
static bool start_sdl(void)
{
    // For drivers that know X11 through this library alone SDL looks for its development link.
    SDL_setenv("SDL_X11_XCB_LIBRARY", "libX11-xcb.so.1", 0);
    if (SDL_Init(SDL_INIT_VIDEO) != 0)
        return failed("no window system: %s", SDL_GetError());
    const char *driver = SDL_GetCurrentVideoDriver();
    return (strcmp(driver, "offscreen") != 0 && strcmp(driver, "dummy") != 0) ||
           failed("no window system: neither DISPLAY nor WAYLAND_DISPLAY leads to one");
}

bool screen_open(struct screen *s, int width, int height, bool validate)
{
    if (!start_sdl())
        return false;
    s->window = SDL_CreateWindow("window", SDL_WINDOWPOS_CENTERED, SDL_WINDOWPOS_CENTERED, width,
                                 height, SDL_WINDOW_VULKAN | SDL_WINDOW_RESIZABLE);
    if (!s->window)
        return failed("no window for Vulkan: %s", SDL_GetError());
    if (!make_instance(s, validate))
        return false;
    if (!SDL_Vulkan_CreateSurface(s->window, s->instance, &s->surface))
        return failed("the window's surface: %s", SDL_GetError());
    return find_gpus(s);
}

void screen_close(struct screen *s)
{
    if (s->surface)
        vkDestroySurfaceKHR(s->instance, s->surface, NULL);
    if (s->messenger)
        ((PFN_vkDestroyDebugUtilsMessengerEXT)vkGetInstanceProcAddr(
            s->instance, "vkDestroyDebugUtilsMessengerEXT"))(s->instance, s->messenger, NULL);
    if (s->instance)
        vkDestroyInstance(s->instance, NULL);
    if (s->window)
        SDL_DestroyWindow(s->window);
    SDL_Quit();
}

// --- the device ---

bool gpu_open(struct gpu *g, const struct gpu_choice *choice)
{
    static const float priority = 1;
    static const char *const extensions[] = {VK_KHR_SWAPCHAIN_EXTENSION_NAME};
    g->choice = choice;
    g->queue_info = (VkDeviceQueueCreateInfo){.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
                                              .queueFamilyIndex = choice->family,
                                              .queueCount = 1,
                                              .pQueuePriorities = &priority};
    g->created = (VkDeviceCreateInfo){.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
                                      .queueCreateInfoCount = 1,
                                      .pQueueCreateInfos = &g->queue_info,
                                      .enabledExtensionCount = 1,
                                      .ppEnabledExtensionNames = extensions};
    if (!VK(vkCreateDevice(choice->physical, &g->created, NULL, &g->device)))
        return false;
    vkGetDeviceQueue(g->device, choice->family, 0, &g->queue);
    VkCommandPoolCreateInfo pool = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                    .flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
                                    .queueFamilyIndex = choice->family};
    return VK(vkCreateCommandPool(g->device, &pool, NULL, &g->pool));
}

void gpu_close(struct gpu *g)
{
    if (!g->device)
        return;
    vkDestroyCommandPool(g->device, g->pool, NULL);
    vkDestroyDevice(g->device, NULL);
}

// --- memory ---

bool gpu_allocate(const struct gpu *g, const VkMemoryRequirements *need, VkMemoryPropertyFlags want,
                  VkDeviceMemory *memory)
{
    VkPhysicalDeviceMemoryProperties has;
    vkGetPhysicalDeviceMemoryProperties(g->choice->physical, &has);
    uint32_t type = 0;
    while (type < has.memoryTypeCount && (!(need->memoryTypeBits >> type & 1) ||
                                          (has.memoryTypes[type].propertyFlags & want) != want))
        type++;
    if (type == has.memoryTypeCount)
        return failed("%s has no memory of the kind 0x%x", g->choice->properties.deviceName, want);
    VkMemoryAllocateInfo info = {.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
                                 .allocationSize = need->size,
                                 .memoryTypeIndex = type};
    return VK(vkAllocateMemory(g->device, &info, NULL, memory));
}

bool buffer_create(const struct gpu *g, VkDeviceSize bytes, VkBufferUsageFlags usage, bool on_host,
                   struct buffer *b)
{
    VkMemoryPropertyFlags want =
        on_host ? VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT
                : VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
    VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO, .size = bytes, .usage = usage};
    VkMemoryRequirements need;
    b->bytes = bytes;
    if (!VK(vkCreateBuffer(g->device, &info, NULL, &b->buffer)))
        return false;
    vkGetBufferMemoryRequirements(g->device, b->buffer, &need);
    return gpu_allocate(g, &need, want, &b->memory) &&
           VK(vkBindBufferMemory(g->device, b->buffer, b->memory, 0)) &&
           (!on_host || VK(vkMapMemory(g->device, b->memory, 0, VK_WHOLE_SIZE, 0, &b->map)));
}

void buffer_destroy(const struct gpu *g, struct buffer *b)
{
    vkDestroyBuffer(g->device, b->buffer, NULL);
    vkFreeMemory(g->device, b->memory, NULL);
    *b = (struct buffer){0};
}

void barrier(VkCommandBuffer command, VkPipelineStageFlags from, VkAccessFlags written,
             VkPipelineStageFlags to, VkAccessFlags used)
{
    VkMemoryBarrier memory = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER, .srcAccessMask = written, .dstAccessMask = used};
    vkCmdPipelineBarrier(command, from, to, 0, 1, &memory, 0, NULL, 0, NULL);
}
