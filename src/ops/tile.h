// SPDX-License-Identifier: MIT
//
// How products are cut into the tiles of shaders/common/product_tile.glsl, for matmul and conv.
#ifndef VKA_OPS_TILE_H
#define VKA_OPS_TILE_H

#include "ops/op.h"

struct vka_tile {
    uint32_t lanes;          // along each side of a workgroup
    uint32_t sums_m, sums_n; // of a lane
};

// For `count` outputs of m x n.
struct vka_tile vka_tile_of(const struct vka_limits *limits, int64_t m, int64_t n, int64_t count);

// Turns of its loops, for vka_turns; those that are unrolled are counted, too.
double vka_tile_turns(const struct vka_tile *tile, int64_t terms);

#endif
