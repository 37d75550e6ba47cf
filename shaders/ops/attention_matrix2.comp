// SPDX-License-Identifier: MIT
//
// Attention on cooperative matrices whose elements can be computed with, and whose rows can be
// reduced, where they are (VK_NV_cooperative_matrix2): nothing but q, k and v passes through shared
// memory. Each element of a maximum, a total or a factor is that of its row.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_NV_cooperative_matrix2 : require
#include "attention_matrix.glsl"

const uint BLOCKS = COLS / FN; // fragments of a block of keys

tile t;
FRAGMENT_SUM most[TM], total[TM];

float larger(const in float a, const in float b)
{
    return max(a, b);
}

float added(const in float a, const in float b)
{
    return a + b;
}

// Of the element (row, column) of a fragment that begins at row `first` and at key `key`.
float logit_at(const in uint row, const in uint column, const in float dot_, const in uint first,
               const in uint key)
{
    uint query = query_of(t, first + row);
    return logit(place_of(t, first + row), query, key + column, min(key_end(query), t.end), dot_);
}

float weight_at(const in uint row, const in uint column, const in float s, const in float most_)
{
    return weight_of(s, most_);
}

float larger_at(const in uint row, const in uint column, const in float a, const in float b)
{
    return max(a, b);
}

float factor_at(const in uint row, const in uint column, const in float total_)
{
    return out_factor(total_);
}

float store_at(const in uint row, const in uint column, const in float sum, const in uint first,
               const in uint column0)
{
    if (first + row < t.rows && column0 + column < WIDTH)
        store_sum(out_start(t, first + row) + column0 + column, sum);
    return sum;
}

float finish_at(const in uint row, const in uint column, const in float most_, const in float all,
                const in uint first)
{
    if (first + row < t.rows && column == 0)
        finish_row(t, first + row, most_, all);
    return most_;
}

// Weights of the block of keys that begins at `key`, for the i-th fragment of rows; what was summed
// before shrinks.
void make_weights(uint i, uint first, uint key, inout FRAGMENT_SUM s[BLOCKS])
{
    FRAGMENT_SUM now = most[i], all, factor;
    [[unroll]] for (uint j = 0; j < BLOCKS; j++) {
        coopMatPerElementNV(s[j], s[j], logit_at, first, key + j * FN);
        coopMatReduceNV(all, s[j], gl_CooperativeMatrixReduceRowNV, larger);
        coopMatPerElementNV(now, now, larger_at, all);
    }
    coopMatPerElementNV(factor, most[i], weight_at, now);
    most[i] = now;
    total[i] = total[i] * factor;
    [[unroll]] for (uint j = 0; j < BLOCKS; j++) {
        coopMatPerElementNV(s[j], s[j], weight_at, now);
        coopMatReduceNV(all, s[j], gl_CooperativeMatrixReduceRowNV, added);
        total[i] = total[i] + all;
    }
    [[unroll]] for (uint w = 0; w < FW; w++)
        sums[i * FW + w] = sums[i * FW + w] * factor;
}

void add_block(uint first, uint key)
{
    FRAGMENT_Q weights[TM][BLOCKS]; // FN is FK
    [[unroll]] for (uint i = 0; i < TM; i++) {
        FRAGMENT_SUM s[BLOCKS];
        [[unroll]] for (uint j = 0; j < BLOCKS; j++) {
            s[j] = FRAGMENT_SUM(0.0);
            [[unroll]] for (uint d = 0; d < FD; d++) {
                FRAGMENT_B fb;
                coopMatLoad(fb, keys, j * FN * K_STEP + d * FK / 4, K_STEP, BY_COLUMNS);
                s[j] = coopMatMulAdd(queries[i * FD + d], fb, s[j]);
            }
        }
        make_weights(i, first + i * FM, key, s);
        [[unroll]] for (uint j = 0; j < BLOCKS; j++)
            weights[i][j] = FRAGMENT_Q(s[j]);
    }
    [[unroll]] for (uint j = 0; j < BLOCKS; j++)
        [[unroll]] for (uint w = 0; w < FW; w++) {
            FRAGMENT_B fb;
            coopMatLoad(fb, values, j * FK * V_STEP + w * FN / 4, V_STEP, BY_ROWS);
            [[unroll]] for (uint i = 0; i < TM; i++)
                sums[i * FW + w] = coopMatMulAdd(weights[i][j], fb, sums[i * FW + w]);
        }
}

void main()
{
    uint group = group_index();
    if (group >= p.end)
        return;
    t = tile_of(group, ROWS);
    uint first = t.first + gl_SubgroupID * OWN;
    load_queries(t);
    [[unroll]] for (uint i = 0; i < TM; i++) {
        most[i] = FRAGMENT_SUM(GONE);
        total[i] = FRAGMENT_SUM(0.0);
        [[unroll]] for (uint w = 0; w < FW; w++)
            sums[i * FW + w] = FRAGMENT_SUM(0.0);
    }
    start_seen();
    for (uint key = t.begin; key < t.end; key += COLS) {
        if (!tile_seen(t, ROWS, key, COLS))
            continue;
        load_keys(t, key);
        add_block(first, key);
        barrier(); // before the next keys take these ones' place
    }
    [[unroll]] for (uint i = 0; i < TM; i++) {
        FRAGMENT_SUM factor, done;
        coopMatPerElementNV(factor, total[i], factor_at);
        [[unroll]] for (uint w = 0; w < FW; w++)
            coopMatPerElementNV(done, sums[i * FW + w] * factor, store_at, first + i * FM, w * FN);
        coopMatPerElementNV(done, most[i], finish_at, total[i], first + i * FM);
    }
}
