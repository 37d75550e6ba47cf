// SPDX-License-Identifier: MIT
//
// matmul where the device is a program on a CPU: no shared memory, lanes along the columns, as many
// multiply-adds for each load as the registers hold.
// VEC4: a lane's columns lie together in b and in the output by fours; else TN columns, a workgroup
// apart. With it, rows of a are loaded by the subgroup, a row a lane, and handed round: a load at
// one address for all would be checked against the buffer's end lane by lane, and drivers compile
// each for long.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#ifdef VEC4
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#endif
#include "matmul.glsl"

// Drivers compile each memory access of the unrolled code for long: what isn't needed must go, and
// one load serves as many sums as it can.
layout(constant_id = 9) const uint MODES = 0; // VKA_LANES_..
const bool ALONG_K = (MODES & VKA_LANES_A_ALONG_K) != 0;
const bool ALONG_M = (MODES & VKA_LANES_A_ALONG_M) != 0;
const bool WHOLE = (MODES & VKA_LANES_WHOLE) != 0;
const bool SHORT = (MODES & VKA_LANES_SHORT) != 0;
const bool BIAS_OF_COLUMNS = (MODES & VKA_LANES_BIAS_OF_COLUMNS) != 0;
const bool BIAS_OF_ROWS = (MODES & VKA_LANES_BIAS_OF_ROWS) != 0;
const bool B_PANELS = (MODES & VKA_LANES_B_PANELS) != 0;
const bool RESIDUAL_FOURS = (MODES & VKA_LANES_RESIDUAL_FOURS) != 0;
#ifdef VEC4
layout(constant_id = 10) const uint SUBGROUP = 1; // lanes that load together; 1: each for itself
const bool SHARED = SUBGROUP > 1;
const uint HELD = (TM + SUBGROUP - 1) / SUBGROUP; // rows of a lane
#define OF_ROW(held, i) subgroupShuffle(held[(i) / SUBGROUP], (i) % SUBGROUP)
#else
const bool SHARED = false;
const uint HELD = 1;
const uint held_start[HELD] = {0u};
#define OF_ROW(held, i) held[0]
#endif

BUFFER_VEC4_IN(0, a4);
#ifdef VEC4
BUFFER_VEC4_IN(1, b4);
BUFFER_VEC4_OUT(3, dst4);
#ifdef RESIDUAL
BUFFER_VEC4_IN(4, residual4);
#endif
#endif

layout(constant_id = 11) const uint STEPS = 1; // of a trip
const uint STEP = VKA_LANES_STEP;
const uint TURN = TM % 2 == 0 ? 2 : 1; // rows that are ended at once

#ifdef VEC4
#define SUM vec4
#define PART(x, c) x[c]
const uint WIDE = 4, COLS = TN / 4;
#else
#define SUM float
#define PART(x, c) x
const uint WIDE = 1, COLS = TN;
#endif

SUM bias_at(tile_place t, uint row, uint col)
{
    SUM v;
    uint start = p.bias_offset + batch_start(p.bias_stride, t.batch) + row * p.bias_stride[3];
    if (BIAS_OF_ROWS)
        return SUM(LOAD(bias, start)); // one address for all lanes
    [[unroll]] for (uint c = 0; c < WIDE; c++)
        PART(v, c) = LOAD(bias, start + (col + c) * p.bias_stride[4]);
    return v;
}

#ifdef RESIDUAL
SUM residual_at(tile_place t, uint row, uint col)
{
    uint start =
        p.residual_offset + batch_start(p.residual_stride, t.batch) + row * p.residual_stride[3];
    SUM v;
#ifdef VEC4
    if (RESIDUAL_FOURS)
        return LOAD4(residual4, (start + col) / 4);
#endif
    [[unroll]] for (uint c = 0; c < WIDE; c++)
        PART(v, c) = LOAD(residual, start + (col + c) * p.residual_stride[4]);
    return v;
}
#endif

void finish(tile_place t, uint row, uint col, SUM all, SUM column_bias)
{
    all *= p.alpha;
    if (HAS_BIAS && BIAS_OF_COLUMNS)
        all += column_bias;
    else if (HAS_BIAS)
        all += bias_at(t, row, col);
#ifdef RESIDUAL
    all += residual_at(t, row, col);
#endif
    [[unroll]] for (uint c = 0; c < WIDE; c++)
        PART(all, c) = vka_activate(ACT, PART(all, c), ACT_A, ACT_B);
#ifdef VEC4
    STORE4(dst4, out_index(t, row, col) / 4, all);
#else
    STORE(dst, out_index(t, row, col), all);
#endif
}

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
        b_at[j] = t.b_start + (B_PANELS ? t.n0 * p.k + col[j] - t.n0 : min(col[j], p.n - 4));
