// SPDX-License-Identifier: MIT
//
// Taken and free ranges in one list: a range that is given back is a list element already, and
// finds its neighbours without a search.
#include "util/ranges.h"

bool vka_ranges_create(vka_context *context, uint64_t bytes, struct vka_ranges *ranges)
{
    *ranges = (struct vka_ranges){.context = context};
    ranges->first = vka_calloc(context, 1, sizeof *ranges->first);
    if (!ranges->first) {
        vka_out_of_memory(context);
        return false;
    }
    ranges->first->bytes = bytes;
    return true;
}

void vka_ranges_destroy(struct vka_ranges *ranges)
{
    while (ranges->first) {
        struct vka_range *next = ranges->first->after;
        vka_free(ranges->context, ranges->first);
        ranges->first = next;
    }
}

bool vka_ranges_empty(const struct vka_ranges *ranges)
{
    return !ranges->first->taken && !ranges->first->after;
}

// Cuts `range` in two; the second part is free. False: out of memory, nothing was changed.
static bool cut(struct vka_ranges *ranges, struct vka_range *range, uint64_t bytes)
{
    struct vka_range *rest = vka_alloc(ranges->context, 1, sizeof *rest);
    if (!rest)
        return false;
    *rest = (struct vka_range){.offset = range->offset + bytes,
                               .bytes = range->bytes - bytes,
                               .before = range,
                               .after = range->after};
    if (rest->after)
        rest->after->before = rest;
    range->after = rest;
    range->bytes = bytes;
    return true;
}

// Joins a free range and the free one behind it.
static void join(struct vka_ranges *ranges, struct vka_range *range)
{
    struct vka_range *next = range->after;
    if (!next || next->taken || range->taken)
        return;
    range->bytes += next->bytes;
    range->after = next->after;
    if (range->after)
        range->after->before = range;
    vka_free(ranges->context, next);
}

vka_result vka_ranges_take(struct vka_ranges *ranges, uint64_t bytes, uint64_t alignment,
                           struct vka_range **out)
{
    *out = NULL;
    for (struct vka_range *r = ranges->first; r; r = r->after) {
        uint64_t gap = -r->offset & (alignment - 1);
        if (r->taken || r->bytes < gap || r->bytes - gap < bytes)
            continue;
        if (gap > 0) {
            if (!cut(ranges, r, gap))
                return vka_out_of_memory(ranges->context);
            r = r->after;
        }
        if (r->bytes > bytes && !cut(ranges, r, bytes)) {
            if (gap > 0)
                join(ranges, r->before);
            return vka_out_of_memory(ranges->context);
        }
        r->taken = true;
        *out = r;
        return VKA_OK;
    }
    return VKA_OK;
}

void vka_ranges_give(struct vka_ranges *ranges, struct vka_range *range)
{
    range->taken = false;
    join(ranges, range);
    if (range->before)
        join(ranges, range->before);
}
