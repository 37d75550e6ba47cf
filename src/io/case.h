// SPDX-License-Identifier: MIT
//
// Case files: one run of one block with what must come out, in a safetensors file. `vkattn verify`
// and the tests run them.
#ifndef VKA_IO_CASE_H
#define VKA_IO_CASE_H

#include "io/safetensors.h"

struct vka_case {
    vka_context *context;
    char *path;
    struct vka_safetensors *file;
    const char *block;               // its id
    const char *source;              // where the numbers are from; "" where the file doesn't say
    vka_attr *attrs;                 // an object
    struct vka_safetensor *in, *out; // names without "in." and "out."
    size_t in_count, out_count;
    vka_weights *weights; // names without "w."
};

// Checks the file, not yet the block's own rules.
vka_result vka_case_open(vka_context *context, const char *path, struct vka_case **out);
void vka_case_close(struct vka_case *c);

// The graph: one block, named after its id, with the outputs that the file has; their shapes and
// types are checked. It must go before the case.
vka_result vka_case_build(struct vka_case *c, vka_graph **graph);

// Fills in_count + 1 elements for a run; the data is the file's.
void vka_case_inputs(const struct vka_case *c, vka_io *inputs);

// The type that the graph computes with for a tensor of a file: F32, I32 or BOOL.
vka_dtype vka_case_dtype(vka_dtype in_file);

struct vka_difference {
    double err; // max|got - want| / max|want|, over the places that are finite; 0 or 1 for others
    bool same;  // err within the bound, and the places that aren't finite are the same
    vka_shape first;  // where not: the place of the first element that is wrong
    double got, want; // and what stands there
};

// `got` is of vka_case_dtype(want->dtype) (F32, I32, bytes for BOOL) and of the shape of `want`.
struct vka_difference vka_case_compare(const struct vka_safetensor *want, const void *got,
                                       double bound);

#endif
