#version 450
// SPDX-License-Identifier: MIT
//
// nms: one workgroup walks through candidates, as many at a time as it has invocations. Each looks
// whether a box taken before overlaps its own, and which ones of the same batch before it do; then
// one invocation decides the batch in order. Some dispatches follow each other; how many were taken
// so far stands at the start of the result. The last dispatch (FILL) writes what is left of it.
#extension GL_GOOGLE_include_directive : require
#include "types.glsl"
#include "nms.h"

layout(constant_id = 3) const bool FILL = false;

BUFFER_IN(0, box);
BUFFER_INT_IN(1, order);
layout(std430, binding = 2) coherent buffer taken_buffer { int v[]; } taken;

const uint BATCH = VKA_NMS_BATCH, STEP = VKA_NMS_STEP;
shared vec4 boxes[BATCH];
shared int ids[BATCH];      // -1: no candidate any more
shared uvec4 rivals[BATCH]; // bit sets: those before in the batch that overlap it
shared uint took;

vec4 box_of(int id)
{
    uint at = p.box + min(uint(id), p.boxes - 1) * 4;
    return vec4(LOAD(box, at), LOAD(box, at + 1), LOAD(box, at + 2), LOAD(box, at + 3));
}

bool over(vec4 a, vec4 b)
{
    return vka_boxes_over(a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w, p.limit, p.half_step);
}

// Bit i: box from + i of the batch overlaps.
uint overlaps(uint from, vec4 mine)
{
    uint bits = 0;
    bits |= over(boxes[from], mine) ? 1u : 0u;
    bits |= over(boxes[from + 1], mine) ? 2u : 0u;
    bits |= over(boxes[from + 2], mine) ? 4u : 0u;
    bits |= over(boxes[from + 3], mine) ? 8u : 0u;
    bits |= over(boxes[from + 4], mine) ? 16u : 0u;
    bits |= over(boxes[from + 5], mine) ? 32u : 0u;
    bits |= over(boxes[from + 6], mine) ? 64u : 0u;
    bits |= over(boxes[from + 7], mine) ? 128u : 0u;
    return bits;
}

// Whether none of those taken in batches before overlaps it. All invocations go along.
bool is_free(vec4 mine, bool candidate, uint count)
{
    uint me = gl_LocalInvocationIndex;
    for (uint from = 0; from < count; from += BATCH) {
        barrier();
        // No box has no area: it overlaps nothing.
        boxes[me] = from + me < count ? box_of(taken.v[p.taken + 1 + from + me]) : vec4(0.0);
        barrier();
        for (uint i = 0; i < BATCH && candidate; i += STEP)
            candidate = overlaps(i, mine) == 0;
    }
    return candidate;
}

// The rivals among 32 of the batch, of which the first `before` come before it.
uint rivals_of(uint from, uint before, vec4 mine)
{
    uint bits = 0;
    for (uint i = 0; i < 32 && from + i < before; i += STEP)
        bits |= overlaps(from + i, mine) << i;
    return from + 32 <= before ? bits : from < before ? bits & ((1u << (before - from)) - 1) : 0u;
}

void find_rivals(vec4 mine, bool candidate)
{
    uint me = gl_LocalInvocationIndex, before = candidate ? me : 0;
    barrier();
    boxes[me] = mine;
    barrier();
    rivals[me] = uvec4(rivals_of(0, before, mine), rivals_of(32, before, mine),
                       rivals_of(64, before, mine), rivals_of(96, before, mine));
    barrier();
}

// In order: each that is free and has no rival among those taken.
void decide()
{
    uvec4 chosen = uvec4(0);
    for (uint i = 0; i < BATCH && took < p.most; i++) {
        if (ids[i] < 0 || any(notEqual(rivals[i] & chosen, uvec4(0))))
            continue;
        chosen[i / 32] |= 1u << (i % 32);
        taken.v[p.taken + 1 + took] = ids[i];
        took++;
    }
}

void fill()
{
    uint i = global_index(), count = uint(taken.v[p.taken]);
    if (i >= count && i < p.most)
        taken.v[p.taken + 1 + i] = 0;
}

void main()
{
    uint me = gl_LocalInvocationIndex;
    if (FILL) {
        fill();
        return;
    }
    if (me == 0)
        took = p.from == 0 ? 0 : uint(taken.v[p.taken]);
    for (uint from = p.from; from < p.to; from += BATCH) {
        groupMemoryBarrier();
        barrier();
        if (took >= p.most)
            break; // for all alike: it changes before barriers only
        uint count = took;
        int id = from + me < p.to ? order.v[p.order + from + me] : -1;
        vec4 mine = box_of(max(id, 0));
        bool candidate = is_free(mine, id >= 0, count);
        ids[me] = candidate ? id : -1;
        find_rivals(mine, candidate);
        if (me == 0)
            decide();
    }
    barrier();
    if (me == 0)
        taken.v[p.taken] = int(took);
}
