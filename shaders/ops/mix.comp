#version 450
// SPDX-License-Identifier: MIT
//
// mix: y = x * a + z * b, one invocation an element. VKA_FOURS: a workgroup for a part of a row,
// four elements at a time.
#extension GL_GOOGLE_include_directive : require
#include "types.glsl"
#include "mix.h"
#include "strided.glsl"

BUFFER_IN(0, x);
BUFFER_IN(1, a);
BUFFER_IN(2, z);
BUFFER_IN(3, b);
BUFFER_OUT(4, y);
#ifdef VKA_FOURS
BUFFER_VEC4_IN(0, x4);
BUFFER_VEC4_IN(1, a4);
BUFFER_VEC4_IN(2, z4);
BUFFER_VEC4_IN(3, b4);
BUFFER_VEC4_OUT(4, y4);
#endif

#ifdef VKA_FOURS
void main()
{
    part_of_row part = strided_part();
    uint at_x = strided_index(0, part.at), at_a = strided_index(1, part.at);
    uint at_z = strided_index(2, part.at), at_b = strided_index(3, part.at);
    uint to = strided_index(4, part.at) / 4;
    const bool x_along = (ALONG & 1u) != 0, a_along = (ALONG & 2u) != 0;
    const bool z_along = (ALONG & 4u) != 0, b_along = (ALONG & 8u) != 0;
    vec4 v = vec4(LOAD(x, at_x)), f = vec4(LOAD(a, at_a));
    vec4 w = vec4(LOAD(z, at_z)), g = vec4(LOAD(b, at_b));
    FOR_FOURS(part, i, {
        if (x_along)
            v = LOAD4(x4, at_x / 4 + i);
        if (a_along)
            f = LOAD4(a4, at_a / 4 + i);
        if (z_along)
            w = LOAD4(z4, at_z / 4 + i);
        if (b_along)
            g = LOAD4(b4, at_b / 4 + i);
        STORE4(y4, to + i, fma(v, f, w * g));
    })
}
#else
void main()
{
    uint i = global_index();
    if (i >= p.count)
        return;
    uvec4 at = strided_coords(i);
    STORE(y, strided_index(4, at),
          fma(LOAD(x, strided_index(0, at)), LOAD(a, strided_index(1, at)),
              LOAD(z, strided_index(2, at)) * LOAD(b, strided_index(3, at))));
}
#endif
