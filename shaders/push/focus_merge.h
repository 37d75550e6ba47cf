// SPDX-License-Identifier: MIT
//
// Push constants of focus' second dispatch: of each part of an image, and of each of the lanes that
// summed for themselves, `channels` sums, a maximum and a total.
#ifndef VKA_PUSH_FOCUS_MERGE_H
#define VKA_PUSH_FOCUS_MERGE_H

#include "push.h"

PUSH(focus_merge)
{
    uint groups, blocks; // blocks: of an image's results, a workgroup each
    uint channels, outputs;
    uint parts;
    uint sums, weight, bias, y; // the first elements
}
PUSH_END;

#endif
