// SPDX-License-Identifier: MIT
//
// Where the target is. All else that moves is worked out by scene.comp from the time alone.
#include "window.h"

#include <math.h>

enum { OUTLINES = 4 }; // star, cross, ring, heart: those that scene.comp draws

void scene_at(double time, struct push *push)
{
    push->target[0] = (float)(0.5 + 0.31 * sin(0.53 * time + 0.4));
    push->target[1] = (float)(0.5 + 0.31 * sin(0.71 * time + 1.7));
    push->target[2] = (float)(0.125 + 0.02 * sin(0.37 * time));
    push->target[3] = (float)(0.6 * sin(0.29 * time));
    push->outline = (uint32_t)(fmod(time, 6.0 * OUTLINES) / 6.0);
    push->time = (float)fmod(time, 3600);
}
