// SPDX-License-Identifier: MIT
//
// matmul where the device is a program on a CPU: no shared memory, lanes along the columns, one
// address of a for all lanes, as many multiply-adds for each load as the registers hold.
// VEC4: a lane has 4 columns that lie together in b and in the output; else TN columns, a
// workgroup apart.
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
const uint PER_LANE = 4;
#else
#define SUM float
const uint PER_LANE = TN;
#endif

void main()
{
    uint group = group_index();
    if (group >= p.groups)
        return;
    const uint lanes = gl_WorkGroupSize.x;
    tile_place t = tile_of(group, TM, lanes * PER_LANE);
    uint a_row = p.a_stride[3], a_col = p.a_stride[4];
    uint b_row = p.b_stride[3], b_col = p.b_stride[4];

    // Rows and columns outside are computed as the last one inside, and not stored.
    uint row_start[TM];
    [[unroll]] for (uint i = 0; i < TM; i++)
        row_start[i] = t.a_start + min(t.m0 + i, p.m - 1) * a_row;
#ifdef VEC4
    uint col = t.n0 + gl_LocalInvocationID.x * 4;
    uint b_at = t.b_start + min(col, p.n - 4);
    const uint COLS = 1;
#define B_OF(k, j) LOAD4(b4, (b_at + (k) * b_row) / 4)
#else
    uint col = t.n0 + gl_LocalInvocationID.x;
    uint b_at[TN];
    [[unroll]] for (uint j = 0; j < TN; j++)
        b_at[j] = t.b_start + min(col + j * lanes, p.n - 1) * b_col;
    const uint COLS = TN;
#define B_OF(k, j) LOAD(b, b_at[j] + (k) * b_row)
#endif

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
#ifdef VEC4
        if (col < p.n) {
            vec4 v;
            [[unroll]] for (uint c = 0; c < 4; c++)
                v[c] = finished(row, col + c, t.batch, total[i][0][c] + sum[i][0][c]);
            STORE4(dst4, out_index(t, row, col) / 4, v);
        }
#else
        [[unroll]] for (uint j = 0; j < TN; j++)
            if (col + j * lanes < p.n)
                STORE(dst, out_index(t, row, col + j * lanes),
                      finished(row, col + j * lanes, t.batch, total[i][j] + sum[i][j]));
#endif
    }
}
