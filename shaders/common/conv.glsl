// SPDX-License-Identifier: MIT
//
// What the convolution shaders share: constants, buffers, the place of x behind a tap, the end.
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
layout(constant_id = 15) const uint TILE = 0; // sums of a lane along both axes, 4 bits each; bias

const bool HAS_BIAS = (TILE & 256u) != 0u;
const uint TAPS = KERNEL_0 * KERNEL_1 * KERNEL_2;

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

// The place of x under the first tap of an output place; below 0 it wraps round and is outside.
uvec3 first_place(uvec3 place)
{
    return uvec3(place.x * STRIDE_0 - p.before[0], place.y * STRIDE_1 - p.before[1],
                 place.z * STRIDE_2 - p.before[2]);
}

// x at a tap; 0 outside.
float x_at(uint start, uvec3 first, uvec3 tap)
{
    uvec3 at = first + tap * uvec3(DILATION_0, DILATION_1, DILATION_2);
    bool inside = at.x < p.size_in[0] && at.y < p.size_in[1] && at.z < p.size_in[2];
    float v = 0.0;
    if (inside)
        v = LOAD(x, start + at.x * p.x_step[0] + at.y * p.x_step[1] + at.z * p.x_step[2]);
    return v;
}

// `channel` of the output, over all groups; `item` of the batch.
void store(uint item, uint channel, uint place, float sum)
{
    uint places = p.size_out[0] * p.size_out[1] * p.size_out[2];
    uint at = (item * p.groups * p.out_channels + channel) * places + place;
    if (HAS_BIAS)
        sum += LOAD(bias, p.bias_offset + channel * p.bias_step);
#ifdef RESIDUAL
    sum += LOAD(residual, p.residual_offset + at);
#endif
    STORE(dst, p.out_offset + at, vka_activate(ACT, sum, ACT_A, ACT_B));
}
