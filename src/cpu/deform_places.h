// SPDX-License-Identifier: MIT
//
// Deformable convolution on the CPU where there are channels enough to fill vectors: x is copied,
// some items at a time, so that a place's channels lie side by side. A sample is then four loads
// for a vector of channels, and what it gives is a row of a product as it is.
#ifndef VKA_CPU_DEFORM_PLACES_H
#define VKA_CPU_DEFORM_PLACES_H

#include "cpu/deform_conv.h"

bool vka_deform_places_pays(const struct vka_deform_job *job);

// Bytes of the packed weight, and packing it.
size_t vka_deform_places_weight_size(const struct vka_deform_job *job);
void vka_deform_places_weight(const struct vka_deform_job *job, struct vka_threads *threads,
                              void *weight);

// The weight is packed to scratch where `weight` is NULL; `keeps` says that it won't be.
size_t vka_deform_places_scratch(const struct vka_deform_job *job, bool keeps, int threads);
void vka_deform_places_run(const struct vka_deform_job *job, const void *weight,
                           struct vka_threads *threads, void *scratch);

#endif
