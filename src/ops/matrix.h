// SPDX-License-Identifier: MIT
//
// How products are cut for cooperative matrices: the sizes that shaders/common/matrix.glsl takes as
// constants. One table serves matmul and conv.
#ifndef VKA_OPS_MATRIX_H
#define VKA_OPS_MATRIX_H

#include "ops/op.h"
#include "util/whole.h"

struct vka_matrix_cut {
    uint32_t fragments_m, fragments_n; // of a subgroup
    uint32_t subs_m, subs_n;           // subgroups of a workgroup
    uint32_t depth;                    // of a slice
    uint64_t tile_m, tile_n;           // of the output, a workgroup
    uint32_t invocations, subgroup;
};

// For `count` outputs of m x n. False: the device has no cooperative matrices to be used, or they
// would be mostly empty.
bool vka_matrix_cut_of(const struct vka_limits *limits, int64_t m, int64_t n, int64_t k,
                       int64_t count, struct vka_matrix_cut *cut);

// Which way the lines of a slice lie in shared memory, and whether eight elements can be read at
// once.
enum vka_matrix_modes {
    VKA_MATRIX_A_ALONG_M = 1,
    VKA_MATRIX_B_ALONG_N = 2,
    VKA_MATRIX_A_EIGHTS = 4,
    VKA_MATRIX_B_EIGHTS = 8,
};

// Turns of its loops, for vka_turns.
static inline double vka_matrix_turns(const struct vka_matrix_cut *cut, int64_t terms)
{
    return (double)vka_divide_up(terms, cut->depth) * (2 + cut->depth);
}

// The constants of matrix.glsl, after the op's own.
void vka_matrix_constants(struct vka_launch *l, struct vka_dispatch *d,
                          const struct vka_matrix_cut *cut, uint32_t modes);

#endif
