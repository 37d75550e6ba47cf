// SPDX-License-Identifier: MIT
//
// safetensors files: 8 bytes of header size (little-endian), a JSON header, then the data without
// gaps. The reader checks all of it before anything is used and takes no more memory than the file
// has bytes (and a few hundred more); the data stays where it is.
// https://github.com/huggingface/safetensors has the format's description.
#ifndef VKA_IO_SAFETENSORS_H
#define VKA_IO_SAFETENSORS_H

#include "util/context.h"

// What the format knows: X(name, bits an element, the public type or -1 where there is none).
#define VKA_SAFETENSORS_TYPES(X)                                                                   \
    X(BOOL, 8, VKA_BOOL)                                                                           \
    X(F4, 4, -1)                                                                                   \
    X(F6_E2M3, 6, -1)                                                                              \
    X(F6_E3M2, 6, -1)                                                                              \
    X(U8, 8, VKA_U8)                                                                               \
    X(I8, 8, -1)                                                                                   \
    X(F8_E5M2, 8, -1)                                                                              \
    X(F8_E4M3, 8, -1)                                                                              \
    X(F8_E8M0, 8, -1)                                                                              \
    X(F8_E4M3FNUZ, 8, -1)                                                                          \
    X(F8_E5M2FNUZ, 8, -1)                                                                          \
    X(I16, 16, -1)                                                                                 \
    X(U16, 16, -1)                                                                                 \
    X(F16, 16, VKA_F16)                                                                            \
    X(BF16, 16, VKA_BF16)                                                                          \
    X(I32, 32, VKA_I32)                                                                            \
    X(U32, 32, -1)                                                                                 \
    X(F32, 32, VKA_F32)                                                                            \
    X(C64, 64, -1)                                                                                 \
    X(F64, 64, -1)                                                                                 \
    X(I64, 64, VKA_I64)                                                                            \
    X(U64, 64, -1)

struct vka_safetensors;

struct vka_safetensor {
    const char *name; // lives as long as the file
    const char *type; // "F32", as the file has it; static
    int dtype;        // vka_dtype, or -1: a type that is only known by name
    vka_shape shape;
    const void *data; // at any alignment
    uint64_t bytes;
};

// Maps the file. VKA_ERROR_FORMAT: a rule is broken; VKA_ERROR_UNSUPPORTED: an unknown type, or a
// tensor of more than VKA_MAX_RANK axes.
vka_result vka_safetensors_open(vka_context *context, const char *path,
                                struct vka_safetensors **file);
// The same over memory, which must stay. `name` stands in messages.
vka_result vka_safetensors_parse(vka_context *context, const char *name, const void *data,
                                 uint64_t size, struct vka_safetensors **file);
void vka_safetensors_close(struct vka_safetensors *file);

size_t vka_safetensors_count(const struct vka_safetensors *file);
const char *vka_safetensors_name(const struct vka_safetensors *file, size_t index); // sorted
// Fails only where the file was changed after it had been opened.
vka_result vka_safetensors_get(const struct vka_safetensors *file, size_t index,
                               struct vka_safetensor *tensor);
// As vka_safetensors_get; a type that this library can't use is an error (UNSUPPORTED).
vka_result vka_safetensors_use(const struct vka_safetensors *file, size_t index,
                               struct vka_safetensor *tensor);
long vka_safetensors_find(const struct vka_safetensors *file, const char *name); // -1: none
// A text of the file's __metadata__, NULL where it is absent.
const char *vka_safetensors_metadata(const struct vka_safetensors *file, const char *key);

// Checks a header by all the rules, for data of `data_size` bytes.
vka_result vka_safetensors_check(vka_context *context, const char *name, const char *header,
                                 size_t header_size, uint64_t data_size);

struct vka_safetensors_item { // a tensor to be written
    const char *name;
    vka_dtype dtype;
    vka_shape shape;
    const void *data;
};

// Writes a file, whole or not at all. `metadata` is key, value, key, value, ..., NULL; or NULL.
vka_result vka_safetensors_write(vka_context *context, const char *path,
                                 const struct vka_safetensors_item *items, size_t count,
                                 const char *const *metadata);

#endif
