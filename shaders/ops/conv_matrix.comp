// SPDX-License-Identifier: MIT
//
// Convolution on cooperative matrices, as conv.comp: the weight [channels, terms] times a matrix of
// terms that is never stored. Lines of the first factor lie along the terms, of the second along
// the places.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_cooperative_matrix : require
#include "conv.glsl"
#define MATRIX_ID 16
#include "matrix.glsl"

BUFFER_EIGHTS_IN(1, weight8);

uint m0, n0, item, part, places, terms, x_start, w_start;
uvec3 first_place; // of the eights that this lane reads: all of them are of the same places, since
                   // INVOCATIONS is a multiple of a line's eights

uvec4 fetch_a(uint k0, uint i)
{
    uvec2 at = eight_of(i, A_LINE);
    uint channel = m0 + at.x, k = k0 + at.y;
    if (at.x >= A_LINES || channel >= p.out_channels || k >= terms)
        return uvec4(0);
    uint from = w_start + channel * terms + k;
    if (A_EIGHTS)
        return weight8.v[from / 8];
    uvec4 eight = uvec4(0);
    [[unroll]] for (uint j = 0; j < 8; j++)
        if (k + j < terms)
            eight[j / 2] |= packFloat2x16(f16vec2(weight.v[from + j], 0.0)) << j % 2 * 16;
    return eight;
}

uvec4 fetch_b(uint k0, uint i)
{
    uvec2 at = eight_of(i, B_LINE);
    uint k = k0 + at.x, place = n0 + at.y;
    if (at.x >= B_LINES || k >= terms)
        return uvec4(0);
    term t = term_of(k);
    uvec3 o = first_place;
    uvec4 eight = uvec4(0);
    [[unroll]] for (uint j = 0; j < 8; j++) {
        if (place + j < places) {
            float v = x_at(origin_at(o, x_start), t);
            eight[j / 2] |= packFloat2x16(f16vec2(v, 0.0)) << j % 2 * 16;
        }
        o.z++; // the next place
        if (o.z == p.size_out[2]) {
            o.z = 0;
            o.y++;
        }
        if (o.y == p.size_out[1]) {
            o.y = 0;
            o.x++;
        }
    }
    return eight;
}

void store_sum(uint row, uint col, float sum)
{
    if (m0 + row < p.out_channels && n0 + col < places)
        store(item, part * p.out_channels + m0 + row, n0 + col, sum);
}

void main()
{
    uint group = group_index();
    if (group >= p.end)
        return;
    places = p.size_out[0] * p.size_out[1] * p.size_out[2];
    terms = p.in_channels * TAPS;
    uint tiles_n = (places + TILE_N - 1) / TILE_N, tiles_m = (p.out_channels + TILE_M - 1) / TILE_M;
    n0 = group % tiles_n * TILE_N;
    m0 = group / tiles_n % tiles_m * TILE_M;
    uint index = group / tiles_n / tiles_m; // item of the batch and group of channels
    item = index / p.groups;
    part = index % p.groups;
    x_start = p.x_offset + item * p.x_batch + part * p.in_channels * p.x_channel;
    w_start = p.weight_offset + part * p.out_channels * terms;
    first_place = out_place(n0 + eight_of(gl_LocalInvocationIndex, B_LINE).y);
    multiply(terms);
    store_sums();
}
