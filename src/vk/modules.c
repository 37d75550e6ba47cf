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

// Unpacks the whole stream into `out` of s->size bytes; zlib checks its checksum at the end.
static vka_result unpack(vka_context *context, const char *name, const struct vka_module_stream *s,
                         void *out)
{
    enum { GZIP = 16 };
    z_stream z = {
        .next_in = (z_const Bytef *)(uintptr_t)s->packed, // zlib only reads it
        .avail_in = s->packed_size,
        .next_out = out,
        .avail_out = s->size,
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

vka_result vka_module_unpack(vka_context *context, const struct vka_module *m, void **memory,
                             const uint32_t **words)
{
    *memory = vka_alloc(context, m->stream->size, 1);
    if (!*memory)
        return vka_out_of_memory(context);
    vka_result result = unpack(context, m->name, m->stream, *memory);
    if (result == VKA_OK) {
        *words = (const uint32_t *)*memory + m->at / 4;
        return VKA_OK;
    }
    vka_free(context, *memory);
    *memory = NULL;
    return result;
}
