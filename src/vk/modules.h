// SPDX-License-Identifier: MIT
//
// The shader modules that the build embeds (shaders/variants.cmake), packed by zlib: they shrink to
// a sixth. One is unpacked when pipelines are made of it, and kept until they are.
#ifndef VKA_VK_MODULES_H
#define VKA_VK_MODULES_H

#include "vkattn/vkattn.h"

#include <stddef.h>
#include <stdint.h>

// A gzip stream, which holds its own checksum and length, of the modules of one shader. It unpacks
// to the hex digits of their words, by digit: VKA_MODULE_DIGITS planes of `plane` characters, in
// the order of a little-endian file's bytes (shaders/cmake/pack.cmake tells why).
enum { VKA_MODULE_DIGITS = 8 };
struct vka_module_stream {
    const uint8_t *packed;
    uint32_t packed_size; // bytes
    uint32_t plane;
};

// A module is a part of its stream: `words` of them from the word `first` on.
struct vka_module {
    const char *name;
    const struct vka_module_stream *stream;
    uint32_t first, words;
};

extern const struct vka_module vka_modules[];
extern const size_t vka_module_count;

const struct vka_module *vka_module_find(const char *name); // NULL: this build hasn't it
// The module's twin that stores floats as F16 or BF16, where it has one: modules of integers alone
// are what they are.
const struct vka_module *vka_module_for(const char *name, vka_dtype real);

// The module's words, m->words of them; the caller frees them by vka_free. Length and checksum of
// its stream are compared with what was packed (VKA_ERROR_FORMAT).
vka_result vka_module_unpack(vka_context *context, const struct vka_module *m, uint32_t **words);

#endif
