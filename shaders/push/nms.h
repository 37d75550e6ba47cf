// SPDX-License-Identifier: MIT
//
// The push constants of nms and the rule by which it takes boxes, once for C and for GLSL: at the
// threshold the last bit decides, which divisions of a device may get wrong.
#ifndef VKA_PUSH_NMS_H
#define VKA_PUSH_NMS_H

#include "push.h"
#include "scalar.h"

#define VKA_NMS_BATCH 128 // candidates at a time: invocations of the workgroup
#define VKA_NMS_STEP  8   // boxes tested in one turn of a loop

PUSH(nms)
{
    uint boxes;
    uint from, to;          // candidates of this dispatch
    uint most;              // to take
    uint box, order, taken; // offsets
    float limit, half_step; // the threshold; half the way to the next float
}
PUSH_END;

// The upper half of a float's bits.
VKA_FN float vka_upper_half(float x)
{
    return VKA_FROM(VKA_BITS(x) & ~0xfff);
}

// Whether part / whole, rounded to the nearest float, is over the limit: whether part is over
// (limit + half_step) * whole. No quotient of two floats lies just between two floats. The product
// limit * whole is known exactly, as its float and the rest.
VKA_FN bool vka_ratio_over(float part, float whole, float limit, float half_step)
{
    float a = vka_upper_half(limit), b = vka_upper_half(whole);
    VKA_PRECISE float c = limit - a, d = whole - b;
    VKA_PRECISE float product = limit * whole;
    VKA_PRECISE float rest = ((a * b - product) + a * d + c * b) + c * d;
    VKA_PRECISE float over = (part - product) - rest;
    VKA_PRECISE float step = half_step * whole;
    return over > step;
}

// Whether two boxes overlap by more than the limit. Boxes without an area overlap nothing.
VKA_FN bool vka_boxes_over(float ay0, float ax0, float ay1, float ax1, float by0, float bx0,
                           float by1, float bx1, float limit, float half_step)
{
    VKA_PRECISE float height = (ay1 < by1 ? ay1 : by1) - (ay0 > by0 ? ay0 : by0);
    VKA_PRECISE float width = (ax1 < bx1 ? ax1 : bx1) - (ax0 > bx0 ? ax0 : bx0);
    VKA_PRECISE float both = (height > 0.0f ? height : 0.0f) * (width > 0.0f ? width : 0.0f);
    VKA_PRECISE float area_a = (ay1 - ay0) * (ax1 - ax0);
    VKA_PRECISE float area_b = (by1 - by0) * (bx1 - bx0);
    VKA_PRECISE float all = (area_a + area_b) - both;
    return area_a > 0.0f && area_b > 0.0f && vka_ratio_over(both, all, limit, half_step);
}

#endif
