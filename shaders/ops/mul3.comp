#version 450
// SPDX-License-Identifier: MIT
//
// mul3: y = x * a * b, or another form of three operands, one invocation an element. VKA_FOURS: a
// workgroup for a part of a row, four elements at a time.
#extension GL_GOOGLE_include_directive : require
#include "types.glsl"
#include "activation.glsl"
#include "mul3.h"
#include "strided.glsl"

layout(constant_id = 4) const int FORM = MUL3_PLAIN;
layout(constant_id = 5) const int ACT = 0;

BUFFER_IN(0, x);
BUFFER_IN(1, a);
BUFFER_IN(2, b);
BUFFER_OUT(3, y);
#ifdef VKA_FOURS
BUFFER_VEC4_IN(0, x4);
BUFFER_VEC4_IN(1, a4);
BUFFER_VEC4_IN(2, b4);
BUFFER_VEC4_OUT(3, y4);
#endif

float value_of(float x, float a, float b)
{
    if (FORM == MUL3_PLAIN)
        return x * a * b;
    float v = FORM == MUL3_SCALED ? fma(x, a, b) : FORM == MUL3_PLUS ? a + b : a * b;
    v = vka_activate(ACT, v, p.act_a, p.act_b);
    return FORM == MUL3_SCALED ? v : x * (p.shift + v);
}

#ifdef VKA_FOURS
vec4 values_of(vec4 x, vec4 a, vec4 b)
{
    if (FORM == MUL3_PLAIN)
        return x * a * b;
    return vec4(value_of(x.x, a.x, b.x), value_of(x.y, a.y, b.y), value_of(x.z, a.z, b.z),
                value_of(x.w, a.w, b.w));
}

void main()
{
    part_of_row part = strided_part();
    uint at_x = strided_index(0, part.at), at_a = strided_index(1, part.at);
    uint at_b = strided_index(2, part.at), to = strided_index(3, part.at) / 4;
    const bool x_along = (ALONG & 1u) != 0, a_along = (ALONG & 2u) != 0;
    const bool b_along = (ALONG & 4u) != 0;
    vec4 v = vec4(LOAD(x, at_x)), f = vec4(LOAD(a, at_a)), g = vec4(LOAD(b, at_b));
    FOR_FOURS(part, i, {
        if (x_along)
            v = LOAD4(x4, at_x / 4 + i);
        if (a_along)
            f = LOAD4(a4, at_a / 4 + i);
        if (b_along)
            g = LOAD4(b4, at_b / 4 + i);
        STORE4(y4, to + i, values_of(v, f, g));
    })
}
#else
void main()
{
    uint i = global_index();
    if (i >= p.count)
        return;
    uvec4 at = strided_coords(i);
    STORE(y, strided_index(3, at),
          value_of(LOAD(x, strided_index(0, at)), LOAD(a, strided_index(1, at)),
                   LOAD(b, strided_index(2, at))));
}
#endif
