// SPDX-License-Identifier: MIT
//
// matmul where the device is a program on a CPU: no shared memory, lanes along the columns, one
// address of a for all lanes, as many multiply-adds for each load as the registers hold.
// VEC4: a lane's columns lie together in b and in the output by fours; else TN columns, a workgroup
// apart.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "matmul.glsl"

layout(constant_id = 9) const uint A_MODE = 0; // how a is read: 0 by element,
                                               // 1 four along k, 2 four along its rows
BUFFER_VEC4_IN(0, a4);
#ifdef VEC4
BUFFER_VEC4_IN(1, b4);
BUFFER_VEC4_OUT(3, dst4);
#endif

const uint STEP = 4; // terms of a trip: fewer updates of what goes round
const uint BLOCK = 1024; // terms that are summed by themselves, so that long sums stay good

#ifdef VEC4
#define SUM vec4
const uint COLS = TN / 4;
#else
#define SUM float
const uint COLS = TN;
#endif

void main()
{
    uint group = group_index();
    if (group >= p.groups)
        return;
    const uint lanes = gl_WorkGroupSize.x;
    tile_place t = tile_of(group, TM, lanes * TN);
    uint a_row = p.a_stride[3], a_col = p.a_stride[4];
    uint b_row = p.b_stride[3], b_col = p.b_stride[4];

    // Rows and columns outside are computed as the last one inside, and not stored.
    uint row_start[TM];
    [[unroll]] for (uint i = 0; i < TM; i++)
        row_start[i] = t.a_start + min(t.m0 + i, p.m - 1) * a_row;
    uint b_at[COLS], col[COLS];
    [[unroll]] for (uint j = 0; j < COLS; j++) {
#ifdef VEC4
        col[j] = t.n0 + (gl_LocalInvocationID.x + j * lanes) * 4;
        b_at[j] = t.b_start + min(col[j], p.n - 4);
#define B_OF(k, j) LOAD4(b4, (b_at[j] + (k) * b_row) / 4)
#else
        col[j] = t.n0 + gl_LocalInvocationID.x + j * lanes;
        b_at[j] = t.b_start + min(col[j], p.n - 1) * b_col;
#define B_OF(k, j) LOAD(b, b_at[j] + (k) * b_row)
#endif
    }

    SUM sum[TM][COLS], total[TM][COLS];
    [[unroll]] for (uint i = 0; i < TM; i++)
        [[unroll]] for (uint j = 0; j < COLS; j++)
            sum[i][j] = total[i][j] = SUM(0.0);

    uint whole = p.k - p.k % STEP;
    for (uint k = 0; k < whole; k += STEP) {
        if (k % BLOCK == 0) {
            [[unroll]] for (uint i = 0; i < TM; i++)
                [[unroll]] for (uint j = 0; j < COLS; j++) {
                    total[i][j] += sum[i][j];
                    sum[i][j] = SUM(0.0);
                }
        }
        SUM bv[STEP][COLS];
        [[unroll]] for (uint u = 0; u < STEP; u++)
            [[unroll]] for (uint j = 0; j < COLS; j++)
                bv[u][j] = B_OF(k + u, j);
        if (A_MODE == 2) {
            [[unroll]] for (uint u = 0; u < STEP; u++)
                [[unroll]] for (uint i = 0; i < TM; i += 4) {
                    uint rows = t.a_start + (k + u) * a_col + min(t.m0 + i, p.m - 4);
                    vec4 av = LOAD4(a4, rows / 4);
                    [[unroll]] for (uint c = 0; c < 4; c++)
                        [[unroll]] for (uint j = 0; j < COLS; j++)
                            sum[i + c][j] = fma(SUM(av[c]), bv[u][j], sum[i + c][j]);
                }
        } else {
            [[unroll]] for (uint i = 0; i < TM; i++) {
                vec4 av;
                if (A_MODE == 1) {
                    av = LOAD4(a4, (row_start[i] + k) / 4);
                } else {
                    [[unroll]] for (uint u = 0; u < STEP; u++)
                        av[u] = LOAD(a, row_start[i] + (k + u) * a_col);
                }
                [[unroll]] for (uint u = 0; u < STEP; u++)
                    [[unroll]] for (uint j = 0; j < COLS; j++)
                        sum[i][j] = fma(SUM(av[u]), bv[u][j], sum[i][j]);
            }
        }
    }
    for (uint k = whole; k < p.k; k++) {
        [[unroll]] for (uint j = 0; j < COLS; j++) {
            SUM bv = B_OF(k, j);
            [[unroll]] for (uint i = 0; i < TM; i++)
                sum[i][j] = fma(SUM(LOAD(a, row_start[i] + k * a_col)), bv, sum[i][j]);
        }
    }

    [[unroll]] for (uint i = 0; i < TM; i++) {
        uint row = t.m0 + i;
        if (row >= p.m)
            break;
        [[unroll]] for (uint j = 0; j < COLS; j++) {
            SUM all = total[i][j] + sum[i][j];
#ifdef VEC4
            if (col[j] < p.n) {
                [[unroll]] for (uint c = 0; c < 4; c++)
                    all[c] = finished(row, col[j] + c, t.batch, all[c]);
                STORE4(dst4, out_index(t, row, col[j]) / 4, all);
            }
#else
            if (col[j] < p.n)
                STORE(dst, out_index(t, row, col[j]), finished(row, col[j], t.batch, all));
#endif
        }
    }
}
