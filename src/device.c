// SPDX-License-Identifier: MIT
//
// The list of devices and the choice among them: Vulkan's, then the CPU path.
#include "graph/program.h"
#include "util/system.h"
#include "vk/vk.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT = 1024, NONE = -1 };

static void cpu_info(vka_device_info *info)
{
    *info = (vka_device_info){.index = NONE,
                              .vulkan_index = NONE,
                              .name = "cpu",
                              .type = VKA_DEVICE_CPU,
                              .driver = "vkattn " VKATTN_VERSION,
                              .memory = vka_sys_memory()};
}

int vka_device_count(vka_context *context)
{
    return vka_vk_count(context->vk) + 1;
}

vka_result vka_device_get_info(vka_context *context, int position, vka_device_info *info)
{
    int count = vka_vk_count(context->vk);
    if (position < 0 || position > count)
        return vka_error(context, VKA_ERROR_NOT_FOUND, "there is no device at position %d of %d",
                         position, count + 1);
    if (position == count)
        cpu_info(info);
    else
        *info = *vka_vk_info(context->vk, position);
    return VKA_OK;
}

// --- the choice: a position, or NONE with the error told ---

struct choice {
    vka_context *context;
    int count; // of Vulkan devices; the CPU path's position
    const char *select;
    vka_result result;
};

// Every choice that fails tells what there is, and why there isn't more.
static int refuse(struct choice *c, vka_result result, const char *what)
{
    char list[TEXT] = "";
    size_t at = 0;
    for (int i = 0; i < c->count && at < sizeof list - 128; i++)
        at += (size_t)snprintf(list + at, sizeof list - at, "%d: %.80s; ", i,
                               vka_vk_info(c->context->vk, i)->name);
    const char *reason = vka_vk_reason(c->context->vk);
    c->result = vka_error(c->context, result, "device '%s': %s. Devices: %scpu%s%s%s", c->select,
                          what, list, *reason ? " (Vulkan: " : "", reason, *reason ? ")" : "");
    return NONE;
}

static int best_of(struct choice *c, const vka_device_type *types, size_t count)
{
    for (size_t t = 0; t < count; t++) {
        for (int i = 0; i < c->count; i++) {
            if (vka_vk_info(c->context->vk, i)->type == types[t])
                return i;
        }
    }
    return NONE;
}

static int choose_auto(struct choice *c)
{
    static const vka_device_type types[] = {VKA_DEVICE_DISCRETE, VKA_DEVICE_INTEGRATED,
                                            VKA_DEVICE_VIRTUAL};
    int found = best_of(c, types, VKA_COUNT(types));
    return found == NONE ? c->count : found;
}

static int choose_vulkan(struct choice *c)
{
    static const vka_device_type types[] = {VKA_DEVICE_DISCRETE, VKA_DEVICE_INTEGRATED,
                                            VKA_DEVICE_VIRTUAL, VKA_DEVICE_OTHER,
                                            VKA_DEVICE_SOFTWARE};
    int found = best_of(c, types, VKA_COUNT(types));
    return found == NONE ? refuse(c, VKA_ERROR_NOT_FOUND, "there is no Vulkan device") : found;
}

static bool parse_number(const char *text, int *number)
{
    if (!*text || strspn(text, "0123456789") != strlen(text) || strlen(text) > 6)
        return false;
    *number = atoi(text);
    return true;
}

static int choose_vulkan_index(struct choice *c, const char *text)
{
    int number;
    if (!parse_number(text, &number))
        return refuse(c, VKA_ERROR_NOT_FOUND, "a number must follow 'vulkan:'");
    for (int i = 0; i < c->count; i++) {
        if (vka_vk_info(c->context->vk, i)->vulkan_index == number)
            return i;
    }
    return refuse(c, VKA_ERROR_NOT_FOUND, "there is no Vulkan device of that number");
}

