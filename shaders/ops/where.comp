#version 450
// SPDX-License-Identifier: MIT
//
// where: y = cond ? a : b, one invocation an element, never through arithmetic. VKA_INT: integers
// and bools.
#extension GL_GOOGLE_include_directive : require
#include "types.glsl"
#include "where.h"
#include "strided.glsl"

#ifdef VKA_INT
BUFFER_INT_IN(0, a);
BUFFER_INT_IN(1, b);
BUFFER_INT_OUT(3, y);
#else
BUFFER_IN(0, a);
BUFFER_IN(1, b);
BUFFER_OUT(3, y);
#endif
BUFFER_INT_IN(2, cond);

void main()
{
    uint i = global_index();
    if (i >= p.count)
        return;
    uvec4 at = strided_coords(i);
    uint to = strided_index(3, at);
    if (cond.v[strided_index(2, at)] != 0)
        y.v[to] = a.v[strided_index(0, at)];
    else
        y.v[to] = b.v[strided_index(1, at)];
}
