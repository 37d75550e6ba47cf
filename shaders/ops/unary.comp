#version 450
// SPDX-License-Identifier: MIT
//
// unary: y = f(x), one invocation an element.
#extension GL_GOOGLE_include_directive : require
#include "types.glsl"
#include "activation.glsl"
#include "unary.h"
#include "strided.glsl"

layout(constant_id = 4) const int KIND = 0;

BUFFER_IN(0, x);
BUFFER_OUT(1, y);

void main()
{
    uint i = global_index();
    if (i >= p.count)
        return;
    uvec4 at = strided_coords(i);
    STORE(y, strided_index(1, at), vka_activate(KIND, LOAD(x, strided_index(0, at)), p.a, p.b));
}
