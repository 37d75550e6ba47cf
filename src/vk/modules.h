// SPDX-License-Identifier: MIT
//
// The shader modules that the build embeds (shaders/variants.cmake), packed by zlib: they shrink to
// a fourth. One is unpacked when pipelines are made of it, and kept until they are.
#ifndef VKA_VK_MODULES_H
#define VKA_VK_MODULES_H

#include "vkattn/vkattn.h"

#include <stddef.h>
#include <stdint.h>

// A gzip stream: it holds its own checksum and length.
struct vka_module_stream {
    const uint8_t *packed;
    uint32_t packed_size, size; // bytes
};

// A module is a part of what its stream unpacks to.
struct vka_module {
    const char *name;
    const struct vka_module_stream *stream;
    uint32_t at, size; // bytes
};

extern const struct vka_module vka_modules[];
extern const size_t vka_module_count;

const struct vka_module *vka_module_find(const char *name); // NULL: this build hasn't it
// The module's twin that stores floats as F16 or BF16, where it has one: modules of integers alone
// are what they are.
const struct vka_module *vka_module_for(const char *name, vka_dtype real);

// The module's words, m->size / 4 of them, and what holds them: the caller frees `*memory` by
// vka_free. Length and checksum are compared with what was packed (VKA_ERROR_FORMAT).
vka_result vka_module_unpack(vka_context *context, const struct vka_module *m, void **memory,
                             const uint32_t **words);

#endif
