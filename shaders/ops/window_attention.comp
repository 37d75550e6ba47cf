// SPDX-License-Identifier: MIT
//
// Windows that slide over a map: an invocation makes PIXELS neighbouring windows of a row, for one
// map of weights and a chunk of its channels of v; a row of taps after the other, TAPS_AT_ONCE of
// them at a time. Taps that neighbours share are read once. Softmax with a running maximum.
// DOT: the logits are the result. SUM: the weights are given. FULL: with what may be added.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "types.glsl"
#include "relation.h"
#include "window_attention.h"

layout(constant_id = 3) const uint KERNEL_0 = 1;
layout(constant_id = 4) const uint KERNEL_1 = 1;
layout(constant_id = 5) const uint STRIDE_0 = 1;
layout(constant_id = 6) const uint STRIDE_1 = 1;
layout(constant_id = 7) const uint DILATION_0 = 1;
layout(constant_id = 8) const uint DILATION_1 = 1;
layout(constant_id = 9) const uint BEFORE_0 = 0;
layout(constant_id = 10) const uint BEFORE_1 = 0;
layout(constant_id = 11) const uint DEPTH = 1;
layout(constant_id = 12) const uint WIDTH = 1;
// Pixels, taps at once, channels of a chunk (4 bits each, less 1); the relation; flags.
layout(constant_id = 13) const uint TILE = 0;
layout(constant_id = 14) const float SCALE = 1.0;
layout(constant_id = 15) const float OUTSIDE = 0.0;

const uint PIXELS = (TILE & 15u) + 1u;
const uint TAPS_AT_ONCE = (TILE >> 4 & 15u) + 1u;
const uint CHUNK = (TILE >> 8 & 15u) + 1u;
const uint RELATION = TILE >> 12 & 7u;
const bool REFLECT = (TILE >> 15 & 1u) != 0u;
const bool FIXED = (TILE >> 16 & 1u) != 0u;
const bool CYCLIC = (TILE >> 17 & 1u) != 0u;
const bool LINES = (TILE >> 18 & 1u) != 0u; // columns of k and v lie beside each other
const bool INSIDE = (TILE >> 19 & 1u) != 0u; // no tap is outside
const bool HAS_TABLE = (TILE >> 20 & 1u) != 0u;
const bool HAS_EXTRA = (TILE >> 21 & 1u) != 0u;
const bool HAS_BIAS = (TILE >> 22 & 1u) != 0u;
const bool HAS_SHARES = (TILE >> 23 & 1u) != 0u;

const uint TAPS = KERNEL_0 * KERNEL_1;
const bool DENSE = STRIDE_1 == 1 && DILATION_1 == 1;
const uint SPAN = DENSE ? PIXELS + TAPS_AT_ONCE - 1 : PIXELS * TAPS_AT_ONCE;

BUFFER_IN(0, a);
BUFFER_IN(1, k);
BUFFER_IN(2, v);
BUFFER_OUT(3, dst);
#ifdef FULL
BUFFER_IN(4, table);
BUFFER_IN(5, extra);
BUFFER_IN(6, bias);
BUFFER_IN(7, shares);
#endif

#define GONE  NEG_HUGE
#define LEAST (-1.0e38)

uint n, map, row, first; // the image, the map, the windows' row and the first one's column

// Columns that are read for the taps at hand, and whether they are inside the map.
uint column[SPAN];
bool inside[SPAN];

// Where the tap `tap` of the pixel `pixel` is among them.
uint slot(uint pixel, uint tap)
{
    return DENSE ? pixel + tap : pixel * TAPS_AT_ONCE + tap;
}

uint place_in(int at, uint size, out bool is_inside)
{
    if (REFLECT) {
        at = at < 0 ? -at : at;
        at = at >= int(size) ? 2 * (int(size) - 1) - at : at;
    }
    is_inside = INSIDE || (at >= 0 && at < int(size));
    return uint(clamp(at, 0, int(size) - 1));
}

void find_columns(uint tap, bool row_inside)
{
    int start = int(first * STRIDE_1 + tap * DILATION_1) - int(BEFORE_1);
    [[unroll]] for (uint j = 0; j < SPAN; j++) {
        uint away = DENSE ? j : j / TAPS_AT_ONCE * STRIDE_1 + j % TAPS_AT_ONCE * DILATION_1;
        column[j] = place_in(start + int(away), p.in_size[1], inside[j]);
        inside[j] = inside[j] && row_inside;
    }
}

uint window(uint pixel) // its column; those past the last one are computed as it is
{
    return min(first + pixel, p.out_size[1] - 1);
}

