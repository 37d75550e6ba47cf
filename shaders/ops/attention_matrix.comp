// SPDX-License-Identifier: MIT
//
// Attention on cooperative matrices (common/attention_matrix.glsl), with a running maximum. Logits
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
#include "attention_matrix.glsl"

const uint EACH = SUBGROUP / OWN; // lanes of a row
const uint W_STEP = (COLS + PAD) / 4;
const uint S_STEP = (COLS + 4) / 4;
shared f16vec4 weights[ROWS * W_STEP];
shared vec4 logits[ROWS * S_STEP];
float most = GONE, total = 0.0; // of this lane's row

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

// A factor of each row of the subgroup, times its sums. The factor takes the place of the
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
float make_weights(place at, uint query, uint row, uint key)
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
void store_sums(tile t)
{
    uint row0 = gl_SubgroupID * OWN;
    [[unroll]] for (uint w = 0; w < FW; w++) {
        [[unroll]] for (uint i = 0; i < TM; i++)
            coopMatStore(sums[i * FW + w], logits, (row0 + i * FM) * S_STEP, S_STEP, BY_ROWS);
        subgroupBarrier();
        for (uint e = gl_SubgroupInvocationID; e < OWN * FN; e += SUBGROUP) {
            uint row = row0 + e / FN, column = w * FN + e % FN;
            if (t.first + row < t.rows && column < WIDTH)
                store_sum(out_start(t, t.first + row) + column,
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
    tile t = tile_of(group, ROWS);
    uint row = gl_SubgroupID * OWN + gl_SubgroupInvocationID / EACH;
    uint query = query_of(t, t.first + row);
    place at = place_of(t, t.first + row);

    load_queries(t);
    [[unroll]] for (uint i = 0; i < TM * FW; i++)
        sums[i] = FRAGMENT_SUM(0.0);
    start_seen();
    for (uint key = t.begin; key < t.end; key += COLS) {
        if (!tile_seen(t, ROWS, key, COLS))
            continue;
        load_keys(t, key);
        make_logits();
        float factor = make_weights(at, query, row, key);
        scale_sums(row, factor);
        add_values();
        barrier(); // before the next keys take these ones' place
    }
    scale_sums(row, out_factor(total));
    store_sums(t);
    if (gl_SubgroupInvocationID % EACH == 0 && t.first + row < t.rows)
        finish_row(t, t.first + row, most, total);
}
