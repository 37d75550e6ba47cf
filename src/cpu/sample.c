// SPDX-License-Identifier: MIT
#include "cpu/sample.h"

// Of a position along an axis of `size`: the place before it and what of the next one counts. False
// where nothing of the map is near, NaN included: no such position is made an integer.
static bool split(float position, int64_t size, bool clamp, int32_t *low, float *high)
{
    float last = (float)(size - 1);
    if (clamp)
        position = position < 0 ? 0 : position > last ? last : position;
    if (!(position > -1 && position < (float)size))
        return false;
    int32_t whole = (int32_t)position;
    *low = whole - (position < (float)whole);
    *high = position - (float)*low;
    return true;
}

static void set_corner(const struct vka_map *map, struct vka_corners *c, int corner, int i,
                       int32_t y, int32_t x, float part)
{
    // What counts for nothing isn't read: it may be infinite.
    bool counts = y >= 0 && y < map->size[0] && x >= 0 && x < map->size[1] && part != 0;
    c->at[corner][i] = counts ? (int32_t)(y * map->step[0] + x * map->step[1]) : VKA_NOWHERE;
    c->part[corner][i] = part;
}

void vka_corners_of(const struct vka_map *map, const float position[2][VKA_SAMPLE_BLOCK], int count,
                    struct vka_corners *c)
{
    const int end = (count + VKA_SAMPLE_WIDTH - 1) / VKA_SAMPLE_WIDTH * VKA_SAMPLE_WIDTH;
    for (int i = 0; i < end; i++) {
        int32_t y = 0, x = 0;
        float b = 0, d = 0;
        bool near = i < count && split(position[0][i], map->size[0], map->clamp, &y, &b) &&
                    split(position[1][i], map->size[1], map->clamp, &x, &d);
        for (int k = 0; k < 4; k++) {
            int dy = k >> 1, dx = k & 1;
            if (near)
                set_corner(map, c, k, i, y + dy, x + dx, (dy ? b : 1 - b) * (dx ? d : 1 - d));
            else
                c->at[k][i] = VKA_NOWHERE, c->part[k][i] = 0;
        }
    }
}

void vka_corners_times(struct vka_corners *c, const float *factor, int count)
{
    for (int i = 0; i < count; i++) {
        for (int k = 0; k < 4; k++)
            c->part[k][i] *= factor[i];
    }
}
