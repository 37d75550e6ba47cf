// SPDX-License-Identifier: MIT
//
// Products of cooperative matrices, for modules that store f16. A workgroup of SUBS_M x SUBS_N
// subgroups makes a tile of the output, TM x TN fragments of FM x FN in each; slices of both
// factors, DEPTH terms deep, lie in shared memory as lines of halves, PAD longer than needed so
// that lines begin in different banks. While one slice is multiplied the next is on its way to
// registers, eight halves at a time.
// The module defines MATRIX_ID, the number of the first constant here, and TM and TN before.
layout(constant_id = MATRIX_ID) const uint FM = 16; // a fragment is FM x FK by FK x FN
layout(constant_id = MATRIX_ID + 1) const uint FN = 16;
layout(constant_id = MATRIX_ID + 2) const uint FK = 16;
layout(constant_id = MATRIX_ID + 3) const uint SUBS_M = 2;
layout(constant_id = MATRIX_ID + 4) const uint SUBS_N = 2;
layout(constant_id = MATRIX_ID + 5) const uint SUBGROUP = 32;
layout(constant_id = MATRIX_ID + 6) const uint DEPTH = 32;
layout(constant_id = MATRIX_ID + 7) const uint MODES = 0;

const bool A_ALONG_M = (MODES & 1u) != 0u; // the axis that a line follows; else k
const bool B_ALONG_N = (MODES & 2u) != 0u;
const bool A_EIGHTS = (MODES & 4u) != 0u; // eight halves of a line lie together in memory
const bool B_EIGHTS = (MODES & 8u) != 0u;
const uint TILE_M = FM * TM * SUBS_M;
const uint TILE_N = FN * TN * SUBS_N;
const uint INVOCATIONS = SUBS_M * SUBS_N * SUBGROUP;
const uint PAD = 8;

const uint A_LINE = A_ALONG_M ? TILE_M : DEPTH;
const uint A_LINES = A_ALONG_M ? DEPTH : TILE_M;
const uint B_LINE = B_ALONG_N ? TILE_N : DEPTH;
const uint B_LINES = B_ALONG_N ? DEPTH : TILE_N;
const uint A_STEP = (A_LINE + PAD) / 4; // from line to line, in fours
const uint B_STEP = (B_LINE + PAD) / 4;
const uint A_EACH = (A_LINES * A_LINE / 8 + INVOCATIONS - 1) / INVOCATIONS; // eights a lane
const uint B_EACH = (B_LINES * B_LINE / 8 + INVOCATIONS - 1) / INVOCATIONS;
shared f16vec4 tile_a[A_LINES * A_STEP];
shared f16vec4 tile_b[B_LINES * B_STEP];
shared float stage[SUBS_M * SUBS_N * FM * FN];

#define FRAGMENT_A   coopmat<float16_t, gl_ScopeSubgroup, FM, FK, gl_MatrixUseA>
#define FRAGMENT_B   coopmat<float16_t, gl_ScopeSubgroup, FK, FN, gl_MatrixUseB>
#define FRAGMENT_SUM coopmat<float, gl_ScopeSubgroup, FM, FN, gl_MatrixUseAccumulator>
#define BY_ROWS      gl_CooperativeMatrixLayoutRowMajor
#define BY_COLUMNS   gl_CooperativeMatrixLayoutColumnMajor

// The i-th eight of a tile whose lines are `size` halves: its line, its first element there.
uvec2 eight_of(uint i, uint size)
{
    return uvec2(i / (size / 8), i % (size / 8) * 8);
}

void put_a(uint i, uvec4 eight)
{
    uvec2 at = eight_of(i, A_LINE);
    if (at.x < A_LINES) {
        uint to = at.x * A_STEP + at.y / 4;
        tile_a[to] = f16vec4(unpackFloat2x16(eight.x), unpackFloat2x16(eight.y));
        tile_a[to + 1] = f16vec4(unpackFloat2x16(eight.z), unpackFloat2x16(eight.w));
    }
}

