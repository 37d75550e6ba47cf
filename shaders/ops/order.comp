#version 450
// SPDX-License-Identifier: MIT
//
// order: a bitonic sort of each row's numbers by (value, number), no two of which are equal. Every
// comparison puts the earlier element at the lower place (merges begin with mirrored partners), so
// places past the end, which would come last, needn't exist.
#extension GL_GOOGLE_include_directive : require
#include "types.glsl"
#include "order.h"
#include "key.glsl"

layout(constant_id = 3) const uint STEP = VKA_ORDER_SORT;

BUFFER_IN(0, x);
BUFFER_INT_OUT(1, y);

const uint BLOCK = VKA_ORDER_BLOCK;
shared uint keys[BLOCK], numbers[BLOCK];

uint row_start;

uint key_of(uint number)
{
    return order_key(LOAD(x, p.x + row_start + number));
}

// Whether a comes after b.
bool after(uint key_a, uint a, uint key_b, uint b)
{
    return key_a < key_b || (key_a == key_b && a > b);
}

// The places of pair t: mirrored within `span`, or half of it apart.
uvec2 pair(uint t, uint span, bool mirrored)
{
    uint half_span = span / 2, at = t % half_span, from = (t - at) * 2;
    uint low = from + at;
    return uvec2(low, mirrored ? from + span - 1 - at : low + half_span);
}

void compare_shared(uint count, uint span, bool mirrored)
{
    barrier();
    for (uint t = gl_LocalInvocationIndex; t < BLOCK / 2; t += gl_WorkGroupSize.x) {
        uvec2 at = pair(t, span, mirrored);
        uint key_a = keys[at.x], key_b = keys[at.y], a = numbers[at.x], b = numbers[at.y];
        if (at.y < count && after(key_a, a, key_b, b)) {
            keys[at.x] = key_b;
            keys[at.y] = key_a;
            numbers[at.x] = b;
            numbers[at.y] = a;
        }
    }
}

void sort_block(uint first)
{
    uint count = min(BLOCK, p.columns - first), me = gl_LocalInvocationIndex;
    for (uint i = me; i < count; i += gl_WorkGroupSize.x) {
        uint number = STEP == VKA_ORDER_SORT ? first + i : uint(y.v[p.y + row_start + first + i]);
        numbers[i] = number;
        keys[i] = key_of(number);
    }
    if (STEP == VKA_ORDER_SORT) {
        for (uint span = 2; span < count * 2; span *= 2) {
            compare_shared(count, span, true);
            for (uint part = span / 2; part > 1; part /= 2)
                compare_shared(count, part, false);
        }
    } else {
        for (uint part = BLOCK; part > 1; part /= 2)
            compare_shared(count, part, false);
    }
    barrier();
    for (uint i = me; i < count; i += gl_WorkGroupSize.x)
        y.v[p.y + row_start + first + i] = int(numbers[i]);
}

void compare_pair(uint t)
{
    uvec2 at = pair(t, p.span, STEP == VKA_ORDER_FLIP);
    if (at.y >= p.columns)
        return;
    uint low = p.y + row_start + at.x, high = p.y + row_start + at.y;
    uint a = uint(y.v[low]), b = uint(y.v[high]);
    if (after(key_of(a), a, key_of(b), b)) {
        y.v[low] = int(b);
        y.v[high] = int(a);
    }
}

void main()
{
    uint row = group_index() / p.parts, part = group_index() % p.parts;
    if (row >= p.rows)
        return;
    row_start = row * p.columns;
    if (STEP == VKA_ORDER_SORT || STEP == VKA_ORDER_MERGE)
        sort_block(part * BLOCK);
    else
        compare_pair(part * gl_WorkGroupSize.x + gl_LocalInvocationIndex);
}
