// SPDX-License-Identifier: MIT
//
// A tile of a product on a GPU: a workgroup of LANES x LANES makes TM x TN sums a lane out of
// slices of both factors in shared memory. A slice is kept as fours of rows (of columns), so that
// one read feeds many products, and there is room for two: the next is put in its place while
// others still read the last. TM and TN (1, 2, 4 or 8) come from the file that includes this one.
#include "product_tile.h"

const bool WIDE = gl_WorkGroupSize.x == VKA_TILE_WIDE * VKA_TILE_WIDE;
const uint LANES = WIDE ? VKA_TILE_WIDE : VKA_TILE_NARROW; // along each side
const uint INVOCATIONS = LANES * LANES;
const uint DEPTH = VKA_TILE_DEPTH;
const uint TILE_M = LANES * TM;
const uint TILE_N = LANES * TN;
// More than needed: lanes that write the terms of a row hit different banks.
const uint FOURS_M = (TILE_M + VKA_TILE_PAD) / 4;
const uint FOURS_N = (TILE_N + VKA_TILE_PAD) / 4;
shared vec4 tile_m[2 * DEPTH * FOURS_M];
shared vec4 tile_n[2 * DEPTH * FOURS_N];

float sum[TM][TN];

void start_sums()
{
    [[unroll]] for (uint i = 0; i < TM; i++)
        [[unroll]] for (uint j = 0; j < TN; j++)
            sum[i][j] = 0.0;
}

// Where in the tile a lane's i-th of `sums` rows (or columns) is; `own`: the lane along that side.
uint place_of(uint i, uint sums, uint own)
{
    return sums % 4 == 0 ? i / 4 * LANES * 4 + own * 4 + i % 4 : own * sums + i;
}
uint row_of(uint i)
{
    return place_of(i, TM, gl_LocalInvocationIndex / LANES);
}
uint column_of(uint j)
{
    return place_of(j, TN, gl_LocalInvocationIndex % LANES);
}

// The f-th four of a slice: its first row or column, its first term.
uvec2 four_at(uint f, uint tile, bool along_k)
{
    return along_k ? uvec2(f / (DEPTH / 4), f % (DEPTH / 4) * 4)
                   : uvec2(f % (tile / 4) * 4, f / (tile / 4));
}

#define PUT(tile, fours, part, w, k, value)                                                        \
    tile[((part) * DEPTH + (k)) * fours + (w) / 4][(w) % 4] = (value)

// Fours of a slice of `tile` rows (columns) that a lane loads, and puts there.
#define EACH(tile) ((tile * DEPTH / 4 + INVOCATIONS - 1) / INVOCATIONS)
#define PUT_SLICE(tile, fours, size, part, along_k, values)                                        \
    [[unroll]] for (uint i = 0; i < EACH(size); i++) {                                             \
        uint f = gl_LocalInvocationIndex + i * INVOCATIONS;                                        \
        uvec2 at = four_at(f, size, along_k);                                                      \
        if (f >= size * DEPTH / 4)                                                                 \
            continue;                                                                              \
        if (along_k) {                                                                             \
            [[unroll]] for (uint j = 0; j < 4; j++)                                                \
                PUT(tile, fours, part, at.x, at.y + j, values[i][j]);                              \
        } else {                                                                                   \
            tile[((part) * DEPTH + at.y) * fours + at.x / 4] = values[i];                          \
        }                                                                                          \
    }

#define READ_SIDE(values, sums, tile, at, own)                                                     \
    if (sums % 4 == 0) {                                                                           \
        [[unroll]] for (uint i = 0; i < sums / 4; i++) {                                           \
            vec4 four = tile[at + i * LANES + own];                                                \
            [[unroll]] for (uint j = 0; j < 4; j++)                                                \
                values[i * 4 + j] = four[j];                                                       \
        }                                                                                          \
    } else {                                                                                       \
        [[unroll]] for (uint i = 0; i < sums; i++)                                                 \
            values[i] = tile[at + (own * sums + i) / 4][(own * sums + i) % 4];                     \
    }

// Adds the products of a slice; part: 0 or 1.
void add_slice(uint part)
{
    uint tx = gl_LocalInvocationIndex % LANES, ty = gl_LocalInvocationIndex / LANES;
    for (uint k = 0; k < DEPTH; k++) {
        float m[TM], n[TN];
        READ_SIDE(m, TM, tile_m, (part * DEPTH + k) * FOURS_M, ty)
        READ_SIDE(n, TN, tile_n, (part * DEPTH + k) * FOURS_N, tx)
        [[unroll]] for (uint i = 0; i < TM; i++)
            [[unroll]] for (uint j = 0; j < TN; j++)
                sum[i][j] = fma(m[i], n[j], sum[i][j]);
    }
}
