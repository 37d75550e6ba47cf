// SPDX-License-Identifier: MIT
//
// copy where one operand lies along rows and the other along columns: an invocation turns a square
// of four by four elements, so that all that it loads and stores are fours.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "types.glsl"
#include "copy_turned.h"
#include "strided.glsl"

// Words and halves as they are: bits of NaN, too.
#if defined VKA_F16 || defined VKA_BF16
#define FOUR uvec2
uint element(uvec2 four, uint k)
{
    return four[k / 2] >> k % 2 * 16 & 0xffffu;
}
uvec2 four_of(uint a, uint b, uint c, uint d)
{
    return uvec2(a | b << 16, c | d << 16);
}
#else
#define FOUR uvec4
uint element(uvec4 four, uint k)
{
    return four[k];
}
uvec4 four_of(uint a, uint b, uint c, uint d)
{
    return uvec4(a, b, c, d);
}
#endif
layout(std430, binding = 0) readonly buffer x_buffer { FOUR v[]; } x;
layout(std430, binding = 1) buffer y_buffer { FOUR v[]; } y;

void main()
{
    uint i = global_index();
    if (i >= p.count)
        return;
    uvec4 at = strided_coords(i);
    uint from = strided_index(0, at) / 4, to = strided_index(1, at) / 4;
    FOUR four[4];
    [[unroll]] for (uint k = 0; k < 4; k++)
        four[k] = x.v[from + k * (p.x_step / 4)];
    [[unroll]] for (uint k = 0; k < 4; k++)
        y.v[to + k * (p.y_step / 4)] = four_of(element(four[0], k), element(four[1], k),
                                               element(four[2], k), element(four[3], k));
}
