// SPDX-License-Identifier: MIT
//
// What the matmul shaders share: constants, buffers, where matrices start, the end of an element.
// RESIDUAL: with a fifth buffer.
#include "types.glsl"
#include "matmul.h"
#include "activation.glsl"

layout(constant_id = 3) const uint TM = 8; // sums of a lane along both sides
layout(constant_id = 4) const uint TN = 8;
layout(constant_id = 5) const bool HAS_BIAS = false;
layout(constant_id = 6) const int ACT = 0;
layout(constant_id = 7) const float ACT_A = 0.0;
layout(constant_id = 8) const float ACT_B = 0.0;

BUFFER_IN(0, a);
BUFFER_IN(1, b);
BUFFER_IN(2, bias);
BUFFER_OUT(3, dst);
#ifdef RESIDUAL
BUFFER_IN(4, residual);
#endif

// A tile of one of the matrices.
struct tile_place {
    uint index; // of the matrix
    uvec3 batch;
    uint m0, n0;
    uint a_start, b_start;
};

uint batch_start(const uint s[5], uvec3 batch)
{
    return batch.x * s[0] + batch.y * s[1] + batch.z * s[2];
}

tile_place tile_of(uint group, uint tile_m, uint tile_n)
{
    tile_place t;
    uint tiles_n = (p.n + tile_n - 1) / tile_n, tiles_m = (p.m + tile_m - 1) / tile_m;
    t.n0 = group % tiles_n * tile_n;
    t.m0 = group / tiles_n % tiles_m * tile_m;
    t.index = group / tiles_n / tiles_m;
    t.batch = uvec3(t.index / p.batch_2 / p.batch_1, t.index / p.batch_2 % p.batch_1,
                    t.index % p.batch_2);
    t.a_start = p.a_offset + batch_start(p.a_stride, t.batch);
    t.b_start = p.b_offset + batch_start(p.b_stride, t.batch);
    return t;
}

// The element's value once its products are summed.
float finished(uint row, uint col, uvec3 batch, float sum)
{
    float v = p.alpha * sum;
    if (HAS_BIAS)
        v += LOAD(bias, p.bias_offset + batch_start(p.bias_stride, batch) + row * p.bias_stride[3] +
                            col * p.bias_stride[4]);
#ifdef RESIDUAL
    v += LOAD(residual, p.residual_offset + batch_start(p.residual_stride, batch) +
                            row * p.residual_stride[3] + col * p.residual_stride[4]);
#endif
    return vka_activate(ACT, v, ACT_A, ACT_B);
}

uint out_index(tile_place t, uint row, uint col)
{
    return p.out_offset + (t.index * p.m + row) * p.n + col;
}
