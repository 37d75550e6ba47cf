// SPDX-License-Identifier: MIT
//
// Deformable convolution on the CPU: for a block of output places, samples go straight into the
// panel that a product reads, some hundred terms at a time; no more of them is ever stored.
#ifndef VKA_CPU_DEFORM_CONV_H
#define VKA_CPU_DEFORM_CONV_H

#include "util/context.h"

struct vka_deform_job {
    int64_t n, groups;
    int64_t in_channels, out_channels; // of a group
    int64_t share;                     // channels that share offsets
    int64_t in[2], out[2], kernel[2];
    int64_t stride[2], dilation[2], before[2];
    const float *x, *offset, *mask, *weight, *bias; // mask, bias: may be NULL
    int64_t x_step[4], offset_step[4], mask_step[4], bias_step;
    int64_t weight_step[3]; // channel out, channel in, tap
    float *y;               // dense
};

size_t vka_deform_scratch(const struct vka_deform_job *job, int threads);
struct vka_threads;
void vka_deform_run(const struct vka_deform_job *job, struct vka_threads *threads, void *scratch);

// Where tap `tap` looks for output places first .. first + count - 1 of an item, by the offsets of
// part `part` of the channels, in a map of these strides.
struct vka_corners;
void vka_deform_corners(const struct vka_deform_job *job, int64_t item, int64_t first, int count,
                        int64_t part, int64_t tap, const int64_t step[2], struct vka_corners *c);

#endif
