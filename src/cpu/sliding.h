// SPDX-License-Identifier: MIT
//
// Windows that slide over maps, on the CPU: logits of a pixel against the taps of its window, their
// softmax, and sums of taps by weights. What of the three is done goes by the operands that are
// there.
#ifndef VKA_CPU_SLIDING_H
#define VKA_CPU_SLIDING_H

#include "cpu/threads.h"
#include "ops/ops.h"

struct vka_sliding_job {
    int64_t n, maps;
    int64_t depth, width; // channels of q and k, of v, that a map has; 0: none of these
    bool has_extra;
    int64_t in[2];
    struct vka_windows w;
    bool cyclic; // channel c of v has map c mod maps; else the maps have blocks of channels
    int relation;
    float scale, outside;
    bool fixed;           // taps outside have the logit `outside`
    const float *q, *k;   // NULL: there are weights; q alone: the relation needs none
    const float *v;       // NULL: logits are wanted
    const float *weights; // [N, maps, taps, Ho, Wo]
    const float *extra;   // [N, maps, H, W]
    const float *table;   // dense [maps, depth, taps] or NULL
    const float *bias;    // dense [maps, taps] or NULL
    const float *shares;  // dense [taps] or NULL
    int64_t q_step[4], k_step[4], v_step[4], extra_step[4], weight_step[5];
    float *out; // dense: [N, maps * width, Ho, Wo], or the logits [N, maps, taps, Ho, Wo]
};

size_t vka_sliding_scratch(const struct vka_sliding_job *job, int threads);
void vka_sliding_run(const struct vka_sliding_job *job, struct vka_threads *threads, void *scratch);

#endif
