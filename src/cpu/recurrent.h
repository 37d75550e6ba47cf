// SPDX-License-Identifier: MIT
//
// All steps of a recurrent layer on the CPU. The weights come in panels of VKA_UNITS units, each
// read from its begin to its end at a step; threads keep to their panels, so that these stay in
// their caches, and help out where another one is late.
#ifndef VKA_CPU_RECURRENT_H
#define VKA_CPU_RECURRENT_H

#include "ops/ops.h"

enum { VKA_UNITS = 16 };

// Panels of `rows` units: panel p, then k, then the gate, then the unit. Rows past the end are 0.
static inline int64_t vka_panels(int64_t rows)
{
    return (rows + VKA_UNITS - 1) / VKA_UNITS;
}

struct vka_recurrent_job {
    enum vka_cell_kind kind;
    int64_t directions, rows, steps, hidden, out; // out: the width of h
    bool has_bias, has_proj;                      // bias: the last k of the weight
    const float *inputs;                          // [D, N, T, G H]
    const float *weight, *proj;                   // panels of each direction
    const float *h, *c;                           // [D, N, out], [D, N, H]
    const int32_t *valid;                         // [N, T], or NULL
    float *y, *c_last;                            // [N, T, D out], [D, N, H]
};

struct vka_threads;
size_t vka_recurrent_scratch(const struct vka_recurrent_job *job);
void vka_recurrent_run(const struct vka_recurrent_job *job, struct vka_threads *threads,
                       void *scratch);

#endif
