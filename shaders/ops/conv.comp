// SPDX-License-Identifier: MIT
//
// Convolution as a product of the weight [channels, terms] with a matrix of terms that is never
// stored: tiles of channels x places, slices of both factors in shared memory. What a lane loads of
// the next slice is on its way while it multiplies. RESIDUAL: with a fifth buffer.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "conv.glsl"
#include "product_tile.glsl"

BUFFER_VEC4_IN(1, weight4);

// What a lane loads of a slice: fours of the weight, terms of one place of x (INVOCATIONS is a
// multiple of TILE_N).
const uint X_EACH = TILE_N * DEPTH / INVOCATIONS;
const uint X_ROWS = INVOCATIONS / TILE_N;
vec4 next_w[EACH(TILE_M)];
float next_x[X_EACH];

struct tile_place {
    uint m0, n0, w_start, terms;
    uint item, part; // of the batch; group of channels
    origin first;    // of the place that the lane loads
};

tile_place tile_of(uint group, uint places)
{
    tile_place t;
    uint tiles_n = (places + TILE_N - 1) / TILE_N, tiles_m = (p.out_channels + TILE_M - 1) / TILE_M;
    uint index = group / tiles_n / tiles_m;
    t.n0 = group % tiles_n * TILE_N;
    t.m0 = group / tiles_n % tiles_m * TILE_M;
    t.item = index / p.groups;
    t.part = index % p.groups;
    t.terms = p.in_channels * TAPS;
    t.w_start = p.weight_offset + t.part * p.out_channels * t.terms;
    t.first = origin_of(min(t.n0 + gl_LocalInvocationIndex % TILE_N, places - 1),
                        p.x_offset + t.item * p.x_batch + t.part * p.in_channels * p.x_channel);
    return t;
}

void fetch(tile_place t, uint k0)
{
    [[unroll]] for (uint i = 0; i < EACH(TILE_M); i++) {
        uvec2 at = four_at(gl_LocalInvocationIndex + i * INVOCATIONS, TILE_M, true);
        uint row = t.m0 + at.x, k = k0 + at.y, from = t.w_start + row * t.terms + k;
        next_w[i] = vec4(0.0);
        if (FOURS) {
            if (row < p.out_channels && k < t.terms)
                next_w[i] = LOAD4(weight4, from / 4);
        } else {
            [[unroll]] for (uint j = 0; j < 4; j++)
                if (row < p.out_channels && k + j < t.terms)
                    next_w[i][j] = LOAD(weight, from + j);
        }
    }
    [[unroll]] for (uint i = 0; i < X_EACH; i++) {
        uint k = k0 + gl_LocalInvocationIndex / TILE_N + i * X_ROWS;
        next_x[i] = 0.0;
        if (k < t.terms)
            next_x[i] = x_at(t.first, term_of(k));
    }
}

void put(uint part)
{
    uint column = gl_LocalInvocationIndex % TILE_N, k = gl_LocalInvocationIndex / TILE_N;
    PUT_SLICE(tile_m, FOURS_M, TILE_M, part, true, next_w)
    [[unroll]] for (uint i = 0; i < X_EACH; i++)
        PUT(tile_n, FOURS_N, part, column, k + i * X_ROWS, next_x[i]);
}

void main()
{
    uint group = group_index(), places = p.size_out[0] * p.size_out[1] * p.size_out[2];
    if (group >= p.end)
        return;
    tile_place t = tile_of(group, places);
    start_sums();
    fetch(t, 0);
    put(0);
    barrier();
    for (uint k0 = 0, part = 0; k0 < t.terms; k0 += DEPTH, part = 1 - part) {
        bool more = k0 + DEPTH < t.terms;
        if (more)
            fetch(t, k0 + DEPTH);
        add_slice(part);
        if (more)
            put(1 - part);
        barrier();
    }
    [[unroll]] for (uint i = 0; i < TM; i++)
        [[unroll]] for (uint j = 0; j < TN; j++) {
            uint row = t.m0 + row_of(i), place = t.n0 + column_of(j);
            if (row < p.out_channels && place < places)
                store(t.item, t.part * p.out_channels + row, place, sum[i][j]);
        }
}
