// SPDX-License-Identifier: MIT
//
// A triangle that covers the square, and the ends of the map, found once a corner.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "push.h"

layout(binding = 3) readonly buffer maps_buffer
{
    float maps[];
};
layout(location = 0) out vec2 at;
layout(location = 1) flat out vec2 ends;

void main()
{
    uint count = p.map_width * p.map_height;
    at = 2.0 * vec2(gl_VertexIndex & 1, gl_VertexIndex >> 1);
    gl_Position = vec4(2.0 * at - 1.0, 0.0, 1.0);
    ends = vec2(3e38, -3e38);
    for (uint i = 0u; i < count; i++)
        ends = vec2(min(ends.x, maps[p.map + i]), max(ends.y, maps[p.map + i]));
}
