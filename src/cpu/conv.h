// SPDX-License-Identifier: MIT
//
// Convolution on the CPU, without an unfolded copy: a box of the output's places is made from a
// zero-padded copy of what it reads, in which every tap of the kernel is one more offset into flat
// memory. With a stride s the copy holds every s-th place together (a phase), so that the places
// that one tap meets lie side by side, too.
#ifndef VKA_CPU_CONV_H
#define VKA_CPU_CONV_H

#include "cpu/gemm.h"
#include "ops/window.h"

struct vka_conv_job {
    struct vka_window w;
    int64_t n, groups;
    int64_t in_channels, out_channels; // of a group
    const float *x, *weight, *bias, *residual;
    int64_t x_batch, x_channel, bias_step; // strides; weight, residual and out are dense
    float *out;
    struct vka_activation act;
};

// Bytes of the packed weight, which is made from job->weight and serves runs with as many threads.
size_t vka_conv_weight_size(const struct vka_conv_job *job);
void vka_conv_weight(const struct vka_conv_job *job, struct vka_threads *threads, void *weight);

size_t vka_conv_scratch(const struct vka_conv_job *job, int threads);
void vka_conv_run(const struct vka_conv_job *job, const void *weight, struct vka_threads *threads,
                  void *scratch);

#endif
