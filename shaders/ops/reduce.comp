#version 450
// SPDX-License-Identifier: MIT
//
// reduce: a group takes some rows, some lanes each. Each lane combines blocks of elements, then the
// blocks (sums with what rounding took away), then the lanes are combined as a tree: sums stay good
// in rows of any length.
// VKA_INT: integers and bools. VKA_FOURS: four elements at a time, where the device is a program:
// along a row of its own for each group, or of four rows side by side, a lane for each four rows.
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#ifdef VKA_INT
#define GROUP_TYPE int
#endif
#include "types.glsl"
#include "scalar.h"
#include "reduce.h"
#include "reduce.glsl"

layout(constant_id = 3) const uint KEPT = 1; // axes
layout(constant_id = 4) const uint REDUCED = 1;
layout(constant_id = 5) const int KIND = 0;
#ifdef VKA_FOURS
layout(constant_id = 6) const bool ACROSS = false;
#endif

const bool SUMS = KIND == REDUCE_SUM || KIND == REDUCE_MEAN || KIND == REDUCE_SUM_SQUARES ||
                  KIND == REDUCE_L2 || KIND == REDUCE_LOGSUMEXP;
const uint BLOCK = 8;

#ifdef VKA_INT
BUFFER_INT_IN(0, x);
BUFFER_INT_OUT(1, y);

int identity()
{
    if (KIND == REDUCE_MAX)
        return int(0x80000000u);
    return KIND == REDUCE_MIN ? 0x7fffffff : int(KIND == REDUCE_ALL);
}
int combine(int a, int b)
{
    if (KIND == REDUCE_MAX || KIND == REDUCE_ANY)
        return max(a, b);
    return KIND == REDUCE_MIN || KIND == REDUCE_ALL ? min(a, b) : a + b;
}
int load(uint i, int shift)
{
    return KIND == REDUCE_ANY || KIND == REDUCE_ALL ? int(x.v[i] != 0) : x.v[i];
}
int finish(int value, int shift)
{
    return value;
}
#else
BUFFER_IN(0, x);
BUFFER_OUT(1, y);

float identity()
{
    if (KIND == REDUCE_MAX)
        return NEG_INF;
    return KIND == REDUCE_MIN ? INF : KIND == REDUCE_PROD ? 1.0 : 0.0;
}
float combine(float a, float b)
{
    if (KIND == REDUCE_MAX)
        return max_nan(a, b);
    if (KIND == REDUCE_MIN)
        return min_nan(a, b);
    return KIND == REDUCE_PROD ? a * b : a + b;
}
float load(uint i, float shift)
{
    float v = LOAD(x, i);
    if (KIND == REDUCE_LOGSUMEXP)
        return vka_expf(v - shift);
    return KIND == REDUCE_SUM_SQUARES || KIND == REDUCE_L2 ? v * v : v;
}
float finish(float value, float shift)
{
    if (KIND == REDUCE_LOGSUMEXP)
        return is_inf(shift) || is_nan(shift) ? shift : shift + vka_logf(value);
    return KIND == REDUCE_L2 ? sqrt(value) : KIND == REDUCE_MEAN ? value * p.scale : value;
}
GROUP_REDUCE(group_max, max_nan)
#endif
GROUP_REDUCE(group_combine, combine)

// Along the axes first .. first + count - 1, for the element of that number.
uint offset_along(uint first, uint count, uint i)
{
    uint at = 0;
    for (uint a = first; a + 1 < first + count; a++) {
        uint rest = i / p.dim[a];
        at += (i - rest * p.dim[a]) * p.stride[a];
        i = rest;
    }
    return at + i * p.stride[first + count - 1];
}

GROUP_TYPE lane_total(uint base, GROUP_TYPE shift)
{
    uint lanes = gl_WorkGroupSize.y;
    GROUP_TYPE total = identity(), lost = GROUP_TYPE(0);
    for (uint first = gl_LocalInvocationID.y; first < p.columns; first += lanes * BLOCK) {
        GROUP_TYPE part = identity();
        for (uint k = 0; k < BLOCK && first + k * lanes < p.columns; k++) {
            uint at = offset_along(KEPT, REDUCED, first + k * lanes);
            part = combine(part, load(base + at, shift));
        }
#ifndef VKA_INT
        if (SUMS) {
            add_to_sum(total, lost, part);
            continue;
        }
#endif
        total = combine(total, part);
    }
    return SUMS ? combine(total, lost) : total;
}

