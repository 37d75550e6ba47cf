// SPDX-License-Identifier: MIT
//
// bilinear_logits: for an image one product of x's rows with the rows of y for all glimpses, one
// glimpse after the other; y takes its factor on the way into shared memory. A workgroup of LANES x
// LANES makes a tile, TM x TN sums in each lane.
//
// LOOPS: for devices that are a program, whose compiler takes milliseconds for each store and each
// unrolled term. A GPU's loads several terms at once where it unrolls the loop over them.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "types.glsl"
#include "bilinear_logits.h"

layout(constant_id = 3) const uint TM = 4;
layout(constant_id = 4) const uint TN = 4;

BUFFER_IN(0, x);
BUFFER_IN(1, y);
BUFFER_IN(2, factors);
BUFFER_OUT(3, dst);

const uint LANES = 8;
const uint DEPTH = 16;
const uint TILE_M = LANES * TM;
const uint TILE_N = LANES * TN;
// A word longer than needed: lanes that write a column hit different banks.
shared float tile_x[DEPTH * (TILE_M + 1)];
shared float tile_y[DEPTH * (TILE_N + 1)];

#ifdef LOOPS
#define TERMS [[dont_unroll]]
#else
#define TERMS // the driver decides
#endif

float factor(uint glimpse, uint c)
{
    return LOAD(factors,
                p.factors_offset + glimpse * p.factors_stride[0] + c * p.factors_stride[1]);
}

void load_x(uint start, uint v0, uint c0)
{
    for (uint i = gl_LocalInvocationIndex; i < DEPTH * TILE_M; i += LANES * LANES) {
        uint c = c0 + i % DEPTH, v = v0 + i / DEPTH;
        float value = 0.0;
        if (c < p.channels && v < p.rows)
            value = LOAD(x, start + v * p.x_stride[1] + c * p.x_stride[2]);
        tile_x[i % DEPTH * (TILE_M + 1) + i / DEPTH] = value;
    }
}

void load_y(uint start, uint col0, uint c0)
{
    for (uint i = gl_LocalInvocationIndex; i < DEPTH * TILE_N; i += LANES * LANES) {
        uint c = c0 + i % DEPTH, col = col0 + i / DEPTH;
        float value = 0.0;
        if (c < p.channels && col < p.glimpses * p.cols)
            value = LOAD(y, start + col % p.cols * p.y_stride[1] + c * p.y_stride[2]) *
                    factor(col / p.cols, c);
        tile_y[i % DEPTH * (TILE_N + 1) + i / DEPTH] = value;
    }
}

void put(uint n, uint v, uint col, float sum)
{
    uint g = col / p.cols, q = col % p.cols;
    if (v < p.rows && col < p.glimpses * p.cols)
        STORE(dst, p.out_offset + ((n * p.glimpses + g) * p.rows + v) * p.cols + q,
              sum + factor(g, p.channels));
}

void main()
{
    uint group = group_index();
    if (group >= p.groups)
        return;
    uint columns = p.glimpses * p.cols;
    uint tiles_n = (columns + TILE_N - 1) / TILE_N, tiles_m = (p.rows + TILE_M - 1) / TILE_M;
    uint col0 = group % tiles_n * TILE_N, v0 = group / tiles_n % tiles_m * TILE_M;
    uint n = group / tiles_n / tiles_m;
    uint tx = gl_LocalInvocationIndex % LANES, ty = gl_LocalInvocationIndex / LANES;

    float sum[TM][TN];
    [[unroll]] for (uint i = 0; i < TM; i++)
        [[unroll]] for (uint j = 0; j < TN; j++)
            sum[i][j] = 0.0;

    for (uint c0 = 0; c0 < p.channels; c0 += DEPTH) {
        load_x(p.x_offset + n * p.x_stride[0], v0, c0);
        load_y(p.y_offset + n * p.y_stride[0], col0, c0);
        barrier();
        TERMS for (uint c = 0; c < DEPTH; c++) {
            float xs[TM], ys[TN];
            [[unroll]] for (uint i = 0; i < TM; i++)
                xs[i] = tile_x[c * (TILE_M + 1) + ty + i * LANES];
            [[unroll]] for (uint j = 0; j < TN; j++)
                ys[j] = tile_y[c * (TILE_N + 1) + tx + j * LANES];
            [[unroll]] for (uint i = 0; i < TM; i++)
                [[unroll]] for (uint j = 0; j < TN; j++)
                    sum[i][j] = fma(xs[i], ys[j], sum[i][j]);
        }
        barrier();
    }

#ifdef LOOPS
    // The first row, behind which the others move on: an array indexed by a variable would lie in
    // memory.
    [[dont_unroll]] for (uint v = v0 + ty; v < v0 + TILE_M; v += LANES) {
        [[unroll]] for (uint j = 0; j < TN; j++)
            put(n, v, col0 + tx + j * LANES, sum[0][j]);
        [[unroll]] for (uint i = 1; i < TM; i++)
            [[unroll]] for (uint j = 0; j < TN; j++)
                sum[i - 1][j] = sum[i][j];
    }
#else
    [[unroll]] for (uint i = 0; i < TM; i++)
        [[unroll]] for (uint j = 0; j < TN; j++)
            put(n, v0 + ty + i * LANES, col0 + tx + j * LANES, sum[i][j]);
#endif
}
