// SPDX-License-Identifier: MIT
//
// What the convolution shaders share: constants, buffers, x under a tap, the end.
#include "types.glsl"
#include "conv.h"
#include "activation.glsl"

layout(constant_id = 3) const uint KERNEL_0 = 1;
layout(constant_id = 4) const uint KERNEL_1 = 1;
layout(constant_id = 5) const uint KERNEL_2 = 1;
layout(constant_id = 6) const uint STRIDE_0 = 1;
layout(constant_id = 7) const uint STRIDE_1 = 1;
layout(constant_id = 8) const uint STRIDE_2 = 1;
layout(constant_id = 9) const uint DILATION_0 = 1;
layout(constant_id = 10) const uint DILATION_1 = 1;
layout(constant_id = 11) const uint DILATION_2 = 1;
layout(constant_id = 12) const int ACT = 0;
layout(constant_id = 13) const float ACT_A = 0.0;
layout(constant_id = 14) const float ACT_B = 0.0;
layout(constant_id = 15) const uint TILE = 0; // see conv.h
// Of the dilations, conv_rows is told some by push constants; those are 0 here.

const uint TM = (TILE & 15u) + 1u;
const uint TN = (TILE >> VKA_CONV_SUMS_N_SHIFT & 15u) + 1u;
const bool HAS_BIAS = (TILE & VKA_CONV_BIAS) != 0u;
const bool FOURS = (TILE & VKA_CONV_FOURS) != 0u;
const bool INSIDE_0 = (TILE & VKA_CONV_INSIDE_0) != 0u;
const bool INSIDE_1 = (TILE & VKA_CONV_INSIDE_1) != 0u;
const bool INSIDE_2 = (TILE & VKA_CONV_INSIDE_2) != 0u;
const bool WHOLE = (TILE & VKA_CONV_WHOLE) != 0u;
const bool SHORT = (TILE & VKA_CONV_SHORT) != 0u;
const uint TAPS = KERNEL_0 * KERNEL_1 * KERNEL_2;
#ifndef DILATION
#define DILATION uvec3(DILATION_0, DILATION_1, DILATION_2)
#endif

BUFFER_IN(0, x);
BUFFER_IN(1, weight);
BUFFER_IN(2, bias);
BUFFER_OUT(3, dst);
#ifdef RESIDUAL
BUFFER_IN(4, residual);
#endif

uvec3 kernel_place(uint tap)
{
    return uvec3(tap / KERNEL_2 / KERNEL_1, tap / KERNEL_2 % KERNEL_1, tap % KERNEL_2);
}

uvec3 out_place(uint place)
{
    return uvec3(place / p.size_out[2] / p.size_out[1], place / p.size_out[2] % p.size_out[1],
                 place % p.size_out[2]);
}

// The place of x under the first tap of an output place, and the element there; below 0 both wrap
// round.
struct origin {
    uvec3 at;
    uint element;
};

origin origin_at(uvec3 o, uint start)
{
    origin first;
    first.at = uvec3(o.x * STRIDE_0 - p.before[0], o.y * STRIDE_1 - p.before[1],
                     o.z * STRIDE_2 - p.before[2]);
    first.element = start + first.at.x * p.x_step[0] + first.at.y * p.x_step[1] +
                    first.at.z * p.x_step[2];
    return first;
}
origin origin_of(uint place, uint start)
{
    return origin_at(out_place(place), start);
}

// A term of the sum: how far its place and its element are from the first one's. The same for all
// places.
struct term {
    uvec3 away;
    uint elements;
};

term term_of(uint k)
{
    term t;
    t.away = kernel_place(k % TAPS) * DILATION;
    t.elements = k / TAPS * p.x_channel + t.away.x * p.x_step[0] + t.away.y * p.x_step[1] +
                 t.away.z * p.x_step[2];
    return t;
}

// x at a term; 0 outside.
float x_at(origin first, term t)
{
    uvec3 at = first.at + t.away;
    bool inside = (INSIDE_0 || at.x < p.size_in[0]) && (INSIDE_1 || at.y < p.size_in[1]) &&
                  (INSIDE_2 || at.z < p.size_in[2]);
    float v = LOAD(x, inside ? first.element + t.elements : 0);
    return inside ? v : 0.0;
}

float bias_of(uint channel)
{
    return HAS_BIAS ? LOAD(bias, p.bias_offset + channel * p.bias_step) : 0.0;
}

// `channel` of the output, over all groups; `item` of the batch.
void store_with(float bias_of_channel, uint item, uint channel, uint place, float sum)
{
    uint places = p.size_out[0] * p.size_out[1] * p.size_out[2];
    uint at = (item * p.groups * p.out_channels + channel) * places + place;
    if (HAS_BIAS)
        sum += bias_of_channel;
#ifdef RESIDUAL
    sum += LOAD(residual, p.residual_offset + at);
#endif
    STORE(dst, p.out_offset + at, vka_activate(ACT, sum, ACT_A, ACT_B));
}

void store(uint item, uint channel, uint place, float sum)
{
    store_with(bias_of(channel), item, channel, place, sum);
}