#ifdef VKA_FOURS
BUFFER_VEC4_IN(0, x4);
BUFFER_VEC4_OUT(1, y4);

vec4 combine4(vec4 a, vec4 b)
{
    return vec4(combine(a.x, b.x), combine(a.y, b.y), combine(a.z, b.z), combine(a.w, b.w));
}

void add_to_total(inout vec4 total, inout vec4 lost, vec4 part)
{
    if (SUMS)
        add_to_sums(total, lost, part);
    else
        total = combine4(total, part);
}

vec4 load4(uint i)
{
    vec4 v = LOAD4(x4, i);
    return KIND == REDUCE_SUM_SQUARES || KIND == REDUCE_L2 ? v * v : v;
}

// `count` fours, `step` fours apart.
vec4 total_of_fours(uint at, uint step, uint count)
{
    vec4 total = vec4(identity()), lost = vec4(0.0), part;
    for (uint blocks = count / BLOCK; blocks > 0; blocks--) {
        part = load4(at);
        [[unroll]] for (uint k = 1; k < BLOCK; k++)
            part = combine4(part, load4(at + k * step));
        add_to_total(total, lost, part);
        at += BLOCK * step;
    }
    part = vec4(identity());
    for (uint k = count % BLOCK; k > 0; k--) {
        part = combine4(part, load4(at));
        at += step;
    }
    add_to_total(total, lost, part);
    return SUMS ? total + lost : total;
}

void run_along()
{
    uint lanes = gl_WorkGroupSize.y, lane = gl_LocalInvocationID.y, fours = p.columns / 4;
    uint at = (p.x + offset_along(0, KEPT, min(group_index(), p.rows - 1))) / 4 + lane;
    vec4 total = total_of_fours(at, lanes, fours / lanes);
    if (lane < fours % lanes)
        total = combine4(total, load4(at + fours / lanes * lanes));
    float value = combine(combine(total.x, total.y), combine(total.z, total.w));
    value = finish(group_combine(value), 0.0);
    if (lane == 0 && group_index() < p.rows)
        STORE(y, p.y + group_index(), value);
}

void run_across()
{
    uint row = global_index() * 4;
    if (row >= p.rows)
        return;
    uint at = (p.x + offset_along(0, KEPT, row)) / 4;
    vec4 v = total_of_fours(at, p.stride[KEPT] / 4, p.columns);
    STORE4(y4, (p.y + row) / 4,
           vec4(finish(v.x, 0.0), finish(v.y, 0.0), finish(v.z, 0.0), finish(v.w, 0.0)));
}

void main()
{
    if (ACROSS)
        run_across();
    else
        run_along();
}
#else
void main()
{
    uint row = group_index() * gl_WorkGroupSize.x + gl_LocalInvocationID.x;
    // Rows past the end go along: the group's barriers need everyone.
    uint base = p.x + offset_along(0, KEPT, min(row, p.rows - 1));
    GROUP_TYPE shift = GROUP_TYPE(0);
#ifndef VKA_INT
    if (KIND == REDUCE_LOGSUMEXP) {
        float most = NEG_INF;
        for (uint c = gl_LocalInvocationID.y; c < p.columns; c += gl_WorkGroupSize.y)
            most = max_nan(most, LOAD(x, base + offset_along(KEPT, REDUCED, c)));
        shift = group_max(most);
    }
#endif
    GROUP_TYPE value = finish(group_combine(lane_total(base, shift)), shift);
    if (row < p.rows && gl_LocalInvocationID.y == 0) {
#ifdef VKA_INT
        y.v[p.y + row] = value;
#else
        STORE(y, p.y + row, value);
#endif
    }
}
#endif
