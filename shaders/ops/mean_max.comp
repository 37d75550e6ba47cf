#version 450
// SPDX-License-Identifier: MIT
//
// mean_max, where the device is a program: mean and maximum along an axis in one pass, four
// elements at a time: a group for each row, or a lane for WIDE x 4 rows side by side.
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "mean_max.glsl"

layout(constant_id = 7) const bool ACROSS = false;
layout(constant_id = 8) const uint WIDE = 1;

BUFFER_VEC4_IN(0, x4);
BUFFER_VEC4_IN(1, factor4);
BUFFER_VEC4_OUT(2, mean4);
BUFFER_VEC4_OUT(3, most4);

// The largest of the numbers, and the largest pattern of bits: a NaN's is larger than infinity's.
struct state {
    vec4 part, total, lost, most;
    uvec4 bits;
};

state start()
{
    return state(vec4(0.0), vec4(0.0), vec4(0.0), vec4(NEG_INF), uvec4(0));
}

void take(inout state s, vec4 v)
{
    if (MEAN)
        s.part += v;
    if (MAX) {
        s.most = max(s.most, v);
        s.bits = max(s.bits, floatBitsToUint(v) & 0x7fffffffu);
    }
}

void end_block(inout state s)
{
    if (MEAN) {
        add_to_sums(s.total, s.lost, s.part);
        s.part = vec4(0.0);
    }
}

vec4 sum_of(state s)
{
    return s.total + s.lost;
}

vec4 most_of(state s)
{
    return mix(s.most, uintBitsToFloat(s.bits), greaterThan(s.bits, uvec4(0x7f800000u)));
}

void run_along()
{
    uint lanes = gl_WorkGroupSize.y, lane = gl_LocalInvocationID.y, fours = p.columns / 4;
    uint row = group_index();
    uvec2 at = row_start(min(row, p.rows - 1));
    float scale = FACTOR == FACTOR_ONE ? LOAD(factor, at.y) : 1.0;
    state s = start();
    at = at / 4 + lane;
    uint turns = fours / lanes + uint(lane < fours % lanes);
    for (uint first = 0; first < turns; first += BLOCK) {
        for (uint k = min(turns - first, BLOCK); k > 0; k--) {
            vec4 v = LOAD4(x4, at.x);
            take(s, FACTOR == FACTOR_FOUR  ? v * LOAD4(factor4, at.y)
                    : FACTOR == FACTOR_ONE ? v * scale
                                           : v);
            at += lanes;
        }
        end_block(s);
    }
    vec4 sum = sum_of(s), top = most_of(s);
    float value = group_sum((sum.x + sum.y) + (sum.z + sum.w));
    float largest = group_max(max_nan(max_nan(top.x, top.y), max_nan(top.z, top.w)));
    if (lane == 0 && row < p.rows)
        put(row, value, largest);
}

void run_across()
{
    uint row = global_index() * WIDE * 4;
    if (row >= p.rows)
        return;
    uvec2 at = row_start(row);
    uint from = at.x / 4, factor_at = at.y;
    state s[WIDE];
    [[unroll]] for (uint i = 0; i < WIDE; i++)
        s[i] = start();
    for (uint c = 0; c < p.columns; c += BLOCK) {
        for (uint k = min(p.columns - c, BLOCK); k > 0; k--) {
            float scale = FACTOR == FACTOR_ONE ? LOAD(factor, factor_at) : 1.0;
            [[unroll]] for (uint i = 0; i < WIDE; i++) {
                vec4 v = LOAD4(x4, from + i);
                take(s[i], FACTOR == FACTOR_FOUR  ? v * LOAD4(factor4, factor_at / 4 + i)
                           : FACTOR == FACTOR_ONE ? v * scale
                                                  : v);
            }
            from += p.step / 4;
            factor_at += p.factor_step;
        }
        [[unroll]] for (uint i = 0; i < WIDE; i++)
            end_block(s[i]);
    }
    row = result_of(row);
    [[unroll]] for (uint i = 0; i < WIDE; i++) {
        if (MEAN)
            STORE4(mean4, (p.mean + row) / 4 + i, sum_of(s[i]) * p.scale);
        if (MAX)
            STORE4(most4, (p.most + row) / 4 + i, most_of(s[i]));
    }
}

void main()
{
    if (ACROSS)
        run_across();
    else
        run_along();
}
