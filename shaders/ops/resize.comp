#version 450
// SPDX-License-Identifier: MIT
//
// resize: nearest or linear, one invocation an element of the output. Where an output place looks
// and how much the second of two neighbours counts was computed on the host.
#extension GL_GOOGLE_include_directive : require
#include "types.glsl"
#include "resize.h"

layout(constant_id = 3) const bool LINEAR = true;

BUFFER_IN(0, x);
BUFFER_INT_IN(1, places);
BUFFER_IN(2, parts);
BUFFER_OUT(3, y);

float x_at(uint start, uint d, uint h, uint w)
{
    return LOAD(x, start + (d * p.in_size[1] + h) * p.in_size[2] + w);
}

uint place(uint row, uint which)
{
    return uint(places.v[p.places + row * 2 + which]);
}

void main()
{
    uint i = global_index();
    if (i >= p.count)
        return;
    uint line = i / p.out_size[2], plane_line = line / p.out_size[1];
    uint start = p.x + plane_line / p.out_size[0] * p.in_size[0] * p.in_size[1] * p.in_size[2];
    uint a = plane_line % p.out_size[0], b = p.out_size[0] + line % p.out_size[1];
    uint c = p.out_size[0] + p.out_size[1] + i % p.out_size[2];
    if (!LINEAR) {
        STORE(y, p.y + i, x_at(start, place(a, 0), place(b, 0), place(c, 0)));
        return;
    }
    float sum = 0.0;
    float ta = LOAD(parts, p.parts + a), tb = LOAD(parts, p.parts + b);
    float tc = LOAD(parts, p.parts + c);
    for (uint k = 0; k < 8; k++) {
        uint ka = k >> 2, kb = (k >> 1) & 1, kc = k & 1;
        float weight = (ka == 1 ? ta : 1.0 - ta) * (kb == 1 ? tb : 1.0 - tb);
        weight *= kc == 1 ? tc : 1.0 - tc;
        if (weight != 0.0)
            sum += weight * x_at(start, place(a, ka), place(b, kb), place(c, kc));
    }
    STORE(y, p.y + i, sum);
}