float relate(float sum, float q, float t)
{
    float d = q - t;
    if (RELATION == VKA_RELATION_KEY)
        return sum + t;
    if (RELATION == VKA_RELATION_ABS_DIFF)
        return sum - abs(d);
    if (RELATION == VKA_RELATION_SQ_DIFF)
        return sum - d * d;
    if (RELATION == VKA_RELATION_NORM_ABS_DIFF)
        return sum - abs(d) / (abs(q) + abs(t) + 1.0);
    if (RELATION == VKA_RELATION_NORM_SQ_DIFF)
        return sum - d * d / (abs(q * t) + 1.0);
    return fma(q, t, sum);
}

float s[PIXELS][TAPS_AT_ONCE];

#ifdef SUM
void find_weights(uint at_row, uint tap)
{
    uint start = p.a_offset + n * p.a_stride[0] + map * p.a_stride[1] + row * p.a_stride[3];
    [[unroll]] for (uint b = 0; b < TAPS_AT_ONCE; b++) {
        uint at = at_row * KERNEL_1 + min(tap + b, KERNEL_1 - 1);
        [[unroll]] for (uint i = 0; i < PIXELS; i++) {
            float w = LOAD(a, start + at * p.a_stride[2] + window(i) * p.a_stride[4]);
            s[i][b] = tap + b < KERNEL_1 ? w : 0.0;
        }
    }
}
#else
void relate_all(uint at_row, uint map_row, uint tap)
{
    [[unroll]] for (uint b = 0; b < TAPS_AT_ONCE; b++)
        [[unroll]] for (uint i = 0; i < PIXELS; i++)
            s[i][b] = 0.0;
    uint q_start = p.a_offset + n * p.a_stride[0] + map * DEPTH * p.a_stride[1] +
                   row * p.a_stride[2];
    uint k_start = p.k_offset + n * p.k_stride[0] + map * DEPTH * p.k_stride[1] +
                   map_row * p.k_stride[2];
    for (uint c = 0; c < DEPTH; c++) {
        float q[PIXELS], t[SPAN];
        [[unroll]] for (uint i = 0; i < PIXELS; i++)
            q[i] = RELATION == VKA_RELATION_KEY
                       ? 0.0
                       : LOAD(a, q_start + c * p.a_stride[1] + window(i) * p.a_stride[3]);
        [[unroll]] for (uint j = 0; j < SPAN; j++) {
            float x = LOAD(k, k_start + c * p.k_stride[1] +
                                  column[j] * (LINES ? 1 : p.k_stride[3]));
            t[j] = INSIDE || inside[j] ? x : 0.0;
        }
        [[unroll]] for (uint b = 0; b < TAPS_AT_ONCE; b++) {
            float r = 0.0;
#ifdef FULL
            if (HAS_TABLE)
                r = LOAD(table, p.table_offset + (map * DEPTH + c) * TAPS + at_row * KERNEL_1 +
                                    min(tap + b, KERNEL_1 - 1));
#endif
            [[unroll]] for (uint i = 0; i < PIXELS; i++)
                s[i][b] = relate(s[i][b], q[i], t[slot(i, b)] + r);
        }
    }
}

void finish_logits(uint at_row, uint map_row, uint tap)
{
    [[unroll]] for (uint b = 0; b < TAPS_AT_ONCE; b++) {
        float more = 0.0;
#ifdef FULL
        if (HAS_BIAS)
            more = LOAD(bias, p.bias_offset + map * TAPS + at_row * KERNEL_1 +
                                  min(tap + b, KERNEL_1 - 1));
#endif
        [[unroll]] for (uint i = 0; i < PIXELS; i++) {
            uint j = slot(i, b);
            float x = s[i][b] * SCALE;
#ifdef FULL
            if (HAS_EXTRA) {
                float e = LOAD(extra, p.extra_offset + n * p.extra_stride[0] +
                                          map * p.extra_stride[1] + map_row * p.extra_stride[2] +
                                          column[j] * p.extra_stride[3]);
                x += inside[j] ? e : 0.0;
            }
#endif
            if (FIXED)
                x = inside[j] ? x : OUTSIDE;
            s[i][b] = x + more;
        }
    }
}
#endif

#ifdef DOT
void store_logits(uint at_row, uint tap)
{
    uint places = p.out_size[0] * p.out_size[1];
    uint start = p.out_offset + (n * p.maps + map) * TAPS * places + row * p.out_size[1] + first;
    [[unroll]] for (uint b = 0; b < TAPS_AT_ONCE; b++)
        [[unroll]] for (uint i = 0; i < PIXELS; i++)
            if (tap + b < KERNEL_1 && first + i < p.out_size[1])
                STORE(dst, start + (at_row * KERNEL_1 + tap + b) * places + i, s[i][b]);
}
#else
float sum[PIXELS][CHUNK];
uint channel; // the first one of the chunk, in the map

