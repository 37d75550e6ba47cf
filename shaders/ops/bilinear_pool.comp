// SPDX-License-Identifier: MIT
//
// bilinear_pool: a workgroup takes WIDE columns of an image, SLICES lanes a column. The weights
// pass through shared memory in tiles; each slice of lanes has ROWS rows of them, whose products
// with y's columns stay in registers until x's rows are multiplied in.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "types.glsl"
#include "bilinear_pool.h"

BUFFER_IN(0, weights);
BUFFER_IN(1, x);
BUFFER_IN(2, y);
BUFFER_OUT(3, dst);

const uint WIDE = 32;
const uint SLICES = 4;
const uint ROWS = 8;
const uint TILE_ROWS = SLICES * ROWS;
const uint DEPTH = 32; // columns of a tile of weights

shared float tile[TILE_ROWS * DEPTH];
shared float sums[SLICES * WIDE];

void load_tile(uint start, uint v0, uint q0)
{
    barrier(); // the last tile has been read
    for (uint i = gl_LocalInvocationIndex; i < TILE_ROWS * DEPTH; i += WIDE * SLICES) {
        uint v = v0 + i / DEPTH, q = q0 + i % DEPTH;
        float w = 0.0;
        if (v < p.rows && q < p.cols)
            w = LOAD(weights, start + v * p.weights_stride[1] + q * p.weights_stride[2]);
        tile[i] = w;
    }
    barrier();
}

void main()
{
    uint group = group_index();
    if (group >= p.groups)
        return;
    uint blocks = (p.width + WIDE - 1) / WIDE, n = group / blocks;
    uint lane = gl_LocalInvocationIndex % WIDE, slice = gl_LocalInvocationIndex / WIDE;
    uint k = group % blocks * WIDE + lane;
    uint at = min(k, p.width - 1); // lanes past the end go along for the barriers
    uint weights_start = p.weights_offset + n * p.weights_stride[0];
    uint x_start = p.x_offset + n * p.x_stride[0] + at * p.x_stride[2];
    uint y_start = p.y_offset + n * p.y_stride[0] + at * p.y_stride[2];

    float sum = 0.0;
    for (uint v0 = 0; v0 < p.rows; v0 += TILE_ROWS) {
        float mixed[ROWS];
        [[unroll]] for (uint i = 0; i < ROWS; i++)
            mixed[i] = 0.0;
        for (uint q0 = 0; q0 < p.cols; q0 += DEPTH) {
            load_tile(weights_start, v0, q0);
            for (uint q = 0; q < min(DEPTH, p.cols - q0); q++) {
                float value = LOAD(y, y_start + (q0 + q) * p.y_stride[1]);
                [[unroll]] for (uint i = 0; i < ROWS; i++)
                    mixed[i] = fma(tile[(slice * ROWS + i) * DEPTH + q], value, mixed[i]);
            }
        }
        [[unroll]] for (uint i = 0; i < ROWS; i++) {
            uint v = v0 + slice * ROWS + i;
            if (v < p.rows)
                sum = fma(LOAD(x, x_start + v * p.x_stride[1]), mixed[i], sum);
        }
    }

    sums[slice * WIDE + lane] = sum;
    barrier();
    if (slice > 0 || k >= p.width)
        return;
    for (uint s = 1; s < SLICES; s++)
        sum += sums[s * WIDE + lane];
    STORE(dst, p.out_offset + n * p.width + k, sum);
}
