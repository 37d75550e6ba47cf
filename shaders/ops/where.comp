#version 450
// SPDX-License-Identifier: MIT
//
// where: y = cond ? a : b, one invocation an element; words move as they are. VKA_INT: a, b and y
// are integers or bools.
#extension GL_GOOGLE_include_directive : require
#include "types.glsl"
#include "where.h"
#include "strided.glsl"

BUFFER_INT_IN(0, cond);
#ifdef VKA_INT
BUFFER_INT_IN(1, a);
BUFFER_INT_IN(2, b);
BUFFER_INT_OUT(3, y);
#else
BUFFER_IN(1, a);
BUFFER_IN(2, b);
BUFFER_OUT(3, y);
#endif

void main()
{
    uint i = global_index();
    if (i >= p.count)
        return;
    uvec4 at = strided_coords(i);
    uint to = strided_index(3, at);
    if (cond.v[strided_index(0, at)] != 0)
        y.v[to] = a.v[strided_index(1, at)];
    else
        y.v[to] = b.v[strided_index(2, at)];
}