static bool parse_uuid(const char *text, uint8_t uuid[16])
{
    size_t digits = 0;
    memset(uuid, 0, 16);
    for (; *text; text++) {
        if (*text == '-')
            continue;
        if (digits == 32 || !isxdigit((unsigned char)*text))
            return false;
        int d =
            isdigit((unsigned char)*text) ? *text - '0' : tolower((unsigned char)*text) - 'a' + 10;
        uuid[digits / 2] = (uint8_t)(uuid[digits / 2] | d << (digits % 2 ? 0 : 4));
        digits++;
    }
    return digits == 32;
}

static int choose_uuid(struct choice *c, const char *text)
{
    uint8_t uuid[16];
    if (!parse_uuid(text, uuid))
        return refuse(c, VKA_ERROR_NOT_FOUND, "32 hexadecimal digits must follow 'uuid:'");
    for (int i = 0; i < c->count; i++) {
        if (memcmp(vka_vk_info(c->context->vk, i)->uuid, uuid, sizeof uuid) == 0)
            return i;
    }
    return refuse(c, VKA_ERROR_NOT_FOUND, "no device has this UUID");
}

static bool has_part(const char *name, const char *part)
{
    size_t length = strlen(part);
    for (; *name; name++) {
        size_t i = 0;
        while (i < length && tolower((unsigned char)name[i]) == tolower((unsigned char)part[i]))
            i++;
        if (i == length)
            return true;
    }
    return false;
}

static const char *name_at(const struct choice *c, int position)
{
    return position == c->count ? "cpu" : vka_vk_info(c->context->vk, position)->name;
}

// A whole name beats a part, so that a name which another one begins with can be chosen.
static int choose_name(struct choice *c)
{
    size_t length = strlen(c->select);
    int fits[2] = {0, 0}, found[2] = {NONE, NONE};
    for (int i = 0; i <= c->count; i++) {
        const char *name = name_at(c, i);
        if (!has_part(name, c->select))
            continue;
        int part = strlen(name) != length;
        fits[part]++;
        found[part] = i;
    }
    int kind = fits[0] == 0;
    if (fits[kind] == 0)
        return refuse(c, VKA_ERROR_NOT_FOUND, "no such device");
    return fits[kind] == 1 ? found[kind]
                           : refuse(c, VKA_ERROR_AMBIGUOUS, "the name fits several devices");
}

static int choose(struct choice *c)
{
    const char *s = c->select;
    int number;
    if (strcmp(s, "auto") == 0)
        return choose_auto(c);
    if (strcmp(s, "cpu") == 0)
        return c->count;
    if (strcmp(s, "vulkan") == 0)
        return choose_vulkan(c);
    if (strncmp(s, "vulkan:", 7) == 0)
        return choose_vulkan_index(c, s + 7);
    if (strncmp(s, "uuid:", 5) == 0)
        return choose_uuid(c, s + 5);
    if (!parse_number(s, &number))
        return choose_name(c);
    return number < c->count ? number : refuse(c, VKA_ERROR_NOT_FOUND, "there is no such index");
}

// --- opening ---

static void close_cpu(vka_device *device)
{
    vka_free(device->context, device);
}

static vka_result open_cpu(vka_context *context, vka_device **device)
{
    vka_device *d = vka_calloc(context, 1, sizeof *d);
    if (!d)
        return vka_out_of_memory(context);
    d->context = context;
    d->executor = &vka_cpu_executor;
    d->close = close_cpu;
    cpu_info(&d->info);
    *device = d;
    return VKA_OK;
}

vka_result vka_device_open(vka_context *context, const char *select, vka_device **device)
{
    *device = NULL;
    if (!select || !*select)
        select = vka_getenv("VKATTN_DEVICE");
    if (!select || !*select)
        select = "auto";
    struct choice c = {.context = context, .count = vka_vk_count(context->vk), .select = select};
    int position = choose(&c);
    if (position == NONE)
        return c.result;
    if (position == c.count)
        return open_cpu(context, device);
    return vka_vk_open(context, position, device);
}

void vka_device_close(vka_device *device)
{
    if (device)
        device->close(device);
}

const vka_device_info *vka_device_of(const vka_device *device)
{
    return &device->info;
}
