// SPDX-License-Identifier: MIT
//
// Attention on cooperative matrices, with a running maximum. A subgroup takes TM fragments of
// queries, kept in registers, through all keys, COLS at a time, which all subgroups share. Logits
// go through shared memory, since which lane holds which element of a fragment is the driver's
// business; so do the factors by which the sums of values shrink.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_cooperative_matrix : require
#include "attention.glsl"

layout(constant_id = 6) const uint FM = 16; // a fragment is FM x FK by FK x FN
layout(constant_id = 7) const uint FN = 16;
layout(constant_id = 8) const uint FK = 16;
layout(constant_id = 9) const uint SUBGROUP = 32; // a multiple of its queries, FM * TM
layout(constant_id = 10) const uint TM = 1;
layout(constant_id = 11) const uint SUBS = 4;
layout(constant_id = 12) const uint COLS = 32; // a multiple of FM * TM, FN and FK
layout(constant_id = 13) const bool EIGHTS = false; // rows of q, k and v can be read by eights

BUFFER_IN(0, q);
BUFFER_IN(1, k);
BUFFER_IN(2, v);
BUFFER_OUT(3, dst);
BUFFER_EIGHTS_IN(0, q8);
BUFFER_EIGHTS_IN(1, k8);
BUFFER_EIGHTS_IN(2, v8);

const uint INVOCATIONS = SUBS * SUBGROUP;
const uint OWN = FM * TM; // queries of a subgroup
const uint ROWS = OWN * SUBS;
const uint EACH = SUBGROUP / OWN; // lanes of a query
const uint FD = (DEPTH + FK - 1) / FK; // fragments along the depth, along the width
const uint FW = (WIDTH + FN - 1) / FN;
const uint PAD = 8;
const uint K_SIZE = (FD * FK + 7) / 8 * 8, K_STEP = (K_SIZE + PAD) / 4; // a row, in fours
const uint V_SIZE = (FW * FN + 7) / 8 * 8, V_STEP = (V_SIZE + PAD) / 4;
const uint W_STEP = (COLS + PAD) / 4;
const uint S_STEP = (COLS + 4) / 4;
shared f16vec4 keys[COLS * K_STEP];
shared f16vec4 values[COLS * V_STEP];
shared f16vec4 weights[ROWS * W_STEP];
shared vec4 logits[ROWS * S_STEP];

#define FRAGMENT_Q   coopmat<float16_t, gl_ScopeSubgroup, FM, FK, gl_MatrixUseA>
#define FRAGMENT_B   coopmat<float16_t, gl_ScopeSubgroup, FK, FN, gl_MatrixUseB>
#define FRAGMENT_SUM coopmat<float, gl_ScopeSubgroup, FM, FN, gl_MatrixUseAccumulator>
#define BY_ROWS      gl_CooperativeMatrixLayoutRowMajor
#define BY_COLUMNS   gl_CooperativeMatrixLayoutColumnMajor

