// SPDX-License-Identifier: MIT
//
// Attention with a running maximum: a workgroup of 8 x 8 takes a tile of ROWS through its keys,
// COLS at a time. Logits are made as tiles of a product, weights pass through shared memory, the
// sums of values stay in registers: 4 rows x TN columns a lane. Shared memory is read by fours, of
// rows (of keys, of columns), so that one read feeds many products.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "attention_rows.glsl"

const uint LANES = 8;
const uint INVOCATIONS = LANES * LANES;
const uint PER_LANE = 4;
const uint ROWS = LANES * PER_LANE;
const uint COLS = LANES * PER_LANE;
const uint SLICE = 16; // of the depth
const uint TN = (WIDTH + LANES - 1) / LANES;
const uint WIDE = TN * LANES;

// Slices of q and k, then rows of v.
const uint SLAB = 512; // fours
const uint VALUE_ROWS = SLAB * 4 / WIDE < COLS ? SLAB * 4 / WIDE : COLS;
const uint ROW_FOURS = ROWS / 4 + 1; // one more: lanes that write a row hit different banks
const uint KEY_FOURS = COLS / 4 + 1;
shared vec4 slab[SLAB];
shared vec4 weights[COLS * ROW_FOURS];
shared float most[ROWS];
shared float total[ROWS];
shared float factor[ROWS];
shared float part[INVOCATIONS];
shared uint q_row[ROWS]; // where a row of q begins

#define Q_FOUR(four, d) slab[(d) * ROW_FOURS + (four)]
#define K_FOUR(four, d) slab[SLICE * ROW_FOURS + (d) * KEY_FOURS + (four)]
#define W_FOUR(four, col) weights[(col) * ROW_FOURS + (four)]
#define W_AT(row, col) W_FOUR((row) / 4, col)[(row) % 4]

// A lane's j-th column of values.
uint column_of(uint j, uint tx)
{
    return TN % 4 == 0 ? j / 4 * LANES * 4 + tx * 4 + j % 4 : tx * TN + j;
}

// A lane's columns of a row of values that begins at element `at` of the slab.
void read_values(uint at, uint tx, out float value[TN])
{
    if (TN % 4 == 0) {
        [[unroll]] for (uint j = 0; j < TN / 4; j++) {
            vec4 four = slab[at / 4 + j * LANES + tx];
            [[unroll]] for (uint c = 0; c < 4; c++)
                value[j * 4 + c] = four[c];
        }
    } else {
        [[unroll]] for (uint j = 0; j < TN; j++)
            value[j] = slab[(at + tx * TN + j) / 4][(tx * TN + j) % 4];
    }
}

