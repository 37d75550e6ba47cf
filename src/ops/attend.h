// SPDX-License-Identifier: MIT
//
// What the files of the operation attention share: attention.c (shapes, the CPU, its definition)
// and attention_gpu.c (its variants).
#ifndef VKA_OPS_ATTEND_H
#define VKA_OPS_ATTEND_H

#include "cpu/attention.h"
#include "ops/op.h"

struct vka_attention_params {
    double scale;
    bool mask_removes, causal;
    int64_t causal_offset;
    bool joined; // the result is [B, Tq, H, Dv]
};

enum { Q, K, V, BIAS, MASK, INPUTS };
enum { OUT, LSE, OUTPUTS };

// All but the data.
void vka_attention_job_of(const struct vka_args *args, struct vka_attention_job *job);

// Whether the last axis is contiguous, which all variants need.
static inline bool vka_attention_lines_up(const struct vka_array *a)
{
    return a->stride[3] == 1 || a->dim[3] == 1;
}

extern const struct vka_variant vka_attention_variants[];

#endif
