// SPDX-License-Identifier: MIT
#include "ops/tile.h"

#include "product_tile.h"
#include "util/whole.h"

enum { MOST_SUMS = 8, FEW_SUMS = 4 };

static uint64_t groups_of(const struct vka_tile *t, int64_t m, int64_t n, int64_t count)
{
    return (uint64_t)count * (uint64_t)vka_divide_up(m, t->lanes * t->sums_m) *
           (uint64_t)vka_divide_up(n, t->lanes * t->sums_n);
}

// Two slices of both sides, their rows longer by a four.
static uint64_t shared_bytes(const struct vka_tile *t)
{
    return 2 * VKA_TILE_DEPTH * sizeof(float) *
           (t->lanes * (t->sums_m + t->sums_n) + 2 * VKA_TILE_PAD);
}

// A wide tile reads each factor half as often as one of 64 x 64.
static bool takes_wide(const struct vka_limits *limits, const struct vka_tile *t, uint64_t groups)
{
    uint32_t invocations = t->lanes * t->lanes;
    return t->sums_m == MOST_SUMS && t->sums_n == MOST_SUMS &&
           groups * (invocations / (VKA_TILE_NARROW * VKA_TILE_NARROW)) >= limits->busy &&
           invocations <= limits->max_invocations && invocations <= limits->max_group_size[0] &&
           shared_bytes(t) <= limits->shared_bytes;
}

struct vka_tile vka_tile_of(const struct vka_limits *limits, int64_t m, int64_t n, int64_t count)
{
    struct vka_tile t = {VKA_TILE_WIDE, vka_lane_sums(m, MOST_SUMS, VKA_TILE_WIDE),
                         vka_lane_sums(n, MOST_SUMS, VKA_TILE_WIDE)};
    if (takes_wide(limits, &t, groups_of(&t, m, n, count)))
        return t;
    t = (struct vka_tile){VKA_TILE_NARROW, vka_lane_sums(m, MOST_SUMS, VKA_TILE_NARROW),
                          vka_lane_sums(n, MOST_SUMS, VKA_TILE_NARROW)};
    // More workgroups, where there would be too few; below 4 x 4 reading takes longer than summing.
    while (groups_of(&t, m, n, count) < limits->busy &&
           (t.sums_m > FEW_SUMS || t.sums_n > FEW_SUMS)) {
        if (t.sums_m > t.sums_n)
            t.sums_m /= 2;
        else
            t.sums_n /= 2;
    }
    return t;
}

double vka_tile_turns(const struct vka_tile *tile, int64_t terms)
{
    double loads = tile->sums_m + tile->sums_n;
    return (double)vka_divide_up(terms, VKA_TILE_DEPTH) * (1 + VKA_TILE_DEPTH + 1 + loads);
}
