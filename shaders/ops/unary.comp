#version 450
// SPDX-License-Identifier: MIT
//
// unary: y = f(x), one invocation an element. VKA_FOURS: a workgroup for a part of a
// row, four elements at a time.
#extension GL_GOOGLE_include_directive : require
#include "types.glsl"
#include "activation.glsl"
#include "unary.h"
#include "strided.glsl"

layout(constant_id = 4) const int KIND = 0;

BUFFER_IN(0, x);
BUFFER_OUT(1, y);
#ifdef VKA_FOURS
BUFFER_VEC4_IN(0, x4);
BUFFER_VEC4_OUT(1, y4);
#endif

float result(float v)
{
    return vka_activate(KIND, v, p.a, p.b);
}

#ifdef VKA_FOURS
void main()
{
    part_of_row part = strided_part();
    uint from = strided_index(0, part.at) / 4, to = strided_index(1, part.at) / 4;
    FOR_FOURS(part, i, {
        vec4 v = LOAD4(x4, from + i);
        STORE4(y4, to + i, vec4(result(v.x), result(v.y), result(v.z), result(v.w)));
    })
}
#else
void main()
{
    uint i = global_index();
    if (i >= p.count)
        return;
    uvec4 at = strided_coords(i);
    STORE(y, strided_index(1, at), result(LOAD(x, strided_index(0, at))));
}
#endif
