// SPDX-License-Identifier: MIT
//
// Looks a shader module up by its name, and unpacks it.
#include "vk/modules.h"

#include "util/context.h"

#include <stdio.h>
#include <string.h>
#include <zlib.h>

const struct vka_module *vka_module_find(const char *name)
{
    for (size_t i = 0; i < vka_module_count; i++) {
        if (strcmp(vka_modules[i].name, name) == 0)
            return &vka_modules[i];
    }
    return NULL;
}

const struct vka_module *vka_module_for(const char *name, vka_dtype real)
{
    char twin[96];
    int length = snprintf(twin, sizeof twin, "%s_%s", name, real == VKA_F16 ? "f16" : "bf16");
    const struct vka_module *module = NULL;
    if (real != VKA_F32 && length > 0 && (size_t)length < sizeof twin)
        module = vka_module_find(twin);
    return module ? module : vka_module_find(name);
}

static voidpf zlib_alloc(voidpf context, uInt count, uInt size)
{
    return vka_alloc(context, count, size);
}

static void zlib_free(voidpf context, voidpf memory)
{
    vka_free(context, memory);
}

// Unpacks the whole stream into `digits`; zlib checks its checksum at the end.
static vka_result inflate_stream(vka_context *context, const char *name,
                                 const struct vka_module_stream *s, uint8_t *digits)
{
    enum { GZIP = 16 };
    z_stream z = {
        .next_in = (z_const Bytef *)(uintptr_t)s->packed, // zlib only reads it
        .avail_in = s->packed_size,
        .next_out = digits,
        .avail_out = VKA_MODULE_DIGITS * s->plane,
        .zalloc = zlib_alloc,
        .zfree = zlib_free,
        .opaque = context,
    };
    int code = inflateInit2(&z, MAX_WBITS + GZIP);
    if (code == Z_OK) {
        code = inflate(&z, Z_FINISH);
        if (code == Z_STREAM_END && (z.avail_in || z.avail_out))
            code = Z_DATA_ERROR;
        inflateEnd(&z);
    }
    if (code == Z_MEM_ERROR)
        return vka_out_of_memory(context);
    return code == Z_STREAM_END
               ? VKA_OK
               : vka_error(context, VKA_ERROR_FORMAT,
                           "the shader module '%s' in this library is damaged", name);
}

// 0 .. 15 of '0' .. '9' and 'a' .. 'f'.
static uint32_t value_of(uint8_t digit)
{
    return digit <= '9' ? digit & 15u : (digit & 15u) + 9;
}

// A byte's first digit is its upper half; the lowest byte comes first.
static void join_digits(const struct vka_module *m, const uint8_t *digits, uint32_t *words)
{
    memset(words, 0, (size_t)m->words * 4);
    for (uint32_t k = 0; k < VKA_MODULE_DIGITS; k++) {
        const uint8_t *plane = digits + (size_t)k * m->stream->plane + m->first;
        uint32_t shift = (k ^ 1) * 4;
        for (uint32_t i = 0; i < m->words; i++)
            words[i] |= value_of(plane[i]) << shift;
    }
}

vka_result vka_module_unpack(vka_context *context, const struct vka_module *m, uint32_t **words)
{
    uint8_t *digits = vka_alloc(context, m->stream->plane, VKA_MODULE_DIGITS);
    *words = vka_alloc(context, m->words, sizeof **words);
    vka_result result = digits && *words ? inflate_stream(context, m->name, m->stream, digits)
                                         : vka_out_of_memory(context);
    if (result == VKA_OK) {
        join_digits(m, digits, *words);
    } else {
        vka_free(context, *words);
        *words = NULL;
    }
    vka_free(context, digits);
    return result;
}
