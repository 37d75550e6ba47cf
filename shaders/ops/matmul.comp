// SPDX-License-Identifier: MIT
//
// act(alpha * a b + bias + residual): a workgroup of LANES x LANES makes a tile of the output,
// TM x TN sums in each lane, from slices of a and b in shared memory.
// RESIDUAL: with a fifth buffer.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "types.glsl"
#include "matmul.h"
#include "activation.glsl"

layout(constant_id = 3) const uint TM = 8;
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

const uint LANES = 8; // along each side of the workgroup
const uint DEPTH = 16;
const uint TILE_M = LANES * TM;
const uint TILE_N = LANES * TN;
// Rows are one word longer than needed: lanes that write a column hit different banks.
shared float tile_a[DEPTH * (TILE_M + 1)];
shared float tile_b[DEPTH * (TILE_N + 1)];

uint batch_start(const uint s[5], uvec3 batch)
{
    return batch.x * s[0] + batch.y * s[1] + batch.z * s[2];
}

// Reads DEPTH x `width` elements into shared memory, zeros outside. Lanes run along the axis whose
// elements lie closer together.
#define LOAD_TILE(tile, name, width, start, along, along_size, along_stride, k_stride)             \
    for (uint i = gl_LocalInvocationIndex; i < DEPTH * width; i += LANES * LANES) {                \
        bool k_first = abs(int(k_stride)) < abs(int(along_stride));                                \
        uint kk = k_first ? i % DEPTH : i / width;                                                 \
        uint w = k_first ? i / DEPTH : i % width;                                                  \
        bool inside = k0 + kk < p.k && along + w < along_size;                                     \
        float v = 0.0;                                                                             \
        if (inside)                                                                                \
            v = LOAD(name, start + (k0 + kk) * k_stride + (along + w) * along_stride);             \
        tile[kk * (width + 1) + w] = v;                                                            \
    }

void store(uint row, uint col, uvec3 batch, uint index, float sum)
{
    float v = p.alpha * sum;
    if (HAS_BIAS)
        v += LOAD(bias, p.bias_offset + batch_start(p.bias_stride, batch) + row * p.bias_stride[3] +
                            col * p.bias_stride[4]);
#ifdef RESIDUAL
    v += LOAD(residual, p.residual_offset + batch_start(p.residual_stride, batch) +
                            row * p.residual_stride[3] + col * p.residual_stride[4]);
#endif
    STORE(dst, p.out_offset + (index * p.m + row) * p.n + col, vka_activate(ACT, v, ACT_A, ACT_B));
}

void main()
{
    uint group = group_index();
    if (group >= p.groups)
        return;
    uint tiles_n = (p.n + TILE_N - 1) / TILE_N, tiles_m = (p.m + TILE_M - 1) / TILE_M;
    uint n0 = group % tiles_n * TILE_N;
    uint m0 = group / tiles_n % tiles_m * TILE_M;
    uint index = group / tiles_n / tiles_m; // of the matrix
    uvec3 batch = uvec3(index / p.batch_2 / p.batch_1, index / p.batch_2 % p.batch_1,
                        index % p.batch_2);
    uint a_start = p.a_offset + batch_start(p.a_stride, batch);
    uint b_start = p.b_offset + batch_start(p.b_stride, batch);
    uint tx = gl_LocalInvocationIndex % LANES, ty = gl_LocalInvocationIndex / LANES;

    float sum[TM][TN];
    [[unroll]] for (uint i = 0; i < TM; i++)
        [[unroll]] for (uint j = 0; j < TN; j++)
            sum[i][j] = 0.0;

    for (uint k0 = 0; k0 < p.k; k0 += DEPTH) {
        LOAD_TILE(tile_a, a, TILE_M, a_start, m0, p.m, p.a_stride[3], p.a_stride[4])
        LOAD_TILE(tile_b, b, TILE_N, b_start, n0, p.n, p.b_stride[4], p.b_stride[3])
        barrier();
        for (uint kk = 0; kk < DEPTH; kk++) {
            float av[TM], bv[TN];
            [[unroll]] for (uint i = 0; i < TM; i++)
                av[i] = tile_a[kk * (TILE_M + 1) + ty + i * LANES];
            [[unroll]] for (uint j = 0; j < TN; j++)
                bv[j] = tile_b[kk * (TILE_N + 1) + tx + j * LANES];
            [[unroll]] for (uint i = 0; i < TM; i++)
                [[unroll]] for (uint j = 0; j < TN; j++)
                    sum[i][j] = fma(av[i], bv[j], sum[i][j]);
        }
        barrier();
    }

    [[unroll]] for (uint i = 0; i < TM; i++)
        [[unroll]] for (uint j = 0; j < TN; j++) {
            uint row = m0 + ty + i * LANES, col = n0 + tx + j * LANES;
            if (row < p.m && col < p.n)
                store(row, col, batch, index, sum[i][j]);
        }
}
