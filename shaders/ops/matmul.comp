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

// Fours of a slice that a lane loads.
const uint A_EACH = (TILE_M * DEPTH / 4 + INVOCATIONS - 1) / INVOCATIONS;
const uint B_EACH = (TILE_N * DEPTH / 4 + INVOCATIONS - 1) / INVOCATIONS;
vec4 next_a[A_EACH];
vec4 next_b[B_EACH];

// Zeros outside. w: row of a, column of b.
#define LOAD_FOUR(value, name, start, w0, w_size, w_step, k0, k_step, along_k, fours)              \
    value = vec4(0.0);                                                                             \
    if (fours) {                                                                                   \
        if (w0 < w_size && k0 < p.k)                                                               \
            value = LOAD4(name##4, (start + w0 * w_step + k0 * k_step) / 4);                       \
    } else {                                                                                       \
        [[unroll]] for (uint j = 0; j < 4; j++) {                                                  \
            uint w_ = along_k ? w0 : w0 + j, k_ = along_k ? k0 + j : k0;                           \
            if (w_ < w_size && k_ < p.k)                                                           \
                value[j] = LOAD(name, start + w_ * w_step + k_ * k_step);                          \
        }                                                                                          \
    }

void fetch(tile_place t, uint k0)
{
    [[unroll]] for (uint i = 0; i < A_EACH; i++) {
        uvec2 at = four_at(gl_LocalInvocationIndex + i * INVOCATIONS, TILE_M, A_ALONG_K);
        uint w = t.m0 + at.x, k = k0 + at.y;
        LOAD_FOUR(next_a[i], a, t.a_start, w, p.m, p.a_stride[3], k, p.a_stride[4], A_ALONG_K,
                  A_FOURS)
    }
    [[unroll]] for (uint i = 0; i < B_EACH; i++) {
        uvec2 at = four_at(gl_LocalInvocationIndex + i * INVOCATIONS, TILE_N, B_ALONG_K);
        uint w = t.n0 + at.x, k = k0 + at.y;
        LOAD_FOUR(next_b[i], b, t.b_start, w, p.n, p.b_stride[4], k, p.b_stride[3], B_ALONG_K,
                  B_FOURS)
    }
}

void put(uint part)
{
    [[unroll]] for (uint i = 0; i < A_EACH; i++) {
        uint f = gl_LocalInvocationIndex + i * INVOCATIONS;
        uvec2 at = four_at(f, TILE_M, A_ALONG_K);
        if (f < TILE_M * DEPTH / 4) {
            PUT_FOUR(tile_m, FOURS_M, part, at, A_ALONG_K, next_a[i])
        }
    }
    [[unroll]] for (uint i = 0; i < B_EACH; i++) {
        uint f = gl_LocalInvocationIndex + i * INVOCATIONS;
        uvec2 at = four_at(f, TILE_N, B_ALONG_K);
        if (f < TILE_N * DEPTH / 4) {
            PUT_FOUR(tile_n, FOURS_N, part, at, B_ALONG_K, next_b[i])
        }
    }
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
