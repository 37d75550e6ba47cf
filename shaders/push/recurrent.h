// SPDX-License-Identifier: MIT
#ifndef VKA_PUSH_RECURRENT_H
#define VKA_PUSH_RECURRENT_H

#include "push.h"

// What a dispatch does; INNER and PROJECT, RESET and CANDIDATE are the halves of a step.
#define VKA_RECURRENT_LSTM      0
#define VKA_RECURRENT_GRU       1
#define VKA_RECURRENT_INNER     2 // an LSTM's h before its projection
#define VKA_RECURRENT_PROJECT   3
#define VKA_RECURRENT_RESET     4 // of a Cho-GRU
#define VKA_RECURRENT_CANDIDATE 5

PUSH(recurrent)
{
    uint rows, steps, directions;
    uint hidden, out_width; // of c, of h
    uint width, k;          // units of this dispatch, terms of a sum
    uint panels, panel_k;   // of the weight
    uint place[2], from[2]; // of each direction: this step, the one before
    uint blocks, groups;    // workgroups along the units, in all
    uint inputs, weight, y, carry, valid;
}
PUSH_END;

#endif