void main()
{
    uint group = group_index();
    if (group >= p.end)
        return;
    tile t = tile_of(group, ROWS);
    uint lane = gl_LocalInvocationIndex, tx = lane % LANES, ty = lane / LANES;

    if (lane < ROWS) {
        most[lane] = GONE;
        total[lane] = 0.0;
        q_row[lane] = q_start(t, t.first + lane);
    }
    float sum[PER_LANE][TN];
    [[unroll]] for (uint i = 0; i < PER_LANE; i++)
        [[unroll]] for (uint j = 0; j < TN; j++)
            sum[i][j] = 0.0;

    start_seen();
    barrier();
    for (uint key = t.begin; key < t.end; key += COLS) {
        if (!tile_seen(t, ROWS, key, COLS))
            continue;
        float s[PER_LANE][PER_LANE];
        [[unroll]] for (uint i = 0; i < PER_LANE; i++)
            [[unroll]] for (uint j = 0; j < PER_LANE; j++)
                s[i][j] = 0.0;
        for (uint d0 = 0; d0 < DEPTH; d0 += SLICE) {
            for (uint i = lane; i < ROWS * SLICE; i += INVOCATIONS) {
                uint d = i % SLICE, row = i / SLICE;
                bool in_q = d0 + d < DEPTH && t.first + row < t.rows;
                bool in_k = d0 + d < DEPTH && key + row < p.keys;
                float qv = 0.0, kv = 0.0;
                if (in_q)
                    qv = LOAD(q, q_row[row] + d0 + d);
                if (in_k)
                    kv = LOAD(k, t.k_start + (key + row) * p.k_stride[2] + d0 + d);
                Q_FOUR(row / 4, d)[row % 4] = qv;
                K_FOUR(row / 4, d)[row % 4] = kv;
            }
            barrier();
            for (uint d = 0; d < SLICE; d++) {
                vec4 qv = Q_FOUR(ty, d), kv = K_FOUR(tx, d);
                [[unroll]] for (uint i = 0; i < PER_LANE; i++)
                    [[unroll]] for (uint j = 0; j < PER_LANE; j++)
                        s[i][j] = fma(qv[i], kv[j], s[i][j]);
            }
            barrier();
        }
        [[unroll]] for (uint i = 0; i < PER_LANE; i++) {
            uint row = t.first + ty * PER_LANE + i, query = query_of(t, row);
            place at = place_of(t, row);
            uint last = key_end(query);
            [[unroll]] for (uint j = 0; j < PER_LANE; j++)
                s[i][j] = logit(at, query, key + tx * PER_LANE + j, last, s[i][j]);
        }
        [[unroll]] for (uint j = 0; j < PER_LANE; j++)
            W_FOUR(ty, tx * PER_LANE + j) = vec4(s[0][j], s[1][j], s[2][j], s[3][j]);
        barrier();

        // Two lanes a row: each looks at every other column.
        uint row = lane / 2, odd = lane % 2;
        float now = most[row];
        for (uint c = odd; c < COLS; c += 2)
            now = max(now, W_AT(row, c));
        part[lane] = now;
        barrier();
        float before = most[row];
        now = max(part[2 * row], part[2 * row + 1]);
        float added = 0.0;
        for (uint c = odd; c < COLS; c += 2) {
            float w = weight_of(W_AT(row, c), now);
            W_AT(row, c) = w;
            added += w;
        }
        barrier();
        part[lane] = added;
        barrier();
        if (odd == 0) {
            float f = weight_of(before, now);
            factor[row] = f;
            total[row] = total[row] * f + (part[lane] + part[lane + 1]);
            most[row] = now;
        }
        barrier();

        [[unroll]] for (uint i = 0; i < PER_LANE; i++) {
            float f = factor[ty * PER_LANE + i];
            [[unroll]] for (uint j = 0; j < TN; j++)
                sum[i][j] *= f;
        }
        for (uint k0 = 0; k0 < COLS; k0 += VALUE_ROWS) {
            for (uint i = lane; i < VALUE_ROWS * WIDE; i += INVOCATIONS) {
                uint c = i % WIDE, kk = i / WIDE;
                float value = 0.0;
                if (c < WIDTH && key + k0 + kk < t.end)
                    value = LOAD(v, t.v_start + (key + k0 + kk) * p.v_stride[2] + c);
                slab[(kk * WIDE + c) / 4][c % 4] = value;
            }
            barrier();
            for (uint kk = 0; kk < min(VALUE_ROWS, COLS - k0); kk++) {
                vec4 w = W_FOUR(ty, k0 + kk);
                float value[TN];
                read_values(kk * WIDE, tx, value);
                [[unroll]] for (uint j = 0; j < TN; j++)
                    [[unroll]] for (uint i = 0; i < PER_LANE; i++)
                        sum[i][j] = fma(w[i], value[j], sum[i][j]);
            }
            barrier();
        }
    }

    barrier(); // where no key is seen, nothing waited for the first values
    [[unroll]] for (uint i = 0; i < PER_LANE; i++) {
        uint row = ty * PER_LANE + i;
        if (t.first + row >= t.rows)
            continue;
        float over = out_factor(total[row]);
        uint to = out_start(t, t.first + row);
        [[unroll]] for (uint j = 0; j < TN; j++)
            if (column_of(j, tx) < WIDTH)
                store_sum(to + column_of(j, tx), sum[i][j] * over);
        if (tx == 0)
            finish_row(t, t.first + row, most[row], total[row]);
    }
}
