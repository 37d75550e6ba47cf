// SPDX-License-Identifier: MIT
#include "cpu/sample.h"
#include "cpu/simd.h"

#include <string.h>

// Places before positions along an axis, and what of the next one counts: loops that vectorise.
struct split {
    int32_t low[VKA_SAMPLE_BLOCK];
    float high[VKA_SAMPLE_BLOCK];
};

// FAR: neither it nor the next one is in a map.
enum { FAR = -2 };

VKA_CLONES static void clamp(float *position, int count, float last)
{
    for (int i = 0; i < count; i++) {
        float p = position[i], low = p < 0 ? 0 : p;
        position[i] = low > last ? last : low;
    }
}

// FAR where nothing of the map is near, NaN included: no such position is made an integer.
VKA_CLONES static void split(const float *position, int count, float size, struct split *s)
{
    for (int i = 0; i < count; i++) {
        float p = position[i], inside = ((p > -1) & (p < size)) ? p : FAR;
        int32_t whole = (int32_t)inside;
        int32_t low = whole - (inside < (float)whole);
        s->low[i] = low;
        s->high[i] = inside - (float)low;
    }
}

VKA_CLONES static void set_corner(const struct vka_map *map, const struct split *y,
                                  const struct split *x, int corner, int count,
                                  struct vka_corners *c)
{
    const int32_t dy = corner >> 1, dx = corner & 1;
    const uint32_t high = (uint32_t)map->size[0], wide = (uint32_t)map->size[1];
    const uint32_t step[2] = {(uint32_t)map->step[0], (uint32_t)map->step[1]};
    for (int i = 0; i < count; i++) {
        uint32_t row = (uint32_t)(y->low[i] + dy), col = (uint32_t)(x->low[i] + dx);
        float part = (dy ? y->high[i] : 1 - y->high[i]) * (dx ? x->high[i] : 1 - x->high[i]);
        // What counts for nothing isn't read: it may be infinite.
        bool counts = (row < high) & (col < wide) & (part != 0);
        c->at[corner][i] = counts ? (int32_t)(row * step[0] + col * step[1]) : VKA_NOWHERE;
        c->part[corner][i] = counts ? part : 0;
    }
}

void vka_corners_of(const struct vka_map *map, const float position[2][VKA_SAMPLE_BLOCK], int count,
                    struct vka_corners *c)
{
    const int end = (count + VKA_SAMPLE_WIDTH - 1) / VKA_SAMPLE_WIDTH * VKA_SAMPLE_WIDTH;
    struct split s[2];
    for (int axis = 0; axis < 2; axis++) {
        float at[VKA_SAMPLE_BLOCK];
        memcpy(at, position[axis], (size_t)count * sizeof *at);
        if (map->clamp)
            clamp(at, count, (float)(map->size[axis] - 1));
        for (int i = count; i < end; i++)
            at[i] = FAR;
        split(at, end, (float)map->size[axis], &s[axis]);
    }
    for (int k = 0; k < 4; k++)
        set_corner(map, &s[0], &s[1], k, end, c);
}

VKA_CLONES void vka_corners_times(struct vka_corners *c, const float *factor, int count)
{
    for (int i = 0; i < count; i++) {
        for (int k = 0; k < 4; k++)
            c->part[k][i] *= factor[i];
    }
}
