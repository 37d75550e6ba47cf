// SPDX-License-Identifier: MIT
//
// Attention on the CPU, block of keys by block of keys with a running maximum: the logits of a
// block and a panel of queries are all that is stored of [Tq, Tk].
#ifndef VKA_CPU_ATTENTION_H
#define VKA_CPU_ATTENTION_H

#include "ops/op.h"

struct vka_attention_job {
    int64_t batch, heads, kv_heads, queries, keys, depth, width; // width: of v
    bool has_bias, has_mask;
    const float *q, *k, *v, *bias;
    const int32_t *mask;
    int64_t q_step[4], k_step[4], v_step[4], bias_step[4], mask_step[4];
    int64_t out_step[3]; // batch, head, query; columns lie together
    float *out, *lse;    // lse is dense; either may be NULL
    double scale;
    bool mask_removes, causal;
    int64_t causal_offset;
};

size_t vka_attention_scratch(const struct vka_attention_job *job, int threads);
void vka_attention_run(const struct vka_attention_job *job, struct vka_threads *threads,
                       void *scratch);

#endif
