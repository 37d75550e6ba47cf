// SPDX-License-Identifier: MIT
//
// matmul on cooperative matrices (common/matrix.glsl), of operands stored in f16.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_cooperative_matrix : require
#include "matmul.glsl"
#define MATRIX_ID 9
#include "matrix.glsl"

BUFFER_EIGHTS_IN(0, a8);
BUFFER_EIGHTS_IN(1, b8);

tile_place t;

// Eight elements of a line, `step` apart; those past `count` are 0. `most` is the last of them.
#define EIGHT(name, from, step, count)                                                             \
    uvec4 eight = uvec4(0);                                                                        \
    [[unroll]] for (uint j = 0; j < 8; j++) {                                                      \
        if (j < count)                                                                             \
            eight[j / 2] |= packFloat2x16(f16vec2(name.v[from + j * step], 0.0)) << j % 2 * 16;    \
    }                                                                                              \
    return eight;

uvec4 fetch_a(uint k0, uint i)
{
    uvec2 at = eight_of(i, A_LINE);
    uint line = at.x + (A_ALONG_M ? k0 : t.m0), first = at.y + (A_ALONG_M ? t.m0 : k0);
    uint lines = A_ALONG_M ? p.k : p.m, size = A_ALONG_M ? p.m : p.k;
    if (at.x >= A_LINES || line >= lines || first >= size)
        return uvec4(0);
    uint line_step = p.a_stride[A_ALONG_M ? 4 : 3], step = p.a_stride[A_ALONG_M ? 3 : 4];
    uint from = t.a_start + line * line_step + first * step;
    if (A_EIGHTS)
        return a8.v[from / 8];
    EIGHT(a, from, step, size - first)
}

uvec4 fetch_b(uint k0, uint i)
{
    uvec2 at = eight_of(i, B_LINE);
    uint line = at.x + (B_ALONG_N ? k0 : t.n0), first = at.y + (B_ALONG_N ? t.n0 : k0);
    uint lines = B_ALONG_N ? p.k : p.n, size = B_ALONG_N ? p.n : p.k;
    if (at.x >= B_LINES || line >= lines || first >= size)
        return uvec4(0);
    uint line_step = p.b_stride[B_ALONG_N ? 3 : 4], step = p.b_stride[B_ALONG_N ? 4 : 3];
    uint from = t.b_start + line * line_step + first * step;
    if (B_EIGHTS)
        return b8.v[from / 8];
    EIGHT(b, from, step, size - first)
}

void store_sum(uint row, uint col, float sum)
{
    row += t.m0;
    col += t.n0;
    if (row < p.m && col < p.n)
        STORE(dst, out_index(t, row, col), finished(row, col, t.batch, sum));
}

void main()
{
    uint group = group_index();
    if (group >= p.groups)
        return;
    t = tile_of(group, TILE_M, TILE_N);
    multiply(p.k);
    store_sums();
}
