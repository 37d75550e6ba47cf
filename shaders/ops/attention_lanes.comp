// SPDX-License-Identifier: MIT
//
// Attention where the device is a program on a CPU: a lane is QL queries. The keys and values that
// all lanes need are loaded once by the subgroup, four elements a lane, and handed round: a load at
// one address for all would be checked against the buffer's end element by element. KEYS at a time
// with a running maximum, which moves seldom: scaling all sums for each block would take a tenth of
// the time.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#include "attention.glsl"

layout(constant_id = 6) const uint QL = 2;
layout(constant_id = 7) const uint KEYS = 2;
layout(constant_id = 8) const uint SUBGROUP = 8; // lanes that load together; 1: each for itself
layout(constant_id = 9) const uint SELDOM = 1;   // scale sums where a logit is past HEADROOM alone

BUFFER_VEC4_IN(0, q4);
BUFFER_VEC4_IN(1, k4);
BUFFER_VEC4_IN(2, v4);
BUFFER_VEC4_OUT(3, dst4);

const uint DEPTH4 = DEPTH / 4;
const uint WIDTH4 = WIDTH / 4;
// Fours that a lane holds of a block of keys, and of values.
const uint K_HELD = (KEYS * DEPTH4 + SUBGROUP - 1) / SUBGROUP;
const uint V_HELD = (KEYS * WIDTH4 + SUBGROUP - 1) / SUBGROUP;

// Weights are exp(logit - most), and `most` may be so much less than the greatest logit.
const float HEADROOM = 8.0;

// Where the rows of key `key` start, in fours; past the last key its own once more.
#define K_ROW(key) ((k_start + min(key, p.keys - 1) * p.k_stride[2]) / 4)
#define V_ROW(key) ((v_start + min(key, p.keys - 1) * p.v_stride[2]) / 4)
// A driver's compiler takes milliseconds for each load and store of a lane's own: those of queries
// and sums stand in loops, a few fours each, by which all fours then move on. An array that is
// indexed by a variable would lie in memory.
const uint Q_TURN = DEPTH4 % 2 == 0 ? 2 : 1;
const uint O_TURN = WIDTH4 % 2 == 0 ? 2 : 1;
#define SHIFT(fours, count, by)                                                                    \
    [[unroll]] for (uint i = by; i < (count); i++)                                                 \
        fours[i - by] = fours[i]
// Four `n` of those that the subgroup holds.
#define HELD(block, n) subgroupShuffle(block[(n) / SUBGROUP], (n) % SUBGROUP)

