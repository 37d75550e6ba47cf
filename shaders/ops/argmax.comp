#version 450
// SPDX-License-Identifier: MIT
//
// argmax: where the largest value of a row stands, the first of equals; NaN counts as largest. A
// workgroup is `ROWS` rows of `LANES` invocations; each takes every LANES-th element, so that the
// first of equals is the least index among the lanes' bests.
#extension GL_GOOGLE_include_directive : require
#include "types.glsl"
#include "argmax.h"

layout(constant_id = 3) const uint LANES = 1;

BUFFER_IN(0, x);
BUFFER_INT_OUT(1, y);

shared float best[128];
shared uint place[128];

bool better(float a, uint i, float b, uint k)
{
    if (is_nan(a) || is_nan(b))
        return is_nan(a) && (!is_nan(b) || i < k);
    return a > b || (a == b && i < k);
}

void main()
{
    uint me = gl_LocalInvocationIndex, lane = me % LANES;
    uint row = group_index() * (group_size() / LANES) + me / LANES;
    bool here = row < p.rows;
    float value = NEG_INF;
    uint at = p.size;
    if (here) {
        uint outer = row / p.inner;
        uint base = p.x + outer * p.size * p.inner + (row - outer * p.inner);
        for (uint i = lane; i < p.size; i += LANES) {
            float v = LOAD(x, base + i * p.inner);
            if (at == p.size || better(v, i, value, at)) {
                value = v;
                at = i;
            }
        }
    }
    best[me] = value;
    place[me] = at;
    barrier();
    if (!here || lane != 0)
        return;
    for (uint i = 1; i < LANES; i++) {
        if (place[me + i] < p.size && better(best[me + i], place[me + i], value, at)) {
            value = best[me + i];
            at = place[me + i];
        }
    }
    y.v[p.y + row] = int(at);
}
