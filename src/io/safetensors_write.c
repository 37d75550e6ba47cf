// SPDX-License-Identifier: MIT
//
// Writing safetensors files. Tensors of larger elements come first and the header is filled up to
// whole 8 bytes, so that each tensor is aligned for its type.
#include "io/safetensors.h"

#include "io/file.h"
#include "io/json.h"
#include "util/sort.h"

#include <stdio.h>
#include <string.h>

enum { PREFIX = 8 };

struct plan {
    vka_context *context;
    const struct vka_safetensors_item *items;
    size_t count;
    const char *const *metadata;
    uint32_t *order;
    uint64_t data_size;
};

static uint64_t bytes_of(const struct vka_safetensors_item *item)
{
    uint64_t bytes = 0;
    if (!vka_shape_count(&item->shape, &bytes) ||
        !vka_mul_size(bytes, vka_dtype_size(item->dtype), &bytes))
        return UINT64_MAX;
    return bytes;
}

static vka_result check_items(struct plan *p)
{
    char quoted[VKA_JSON_QUOTED], shape[VKA_SHAPE_TEXT];
    if (p->count > UINT32_MAX)
        return vka_error(p->context, VKA_ERROR_UNSUPPORTED, "too many tensors for one file");
    for (size_t i = 0; i < p->count; i++) {
        const struct vka_safetensors_item *item = &p->items[i];
        uint64_t bytes = bytes_of(item);
        vka_json_quote(item->name, quoted);
        if (bytes == UINT64_MAX || !vka_add_size(p->data_size, bytes, &p->data_size))
            return vka_error(p->context, VKA_ERROR_INVALID,
                             "tensor %s: a shape of %s can't be written", quoted,
                             vka_shape_text(&item->shape, shape));
        if (bytes > 0 && !item->data)
            return vka_error(p->context, VKA_ERROR_INVALID, "tensor %s has no data", quoted);
        if (strcmp(item->name, "__metadata__") == 0)
            return vka_error(p->context, VKA_ERROR_INVALID, "a tensor can't be called %s", quoted);
    }
    return VKA_OK;
}

static int by_element(const void *user, const void *a, const void *b)
{
    const struct vka_safetensors_item *items = user;
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    size_t x_size = vka_dtype_size(items[x].dtype), y_size = vka_dtype_size(items[y].dtype);
    if (x_size != y_size)
        return x_size > y_size ? -1 : 1;
    return x < y ? -1 : x > y;
}

static void put_text(struct vka_json_out *out, const char *text)
{
    vka_json_put(out, text, strlen(text));
}

static void put_number(struct vka_json_out *out, uint64_t number)
{
    char text[24];
    vka_json_put(out, text,
                 (size_t)snprintf(text, sizeof text, "%llu", (unsigned long long)number));
}

static void put_metadata(struct vka_json_out *out, const char *const *metadata)
{
    put_text(out, "\"__metadata__\":{");
    for (size_t i = 0; metadata[i]; i += 2) {
        put_text(out, i ? "," : "");
        vka_json_put_string(out, metadata[i]);
        put_text(out, ":");
        vka_json_put_string(out, metadata[i + 1]);
    }
    put_text(out, "}");
}

static void put_item(struct vka_json_out *out, const struct vka_safetensors_item *item,
                     uint64_t begin)
{
    vka_json_put_string(out, item->name);
    put_text(out, ":{\"dtype\":\"");
    put_text(out, vka_dtype_name(item->dtype));
    put_text(out, "\",\"shape\":[");
    for (int i = 0; i < item->shape.rank; i++) {
        put_text(out, i ? "," : "");
        put_number(out, (uint64_t)item->shape.dim[i]);
    }
    put_text(out, "],\"data_offsets\":[");
    put_number(out, begin);
    put_text(out, ",");
    put_number(out, begin + bytes_of(item));
    put_text(out, "]}");
}

static void put_header(const struct plan *p, struct vka_json_out *out)
{
    uint64_t begin = 0;
    put_text(out, "{");
    if (p->metadata)
        put_metadata(out, p->metadata);
    for (size_t i = 0; i < p->count; i++) {
        const struct vka_safetensors_item *item = &p->items[p->order[i]];
        put_text(out, i || p->metadata ? "," : "");
        put_item(out, item, begin);
        begin += bytes_of(item);
    }
    put_text(out, "}");
    while (out->at % PREFIX)
        put_text(out, " ");
}

static vka_result write_all(const struct plan *p, const char *path, const char *header,
                            size_t header_size)
{
    struct vka_sink sink;
    unsigned char prefix[PREFIX];
    for (int i = 0; i < PREFIX; i++)
        prefix[i] = (unsigned char)((uint64_t)header_size >> 8 * i);
    vka_result result = vka_sink_open(p->context, path, &sink);
    if (result != VKA_OK)
        return result;
    result = vka_sink_write(&sink, prefix, PREFIX);
    if (result == VKA_OK)
        result = vka_sink_write(&sink, header, header_size);
    for (size_t i = 0; i < p->count && result == VKA_OK; i++) {
        const struct vka_safetensors_item *item = &p->items[p->order[i]];
        result = vka_sink_write(&sink, item->data, bytes_of(item));
    }
    if (result == VKA_OK)
        return vka_sink_commit(&sink);
    vka_sink_discard(&sink);
    return result;
}

// The header is read back by the reader's own rules: a name that stands twice or isn't UTF-8 is
// found there.
static vka_result write_plan(const struct plan *p, const char *path)
{
    struct vka_json_out out = {0};
    put_header(p, &out);
    out.size = out.at + 1;
    out.at = 0;
    out.text = vka_alloc(p->context, out.size, 1);
    if (!out.text)
        return vka_out_of_memory(p->context);
    put_header(p, &out);
    vka_result result = vka_safetensors_check(p->context, path, out.text, out.at, p->data_size);
    if (result == VKA_ERROR_FORMAT)
        result = VKA_ERROR_INVALID;
    if (result == VKA_OK)
        result = write_all(p, path, out.text, out.at);
    vka_free(p->context, out.text);
    return result;
}

vka_result vka_safetensors_write(vka_context *context, const char *path,
                                 const struct vka_safetensors_item *items, size_t count,
                                 const char *const *metadata)
{
    struct plan p = {.context = context, .items = items, .count = count, .metadata = metadata};
    vka_result result = check_items(&p);
    if (result != VKA_OK)
        return result;
    p.order = vka_alloc(context, count, sizeof *p.order);
    if (!p.order)
        return vka_out_of_memory(context);
    for (size_t i = 0; i < count; i++)
        p.order[i] = (uint32_t)i;
    vka_sort(p.order, count, sizeof *p.order, by_element, items);
    result = write_plan(&p, path);
    vka_free(context, p.order);
    return result;
}