void main()
{
    uint group = group_index();
    if (group >= p.end)
        return;
    const uint lanes = gl_WorkGroupSize.x;
    uint tiles = (p.queries + lanes * QL - 1) / (lanes * QL);
    uint first = group % tiles * lanes * QL + gl_LocalInvocationID.x;
    uint last_query = min((group % tiles + 1) * lanes * QL, p.queries) - 1;
    place at = place(group / tiles / p.heads, group / tiles % p.heads);
    uint shared_head = at.head / p.share;
    uint k_start = p.k_offset + at.batch * p.k_stride[0] + shared_head * p.k_stride[1];
    uint v_start = p.v_offset + at.batch * p.v_stride[0] + shared_head * p.v_stride[1];

    vec4 query[QL][DEPTH4], sum[QL][WIDTH4];
    float most[QL], total[QL];
    uint index[QL], seen[QL], start[QL];
    [[unroll]] for (uint r = 0; r < QL; r++) {
        index[r] = min(first + r * lanes, p.queries - 1); // twice the last one, not stored twice
        seen[r] = key_end(index[r]);
        most[r] = GONE;
        total[r] = 0.0;
        start[r] = (p.q_offset + at.batch * p.q_stride[0] + at.head * p.q_stride[1] +
                    index[r] * p.q_stride[2]) / 4;
        [[unroll]] for (uint i = 0; i < DEPTH4; i++)
            query[r][i] = vec4(0.0);
        [[unroll]] for (uint i = 0; i < WIDTH4; i++)
            sum[r][i] = vec4(0.0);
    }
    [[dont_unroll]] for (uint n = 0; n < DEPTH4; n += Q_TURN) {
        [[unroll]] for (uint r = 0; r < QL; r++) {
            SHIFT(query[r], DEPTH4, Q_TURN);
            [[unroll]] for (uint i = 0; i < Q_TURN; i++)
                query[r][DEPTH4 - Q_TURN + i] = LOAD4(q4, start[r] + n + i);
        }
    }

    // The inner loop ends where a logit is too great for its row's `most`. All sums are made to fit
    // then, and the same keys taken once more.
    uint end = key_end(last_query);
    float now[QL];
    for (uint key = 0; key < end;) {
        for (; key < end; key += KEYS) {
            vec4 k_held[K_HELD], v_held[V_HELD];
            [[unroll]] for (uint i = 0; i < K_HELD && SUBGROUP > 1; i++) {
                uint n = i * SUBGROUP + gl_SubgroupInvocationID;
                k_held[i] = LOAD4(k4, K_ROW(key + n / DEPTH4) + n % DEPTH4);
            }
            float s[QL][KEYS];
            [[unroll]] for (uint j = 0; j < KEYS; j++) {
                uint row = K_ROW(key + j);
                vec4 dots[QL];
                [[unroll]] for (uint r = 0; r < QL; r++)
                    dots[r] = vec4(0.0);
                [[unroll]] for (uint i = 0; i < DEPTH4; i++) {
                    vec4 kv;
                    if (SUBGROUP > 1)
                        kv = HELD(k_held, j * DEPTH4 + i);
                    else
                        kv = LOAD4(k4, row + i);
                    [[unroll]] for (uint r = 0; r < QL; r++)
                        dots[r] = fma(query[r][i], kv, dots[r]);
                }
                [[unroll]] for (uint r = 0; r < QL; r++)
                    s[r][j] = logit(at, index[r], key + j, seen[r],
                                    (dots[r].x + dots[r].y) + (dots[r].z + dots[r].w));
            }
            uint past = 0;
            [[unroll]] for (uint r = 0; r < QL; r++) {
                now[r] = most[r];
                [[unroll]] for (uint j = 0; j < KEYS; j++)
                    now[r] = max(now[r], s[r][j]);
                past |= uint(now[r] > most[r] + HEADROOM);
            }
            // Lanes that load together stay together.
            [[unroll]] for (uint by = SUBGROUP / 2; by > 0; by /= 2)
                past |= subgroupShuffleXor(past, by);
            if (SELDOM != 0 && past != 0)
                break;
            float f[QL];
            [[unroll]] for (uint r = 0; r < QL; r++) {
                f[r] = 1.0;
                if (SELDOM == 0) {
                    f[r] = weight_of(most[r], now[r]);
                    most[r] = now[r];
                    total[r] *= f[r];
                }
                [[unroll]] for (uint j = 0; j < KEYS; j++) {
                    s[r][j] = weight_of(s[r][j], most[r]);
                    total[r] += s[r][j];
                }
            }
            [[unroll]] for (uint i = 0; i < V_HELD && SUBGROUP > 1; i++) {
                uint n = i * SUBGROUP + gl_SubgroupInvocationID;
                v_held[i] = LOAD4(v4, V_ROW(key + n / WIDTH4) + n % WIDTH4);
            }
            uint v_row[KEYS];
            [[unroll]] for (uint j = 0; j < KEYS; j++)
                v_row[j] = V_ROW(key + j);
            // Each sum is read and written once, few at a time, so that they stay in registers.
            [[unroll]] for (uint i = 0; i < WIDTH4; i++) {
                vec4 vv[KEYS];
                [[unroll]] for (uint j = 0; j < KEYS; j++) {
                    if (SUBGROUP > 1)
                        vv[j] = HELD(v_held, j * WIDTH4 + i);
                    else
                        vv[j] = LOAD4(v4, v_row[j] + i);
                }
                [[unroll]] for (uint c = 0; c < 4; c++) {
                    [[unroll]] for (uint r = 0; r < QL; r++) {
                        float one = SELDOM != 0 ? sum[r][i][c] : sum[r][i][c] * f[r];
                        [[unroll]] for (uint j = 0; j < KEYS; j++)
                            one = fma(s[r][j], vv[j][c], one);
                        sum[r][i][c] = one;
                    }
                }
            }
        }
        if (key < end) {
            [[unroll]] for (uint r = 0; r < QL; r++) {
                float f = weight_of(most[r], now[r]);
                most[r] = now[r];
                total[r] *= f;
                [[unroll]] for (uint i = 0; i < WIDTH4; i++)
                    sum[r][i] *= f;
            }
        }
    }

    uint to[QL];
    [[unroll]] for (uint r = 0; r < QL; r++) {
        float over = total[r] == 0.0 ? 0.0 : 1.0 / total[r];
        [[unroll]] for (uint i = 0; i < WIDTH4; i++)
            sum[r][i] *= over;
        to[r] = p.out_offset + result_row(at, index[r]) * WIDTH;
        if (first + r * lanes < p.queries)
            store_lse(at, index[r], most[r], total[r]);
    }
    [[dont_unroll]] for (uint n = 0; n < WIDTH4; n += O_TURN) {
        [[unroll]] for (uint r = 0; r < QL; r++) {
            if (first + r * lanes < p.queries) {
                [[unroll]] for (uint i = 0; i < O_TURN; i++)
                    STORE4(dst4, to[r] / 4 + n + i, sum[r][i]);
            }
            SHIFT(sum[r], WIDTH4, O_TURN);
        }
    }
}
