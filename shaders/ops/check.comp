#version 450
// SPDX-License-Identifier: MIT
//
// check: the first element outside lo .. hi as {its index or -1, its value}. One workgroup, no
// atomics: each invocation keeps the first that it meets, one of them picks the least. Where an
// earlier dispatch found one, that stays.
#extension GL_GOOGLE_include_directive : require
#include "types.glsl"
#include "check.h"

BUFFER_INT_IN(0, x);
BUFFER_INT_OUT(1, y);

shared uint found[128];

void main()
{
    uint me = gl_LocalInvocationIndex, lanes = group_size(), first = p.count;
    if (p.first > 0 && y.v[p.y] >= 0)
        return;
    for (uint i = p.first + me; i < p.count && first == p.count; i += lanes) {
        int value = x.v[p.x + i];
        if (value < p.lo || value > p.hi)
            first = i;
    }
    found[me] = first;
    barrier();
    if (me != 0)
        return;
    for (uint i = 1; i < lanes; i++)
        first = min(first, found[i]);
    y.v[p.y] = first == p.count ? -1 : int(first);
    y.v[p.y + 1] = first == p.count ? 0 : x.v[p.x + first];
}
