// SPDX-License-Identifier: MIT
//
// The picture with the map over it: black where the network looks least, over red and yellow to
// white where it looks most.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "push.h"

layout(binding = 1) uniform sampler2D picture;
layout(binding = 3) readonly buffer maps_buffer
{
    float maps[];
};
layout(location = 0) in vec2 at;
layout(location = 1) flat in vec2 ends;
layout(location = 0) out vec4 colour;

float cell(ivec2 i)
{
    i = clamp(i, ivec2(0), ivec2(p.map_width, p.map_height) - 1);
    return maps[p.map + uint(i.y) * p.map_width + uint(i.x)];
}

// Between four cells, smoothly.
float map_at(vec2 place)
{
    vec2 scaled = place * vec2(p.map_width, p.map_height) - 0.5, low = floor(scaled);
    vec2 part = smoothstep(0.0, 1.0, scaled - low);
    ivec2 i = ivec2(low);
    return mix(mix(cell(i), cell(i + ivec2(1, 0)), part.x),
               mix(cell(i + ivec2(0, 1)), cell(i + ivec2(1, 1)), part.x), part.y);
}

void main()
{
    colour = texture(picture, at);
    if (p.map_width == 0u) // no map
        return;
    // Maps that sum to 1 are mostly near their least: the root shows more of them.
    float heat = sqrt(clamp((map_at(at) - ends.x) / max(ends.y - ends.x, 1e-20), 0.0, 1.0));
    colour.rgb = mix(colour.rgb, clamp(3.0 * heat - vec3(0.0, 1.0, 2.0), 0.0, 1.0), p.opacity);
}
