// SPDX-License-Identifier: MIT
//
// Convolution as a product of the weight [channels, terms] with a matrix of terms that is never
// stored: a workgroup of LANES x LANES makes a tile of channels x places, its slices of both
// factors in shared memory. RESIDUAL: with a fifth buffer.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "conv.glsl"

const uint LANES = 8;
const uint DEPTH = 16;
const uint TILE_M = LANES * TM;
const uint TILE_N = LANES * TN;
shared float tile_w[DEPTH * (TILE_M + 1)];
shared float tile_x[DEPTH * TILE_N];

void main()
{
    uint group = group_index();
    if (group >= p.end)
        return;
    uint places = p.size_out[0] * p.size_out[1] * p.size_out[2];
    uint terms = p.in_channels * TAPS;
    uint tiles_n = (places + TILE_N - 1) / TILE_N, tiles_m = (p.out_channels + TILE_M - 1) / TILE_M;
    uint n0 = group % tiles_n * TILE_N, m0 = group / tiles_n % tiles_m * TILE_M;
    uint index = group / tiles_n / tiles_m; // item of the batch and group of channels
    uint item = index / p.groups, part = index % p.groups;
    uint x_start = p.x_offset + item * p.x_batch + part * p.in_channels * p.x_channel;
    uint w_start = p.weight_offset + part * p.out_channels * terms;
    uint lane = gl_LocalInvocationIndex, tx = lane % LANES, ty = lane / LANES;

    // A lane reads x for one column of the tile: LANES * LANES is a multiple of TILE_N.
    uint column = lane % TILE_N;
    origin first = origin_of(min(n0 + column, places - 1), x_start);

    float sum[TM][TN];
    [[unroll]] for (uint i = 0; i < TM; i++)
        [[unroll]] for (uint j = 0; j < TN; j++)
            sum[i][j] = 0.0;

    for (uint k0 = 0; k0 < terms; k0 += DEPTH) {
        for (uint i = lane; i < DEPTH * TILE_M; i += LANES * LANES) {
            uint kk = i % DEPTH, row = i / DEPTH;
            float v = 0.0;
            if (k0 + kk < terms && m0 + row < p.out_channels)
                v = LOAD(weight, w_start + (m0 + row) * terms + k0 + kk);
            tile_w[kk * (TILE_M + 1) + row] = v;
        }
        for (uint kk = lane / TILE_N; kk < DEPTH; kk += LANES * LANES / TILE_N) {
            float v = 0.0;
            if (k0 + kk < terms)
                v = x_at(first, term_of(k0 + kk));
            tile_x[kk * TILE_N + column] = v;
        }
        barrier();
        for (uint kk = 0; kk < DEPTH; kk++) {
            float w[TM], v[TN];
            [[unroll]] for (uint i = 0; i < TM; i++)
                w[i] = tile_w[kk * (TILE_M + 1) + ty + i * LANES];
            [[unroll]] for (uint j = 0; j < TN; j++)
                v[j] = tile_x[kk * TILE_N + tx + j * LANES];
            [[unroll]] for (uint i = 0; i < TM; i++)
                [[unroll]] for (uint j = 0; j < TN; j++)
                    sum[i][j] = fma(w[i], v[j], sum[i][j]);
        }
        barrier();
    }

    [[unroll]] for (uint i = 0; i < TM; i++)
        [[unroll]] for (uint j = 0; j < TN; j++) {
            uint row = m0 + ty + i * LANES, place = n0 + tx + j * LANES;
            if (row < p.out_channels && place < places)
                store(item, part * p.out_channels + row, place, sum[i][j]);
        }
}
