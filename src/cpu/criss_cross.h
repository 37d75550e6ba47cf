// SPDX-License-Identifier: MIT
//
// Criss-cross attention on the CPU: columns first, then rows, as one softmax that goes on. Columns
// are taken a vector of them side by side, a lane each, so that nothing is transposed.
#ifndef VKA_CPU_CRISS_CROSS_H
#define VKA_CPU_CRISS_CROSS_H

#include "ops/op.h"

struct vka_criss_cross_job {
    int64_t batch, depth, channels, height, width; // depth: of q and k
    const float *z, *q, *k, *v;                    // [N, C or depth, H, W]; W contiguous
    int64_t z_step[3], step[3];                    // batch, channel, row; of z and of q, k, v
    float *y;                                      // [N, C, H, W], dense
};

size_t vka_criss_cross_scratch(const struct vka_criss_cross_job *job, int threads);
void vka_criss_cross_run(const struct vka_criss_cross_job *job, struct vka_threads *threads,
                         void *scratch);

#endif
