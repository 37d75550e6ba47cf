// SPDX-License-Identifier: MIT
//
// The scene: a target in warm colours among a dozen things that share its colour or its outline;
// they sway, and make room where it comes by. Any picture of an application could stand here.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "push.h"

layout(local_size_x = 8, local_size_y = 8) in;
layout(binding = 0, rgba8) writeonly uniform image2D picture;

const int THINGS = 11;

// Where each thing is, once a workgroup: x, y, radius; cosine and sine of its angle.
shared vec3 place[THINGS];
shared vec2 direction[THINGS];

float random(float seed)
{
    return fract(sin(seed * 12.9898) * 43758.5453);
}

vec2 turn(vec2 at, vec2 to)
{
    return vec2(at.x * to.x + at.y * to.y, at.y * to.x - at.x * to.y);
}

// --- outlines: distances, negative inside, in parts of the radius ---

float box(vec2 at, vec2 half_size)
{
    vec2 d = abs(at) - half_size;
    return max(d.x, d.y);
}

float line(vec2 at, vec2 from, vec2 to)
{
    vec2 d = to - from, p = at - from;
    return (p.x * d.y - p.y * d.x) / length(d);
}

// Folded onto half of one of `count` equal sectors.
vec2 fold(vec2 at, float count)
{
    float half_sector = 3.14159265 / count;
    float angle = abs(mod(atan(at.y, at.x) + half_sector, 2.0 * half_sector) - half_sector);
    return length(at) * vec2(cos(angle), sin(angle));
}

float star(vec2 at)
{
    return line(fold(at, 5.0), vec2(1.08, 0.0), 0.46 * vec2(0.809017, 0.587785));
}

float cross_of(vec2 at)
{
    return min(box(at, vec2(0.98, 0.29)), box(at, vec2(0.29, 0.98)));
}

float ring(vec2 at)
{
    return abs(length(at) - 0.72) - 0.24;
}

float heart(vec2 at)
{
    at = vec2(abs(at.x), at.y - 0.02);
    vec2 side = vec2(0.868, -0.064);
    float point = max(line(at, vec2(0.0, -0.5), side), line(at, side, vec2(0.0, 1.0)));
    return min(point, length(at - vec2(0.48, -0.38)) - 0.5);
}

float of_class(uint outline, vec2 at)
{
    switch (outline % 4u) {
    case 0u: return star(at);
    case 1u: return cross_of(at);
    case 2u: return ring(at);
    default: return heart(at);
    }
}

float of_none(uint outline, vec2 at)
{
    switch (outline % 4u) {
    case 0u: return length(at) - 0.9;
    case 1u: return box(at, vec2(1.2, 0.13));
    case 2u: return fold(at, 3.0).x - 0.5;
    default: return abs(box(at, vec2(0.64))) - 0.17;
    }
}

// --- painting ---

// Lays a thing on the colour, its edge lit from the upper left, a pixel wide.
vec3 lay(vec3 under, vec3 paint, float d, float radius, vec2 at)
{
    float inside = clamp(0.5 - d * radius * float(PICTURE), 0.0, 1.0);
    float edge = exp(-abs(d) / 0.1) * dot(normalize(at + 1e-4), vec2(-0.4, -0.6));
    float shadow = 0.45 * clamp(0.4 - 3.0 * d, 0.0, 1.0);
    under *= 1.0 - shadow * (1.0 - inside);
    return mix(under, clamp(paint * (1.0 + 0.5 * edge), 0.0, 1.0), inside);
}

vec3 ground(vec2 at)
{
    float waves = sin(9.0 * at.x + 3.0 * sin(7.0 * at.y)) * sin(8.0 * at.y + 0.2 * p.time);
    vec3 colour = mix(vec3(0.36, 0.42, 0.44), vec3(0.5, 0.47, 0.4), 0.5 + 0.5 * waves);
    return colour * (0.95 + 0.1 * random(floor(at.x * 128.0) + 131.0 * floor(at.y * 128.0)));
}

void move(int i)
{
    float n = float(i), angle = 6.28 * random(n + 80.0) + 0.2 * p.time;
    vec2 home = (vec2(i % 4, i / 4) + 0.5 + 0.3 * vec2(random(n) - 0.5, random(n + 20.0) - 0.5)) /
                vec2(4.0, 3.0);
    vec2 at = home + 0.03 * sin(p.time * (0.4 + random(n + 40.0)) + vec2(n, 2.0 * n));
    vec2 target = vec2(p.target[0], p.target[1]), away = at - target;
    float room = 1.2 * p.target[2] + 0.11, near = length(away);
    at = near < room ? target + away / max(near, 1e-3) * room : at;
    place[i] = vec3(at, 0.07 + 0.04 * random(n + 60.0));
    direction[i] = vec2(cos(angle), sin(angle));
}

vec3 thing(int i, vec3 under, vec2 at)
{
    float radius = place[i].z, n = float(i);
    vec2 local = (at - place[i].xy) / radius;
    if (dot(local, local) > 3.0)
        return under;
    local = turn(local, direction[i]);
    if (i % 3 == 0) // warm, but no outline of a class
        return lay(under, mix(vec3(0.9, 0.2, 0.1), vec3(0.95, 0.7, 0.2), random(n + 100.0)),
                   of_none(uint(i), local), radius, local);
    vec3 cold = mix(vec3(0.2, 0.4, 0.9), vec3(0.2, 0.75, 0.45), random(n + 100.0));
    float d = i % 3 == 1 ? of_class(uint(i), local) : of_none(uint(i), local);
    return lay(under, cold, d, radius, local);
}

vec3 target(vec3 under, vec2 at)
{
    vec2 local = (at - vec2(p.target[0], p.target[1])) / p.target[2];
    if (dot(local, local) > 3.0)
        return under;
    local = turn(local, vec2(cos(p.target[3]), sin(p.target[3])));
    vec3 warm = mix(vec3(0.98, 0.32, 0.12), vec3(1.0, 0.62, 0.18), 0.5 + 0.5 * local.y);
    return lay(under, warm, of_class(p.outline, local), p.target[2], local);
}

void main()
{
    if (gl_LocalInvocationIndex < THINGS)
        move(int(gl_LocalInvocationIndex));
    barrier();
    ivec2 pixel = ivec2(gl_GlobalInvocationID.xy);
    vec2 at = (vec2(pixel) + 0.5) / float(PICTURE);
    vec3 colour = ground(at);
    for (int i = 0; i < THINGS; i++)
        colour = thing(i, colour, at);
    imageStore(picture, pixel, vec4(target(colour, at), 1.0));
}