void put_b(uint i, uvec4 eight)
{
    uvec2 at = eight_of(i, B_LINE);
    if (at.x < B_LINES) {
        uint to = at.x * B_STEP + at.y / 4;
        tile_b[to] = f16vec4(unpackFloat2x16(eight.x), unpackFloat2x16(eight.y));
        tile_b[to + 1] = f16vec4(unpackFloat2x16(eight.z), unpackFloat2x16(eight.w));
    }
}

// The module's: the i-th eight of the slices that begin at term k0, zeros outside of the matrices.
uvec4 fetch_a(uint k0, uint i);
uvec4 fetch_b(uint k0, uint i);

uvec4 held_a[A_EACH], held_b[B_EACH];

void fetch(uint k0)
{
    [[unroll]] for (uint i = 0; i < A_EACH; i++)
        held_a[i] = fetch_a(k0, i * INVOCATIONS + gl_LocalInvocationIndex);
    [[unroll]] for (uint i = 0; i < B_EACH; i++)
        held_b[i] = fetch_b(k0, i * INVOCATIONS + gl_LocalInvocationIndex);
}

FRAGMENT_SUM sums[TM * TN]; // of this subgroup

void multiply(uint terms)
{
    uint row0 = gl_SubgroupID / SUBS_N * TM * FM, col0 = gl_SubgroupID % SUBS_N * TN * FN;
    [[unroll]] for (uint i = 0; i < TM * TN; i++)
        sums[i] = FRAGMENT_SUM(0.0);
    fetch(0);
    for (uint k0 = 0; k0 < terms; k0 += DEPTH) {
        [[unroll]] for (uint i = 0; i < A_EACH; i++)
            put_a(i * INVOCATIONS + gl_LocalInvocationIndex, held_a[i]);
        [[unroll]] for (uint i = 0; i < B_EACH; i++)
            put_b(i * INVOCATIONS + gl_LocalInvocationIndex, held_b[i]);
        barrier();
        fetch(k0 + DEPTH); // past the end: zeros
        for (uint kk = 0; kk < DEPTH; kk += FK) {
            FRAGMENT_A fa[TM];
            [[unroll]] for (uint i = 0; i < TM; i++) {
                uint row = row0 + i * FM;
                if (A_ALONG_M)
                    coopMatLoad(fa[i], tile_a, kk * A_STEP + row / 4, A_STEP, BY_COLUMNS);
                else
                    coopMatLoad(fa[i], tile_a, row * A_STEP + kk / 4, A_STEP, BY_ROWS);
            }
            [[unroll]] for (uint j = 0; j < TN; j++) {
                uint col = col0 + j * FN;
                FRAGMENT_B fb;
                if (B_ALONG_N)
                    coopMatLoad(fb, tile_b, kk * B_STEP + col / 4, B_STEP, BY_ROWS);
                else
                    coopMatLoad(fb, tile_b, col * B_STEP + kk / 4, B_STEP, BY_COLUMNS);
                [[unroll]] for (uint i = 0; i < TM; i++)
                    sums[i * TN + j] = coopMatMulAdd(fa[i], fb, sums[i * TN + j]);
            }
        }
        barrier(); // before the next slice takes its place
    }
}

// Elements come out by the module's store_sum(row, col, sum) of the tile.
void store_sum(uint row, uint col, float sum);

void store_sums()
{
    uint row0 = gl_SubgroupID / SUBS_N * TM * FM, col0 = gl_SubgroupID % SUBS_N * TN * FN;
    uint own = gl_SubgroupID * FM * FN;
    [[unroll]] for (uint i = 0; i < TM; i++)
        [[unroll]] for (uint j = 0; j < TN; j++) {
            coopMatStore(sums[i * TN + j], stage, own, FN, BY_ROWS);
            subgroupBarrier();
            for (uint e = gl_SubgroupInvocationID; e < FM * FN; e += SUBGROUP)
                store_sum(row0 + i * FM + e / FN, col0 + j * FN + e % FN, stage[own + e]);
            subgroupBarrier();
        }
}
