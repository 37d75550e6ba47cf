#version 450
// SPDX-License-Identifier: MIT
//
// sample_sum: weighted sums of bilinear samples. An invocation makes one place of up to CHANNELS
// channels that share positions: the corners of a tap are found once for them.
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "types.glsl"
#include "sample_sum.h"

layout(constant_id = 14) const uint CHANNELS = 4;

BUFFER_IN(0, x);
BUFFER_IN(1, at);
BUFFER_IN(2, weight);
BUFFER_OUT(3, y);

#include "sample.glsl"
#include "places.glsl"

SAMPLE_FROM(x)

void main()
{
    uint i = global_index();
    if (i >= p.count)
        return;
    uint slices = (p.share + CHANNELS - 1) / CHANNELS, parts = p.channels / p.share;
    uint place = i % p.left, slice = i / p.left % slices, row = i / p.left / slices;
    uint n = row / parts, part = row % parts;

    // Channels past the part's last are computed as that one, and not stored.
    uint start[CHANNELS];
    float sum[CHANNELS];
    [[unroll]] for (uint k = 0; k < CHANNELS; k++) {
        uint channel = part * p.share + min(slice * CHANNELS + k, p.share - 1);
        start[k] = p.x + n * p.x_stride[0] + channel * p.x_stride[1];
        sum[k] = 0.0;
    }
    for (uint tap = 0; tap < p.taps; tap++) {
        uint number = tap * p.left + place;
        corners c = corners_at(n, part, place_of(number));
        float w = LOAD(weight, p.weight + row * p.taps * p.left + number);
        [[unroll]] for (uint k = 0; k < CHANNELS; k++)
            sum[k] += w * sample_x(start[k], c);
    }
    [[unroll]] for (uint k = 0; k < CHANNELS; k++) {
        uint own = slice * CHANNELS + k;
        if (own < p.share)
            STORE(y, p.y + (row * p.share + own) * p.left + place, sum[k]);
    }
}
