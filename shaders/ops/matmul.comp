// SPDX-License-Identifier: MIT
//
// act(alpha * a b + bias + residual): a workgroup of LANES x LANES makes a tile of the output,
// TM x TN sums in each lane, from slices of a and b in shared memory.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "matmul.glsl"

const uint LANES = 8; // along each side of the workgroup
const uint DEPTH = 16;
const uint TILE_M = LANES * TM;
const uint TILE_N = LANES * TN;
// Rows are one word longer than needed: lanes that write a column hit different banks.
shared float tile_a[DEPTH * (TILE_M + 1)];
shared float tile_b[DEPTH * (TILE_N + 1)];

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

void main()
{
    uint group = group_index();
    if (group >= p.groups)
        return;
    tile_place t = tile_of(group, TILE_M, TILE_N);
    uint tx = gl_LocalInvocationIndex % LANES, ty = gl_LocalInvocationIndex / LANES;

    float sum[TM][TN];
    [[unroll]] for (uint i = 0; i < TM; i++)
        [[unroll]] for (uint j = 0; j < TN; j++)
            sum[i][j] = 0.0;

    for (uint k0 = 0; k0 < p.k; k0 += DEPTH) {
        LOAD_TILE(tile_a, a, TILE_M, t.a_start, t.m0, p.m, p.a_stride[3], p.a_stride[4])
        LOAD_TILE(tile_b, b, TILE_N, t.b_start, t.n0, p.n, p.b_stride[4], p.b_stride[3])
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
            uint row = t.m0 + ty + i * LANES, col = t.n0 + tx + j * LANES;
            if (row < p.m && col < p.n)
                STORE(dst, out_index(t, row, col), finished(row, col, t.batch, sum[i][j]));
        }
}
