// SPDX-License-Identifier: MIT
#ifndef VKA_PUSH_GATED_H
#define VKA_PUSH_GATED_H

#include "push.h"

// What a module's flags say.
#define GATED_BIAS  1
#define GATED_ADDS  2  // the gate is added, not multiplied
#define GATED_NORM  4  // v is normalized, then no less than 0
#define GATED_SCALE 8  // of the norm
#define GATED_SHIFT 16 // of the norm
#define GATED_WRITE 32 // the gate is a result, too

PUSH(gated)
{
    uint rows, channels;       // rows: images times channels
    uint columns, part, parts; // of a row, of what a workgroup takes of it; in fours by fours
    uint taps, slides, before, limit; // tap k of channel c: v[c * slides + k - before], if < limit
    uint x, v, weight, bias, scale, shift, y, gate; // the first elements
    uint x_stride[2], v_stride[2], weight_stride[2];
    uint bias_stride, scale_stride, shift_stride;
    float act_a, act_b, eps;
}
PUSH_END;

#endif
