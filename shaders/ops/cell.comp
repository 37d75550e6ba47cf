#version 450
// SPDX-License-Identifier: MIT
//
// cell: one invocation a unit of a row. Compiled with LONG for an LSTM, whose third buffer is
// written: the layers judge by what a module could write, whatever its constants.
#extension GL_GOOGLE_include_directive : require
#include "types.glsl"
#include "cell.h"
#include "cell.glsl"

#ifndef LONG
layout(constant_id = 3) const uint KIND = 0;
#endif

BUFFER_IN(0, a);
BUFFER_IN(1, b);
#ifdef LONG
BUFFER_OUT(2, state); // the next c
#else
BUFFER_IN(2, state); // h
#endif
BUFFER_OUT(3, next);

float a_at(uint row, uint unit, uint gates, uint gate)
{
    return LOAD(a, p.a + (row * gates + gate) * p.hidden + unit);
}
float b_at(uint row, uint unit, uint gates, uint gate)
{
    return LOAD(b, p.b + (row * gates + gate) * p.hidden + unit);
}

void main()
{
    uint i = global_index();
    if (i >= p.count)
        return;
    uint row = i / p.hidden, unit = i - row * p.hidden;
    float h;
#ifdef LONG
    float c = lstm_c(a_at(row, unit, 4, 0), a_at(row, unit, 4, 1), a_at(row, unit, 4, 2),
                     LOAD(b, p.b + i));
    STORE(state, p.h + i, c);
    h = lstm_h(a_at(row, unit, 4, 3), c);
#else
    if (KIND == GRU) {
        vec3 x = vec3(a_at(row, unit, 3, 0), a_at(row, unit, 3, 1), a_at(row, unit, 3, 2));
        vec3 s = vec3(b_at(row, unit, 3, 0), b_at(row, unit, 3, 1), b_at(row, unit, 3, 2));
        h = gru_h(x, s, LOAD(state, p.h + i));
    } else {
        h = cho_h(a_at(row, unit, 1, 0), b_at(row, unit, 2, 1), LOAD(state, p.h + i));
    }
#endif
    STORE(next, p.next + i, h);
}
