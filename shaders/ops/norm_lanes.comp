#version 450
// SPDX-License-Identifier: MIT
//
// norm where the device is a program on a CPU, of rows whose elements lie together: a subgroup
// takes a row, four elements a lane at a time, and reads it three times out of the cache. Barriers
// would cost more than all of it.
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#include "types.glsl"
#include "long_sum.glsl"
#include "norm.glsl"

BUFFER_VEC4_IN(0, x4);
BUFFER_VEC4_IN(1, scale4);
BUFFER_VEC4_IN(2, shift4);
BUFFER_VEC4_OUT(3, y4);

const uint LANES = gl_WorkGroupSize.x;
const uint BLOCK = 16; // fours that are summed by themselves

float row_sum(vec4 sums)
{
    return subgroupAdd((sums.x + sums.y) + (sums.z + sums.w));
}

float mean_of(uint x, uint fours)
{
    vec4 total = vec4(0.0), lost = vec4(0.0);
    for (uint c = gl_LocalInvocationID.x; c < fours;) {
        vec4 part = vec4(0.0);
        for (uint end = min(c + BLOCK * LANES, fours); c < end; c += LANES)
            part += LOAD4(x4, x + c);
        add_to_sums(total, lost, part);
    }
    return row_sum(total + lost) / float(p.columns);
}

Row row_about(float mean, uint x, uint fours)
{
    vec4 deviations = vec4(0.0), total = vec4(0.0), lost = vec4(0.0);
    for (uint c = gl_LocalInvocationID.x; c < fours;) {
        vec4 part = vec4(0.0);
        for (uint end = min(c + BLOCK * LANES, fours); c < end; c += LANES) {
            vec4 d = LOAD4(x4, x + c) - mean;
            deviations += d;
            part = fma(d, d, part);
        }
        add_to_sums(total, lost, part);
    }
    return row_of(mean, row_sum(deviations), row_sum(total + lost));
}

void main()
{
    uint number = group_index(), fours = p.columns / 4;
    if (number >= p.rows)
        return;
    uvec4 first = row_start(number) / 4;
    Row r = row_about(mean_of(first.x, fours), first.x, fours);
    for (uint c = gl_LocalInvocationID.x; c < fours; c += LANES) {
        vec4 v = NORMALIZED(LOAD4(x4, first.x + c), r);
        if (HAS_SCALE)
            v *= LOAD4(scale4, first.y + c);
        if (HAS_SHIFT)
            v += LOAD4(shift4, first.z + c);
        STORE4(y4, first.w + c, v);
    }
}
