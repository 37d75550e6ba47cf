#version 450
// SPDX-License-Identifier: MIT
//
// pad: one axis made longer at both ends, one invocation an element of the output. VKA_INT:
// integers and bools.
#extension GL_GOOGLE_include_directive : require
#include "types.glsl"
#include "pad.h"

layout(constant_id = 3) const uint MODE = 0; // enum vka_pad_mode

#ifdef VKA_INT
BUFFER_INT_IN(0, x);
BUFFER_INT_OUT(1, y);
#else
BUFFER_IN(0, x);
BUFFER_OUT(1, y);
#endif

void main()
{
    uint i = global_index();
    if (i >= p.count)
        return;
    uint row = i / p.inner;
    uint outer = row / p.padded;
    int size = int(p.size), at = int(row - outer * p.padded) - int(p.before);
    bool inside = at >= 0 && at < size;
    if (MODE == 2) // reflect: the edge isn't repeated
        at = at < 0 ? -at : at >= size ? 2 * size - 2 - at : at;
    else if (MODE == 3) // replicate
        at = clamp(at, 0, size - 1);
    else if (MODE == 4) // circular
        at = at < 0 ? at + size : at >= size ? at - size : at;
    uint from = p.x + (outer * p.size + uint(clamp(at, 0, size - 1))) * p.inner + i % p.inner;
    bool fill = MODE <= 1 && !inside;
#ifdef VKA_INT
    y.v[p.y + i] = fill ? int(p.value) : x.v[from];
#else
    if (fill)
        STORE(y, p.y + i, uintBitsToFloat(p.value));
    else
        y.v[p.y + i] = x.v[from];
#endif
}
