// SPDX-License-Identifier: MIT
//
// What the deformable convolutions share: constants, buffers, where a tap looks, the end. FULL:
// with a mask or a bias.
#include "types.glsl"
#include "deform_conv.h"

layout(constant_id = 3) const uint KERNEL_0 = 1;
layout(constant_id = 4) const uint KERNEL_1 = 1;
layout(constant_id = 5) const int STRIDE_0 = 1;
layout(constant_id = 6) const int STRIDE_1 = 1;
// Of the next four all but the lowest bytes, which are told when it runs: dilations are small, and
// one pipeline serves them all. (On GPUs this is a handful of integer operations beside each tap's
// four gathers, and no fewer pipelines were counted there: reckoned, not measured.)
layout(constant_id = 7) const int DILATION_0 = 0;
layout(constant_id = 8) const int DILATION_1 = 0;
layout(constant_id = 9) const int BEFORE_0 = 0;
layout(constant_id = 10) const int BEFORE_1 = 0;
layout(constant_id = 11) const uint TM = 1; // sums of a lane: channels, places
layout(constant_id = 12) const uint TN = 1;
layout(constant_id = 13) const bool HAS_MASK = false;
layout(constant_id = 14) const bool HAS_BIAS = false;
layout(constant_id = 15) const bool FOURS = false; // channels of the weight can be read at once

const uint TAPS = KERNEL_0 * KERNEL_1;

BUFFER_IN(0, x);
BUFFER_IN(1, offset);
BUFFER_IN(2, weight);
BUFFER_OUT(3, dst);
#ifdef FULL
BUFFER_IN(4, mask);
BUFFER_IN(5, bias);
#endif

#include "sample.glsl"
SAMPLE_FROM(x)

uint out_places()
{
    return p.size_out[0] * p.size_out[1];
}

// Channels of a group from `c` on that share their offsets end here.
uint shared_end(uint part, uint c)
{
    uint first = part * p.in_channels;
    return min(p.in_channels, ((first + c) / p.share + 1) * p.share - first);
}

int low_byte(uint i)
{
    return int(p.low_bytes >> 8 * i & VKA_DEFORM_BYTE);
}

// Where a tap looks from an output place; `own`: those that share the offsets, by number.
corners tap_corners(uint item, uint own, uint tap, uint place)
{
    uint row = place / p.size_out[1], column = place % p.size_out[1];
    uint at = p.offset + item * p.offset_stride[0] + (own * TAPS + tap) * 2 * p.offset_stride[1] +
              row * p.offset_stride[2] + column * p.offset_stride[3];
    int y = int(row) * STRIDE_0 - (BEFORE_0 + low_byte(2));
    int z = int(column) * STRIDE_1 - (BEFORE_1 + low_byte(3));
    y += int(tap / KERNEL_1) * (DILATION_0 + low_byte(0));
    z += int(tap % KERNEL_1) * (DILATION_1 + low_byte(1));
    corners c = corners_of(float(y) + LOAD(offset, at),
                           float(z) + LOAD(offset, at + p.offset_stride[1]),
                           uvec2(p.size_in[0], p.size_in[1]),
                           uvec2(p.x_stride[2], p.x_stride[3]), false);
#ifdef FULL
    if (HAS_MASK) {
        float m = LOAD(mask, p.mask + item * p.mask_stride[0] +
                                 (own * TAPS + tap) * p.mask_stride[1] + row * p.mask_stride[2] +
                                 column * p.mask_stride[3]);
        [[unroll]] for (uint k = 0; k < 4; k++)
            c.part[k] *= m;
    }
#endif
    return c;
}

// Channel 0 of a group of x.
uint x_start(uint item, uint part)
{
    return p.x + item * p.x_stride[0] + part * p.in_channels * p.x_stride[1];
}

// `channel` of the output, over all groups.
void store(uint item, uint channel, uint place, float sum)
{
#ifdef FULL
    if (HAS_BIAS)
        sum += LOAD(bias, p.bias + channel * p.bias_step);
#endif
    STORE(dst, p.dst + (item * p.groups * p.out_channels + channel) * out_places() + place, sum);
}
