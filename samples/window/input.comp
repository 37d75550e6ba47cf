// SPDX-License-Identifier: MIT
//
// From a picture to what a network takes: each pixel the mean of a square of the picture's, its
// colours normalised, one plane after the other.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "push.h"

layout(local_size_x = 8, local_size_y = 8) in;
layout(binding = 1) uniform sampler2D picture;
layout(binding = 2) writeonly buffer input_buffer
{
    float image[]; // [3, SIDE, SIDE]
};

void main()
{
    uvec2 at = gl_GlobalInvocationID.xy;
    vec3 sum = vec3(0.0);
    for (uint i = 0u; i < SHRINK * SHRINK; i++)
        sum += texelFetch(picture, ivec2(at * SHRINK + uvec2(i % SHRINK, i / SHRINK)), 0).rgb;
    for (uint c = 0u; c < 3u; c++)
        image[(c * SIDE + at.y) * SIDE + at.x] =
            (sum[c] / float(SHRINK * SHRINK) - p.mean[c]) / p.std[c];
}
