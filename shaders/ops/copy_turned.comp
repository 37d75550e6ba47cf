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

BUFFER_VEC4_IN(0, x);
BUFFER_VEC4_OUT(1, y);

void main()
{
    uint i = global_index();
    if (i >= p.count)
        return;
    uvec4 at = strided_coords(i);
    uint from = strided_index(0, at) / 4, to = strided_index(1, at) / 4;
    vec4 four[4];
    [[unroll]] for (uint k = 0; k < 4; k++)
        four[k] = LOAD4(x, from + k * (p.x_step / 4));
    [[unroll]] for (uint k = 0; k < 4; k++)
        STORE4(y, to + k * (p.y_step / 4), vec4(four[0][k], four[1][k], four[2][k], four[3][k]));
}
