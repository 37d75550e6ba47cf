#version 450
// SPDX-License-Identifier: MIT
//
// zoom: one invocation an element of the output; four elements of the box, each times its row's and
// its column's factor. Positions are whole numbers and remainders.
#extension GL_GOOGLE_include_directive : require
#include "types.glsl"
#include "zoom.h"

BUFFER_IN(0, x);
BUFFER_INT_IN(1, box);
BUFFER_IN(2, factor);
BUFFER_OUT(3, y);

struct line { // along an axis: two elements and how much of each counts
    uint a, b;
    float of_a, of_b;
};

line line_of(uint item, uint axis, uint i)
{
    uint from = p.box + 4 * item + 2 * axis, factors = p.factor + (2 * item + axis) * p.side;
    uint begin = uint(clamp(box.v[from], 0, int(p.side) - 1));
    uint last = uint(clamp(box.v[from + 1] - 1, int(begin), int(p.side) - 1));
    uint steps = max(p.size - 1, 1), place = i * (last - begin);
    float rest = float(place % steps) / float(steps);
    line l;
    l.a = begin + place / steps;
    l.b = min(l.a + 1, last);
    l.of_a = (1.0 - rest) * LOAD(factor, factors + l.a);
    l.of_b = rest * LOAD(factor, factors + l.b);
    return l;
}

void main()
{
    uint i = global_index();
    if (i >= p.count)
        return;
    uint column = i % p.size, row = i / p.size % p.size, plane = i / p.size / p.size;
    line r = line_of(plane / p.channels, 0, row), c = line_of(plane / p.channels, 1, column);
    uint from = p.x + plane * p.side * p.side;
    uint a = from + r.a * p.side, b = from + r.b * p.side;
    float upper = LOAD(x, a + c.a) * c.of_a + LOAD(x, a + c.b) * c.of_b;
    float lower = LOAD(x, b + c.a) * c.of_a + LOAD(x, b + c.b) * c.of_b;
    STORE(y, p.y + i, upper * r.of_a + lower * r.of_b);
}
