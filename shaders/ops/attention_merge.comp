// SPDX-License-Identifier: MIT
//
// Attention whose keys were split: the sums of all parts of a row as if they had been made with one
// maximum. A workgroup is a row.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "types.glsl"
#include "attention_merge.h"

layout(constant_id = 3) const uint FLAGS = 0;

const bool WANTS_LSE = (FLAGS & ATTENTION_LSE) != 0u;
const bool JOINED = (FLAGS & ATTENTION_JOINED) != 0u;

layout(std430, binding = 0) readonly buffer sums_buffer { float v[]; } sums;
BUFFER_OUT(1, dst);
BUFFER_OUT(2, lse);

#define LEAST (-1.0e38) // only a row that sees no key is below

// Where a row stands among [batch, head, query], which lse goes by, if it is one of the results'.
uint lse_row(uint row)
{
    if (!JOINED)
        return row;
    uint head = row % p.heads, query = row / p.heads % p.queries, batch = row / p.heads / p.queries;
    return (batch * p.heads + head) * p.queries + query;
}

void main()
{
    uint row = group_index(), step = p.width + 2;
    if (row >= p.rows)
        return;
    uint from = p.from_offset + row * p.parts * step;
    float most = NEG_HUGE, total = 0.0;
    for (uint i = 0; i < p.parts; i++)
        most = max(most, sums.v[from + i * step + p.width]);
    for (uint i = 0; i < p.parts; i++) {
        float own = sums.v[from + i * step + p.width];
        if (own > LEAST)
            total += exp(own - most) * sums.v[from + i * step + p.width + 1];
    }
    float over = total == 0.0 ? 0.0 : 1.0 / total;
    for (uint c = gl_LocalInvocationIndex; c < p.width; c += group_size()) {
        float sum = 0.0;
        for (uint i = 0; i < p.parts; i++) {
            float own = sums.v[from + i * step + p.width];
            if (own > LEAST)
                sum = fma(exp(own - most), sums.v[from + i * step + c], sum);
        }
        STORE(dst, p.to_offset + row * p.width + c, sum * over);
    }
    if (WANTS_LSE && gl_LocalInvocationIndex == 0)
        STORE(lse, p.lse_offset + lse_row(row), most < LEAST ? NEG_INF : most + log(total));
}
