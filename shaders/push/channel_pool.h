// SPDX-License-Identifier: MIT
#ifndef VKA_PUSH_CHANNEL_POOL_H
#define VKA_PUSH_CHANNEL_POOL_H

#include "push.h"

PUSH(channel_pool)
{
    uint blocks; // of an image's positions
    uint groups; // images times blocks
    uint channels, positions, hidden, descriptors;
    float scale;                                            // 1 / channels
    uint x, v, first, first_bias, last, last_bias, y, gate; // the first elements
}
PUSH_END;

#endif
