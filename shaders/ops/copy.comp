#version 450
// SPDX-License-Identifier: MIT
//
// copy: y = x, one invocation an element, never through arithmetic where the types are the same.
// VKA_INT_IN, VKA_INT_OUT: integers and bools. VKA_FOURS: rows, four elements at a time.
#extension GL_GOOGLE_include_directive : require
#include "types.glsl"
#include "copy.h"
#include "strided.glsl"

layout(constant_id = 4) const bool TO_BOOL = false;

#ifdef VKA_INT_IN
BUFFER_INT_IN(0, x);
#else
BUFFER_IN(0, x);
#endif
#ifdef VKA_INT_OUT
BUFFER_INT_OUT(1, y);
#else
BUFFER_OUT(1, y);
#endif

#ifdef VKA_FOURS
BUFFER_VEC4_IN(0, x4);
BUFFER_VEC4_OUT(1, y4);
#endif

// Towards zero; the ends of the range where it doesn't fit, 0 for NaN.
int to_int(float value)
{
    if (is_nan(value))
        return 0;
    if (abs(value) >= 2147483648.0)
        return value < 0.0 ? int(0x80000000u) : 0x7fffffff;
    return int(value);
}

#ifdef VKA_FOURS
void main()
{
    part_of_row part = strided_part();
    uint from = strided_index(0, part.at) / 4, to = strided_index(1, part.at) / 4;
    FOR_FOURS(part, i, y4.v[to + i] = x4.v[from + i];)
}
#else
void main()
{
    uint i = global_index();
    if (i >= p.count)
        return;
    uvec4 at = strided_coords(i);
    uint from = strided_index(0, at), to = strided_index(1, at);
#if defined(VKA_INT_IN) && defined(VKA_INT_OUT)
    y.v[to] = TO_BOOL ? int(x.v[from] != 0) : x.v[from];
#elif defined(VKA_INT_IN)
    STORE(y, to, float(x.v[from]));
#elif defined(VKA_INT_OUT)
    float value = LOAD(x, from);
    y.v[to] = TO_BOOL ? int(is_nan(value) || value != 0.0) : to_int(value);
#else
    y.v[to] = x.v[from];
#endif
}
#endif
