// SPDX-License-Identifier: MIT
//
// Weight sets: named tensors, from a mapped safetensors file or from the caller's memory.
#ifndef VKA_IO_WEIGHTS_H
#define VKA_IO_WEIGHTS_H

#include "util/context.h"

// What a tensor of the set has to become for the blocks.
enum vka_form {
    VKA_FORM_PLAIN,      // nothing: it is as it should be
    VKA_FORM_TRANSPOSED, // axes [kernel..., in, out] become [out, in, kernel...]
    VKA_FORM_NORMED,     // times `partner` [1] over the norm of all its elements
    VKA_FORM_SPECTRAL,   // over its largest singular value; `partner` is the vector of the rows
};

struct vka_weight_entry {
    const char *name;
    bool owns_name;
    vka_dtype dtype;
    vka_shape shape;
    const void *data; // any alignment; NULL where only declared
    uint64_t bytes;
    void *converted; // as F32 in its form, made when first asked for
    enum vka_form form;
    int partner; // index of the other tensor that the form needs
    bool formed; // a graph has chosen the form
};

struct vka_weights {
    vka_context *context;
    struct vka_weight_entry *entries; // sorted by name once complete
    size_t count, capacity;
    struct vka_safetensors *file; // NULL where not loaded from one
    void *lock;                   // a pthread_mutex_t, over `converted`, `sealed`, `official`
    bool sealed;                  // a graph knows the entries by their index
    bool official;                // all names are the official ones
    char *wanted;                 // a weight that a graph asked for in vain, the last one
    vka_shape wanted_shape;       // 0: any size
};

// As vka_weights_add, but `name` isn't copied either.
vka_result vka_weights_put(vka_weights *weights, const char *name, vka_dtype dtype,
                           const vka_shape *shape, const void *data);
// From now on nothing can be added. Any thread.
void vka_weights_seal(vka_weights *weights);
// Keeps what a graph asked for in vain: whoever makes weights up learns it here. False: out of
// memory. Any thread.
bool vka_weights_want(vka_weights *weights, const char *name, const vka_shape *shape);
int vka_weights_index(const vka_weights *weights, const char *name); // -1: none
// Chooses the form of an entry; false where another one was chosen before, for good: values may
// have been made in it. Any thread.
bool vka_weights_form(vka_weights *weights, int index, enum vka_form form, int partner);
const char *vka_form_name(enum vka_form form); // "as it is", "transposed", ..
// The shape of a tensor in a form, and back (what has to lie in the file for it).
vka_shape vka_form_shape(enum vka_form form, const vka_shape *shape);
vka_shape vka_form_shape_back(enum vka_form form, const vka_shape *shape);
// Makes the `count` elements of an entry, its floats in file order, what its form says. False: out
// of memory.
bool vka_form_apply(vka_context *context, const struct vka_weight_entry *entry, float *data,
                    uint64_t count, const float *partner);
// The tensor as floats (F32) that the CPU can use: in place where the data is F32, aligned and in
// its form, else converted once. NULL: out of memory, or no data (the error is set). Any thread.
const float *vka_weights_f32(vka_weights *weights, int index);

#endif