uint channel_of(uint c)
{
    return CYCLIC ? c * p.maps + map : map * WIDTH + c;
}

void add_values(uint map_row)
{
    uint start = p.v_offset + n * p.v_stride[0] + map_row * p.v_stride[2];
    [[unroll]] for (uint c = 0; c < CHUNK; c++) {
        uint line = start + channel_of(min(channel + c, WIDTH - 1)) * p.v_stride[1];
        float t[SPAN];
        [[unroll]] for (uint j = 0; j < SPAN; j++) {
            float x = LOAD(v, line + column[j] * (LINES ? 1 : p.v_stride[3]));
            t[j] = INSIDE || inside[j] ? x : 0.0;
        }
        [[unroll]] for (uint b = 0; b < TAPS_AT_ONCE; b++)
            [[unroll]] for (uint i = 0; i < PIXELS; i++)
                sum[i][c] = fma(s[i][b], t[slot(i, b)], sum[i][c]);
    }
}
#endif

#if !defined(DOT) && !defined(SUM)
float most[PIXELS], total[PIXELS];

void soften(uint at_row, uint tap)
{
    [[unroll]] for (uint i = 0; i < PIXELS; i++) {
        float now = most[i];
        [[unroll]] for (uint b = 0; b < TAPS_AT_ONCE; b++) {
            if (tap + b >= KERNEL_1 || floatBitsToUint(s[i][b]) == 0xff800000u)
                s[i][b] = GONE;
            now = max(now, s[i][b]);
        }
        float f = most[i] < LEAST ? 0.0 : exp(most[i] - now);
        most[i] = now;
        total[i] *= f;
        [[unroll]] for (uint c = 0; c < CHUNK; c++)
            sum[i][c] *= f;
        [[unroll]] for (uint b = 0; b < TAPS_AT_ONCE; b++) {
            s[i][b] = s[i][b] < LEAST ? 0.0 : exp(s[i][b] - now);
            total[i] += s[i][b];
#ifdef FULL
            if (HAS_SHARES)
                s[i][b] *= LOAD(shares, p.shares_offset + at_row * KERNEL_1 +
                                            min(tap + b, KERNEL_1 - 1));
#endif
        }
    }
}
#endif

void take(uint at_row, uint tap)
{
    bool row_inside;
    int at = int(row * STRIDE_0 + at_row * DILATION_0) - int(BEFORE_0);
    uint map_row = place_in(at, p.in_size[0], row_inside);
    find_columns(tap, row_inside);
#ifdef SUM
    find_weights(at_row, tap);
#else
    relate_all(at_row, map_row, tap);
    finish_logits(at_row, map_row, tap);
#endif
#ifdef DOT
    store_logits(at_row, tap);
#else
#ifndef SUM
    soften(at_row, tap);
#endif
    add_values(map_row);
#endif
}

void main()
{
    uint steps = (p.out_size[1] + PIXELS - 1) / PIXELS, lanes = gl_WorkGroupSize.x;
    uint tiles = (steps * p.out_size[0] + lanes - 1) / lanes, group = group_index();
    uint place = group % tiles * lanes + gl_LocalInvocationID.x;
    if (group >= p.end || place >= steps * p.out_size[0])
        return;
    row = place / steps;
    first = place % steps * PIXELS;
    uint index = group / tiles / p.chunks;
    map = index % p.maps;
    n = index / p.maps;

#ifndef DOT
    channel = group / tiles % p.chunks * CHUNK;
    [[unroll]] for (uint i = 0; i < PIXELS; i++) {
#ifndef SUM
        most[i] = GONE;
        total[i] = 0.0;
#endif
        [[unroll]] for (uint c = 0; c < CHUNK; c++)
            sum[i][c] = 0.0;
    }
#endif
    for (uint at_row = 0; at_row < KERNEL_0; at_row++)
        for (uint tap = 0; tap < KERNEL_1; tap += TAPS_AT_ONCE)
            take(at_row, tap);

#ifndef DOT
    uint places = p.out_size[0] * p.out_size[1];
    uint start = p.out_offset + n * p.maps * WIDTH * places + row * p.out_size[1] + first;
    [[unroll]] for (uint i = 0; i < PIXELS; i++) {
        float over = 1.0;
#ifndef SUM
        over = total[i] == 0.0 ? 0.0 : 1.0 / total[i];
#endif
        [[unroll]] for (uint c = 0; c < CHUNK; c++)
            if (first + i < p.out_size[1] && channel + c < WIDTH)
                STORE(dst, start + channel_of(channel + c) * places + i, sum[i][c] * over);
    }
#endif
}
