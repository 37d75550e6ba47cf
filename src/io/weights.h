// SPDX-License-Identifier: MIT
//
// Weight sets: named tensors, from a mapped safetensors file or from the caller's memory.
#ifndef VKA_IO_WEIGHTS_H
#define VKA_IO_WEIGHTS_H

#include "util/context.h"

struct vka_weight_entry {
    const char *name;
    bool owns_name;
    vka_dtype dtype;
    vka_shape shape;
    const void *data; // any alignment; NULL where only declared
    uint64_t bytes;
    void *converted; // as F32, made when first asked for
};

struct vka_weights {
    vka_context *context;
    struct vka_weight_entry *entries; // sorted by name once complete
    size_t count, capacity;
    struct vka_safetensors *file; // NULL where not loaded from one
    void *lock;                   // a pthread_mutex_t, over `converted` and `sealed`
    bool sealed;                  // a graph knows the entries by their index
    char *wanted;                 // a weight that a graph asked for in vain, the last one
    vka_shape wanted_shape;       // 0: any size
};

// As vka_weights_add, but `name` isn't copied either.
vka_result vka_weights_put(vka_weights *weights, const char *name, vka_dtype dtype,
                           const vka_shape *shape, const void *data);
// From now on nothing can be added. Any thread.
void vka_weights_seal(vka_weights *weights);
// Keeps what a graph asked for in vain: whoever makes weights up learns it here. Any thread.
void vka_weights_want(vka_weights *weights, const char *name, const vka_shape *shape);
int vka_weights_index(const vka_weights *weights, const char *name); // -1: none
// The tensor as floats (F32) that the CPU can use: in place where the data is F32 and aligned, else
// converted once. NULL: out of memory, or no data (the error is set). Any thread.
const float *vka_weights_f32(vka_weights *weights, int index);

#endif
