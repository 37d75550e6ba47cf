// SPDX-License-Identifier: MIT
//
// vkattn in an application that has Vulkan already. It takes the application's device, reads the
// network's input from one of its buffers, writes the maps to another, and is recorded into its
// command buffer: nothing passes through the host.
//
// Without the network (a graph of your own, one output) all of it is
//     vka_device_open_vulkan -> vka_plan_create -> vka_plan_bind      once
//     vka_plan_record                                                 each frame
#include "window.h"

#include <string.h>
#include <vkattn/vulkan.h>

const char *const attention_names[MAPS + 1] = {"map", "map_coarse", "gate", NULL};

static bool ok(vka_result result, const char *what)
{
    return result == VKA_OK || failed("%s: %s", what, vka_last_error());
}

static bool open_device(struct attention *a, const struct screen *s, const struct gpu *g)
{
    if (a->on_host)
        return ok(vka_device_open(a->context, "cpu", &a->device), "the CPU path");
    const vka_vulkan_device own = {.instance = s->instance,
                                   .api_version = VK_API_VERSION_1_1,
                                   .physical_device = g->choice->physical,
                                   .device = g->device,
                                   .created = &g->created,
                                   .queue = g->queue,
                                   .queue_family = g->choice->family,
                                   .get_instance_proc_addr = vkGetInstanceProcAddr};
    return ok(vka_device_open_vulkan(a->context, &own, &a->device), "the device");
}

// One buffer for all maps, each at an offset that every device takes.
static VkDeviceSize lay_out(struct attention *a, const vka_shape *shape)
{
    VkDeviceSize end = 0;
    for (int i = 0; i < MAPS; i++) {
        struct map *m = &a->map[i];
        m->name = attention_names[i];
        m->height = (uint32_t)shape[i].dim[2];
        m->width = (uint32_t)shape[i].dim[3];
        m->offset = end;
        m->bytes = (VkDeviceSize)m->width * m->height * sizeof(float);
        end = (m->offset + m->bytes + 255) / 256 * 256;
    }
    return end;
}

// From here on the plan reads and writes the application's memory.
static bool bind(struct attention *a)
{
    vka_vulkan_buffer bound[MAPS + 2] = {{"image", a->input.buffer, 0, a->input.bytes}};
    for (int i = 0; i < MAPS; i++) {
        const struct map *m = &a->map[i];
        bound[i + 1] = (vka_vulkan_buffer){m->name, a->maps.buffer, m->offset, m->bytes};
    }
    return a->on_host || ok(vka_plan_bind(a->plan, bound), "the buffers");
}

bool attention_open(struct attention *a, const struct screen *s, const struct gpu *g, bool on_host)
{
    // It need not look for devices: no instance of its own.
    const vka_context_params params = {.no_vulkan = true};
    vka_shape shape[MAPS];
    a->on_host = on_host;
    if (!ok(vka_context_create(&params, &a->context), "vkattn") || !open_device(a, s, g) ||
        !ok(network_open(a->context, &a->network), "the network") ||
        !ok(network_plan(&a->network, a->device, SIDE, SIDE, attention_names, shape, &a->plan),
            "the plan"))
        return false;
    for (int i = 0; i < MAPS; i++) {
        if (shape[i].rank != 4)
            return failed("the network's output %s is no picture", attention_names[i]);
    }
    vka_model_get_image(a->network.model, a->mean, a->std);
    VkBufferUsageFlags usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT;
    return buffer_create(g, 3 * SIDE * SIDE * sizeof(float), usage, on_host, &a->input) &&
           buffer_create(g, lay_out(a, shape), usage, on_host, &a->maps) && bind(a);
}

void attention_close(struct attention *a, const struct gpu *g)
{
    vka_plan_destroy(a->plan);
    network_close(&a->network);
    vka_device_close(a->device);
    vka_context_destroy(a->context);
    buffer_destroy(g, &a->input);
    buffer_destroy(g, &a->maps);
}

bool attention_record(struct attention *a, VkCommandBuffer command)
{
    return ok(vka_plan_record(a->plan, command), "the plan");
}

bool attention_compute(struct attention *a)
{
    const vka_io in[] = {{"image", VKA_F32, a->input.map, a->input.bytes}, {0}};
    vka_io out[MAPS + 1] = {{0}};
    for (int i = 0; i < MAPS; i++) {
        const struct map *m = &a->map[i];
        out[i] = (vka_io){m->name, VKA_F32, (char *)a->maps.map + m->offset, m->bytes};
    }
    return ok(vka_plan_run(a->plan, in, out), "the run");
}
