// SPDX-License-Identifier: MIT
//
// NumPy's .npy files, as far as the command has a use for them.
#ifndef VKA_CLI_NPY_H
#define VKA_CLI_NPY_H

#include "io/file.h"

struct vka_npy {
    vka_dtype dtype;
    vka_shape shape;
    const void *data; // at any alignment
    uint64_t bytes;
    struct vka_file file;
    void *converted; // doubles as F32
};

// Row-major arrays of little-endian f2, f4, f8 (which becomes F32), i4, i8, u1 and b1.
vka_result vka_npy_read(vka_context *context, const char *path, struct vka_npy *npy);
void vka_npy_free(vka_context *context, struct vka_npy *npy);

// Whole or not at all. Any type but BF16.
vka_result vka_npy_write(vka_context *context, const char *path, vka_dtype dtype,
                         const vka_shape *shape, const void *data);

#endif
