// SPDX-License-Identifier: MIT
//
// What the sample is made of, from the window down to a frame. All calls into Vulkan are checked:
// a function that returns false has said why.
#ifndef WINDOW_H
#define WINDOW_H

#include "push.h"
#include "spotlight/network.h"

#include <SDL.h>
#include <stdbool.h>
#include <vulkan/vulkan.h>

enum { MAX_GPUS = 16, MAX_IMAGES = 16, FRAMES = 2, MAPS = 3 };

// "window: <what>", then why; false.
bool failed(const char *format, ...);
// False, told, where `result` is an error.
bool vk_ok(VkResult result, const char *call);
#define VK(call) vk_ok(call, #call)

// --- gpu.c: the application's instance and device; vkattn makes none ---

struct gpu_choice {
    VkPhysicalDevice physical;
    int index; // in Vulkan's order
    VkPhysicalDeviceProperties properties;
    uint32_t family; // draws, computes and presents
};

struct screen {
    SDL_Window *window;
    VkInstance instance;
    VkDebugUtilsMessengerEXT messenger;
    int messages; // of the validation layer
    VkSurfaceKHR surface;
    struct gpu_choice choice[MAX_GPUS]; // those that can draw into the window
    int choices;
};

struct gpu {
    const struct gpu_choice *choice;
    VkDevice device;
    VkQueue queue;
    VkCommandPool pool;
    // What the device was made with; vkattn wants to know.
    VkDeviceQueueCreateInfo queue_info;
    VkDeviceCreateInfo created;
};

struct buffer {
    VkBuffer buffer;
    VkDeviceMemory memory;
    VkDeviceSize bytes;
    void *map; // where the host may reach it
};

bool screen_open(struct screen *s, int width, int height, bool validate);
void screen_close(struct screen *s);

bool gpu_open(struct gpu *g, const struct gpu_choice *choice);
void gpu_close(struct gpu *g);
bool gpu_allocate(const struct gpu *g, const VkMemoryRequirements *need, VkMemoryPropertyFlags want,
                  VkDeviceMemory *memory);
bool buffer_create(const struct gpu *g, VkDeviceSize bytes, VkBufferUsageFlags usage, bool on_host,
                   struct buffer *b);
void buffer_destroy(const struct gpu *g, struct buffer *b);
void barrier(VkCommandBuffer command, VkPipelineStageFlags from, VkAccessFlags written,
             VkPipelineStageFlags to, VkAccessFlags used);

// --- swapchain.c: the window's images ---

struct swapchain {
    VkSurfaceFormatKHR format;
    VkRenderPass pass;
    VkSwapchainKHR handle; // none while the window has no area
    VkExtent2D extent;
    VkPresentModeKHR mode;
    bool readable; // images may be copied from
    bool stale;    // the window has changed: made anew before the next frame
    uint32_t count;
    VkImage image[MAX_IMAGES];
    VkImageView view[MAX_IMAGES];
    VkFramebuffer framebuffer[MAX_IMAGES];
    VkSemaphore drawn[MAX_IMAGES]; // one an image: presenting waits for it, and tells no end
};

// `hurry`: frames aren't held back to the display's rate, where the driver can do that.
bool swapchain_open(struct swapchain *c, const struct screen *s, const struct gpu *g, bool hurry);
void swapchain_close(struct swapchain *c, const struct gpu *g);
// To the window as it is now.
bool swapchain_fit(struct swapchain *c, const struct screen *s, const struct gpu *g);

// --- attention.c: vkattn ---

struct map {
    const char *name;
    VkDeviceSize offset, bytes; // in the buffer of the maps
    uint32_t width, height;
};

struct attention {
    vka_context *context;
    vka_device *device;
    struct network network;
    vka_plan *plan;
    bool on_host; // the CPU path: the picture and the maps go through the host
    float mean[3], std[3];
    struct buffer input, maps;
    struct map map[MAPS];
};

extern const char *const attention_names[MAPS + 1]; // ended by NULL

bool attention_open(struct attention *a, const struct screen *s, const struct gpu *g, bool on_host);
void attention_close(struct attention *a, const struct gpu *g);
// From the input buffer to the maps: records commands, or (on the host) works at once.
bool attention_record(struct attention *a, VkCommandBuffer command);
bool attention_compute(struct attention *a);

// --- painter.c: pictures, pipelines, and what they record ---

struct painter {
    VkImage picture;
    VkDeviceMemory picture_memory;
    VkImageView view;
    VkSampler sampler;
    VkDescriptorSetLayout set_layout;
    VkDescriptorPool pool;
    VkDescriptorSet set;
    VkPipelineLayout layout;
    VkPipeline scene, input, blend;
};

bool painter_open(struct painter *p, const struct gpu *g, VkRenderPass pass,
                  const struct attention *a);
void painter_close(struct painter *p, const struct gpu *g);
// The scene into the picture, the picture into the network's input.
void painter_scene(const struct painter *p, VkCommandBuffer command, const struct push *push);
// The picture with the map over it, into an image of the window.
void painter_blend(const struct painter *p, VkCommandBuffer command, const struct push *push,
                   const struct swapchain *c, uint32_t image);
// The square of the window that shows the picture.
VkRect2D painter_square(VkExtent2D extent);

// --- scene.c: what moves ---

void scene_at(double time, struct push *push);

// --- frame.c: one frame after the other ---

struct view { // what the user chose
    int map;  // -1: none
    float opacity;
};

struct frames {
    VkCommandBuffer command[FRAMES];
    VkFence done[FRAMES];
    VkSemaphore acquired[FRAMES];
    uint32_t next;
};

// All that hangs on the chosen device.
struct show {
    struct gpu gpu;
    struct swapchain chain;
    struct attention attention;
    struct painter painter;
    struct frames frames;
    bool hurry;
};

bool show_open(struct show *w, const struct screen *s, const struct gpu_choice *choice,
               bool on_host, bool hurry);
void show_close(struct show *w);
// Draws and presents. `drawn` is false where the window has no area now. `file`: where the frame is
// saved, or NULL.
bool show_frame(struct show *w, const struct screen *s, double time, const struct view *view,
                const char *file, bool *drawn);

#endif
