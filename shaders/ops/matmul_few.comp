// SPDX-License-Identifier: MIT
//
// matmul with few rows, or few columns (SWAPPED: then read columns for rows and b for a): every
// element of the large matrix is needed but TM times, so the lanes of a workgroup share one long
// sum: SLICES lanes along k for each of its columns.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "matmul.glsl"

layout(constant_id = 9) const uint SLICES = 64;
layout(constant_id = 10) const bool SWAPPED = false;
layout(constant_id = 11) const bool ALONG_K = true; // neighbouring lanes are slices, not columns

const uint INVOCATIONS = 64;
const uint COLUMNS = INVOCATIONS / SLICES;
shared float part[INVOCATIONS * TM];

void main()
{
    uint group = group_index();
    if (group >= p.groups)
        return;
    uint m = SWAPPED ? p.n : p.m, n = SWAPPED ? p.m : p.n;
    uint tiles = (n + COLUMNS - 1) / COLUMNS;
    tile_place t = tile_of(group / tiles, p.m, p.n); // a whole matrix
    uint lane = gl_LocalInvocationIndex;
    uint slice = ALONG_K ? lane % SLICES : lane / COLUMNS;
    uint column = ALONG_K ? lane / SLICES : lane % COLUMNS;
    uint col = group % tiles * COLUMNS + column;

    // The few rows, and the matrix that is read once.
    uint few_start = SWAPPED ? t.b_start : t.a_start;
    uint few_step = SWAPPED ? p.b_stride[4] : p.a_stride[3];
    uint few_k = SWAPPED ? p.b_stride[3] : p.a_stride[4];
    uint many_start = (SWAPPED ? t.a_start : t.b_start) +
                      min(col, n - 1) * (SWAPPED ? p.a_stride[3] : p.b_stride[4]);
    uint many_k = SWAPPED ? p.a_stride[4] : p.b_stride[3];

    float sum[TM];
    [[unroll]] for (uint i = 0; i < TM; i++)
        sum[i] = 0.0;
    for (uint k = slice; k < p.k; k += SLICES) {
        float v;
        if (SWAPPED)
            v = LOAD(a, many_start + k * many_k);
        else
            v = LOAD(b, many_start + k * many_k);
        [[unroll]] for (uint i = 0; i < TM; i++) {
            uint at = few_start + min(i, m - 1) * few_step + k * few_k;
            float f;
            if (SWAPPED)
                f = LOAD(b, at);
            else
                f = LOAD(a, at);
            sum[i] = fma(f, v, sum[i]);
        }
    }
    [[unroll]] for (uint i = 0; i < TM; i++)
        part[(slice * COLUMNS + column) * TM + i] = sum[i];
    barrier();
    for (uint half_ = SLICES / 2; half_ > 0; half_ /= 2) {
        if (slice < half_)
            [[unroll]] for (uint i = 0; i < TM; i++)
                part[(slice * COLUMNS + column) * TM + i] +=
                    part[((slice + half_) * COLUMNS + column) * TM + i];
        barrier();
    }
    if (slice != 0 || col >= n)
        return;
    [[unroll]] for (uint i = 0; i < TM; i++) {
        if (i >= m)
            break;
        uint row = SWAPPED ? col : i, to = SWAPPED ? i : col;
        STORE(dst, out_index(t, row, to), finished(row, to, t.batch, part[column * TM + i]));
    }
}
