// SPDX-License-Identifier: MIT
//
// Attention of few queries: a workgroup is one query. For a block of keys each lane makes one
// logit; then the lanes stand for the columns of v, PER_LANE of them each.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "attention.glsl"

BUFFER_IN(0, q);
BUFFER_IN(1, k);
BUFFER_IN(2, v);
BUFFER_OUT(3, dst);

const uint LANES = 64;
const uint PER_LANE = (WIDTH + LANES - 1) / LANES;
shared float query[DEPTH];
shared float weights[LANES];
shared float part[LANES];

void main()
{
    uint group = group_index();
    if (group >= p.end)
        return;
    uint index = group % p.queries, lane = gl_LocalInvocationIndex;
    place at = place(group / p.queries / p.heads, group / p.queries % p.heads);
    uint shared_head = at.head / p.share;
    uint q_start = p.q_offset + at.batch * p.q_stride[0] + at.head * p.q_stride[1] +
                   index * p.q_stride[2];
    uint k_start = p.k_offset + at.batch * p.k_stride[0] + shared_head * p.k_stride[1];
    uint v_start = p.v_offset + at.batch * p.v_stride[0] + shared_head * p.v_stride[1];

    for (uint d = lane; d < DEPTH; d += LANES)
        query[d] = LOAD(q, q_start + d);
    float sum[PER_LANE];
    [[unroll]] for (uint i = 0; i < PER_LANE; i++)
        sum[i] = 0.0;
    float most = GONE, total = 0.0; // the same in all lanes
    uint end = key_end(index);
    barrier();

    for (uint key = 0; key < end; key += LANES) {
        uint row = k_start + min(key + lane, p.keys - 1) * p.k_stride[2];
        float dot_ = 0.0;
        for (uint d = 0; d < DEPTH; d++)
            dot_ = fma(query[d], LOAD(k, row + d), dot_);
        float s = logit(at, index, key + lane, end, dot_);
        part[lane] = s;
        barrier();
        float now = most;
        for (uint j = 0; j < LANES; j++)
            now = max(now, part[j]);
        weights[lane] = weight_of(s, now);
        barrier();
        float f = weight_of(most, now);
        most = now;
        total *= f;
        [[unroll]] for (uint i = 0; i < PER_LANE; i++)
            sum[i] *= f;
        for (uint j = 0; j < min(LANES, end - key); j++) {
            float w = weights[j];
            total += w;
            [[unroll]] for (uint i = 0; i < PER_LANE; i++) {
                uint column = min(lane + i * LANES, WIDTH - 1);
                sum[i] = fma(w, LOAD(v, v_start + (key + j) * p.v_stride[2] + column), sum[i]);
            }
        }
    }

    float over = total == 0.0 ? 0.0 : 1.0 / total;
    uint to = p.out_offset + ((at.batch * p.heads + at.head) * p.queries + index) * WIDTH;
    [[unroll]] for (uint i = 0; i < PER_LANE; i++)
        if (lane + i * LANES < WIDTH)
            STORE(dst, to + lane + i * LANES, sum[i] * over);
    if (lane == 0)
        store_lse(at, index, most, total);
}
