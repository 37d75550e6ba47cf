#version 450
// SPDX-License-Identifier: MIT
//
// box: one invocation a box. Whole numbers and fractions are taken apart and compared: no rounding
// takes place, so nothing hangs on it (see src/ops/box.c, which reads the same).
#extension GL_GOOGLE_include_directive : require
#include "types.glsl"
#include "box.h"

BUFFER_IN(0, loc);
BUFFER_INT_OUT(1, box);

int floor_of_sum(float a, float b)
{
    float small = min(fract(a), fract(b)), large = max(fract(a), fract(b));
    return int(a) + int(b) + int(small >= 1.0 - large);
}

int floor_of_difference(float a, float b)
{
    return int(a) - int(b) - int(fract(a) < fract(b));
}

int ceiling(float a)
{
    return int(a) + int(fract(a) > 0.0);
}

void main()
{
    uint i = global_index();
    if (i >= p.count)
        return;
    float given = LOAD(loc, p.loc + 3 * i + 2);
    float half_side = given > p.least ? given : p.least;
    half_side = half_side < p.size ? half_side : p.size;
    int side = int(p.size), last = side - ceiling(2.0 * half_side);
    for (uint axis = 0; axis < 2; axis++) {
        float middle = LOAD(loc, p.loc + 3 * i + axis);
        middle = middle > half_side ? middle : half_side;
        middle = middle < p.size ? middle : p.size;
        uint to = p.box + 4 * i + 2 * axis;
        box.v[to] = max(min(floor_of_difference(middle, half_side), last), 0);
        box.v[to + 1] = min(floor_of_sum(middle, half_side), side);
    }
}
