// SPDX-License-Identifier: MIT
//
// The shader modules that the build embeds (shaders/variants.cmake).
#ifndef VKA_VK_MODULES_H
#define VKA_VK_MODULES_H

#include <stddef.h>
#include <stdint.h>

struct vka_module {
    const char *name;
    const uint32_t *words;
    size_t count; // of words
};

extern const struct vka_module vka_modules[];
extern const size_t vka_module_count;

const struct vka_module *vka_module_find(const char *name); // NULL: this build hasn't it

#endif
