// SPDX-License-Identifier: MIT
//
// Convolutions of 3 x 3 with a quarter of the multiplications (Winograd's F(4 x 4, 3 x 3)): tiles
// of 6 x 6 places become 36 numbers that are multiplied with the weight's 36 point by point, which
// is 36 products of matrices, tiles by channels; from the 36 sums the 4 x 4 places of the output
// are made. The points are 0, +-2/3, +-3/2 and infinity: their errors are a fraction of those of
// 0, +-1, +-2. With a dilation d, tiles take every d-th place. The weight is transformed once. An
// infinity or NaN in a tile's 6 x 6 places may make any of its 4 x 4 outputs NaN, also those whose
// windows don't hold it.
#ifndef VKA_CPU_WINOGRAD_H
#define VKA_CPU_WINOGRAD_H

#include "cpu/conv.h"

// Whether the job is of that kind, and whether it is made faster that way.
bool vka_winograd_fits(const struct vka_conv_job *job);
bool vka_winograd_pays(const struct vka_conv_job *job);

// Bytes of the transformed weight, which is made from job->weight.
size_t vka_winograd_weight_size(const struct vka_conv_job *job);
void vka_winograd_weight(const struct vka_conv_job *job, struct vka_threads *threads, void *weight);

size_t vka_winograd_scratch(const struct vka_conv_job *job, int threads);
void vka_winograd_run(const struct vka_conv_job *job, const void *weight,
                      struct vka_threads *threads, void *scratch);

#endif
