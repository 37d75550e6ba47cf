#version 450
// SPDX-License-Identifier: MIT
//
// nms: one workgroup walks through the candidates, as many at a time as it has invocations. Each
// looks whether a box taken before overlaps its own, and which ones of the same batch before it do;
// then one invocation decides the batch in order.
#extension GL_GOOGLE_include_directive : require
#include "types.glsl"
#include "nms.h"

BUFFER_IN(0, box);
BUFFER_INT_IN(1, order);
layout(std430, binding = 2) coherent buffer taken_buffer { int v[]; } taken;

const uint BATCH = 128, WORDS = BATCH / 32;
shared vec4 boxes[BATCH];
shared uint ids[BATCH], rivals[BATCH * WORDS]; // rivals: bit sets of those before that overlap it
shared uint alive[WORDS];
shared uint took, ended;

vec4 box_of(uint id)
{
    uint at = p.box + min(id, p.boxes - 1) * 4;
    return vec4(LOAD(box, at), LOAD(box, at + 1), LOAD(box, at + 2), LOAD(box, at + 3));
}

bool over(vec4 a, vec4 b)
{
    return vka_boxes_over(a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w, p.limit, p.half_step);
}

// Whether none of those taken in batches before overlaps it. All invocations go along.
bool is_free(vec4 mine, bool candidate, uint count)
{
    uint me = gl_LocalInvocationIndex;
    for (uint from = 0; from < count; from += BATCH) {
        uint n = min(BATCH, count - from);
        barrier();
        if (me < n)
            boxes[me] = box_of(uint(taken.v[p.taken + 1 + from + me]));
        barrier();
        for (uint i = 0; i < n && candidate; i++)
            candidate = !over(boxes[i], mine);
    }
    return candidate;
}

void find_rivals(vec4 mine, bool candidate)
{
    uint me = gl_LocalInvocationIndex;
    barrier();
    boxes[me] = mine;
    if (me < WORDS)
        alive[me] = 0;
    barrier();
    if (candidate)
        atomicOr(alive[me / 32], 1u << (me % 32));
    for (uint word = 0; word < WORDS; word++) {
        uint bits = 0;
        for (uint i = 0; i < 32 && word * 32 + i < me && candidate; i++)
            bits |= over(boxes[word * 32 + i], mine) ? 1u << i : 0u;
        rivals[me * WORDS + word] = bits;
    }
    barrier();
}

// In order: each that is free and has no rival among those taken.
void decide()
{
    uint chosen[WORDS];
    for (uint word = 0; word < WORDS; word++)
        chosen[word] = 0;
    for (uint i = 0; i < BATCH && took < p.most; i++) {
        uint against = 0;
        for (uint word = 0; word < WORDS; word++)
            against |= rivals[i * WORDS + word] & chosen[word];
        if ((alive[i / 32] >> (i % 32) & 1u) == 0 || against != 0)
            continue;
        chosen[i / 32] |= 1u << (i % 32);
        taken.v[p.taken + 1 + took] = int(ids[i]);
        took++;
    }
}

void main()
{
    uint me = gl_LocalInvocationIndex;
    if (me == 0) {
        took = 0;
        ended = p.count;
    }
    for (uint from = 0; from < p.count; from += BATCH) {
        memoryBarrierBuffer();
        barrier();
        if (took >= p.most || ended < from)
            break; // for all alike: both change before barriers only
        int id = from + me < p.count ? order.v[p.order + from + me] : -1;
        if (id < 0)
            atomicMin(ended, from + me);
        ids[me] = uint(max(id, 0));
        vec4 mine = box_of(ids[me]);
        barrier();
        bool candidate = is_free(mine, from + me < ended, took);
        find_rivals(mine, candidate);
        if (me == 0)
            decide();
    }
    memoryBarrierBuffer();
    barrier();
    for (uint i = took + me; i < p.most; i += BATCH)
        taken.v[p.taken + 1 + i] = 0;
    if (me == 0)
        taken.v[p.taken] = int(took);
}
