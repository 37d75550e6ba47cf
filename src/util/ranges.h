// SPDX-License-Identifier: MIT
//
// Parts of a block of memory, taken and given back: first fit over a list of all parts in order.
// Knows numbers alone, no memory. No locks.
#ifndef VKA_UTIL_RANGES_H
#define VKA_UTIL_RANGES_H

#include "util/context.h"

struct vka_range {
    uint64_t offset, bytes;
    bool taken;
    struct vka_range *before, *after; // neighbours: together they cover the block
};

struct vka_ranges {
    vka_context *context;
    struct vka_range *first; // never goes, however the others merge
};

// One free range of `bytes`. False: out of memory, the text is set.
bool vka_ranges_create(vka_context *context, uint64_t bytes, struct vka_ranges *ranges);
// Takes a zeroed one.
void vka_ranges_destroy(struct vka_ranges *ranges);
bool vka_ranges_empty(const struct vka_ranges *ranges); // nothing is taken

// `bytes` > 0 at a multiple of `alignment`, a power of two. VKA_OK and NULL: no room.
vka_result vka_ranges_take(struct vka_ranges *ranges, uint64_t bytes, uint64_t alignment,
                           struct vka_range **range);
// Needs no memory, so it can't fail.
void vka_ranges_give(struct vka_ranges *ranges, struct vka_range *range);

#endif
