// SPDX-License-Identifier: MIT
//
// Looks a shader module up by its name.
#include "vk/modules.h"

#include <string.h>

const struct vka_module *vka_module_find(const char *name)
{
    for (size_t i = 0; i < vka_module_count; i++) {
        if (strcmp(vka_modules[i].name, name) == 0)
            return &vka_modules[i];
    }
    return NULL;
}