// COLS rows of q, k or v from `first` on to shared memory; zeros past `count` rows and past the
// rows' `size`, since what is read for nothing there is multiplied too.
#define LOAD_ROWS(to, to_step, room, name, name8, start, step, first, count, size)                 \
    for (uint i = gl_LocalInvocationIndex; i < COLS * (room / 8); i += INVOCATIONS) {              \
        uint row = i / (room / 8), d = i % (room / 8) * 8;                                         \
        uvec4 eight = uvec4(0);                                                                    \
        if (first + row < count && d < size) {                                                     \
            uint from = start + (first + row) * step + d;                                          \
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
float most = GONE, total = 0.0; // of this lane's query

// The subgroup's queries, by way of the keys' place: COLS at a time.
void load_queries(uint q_start, uint first)
{
    for (uint row0 = 0; row0 < ROWS; row0 += COLS) {
        LOAD_ROWS(keys, K_STEP, K_SIZE, q, q8, q_start, p.q_stride[2], first + row0, p.queries,
                  DEPTH)
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

void make_logits()
{
    [[unroll]] for (uint j = 0; j < COLS / FN; j++) {
        FRAGMENT_SUM s[TM];
        [[unroll]] for (uint i = 0; i < TM; i++)
            s[i] = FRAGMENT_SUM(0.0);
        [[unroll]] for (uint d = 0; d < FD; d++) {
            FRAGMENT_B fb;
            coopMatLoad(fb, keys, j * FN * K_STEP + d * FK / 4, K_STEP, BY_COLUMNS);
            [[unroll]] for (uint i = 0; i < TM; i++)
                s[i] = coopMatMulAdd(queries[i * FD + d], fb, s[i]);
        }
        [[unroll]] for (uint i = 0; i < TM; i++)
            coopMatStore(s[i], logits, (gl_SubgroupID * OWN + i * FM) * S_STEP + j * FN / 4, S_STEP,
                         BY_ROWS);
    }
    subgroupBarrier();
}

// A factor of each row of the subgroup's queries, times its sums. The factor takes the place of the
// row's logits.
void scale_sums(uint row, float factor)
{
    subgroupBarrier(); // the other lanes of the row have read it
    for (uint c = gl_SubgroupInvocationID % EACH; c < FN / 4; c += EACH)
        logits[row * S_STEP + c] = vec4(factor);
    subgroupBarrier();
    [[unroll]] for (uint i = 0; i < TM; i++) {
        FRAGMENT_SUM f;
        coopMatLoad(f, logits, (gl_SubgroupID * OWN + i * FM) * S_STEP, S_STEP, BY_ROWS);
        [[unroll]] for (uint w = 0; w < FW; w++)
            for (int e = 0; e < f.length(); e++)
                sums[i * FW + w][e] *= f[e];
    }
    subgroupBarrier();
}

// Weights of the block of keys that begins at `key`, by the lanes of a row; the factor of all that
// was summed before.
float make_weights(place at, uint row, uint query, uint key)
{
    uint last = key_end(query), lane = gl_SubgroupInvocationID % EACH;
    float now = most;
    for (uint c = lane; c < COLS / 4; c += EACH) {
        vec4 s = logits[row * S_STEP + c];
        [[unroll]] for (uint j = 0; j < 4; j++) {
            s[j] = logit(at, query, key + c * 4 + j, last, s[j]);
            now = max(now, s[j]);
        }
        logits[row * S_STEP + c] = s;
    }
    [[unroll]] for (uint i = 1; i < EACH; i *= 2)
        now = max(now, subgroupShuffleXor(now, i));
    float added = 0.0;
    for (uint c = lane; c < COLS / 4; c += EACH) {
        vec4 s = logits[row * S_STEP + c];
        [[unroll]] for (uint j = 0; j < 4; j++)
            s[j] = weight_of(s[j], now);
        weights[row * W_STEP + c] = f16vec4(s);
        added += (s.x + s.y) + (s.z + s.w);
    }
    [[unroll]] for (uint i = 1; i < EACH; i *= 2)
        added += subgroupShuffleXor(added, i);
    float factor = weight_of(most, now);
    total = total * factor + added;
    most = now;
    return factor;
}

void add_values()
{
    for (uint kk = 0; kk < COLS; kk += FK) {
        FRAGMENT_Q fa[TM];
        [[unroll]] for (uint i = 0; i < TM; i++)
            coopMatLoad(fa[i], weights, (gl_SubgroupID * OWN + i * FM) * W_STEP + kk / 4, W_STEP,
                        BY_ROWS);
        [[unroll]] for (uint w = 0; w < FW; w++) {
            FRAGMENT_B fb;
            coopMatLoad(fb, values, kk * V_STEP + w * FN / 4, V_STEP, BY_ROWS);
            [[unroll]] for (uint i = 0; i < TM; i++)
                sums[i * FW + w] = coopMatMulAdd(fa[i], fb, sums[i * FW + w]);
        }
    }
}

// Fragments of the output by way of the logits' place.
void store_sums(place at, uint first)
{
    uint to = p.out_offset + (at.batch * p.heads + at.head) * p.queries * WIDTH;
    uint row0 = gl_SubgroupID * OWN;
    [[unroll]] for (uint w = 0; w < FW; w++) {
        [[unroll]] for (uint i = 0; i < TM; i++)
            coopMatStore(sums[i * FW + w], logits, (row0 + i * FM) * S_STEP, S_STEP, BY_ROWS);
        subgroupBarrier();
        for (uint e = gl_SubgroupInvocationID; e < OWN * FN; e += SUBGROUP) {
            uint row = row0 + e / FN, column = w * FN + e % FN;
            if (first + row < p.queries && column < WIDTH)
                STORE(dst, to + (first + row) * WIDTH + column,
                      logits[row * S_STEP + e % FN / 4][e % 4]);
        }
        subgroupBarrier();
    }
}

void main()
{
    uint group = group_index();
    if (group >= p.end)
        return;
    uint tiles = (p.queries + ROWS - 1) / ROWS;
    uint first = group % tiles * ROWS;
    place at = place(group / tiles / p.heads, group / tiles % p.heads);
    uint shared_head = at.head / p.share;
    uint q_start = p.q_offset + at.batch * p.q_stride[0] + at.head * p.q_stride[1];
    uint k_start = p.k_offset + at.batch * p.k_stride[0] + shared_head * p.k_stride[1];
    uint v_start = p.v_offset + at.batch * p.v_stride[0] + shared_head * p.v_stride[1];
    uint row = gl_SubgroupID * OWN + gl_SubgroupInvocationID / EACH;
    uint query = min(first + row, p.queries - 1);

    load_queries(q_start, first);
    [[unroll]] for (uint i = 0; i < TM * FW; i++)
        sums[i] = FRAGMENT_SUM(0.0);
    uint end = key_end(min(first + ROWS, p.queries) - 1);
    for (uint key = 0; key < end; key += COLS) {
        LOAD_ROWS(keys, K_STEP, K_SIZE, k, k8, k_start, p.k_stride[2], key, end, DEPTH)
        LOAD_ROWS(values, V_STEP, V_SIZE, v, v8, v_start, p.v_stride[2], key, end, WIDTH)
        barrier();
        make_logits();
        float factor = make_weights(at, row, query, key);
        scale_sums(row, factor);
        add_values();
        barrier(); // before the next keys take these ones' place
    }
    scale_sums(row, total == 0.0 ? 0.0 : 1.0 / total);
    store_sums(at, first);
    if (gl_SubgroupInvocationID % EACH == 0 && first + row < p.queries)
        store_lse(at, query, most, total);
}
