// SPDX-License-Identifier: MIT
//
// What window_attention, window_dot and window_sum share: operands, checks, the job for the CPU,
// the dispatch of shaders/ops/window_attention.comp.
#ifndef VKA_OPS_SLIDING_H
#define VKA_OPS_SLIDING_H

#include "ops/op.h"
#include "ops/ops.h"

// Operands of all three; A is q, or the weights of window_sum.
enum {
    VKA_SLIDING_A,
    VKA_SLIDING_K,
    VKA_SLIDING_V,
    VKA_SLIDING_TABLE,
    VKA_SLIDING_EXTRA,
    VKA_SLIDING_BIAS,
    VKA_SLIDING_SHARES,
    VKA_SLIDING_INPUTS
};

struct vka_sliding_params {
    struct vka_windows w;
    int64_t maps;
    int relation;
    double scale, outside;
    bool fixed, cyclic;
};

struct vka_sliding_params vka_sliding_params_of(const struct vka_window_logits *p);
// What the CPU and the shader want dense is made so; 0 stays 0.
vka_tensor vka_sliding_dense(vka_graph *g, vka_tensor t);

// Checks the windows on `map`, an operand of rank 4; `op` is for the message.
bool vka_sliding_infer_windows(struct vka_infer *n, const char *op, int map);
// Checks q, k and what is added to the logits.
bool vka_sliding_infer_logits(struct vka_infer *n, const char *op);
// The operand has this shape, if it is there.
bool vka_sliding_infer_shape(struct vka_infer *n, const char *op, int i, const char *what,
                             const vka_shape *shape);

double vka_sliding_flops(const struct vka_args *args);
void vka_sliding_cpu(const struct vka_cpu_run *run);
size_t vka_sliding_cpu_scratch(const struct vka_args *args, int threads);

bool vka_sliding_is_full(const struct vka_args *args);
// Whether the device has buffers enough.
bool vka_sliding_fits(const struct vka_limits *limits, const struct vka_args *args);
void vka_sliding_launch(struct vka_launch *l, const struct vka_args *args, const char *shader);

#endif