#define B_OF(k, j) LOAD4(b4, (b_at[j] + (k) * b_row) / 4)
#else
        col[j] = t.n0 + gl_LocalInvocationID.x + j * lanes;
        b_at[j] = t.b_start + min(col[j], p.n - 1) * b_col;
#define B_OF(k, j) LOAD(b, b_at[j] + (k) * b_row)
#endif
    }

#ifdef VEC4
    uint held_start[HELD];
    [[unroll]] for (uint i = 0; i < HELD && SHARED; i++) {
        uint row = t.m0 + i * SUBGROUP + gl_SubgroupInvocationID;
        held_start[i] = t.a_start + min(row, p.m - 1) * a_row;
    }
#endif

    SUM sum[TM][COLS], total[TM][COLS];
    [[unroll]] for (uint i = 0; i < TM; i++)
        [[unroll]] for (uint j = 0; j < COLS; j++)
            sum[i][j] = total[i][j] = SUM(0.0);

    uint whole = WHOLE ? p.k : p.k - p.k % STEP;
    // Blocks have a loop of their own: a condition in the inner one would be paid for at each trip.
    uint block = 0;
    do {
        uint end = SHORT ? whole : min(whole, block + VKA_LANES_BLOCK);
        for (uint trip = block; trip < end; trip += STEPS * STEP) {
            [[unroll]] for (uint part = 0; part < STEPS; part++) {
                uint k = trip + part * STEP;
                SUM bv[STEP][COLS];
                [[unroll]] for (uint u = 0; u < STEP; u++)
                    [[unroll]] for (uint j = 0; j < COLS; j++)
                        bv[u][j] = B_OF(k + u, j);
                vec4 held[HELD];
                [[unroll]] for (uint i = 0; i < HELD && SHARED; i++) {
                    if (ALONG_K) {
                        held[i] = LOAD4(a4, (held_start[i] + k) / 4);
                    } else {
                        [[unroll]] for (uint u = 0; u < STEP; u++)
                            held[i][u] = LOAD(a, held_start[i] + (k + u) * a_col);
                    }
                }
                if (ALONG_M && !SHARED) {
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
                        if (SHARED) {
                            av = OF_ROW(held, i);
                        } else if (ALONG_K) {
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
        }
        if (!SHORT) {
            [[unroll]] for (uint i = 0; i < TM; i++)
                [[unroll]] for (uint j = 0; j < COLS; j++) {
                    total[i][j] += sum[i][j];
                    sum[i][j] = SUM(0.0);
                }
        }
        block = end;
    } while (!SHORT && block < whole);
    for (uint k = whole; !WHOLE && k < p.k; k++) {
        float held[HELD];
        [[unroll]] for (uint i = 0; i < HELD && SHARED; i++)
            held[i] = LOAD(a, held_start[i] + k * a_col);
        [[unroll]] for (uint j = 0; j < COLS; j++) {
            SUM bv = B_OF(k, j);
            [[unroll]] for (uint i = 0; i < TM; i++) {
                float av = SHARED ? OF_ROW(held, i) : LOAD(a, row_start[i] + k * a_col);
                sum[i][j] = fma(SUM(av), bv, sum[i][j]);
            }
        }
    }

    SUM column_bias[COLS];
    [[unroll]] for (uint j = 0; j < COLS; j++) {
        if (HAS_BIAS && BIAS_OF_COLUMNS)
            column_bias[j] = bias_at(t, 0, min(col[j], p.n - WIDE));
    }
    [[unroll]] for (uint i = 0; i < TM; i++)
        [[unroll]] for (uint j = 0; j < COLS; j++)
            sum[i][j] += total[i][j];
    // What ends an element is long, and a driver's compiler takes milliseconds for each store: the
    // first rows, behind which the others move on. (An array indexed by a variable would lie in
    // memory.)
    [[dont_unroll]] for (uint start = 0; start < TM; start += TURN) {
        [[unroll]] for (uint i = 0; i < TURN; i++) {
            uint row = t.m0 + start + i;
            [[unroll]] for (uint j = 0; j < COLS; j++) {
                if (row < p.m && col[j] < p.n)
                    finish(t, row, col[j], sum[i][j], column_bias[j]);
            }
        }
        [[unroll]] for (uint i = TURN; i < TM; i++)
            [[unroll]] for (uint j = 0; j < COLS; j++)
                sum[i - TURN][j] = sum[i][j];
    }
}
