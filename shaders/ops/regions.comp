#version 450
// SPDX-License-Identifier: MIT
//
// regions: the maximum or the mean over each box of a map, one invocation a channel of a box. Rows
// are summed before they are added up: a large box has short sums.
#extension GL_GOOGLE_include_directive : require
#include "types.glsl"
#include "regions.h"

layout(constant_id = 3) const bool MAX = true;

BUFFER_IN(0, x);
BUFFER_INT_IN(1, box);
BUFFER_OUT(2, y);

uint corner(uint region, uint i, uint size)
{
    return uint(clamp(box.v[p.box + region * 4 + i], 0, int(size)));
}

void main()
{
    uint i = global_index();
    if (i >= p.count)
        return;
    uint row = i / p.channels, region = row % p.boxes;
    uint plane = row / p.boxes * p.channels + (i - row * p.channels);
    uint x0 = corner(region, 0, p.width), x1 = corner(region, 2, p.width);
    uint y0 = corner(region, 1, p.height), y1 = corner(region, 3, p.height);
    float best = NEG_INF, sum = 0.0;
    for (uint h = y0; h < y1; h++) {
        uint from = p.x + (plane * p.height + h) * p.width;
        float part = 0.0;
        for (uint w = x0; w < x1; w++) {
            float v = LOAD(x, from + w);
            if (MAX)
                best = !is_nan(best) && (v > best || is_nan(v)) ? v : best; // NaN stays
            else
                part += v;
        }
        sum += part;
    }
    float value = MAX ? best : sum / float((y1 - y0) * (x1 - x0));
    if (y0 >= y1 || x0 >= x1)
        value = 0.0;
    STORE(y, p.y + i, value);
}
