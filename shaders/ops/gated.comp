#version 450
// SPDX-License-Identifier: MIT
//
// gated: LANES lanes take a part of a channel's row, and find its gate themselves before they scale
// it: a sum so short that taking it again costs less than a dispatch. VKA_FOURS: four elements at
// a time.
#extension GL_GOOGLE_include_directive : require
#include "types.glsl"
#include "activation.glsl"
#include "lane_reduce.glsl"
#include "gated.h"

layout(constant_id = 3) const uint LANES = 128; // a power of two; a row each
layout(constant_id = 4) const uint FLAGS = 0;
layout(constant_id = 5) const int ACT = 0;

BUFFER_IN(0, x);
BUFFER_IN(1, v);
BUFFER_IN(2, weight);
BUFFER_IN(3, bias);
BUFFER_OUT(4, y);
BUFFER_OUT(5, gate);
BUFFER_IN(6, scale);
BUFFER_IN(7, shift);
#ifdef VKA_FOURS
BUFFER_VEC4_IN(0, x4);
BUFFER_VEC4_OUT(4, y4);
#endif

uint lane()
{
    return gl_LocalInvocationID.x % LANES;
}

LANE_REDUCE(sum_of_lanes, LANES, plus)

// The mean of v, and what its deviations are multiplied by.
vec2 norm_of(uint first)
{
    float sum = 0.0, deviations = 0.0, squares = 0.0, count = float(p.taps);
    for (uint k = lane(); k < p.taps; k += LANES)
        sum += LOAD(v, first + k * p.v_stride[1]);
    float mean = sum_of_lanes(sum) / count;
    for (uint k = lane(); k < p.taps; k += LANES) {
        float d = LOAD(v, first + k * p.v_stride[1]) - mean;
        deviations += d;
        squares += d * d;
    }
    float rest = sum_of_lanes(deviations) / count;
    float variance = sum_of_lanes(squares) / count - rest * rest;
    return vec2(mean + rest, 1.0 / sqrt((variance < 0.0 ? 0.0 : variance) + p.eps));
}

float gate_of(uint image, uint channel)
{
    uint first = p.v + image * p.v_stride[0];
    uint weights = p.weight + channel * p.weight_stride[0];
    vec2 norm = vec2(0.0, 1.0);
    if ((FLAGS & GATED_NORM) != 0)
        norm = norm_of(first);
    float sum = 0.0;
    for (uint k = lane(); k < p.taps; k += LANES) {
        uint at = channel * p.slides + k - p.before; // wraps before the first
        if (at >= p.limit)
            continue;
        float value = LOAD(v, first + at * p.v_stride[1]);
        if ((FLAGS & GATED_NORM) != 0) {
            value = (value - norm.x) * norm.y;
            if ((FLAGS & GATED_SCALE) != 0)
                value *= LOAD(scale, p.scale + k * p.scale_stride);
            if ((FLAGS & GATED_SHIFT) != 0)
                value += LOAD(shift, p.shift + k * p.shift_stride);
            value = vka_activate(VKA_ACT_RELU, value, 0.0, 0.0);
        }
        sum = fma(value, LOAD(weight, weights + k * p.weight_stride[1]), sum);
    }
    sum = sum_of_lanes(sum);
    if ((FLAGS & GATED_BIAS) != 0)
        sum += LOAD(bias, p.bias + channel * p.bias_stride);
    return vka_activate(ACT, sum, p.act_a, p.act_b);
}

void main()
{
    uint group = group_index(), block = group / p.parts, part = group - block * p.parts;
    uint row = block * (gl_WorkGroupSize.x / LANES) + gl_LocalInvocationID.x / LANES;
    // Rows past the end go along: the sums need everyone.
    uint inside = min(row, p.rows - 1), image = inside / p.channels;
    uint channel = inside - image * p.channels;
    float g = gate_of(image, channel);
    if (row >= p.rows)
        return;
    if ((FLAGS & GATED_WRITE) != 0 && part == 0 && lane() == 0)
        STORE(gate, p.gate + row, g);
    uint end = min((part + 1) * p.part, p.columns);
    uint from = p.x + image * p.x_stride[0] + channel * p.x_stride[1];
#ifdef VKA_FOURS
    uint to = p.y / 4 + row * p.columns;
    for (uint i = part * p.part + lane(); i < end; i += LANES) {
        vec4 value = LOAD4(x4, from / 4 + i);
        STORE4(y4, to + i, (FLAGS & GATED_ADDS) != 0 ? value + g : value * g);
    }
#else
    uint to = p.y + row * p.columns;
    for (uint i = part * p.part + lane(); i < end; i += LANES) {
        float value = LOAD(x, from + i);
        STORE(y, to + i, (FLAGS & GATED_ADDS) != 0 ? value + g : value * g);
    }
#endif
}
