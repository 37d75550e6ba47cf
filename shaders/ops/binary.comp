#version 450
// SPDX-License-Identifier: MIT
//
// binary: y = act(a op b), one invocation an element. VKA_INT_IN, VKA_INT_OUT: integers and bools.
// VKA_FOURS: a workgroup for a part of a row, four elements at a time.
#extension GL_GOOGLE_include_directive : require
#include "types.glsl"
#include "activation.glsl"
#include "binary.h"
#include "strided.glsl"

layout(constant_id = 4) const int KIND = 0;
layout(constant_id = 5) const int ACT = 0;

#ifdef VKA_INT_IN
BUFFER_INT_IN(0, a);
BUFFER_INT_IN(1, b);
#define VALUE          int
#define VALUE_AT(x, i) x.v[i]
#else
BUFFER_IN(0, a);
BUFFER_IN(1, b);
#define VALUE          float
#define VALUE_AT(x, i) LOAD(x, i)
#endif
#ifdef VKA_INT_OUT
BUFFER_INT_OUT(2, y);
#else
BUFFER_OUT(2, y);
#endif
#ifdef VKA_FOURS
BUFFER_VEC4_IN(0, a4);
BUFFER_VEC4_IN(1, b4);
BUFFER_VEC4_OUT(2, y4);
#endif

bool compare(VALUE x, VALUE z)
{
    switch (KIND) {
    case BINARY_LT:
        return x < z;
    case BINARY_LE:
        return x <= z;
    case BINARY_GT:
        return x > z;
    case BINARY_GE:
        return x >= z;
    case BINARY_EQ:
        return x == z;
    default:
        return x != z;
    }
}

#ifdef VKA_INT_IN
int combine(int x, int z)
{
    switch (KIND) {
    case BINARY_ADD:
        return x + z;
    case BINARY_SUB:
        return x - z;
    case BINARY_MUL:
        return x * z;
    case BINARY_MIN:
        return min(x, z);
    case BINARY_MAX:
        return max(x, z);
    default:
        return KIND == BINARY_AND  ? int(x != 0 && z != 0)
               : KIND == BINARY_OR ? int((x | z) != 0)
                                   : int((x != 0) != (z != 0));
    }
}
#else
float combine(float x, float z)
{
    switch (KIND) {
    case BINARY_ADD:
        return x + z;
    case BINARY_SUB:
        return x - z;
    case BINARY_MUL:
        return x * z;
    case BINARY_DIV:
        return x / z;
    case BINARY_POW:
        return vka_powf(x, z);
    case BINARY_PASS:
        return !is_nan(x) && x > 0.0 ? z : 0.0;
    default:
        if (is_nan(x) || is_nan(z))
            return is_nan(x) ? x : z;
        return KIND == BINARY_MIN ? min(x, z) : max(x, z);
    }
}
#endif

// The compiler may take every comparison for one of numbers: what is no number is told apart first.
bool unordered(VALUE x, VALUE z)
{
#ifdef VKA_INT_IN
    return false;
#else
    return is_nan(x) || is_nan(z);
#endif
}

#if !defined(VKA_INT_IN) && !defined(VKA_INT_OUT)
float result(float x, float z)
{
    return vka_activate(ACT, combine(x, z), p.act_a, p.act_b);
}
#endif

#ifdef VKA_FOURS
void main()
{
    part_of_row part = strided_part();
    uint at_a = strided_index(0, part.at), at_b = strided_index(1, part.at);
    uint to = strided_index(2, part.at) / 4;
    const bool a_along = (ALONG & 1u) != 0, b_along = (ALONG & 2u) != 0;
    vec4 x = vec4(LOAD(a, at_a)), z = vec4(LOAD(b, at_b));
    FOR_FOURS(part, i, {
        if (a_along)
            x = LOAD4(a4, at_a / 4 + i);
        if (b_along)
            z = LOAD4(b4, at_b / 4 + i);
        STORE4(y4, to + i, vec4(result(x.x, z.x), result(x.y, z.y), result(x.z, z.z),
                                result(x.w, z.w)));
    })
}
#else
void main()
{
    uint i = global_index();
    if (i >= p.count)
        return;
    uvec4 at = strided_coords(i);
    VALUE x = VALUE_AT(a, strided_index(0, at)), z = VALUE_AT(b, strided_index(1, at));
    uint to = strided_index(2, at);
#ifdef VKA_INT_OUT
    if (KIND >= BINARY_LT && KIND <= BINARY_NE) {
        y.v[to] = int(unordered(x, z) ? KIND == BINARY_NE : compare(x, z));
        return;
    }
#endif
#if defined(VKA_INT_IN)
    y.v[to] = combine(x, z);
#elif !defined(VKA_INT_OUT)
    STORE(y, to, result(x, z));
#endif
}
#endif
