// SPDX-License-Identifier: MIT
//
// Bilinear samples of a map on the CPU: positions become four elements and their parts once, for
// all channels that share them. What a position may be is settled here, once, for all ops.
#ifndef VKA_CPU_SAMPLE_H
#define VKA_CPU_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

enum { VKA_SAMPLE_BLOCK = 64 };   // places worked on at a time
enum { VKA_SAMPLE_WIDTH = 16 };   // the longest vector
enum { VKA_NOWHERE = INT32_MIN }; // no element: strides may be negative

// Of `VKA_SAMPLE_BLOCK` positions: the elements around or VKA_NOWHERE, and how much
// of each counts.
struct vka_corners {
    int32_t at[4][VKA_SAMPLE_BLOCK];
    float part[4][VKA_SAMPLE_BLOCK];
};

struct vka_map {
    int64_t size[2], step[2]; // rows, columns; strides in elements
    bool clamp;               // positions outside are moved to the edge
};

// position[0][i], position[1][i] for i < count; the rest of a vector is nowhere.
void vka_corners_of(const struct vka_map *map, const float position[2][VKA_SAMPLE_BLOCK], int count,
                    struct vka_corners *c);
// Parts times factor[i].
void vka_corners_times(struct vka_corners *c, const float *factor, int count);

#endif
