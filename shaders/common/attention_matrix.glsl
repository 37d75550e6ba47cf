// SPDX-License-Identifier: MIT
//
// What attention's shaders on cooperative matrices share. A subgroup takes TM fragments of rows,
// kept in registers, through the keys, COLS at a time, which all subgroups of a workgroup share.
#include "attention_rows.glsl"

layout(constant_id = 6) const uint FM = 16; // a fragment is FM x FK by FK x FN
layout(constant_id = 7) const uint FN = 16;
layout(constant_id = 8) const uint FK = 16;
layout(constant_id = 9) const uint SUBGROUP = 32; // a multiple of its rows, FM * TM
layout(constant_id = 10) const uint TM = 1;
layout(constant_id = 11) const uint SUBS = 4;
layout(constant_id = 12) const uint COLS = 32; // a multiple of FM * TM, FN and FK
layout(constant_id = 13) const bool EIGHTS = false; // rows of q, k and v can be read by eights

BUFFER_EIGHTS_IN(0, q8);
BUFFER_EIGHTS_IN(1, k8);
BUFFER_EIGHTS_IN(2, v8);

const uint INVOCATIONS = SUBS * SUBGROUP;
const uint OWN = FM * TM; // rows of a subgroup
const uint ROWS = OWN * SUBS;
const uint FD = (DEPTH + FK - 1) / FK; // fragments along the depth, along the width
const uint FW = (WIDTH + FN - 1) / FN;
const uint PAD = 8;
const uint K_SIZE = (FD * FK + 7) / 8 * 8, K_STEP = (K_SIZE + PAD) / 4; // a row, in fours
const uint V_SIZE = (FW * FN + 7) / 8 * 8, V_STEP = (V_SIZE + PAD) / 4;
shared f16vec4 keys[COLS * K_STEP];
shared f16vec4 values[COLS * V_STEP];

#define FRAGMENT_Q   coopmat<float16_t, gl_ScopeSubgroup, FM, FK, gl_MatrixUseA>
#define FRAGMENT_B   coopmat<float16_t, gl_ScopeSubgroup, FK, FN, gl_MatrixUseB>
#define FRAGMENT_SUM coopmat<float, gl_ScopeSubgroup, FM, FN, gl_MatrixUseAccumulator>
#define BY_ROWS      gl_CooperativeMatrixLayoutRowMajor
#define BY_COLUMNS   gl_CooperativeMatrixLayoutColumnMajor

// COLS rows of q, k or v from `first` on to shared memory, of which `index` begins at `start`;
// zeros past `count` rows and past the rows' `size`, since what is read for nothing there is
// multiplied too.
#define LOAD_ROWS(to, to_step, room, name, name8, start, first, count, size)                       \
    for (uint i = gl_LocalInvocationIndex; i < COLS * (room / 8); i += INVOCATIONS) {              \
        uint row = i / (room / 8), d = i % (room / 8) * 8, index = first + row;                    \
        uvec4 eight = uvec4(0);                                                                    \
        if (index < count && d < size) {                                                           \
            uint from = start + d;                                                                 \
            if (EIGHTS) {                                                                          \
                eight = name8.v[from / 8];                                                         \
            } else {                                                                               \
                [[unroll]] for (uint j = 0; j < 8; j++)                                            \
                    if (d + j < size)                                                              \
                        eight[j / 2] |= packFloat2x16(f16vec2(name.v[from + j], 0.0))              \
                                        << j % 2 * 16;                                             \
            }                                                                                      \
        }                                                                                          \
        uint at_ = row * to_step + d / 4;                                                          \
        to[at_] = f16vec4(unpackFloat2x16(eight.x), unpackFloat2x16(eight.y));                     \
        to[at_ + 1] = f16vec4(unpackFloat2x16(eight.z), unpackFloat2x16(eight.w));                 \
    }

FRAGMENT_Q queries[TM * FD];
FRAGMENT_SUM sums[TM * FW];

// The subgroup's rows of q, by way of the keys' place: COLS at a time.
void load_queries(tile t)
{
    for (uint row0 = 0; row0 < ROWS; row0 += COLS) {
        LOAD_ROWS(keys, K_STEP, K_SIZE, q, q8, q_start(t, index), t.first + row0, t.rows, DEPTH)
        barrier();
        if (gl_SubgroupID * OWN / COLS * COLS == row0) {
            uint own = gl_SubgroupID * OWN - row0;
            [[unroll]] for (uint i = 0; i < TM; i++)
                [[unroll]] for (uint d = 0; d < FD; d++)
                    coopMatLoad(queries[i * FD + d], keys,
                                (own + i * FM) * K_STEP + d * FK / 4, K_STEP, BY_ROWS);
        }
        barrier();
    }
}

// The block of keys that begins at `key`, and its values; then the workgroup waits for them.
void load_keys(tile t, uint key)
{
    LOAD_ROWS(keys, K_STEP, K_SIZE, k, k8, t.k_start + index * p.k_stride[2], key, t.end, DEPTH)
    LOAD_ROWS(values, V_STEP, V_SIZE, v, v8, t.v_start + index * p.v_stride[2], key, t.end, WIDTH)
    barrier();
}
