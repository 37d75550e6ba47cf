#version 450
// SPDX-License-Identifier: MIT
//
// Deformable convolution as a product of the weight with a matrix of samples that is never stored:
// a workgroup of LANES x LANES makes a tile of channels x places. For each tap the corners of the
// tile's places are found once, then the channels that share them are sampled, DEPTH at a time.
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "deform_conv.glsl"

const uint LANES = 8;
const uint DEPTH = 16;
const uint TILE_M = LANES * TM;
const uint TILE_N = LANES * TN;
shared float tile_w[DEPTH * TILE_M];
shared float tile_x[DEPTH * TILE_N];
shared uint corner_at[4 * TILE_N];
shared float corner_part[4 * TILE_N];

void keep_corners(corners c, uint column)
{
    [[unroll]] for (uint k = 0; k < 4; k++) {
        corner_at[k * TILE_N + column] = c.at[k];
        corner_part[k * TILE_N + column] = c.part[k];
    }
}

corners kept_corners(uint column)
{
    corners c;
    [[unroll]] for (uint k = 0; k < 4; k++) {
        c.at[k] = corner_at[k * TILE_N + column];
        c.part[k] = corner_part[k * TILE_N + column];
    }
    return c;
}

void main()
{
    uint group = group_index();
    if (group >= p.end)
        return;
    uint places = out_places();
    uint tiles_n = (places + TILE_N - 1) / TILE_N, tiles_m = (p.out_channels + TILE_M - 1) / TILE_M;
    uint n0 = group % tiles_n * TILE_N, m0 = group / tiles_n % tiles_m * TILE_M;
    uint index = group / tiles_n / tiles_m; // item of the batch and group of channels
    uint item = index / p.groups, part = index % p.groups;
    uint start = x_start(item, part);
    uint w_start = p.weight + part * p.out_channels * p.weight_stride[0];
    uint lane = gl_LocalInvocationIndex, tx = lane % LANES, ty = lane / LANES;
    uint column = lane % TILE_N; // LANES * LANES is a multiple of TILE_N

    float sum[TM][TN];
    [[unroll]] for (uint i = 0; i < TM; i++)
        [[unroll]] for (uint j = 0; j < TN; j++)
            sum[i][j] = 0.0;

    for (uint c0 = 0; c0 < p.in_channels; c0 = shared_end(part, c0)) {
        uint c1 = shared_end(part, c0), own = (part * p.in_channels + c0) / p.share;
        for (uint tap = 0; tap < TAPS; tap++) {
            if (lane < TILE_N)
                keep_corners(tap_corners(item, own, tap, min(n0 + lane, places - 1)), lane);
            for (uint k0 = c0; k0 < c1; k0 += DEPTH) {
                uint depth = min(DEPTH, c1 - k0);
                barrier(); // the corners are there, the last slices have been read
                for (uint i = lane; i < depth * TILE_M; i += LANES * LANES) {
                    uint kk = i / TILE_M, row = i % TILE_M;
                    float v = 0.0;
                    if (m0 + row < p.out_channels)
                        v = LOAD(weight, w_start + (m0 + row) * p.weight_stride[0] +
                                             (k0 + kk) * p.weight_stride[1] +
                                             tap * p.weight_stride[2]);
                    tile_w[kk * TILE_M + row] = v;
                }
                corners c = kept_corners(column);
                for (uint kk = lane / TILE_N; kk < depth; kk += LANES * LANES / TILE_N)
                    tile_x[kk * TILE_N + column] =
                        sample_x(start + (k0 + kk) * p.x_stride[1], c);
                barrier();
                for (uint kk = 0; kk < depth; kk++) {
                    float w[TM], v[TN];
                    [[unroll]] for (uint i = 0; i < TM; i++)
                        w[i] = tile_w[kk * TILE_M + ty + i * LANES];
                    [[unroll]] for (uint j = 0; j < TN; j++)
                        v[j] = tile_x[kk * TILE_N + tx + j * LANES];
                    [[unroll]] for (uint i = 0; i < TM; i++)
                        [[unroll]] for (uint j = 0; j < TN; j++)
                            sum[i][j] = fma(w[i], v[j], sum[i][j]);
                }
            }
            barrier(); // the corners have been read
        }
    }

    [[unroll]] for (uint i = 0; i < TM; i++)
        [[unroll]] for (uint j = 0; j < TN; j++) {
            uint row = m0 + ty + i * LANES, place = n0 + tx + j * LANES;
            if (row < p.out_channels && place < places)
                store(item, part * p.out_channels + row, place, sum[i][j]);
        }
}
