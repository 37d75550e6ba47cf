// SPDX-License-Identifier: MIT
//
// act(alpha * a b + bias + residual) on GPUs: tiles of the output out of slices of a and b in
// shared memory. What a lane loads of the next slice is on its way while it multiplies.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "matmul.glsl"
#include "product_tile.glsl"

layout(constant_id = 9) const uint MODES = 0; // VKA_TILE_..
const bool A_ALONG_K = (MODES & VKA_TILE_A_ALONG_K) != 0;
const bool A_FOURS = (MODES & VKA_TILE_A_FOURS) != 0;
const bool B_ALONG_K = (MODES & VKA_TILE_B_ALONG_K) != 0;
const bool B_FOURS = (MODES & VKA_TILE_B_FOURS) != 0;
const bool OUT_FOURS = (MODES & VKA_TILE_OUT_FOURS) != 0 && TN % 4 == 0;

BUFFER_VEC4_IN(0, a4);
BUFFER_VEC4_IN(1, b4);
BUFFER_VEC4_OUT(3, dst4);

vec4 next_a[EACH(TILE_M)];
vec4 next_b[EACH(TILE_N)];

// A lane's fours of a slice, zeros outside. w: row of a, column of b.
#define FETCH(values, name, start, size, w0, w_end, w_step, k0, k_step, along_k, fours)            \
    [[unroll]] for (uint i = 0; i < EACH(size); i++) {                                             \
        uvec2 at = four_at(gl_LocalInvocationIndex + i * INVOCATIONS, size, along_k);              \
        uint w = w0 + at.x, term = k0 + at.y;                                                      \
        values[i] = vec4(0.0);                                                                     \
        if (fours) {                                                                               \
            if (w < w_end && term < p.k)                                                           \
                values[i] = LOAD4(name##4, (start + w * w_step + term * k_step) / 4);              \
        } else {                                                                                   \
            [[unroll]] for (uint j = 0; j < 4; j++) {                                              \
                uint w_ = along_k ? w : w + j, term_ = along_k ? term + j : term;                  \
                if (w_ < w_end && term_ < p.k)                                                     \
                    values[i][j] = LOAD(name, start + w_ * w_step + term_ * k_step);               \
            }                                                                                      \
        }                                                                                          \
    }

void fetch(tile_place t, uint k0)
{
    FETCH(next_a, a, t.a_start, TILE_M, t.m0, p.m, p.a_stride[3], k0, p.a_stride[4], A_ALONG_K,
          A_FOURS)
    FETCH(next_b, b, t.b_start, TILE_N, t.n0, p.n, p.b_stride[4], k0, p.b_stride[3], B_ALONG_K,
          B_FOURS)
}

void put(uint part)
{
    PUT_SLICE(tile_m, FOURS_M, TILE_M, part, A_ALONG_K, next_a)
    PUT_SLICE(tile_n, FOURS_N, TILE_N, part, B_ALONG_K, next_b)
}

void store_row(tile_place t, uint row, float values[TN])
{
    if (OUT_FOURS) {
        [[unroll]] for (uint j = 0; j < TN; j += 4) {
            uint col = t.n0 + column_of(j);
            vec4 v;
            if (col >= p.n)
                continue;
            [[unroll]] for (uint c = 0; c < 4; c++)
                v[c] = finished(row, col + c, t.batch, values[j + c]);
            STORE4(dst4, out_index(t, row, col) / 4, v);
        }
    } else {
        [[unroll]] for (uint j = 0; j < TN; j++) {
            uint col = t.n0 + column_of(j);
            if (col < p.n)
                STORE(dst, out_index(t, row, col), finished(row, col, t.batch, values[j]));
        }
    }
}

void main()
{
    uint group = group_index();
    if (group >= p.groups)
        return;
    tile_place t = tile_of(group, TILE_M, TILE_N);
    start_sums();
    fetch(t, 0);
    put(0);
    barrier();
    for (uint k0 = 0, part = 0; k0 < p.k; k0 += DEPTH, part = 1 - part) {
        bool more = k0 + DEPTH < p.k;
        if (more)
            fetch(t, k0 + DEPTH);
        add_slice(part);
        if (more)
            put(1 - part);
        barrier();
    }
    [[unroll]] for (uint i = 0; i < TM; i++)
        if (t.m0 + row_of(i) < p.m)
            store_row(t, t.m0 + row_of(i), sum[i]);
}
