#version 450
// SPDX-License-Identifier: MIT
//
// sample: bilinear samples at given positions, one invocation an element of the output.
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "types.glsl"
#include "sample.h"

BUFFER_IN(0, x);
BUFFER_IN(1, at);
BUFFER_OUT(2, y);

#include "sample.glsl"
#include "places.glsl"

SAMPLE_FROM(x)

void main()
{
    uint i = global_index();
    if (i >= p.count)
        return;
    uint places = p.places[0] * p.places[1] * p.places[2] * p.places[3];
    uint plane = i / places, n = plane / p.channels, channel = plane % p.channels;
    corners c = corners_at(n, channel / p.share, place_of(i % places));
    STORE(y, p.y + i, sample_x(p.x + n * p.x_stride[0] + channel * p.x_stride[1], c));
}
