// SPDX-License-Identifier: MIT
//
// Hazards: which dispatches need a barrier before them. Byte ranges that were read and written
// since the last barrier are kept; an overlap with a write on either side sets one. The ranges are
// those of the descriptors, which is how the validation layer judges, too.
#include "graph/program.h"

struct range {
    int memory; // a slab of the arena, or -1 for the output buffer
    uint64_t begin, end;
    bool written;
};

// False for memory that no dispatch writes.
static bool range_of(const struct vka_program *p, const struct vka_binding *b, struct range *range)
{
    enum vka_store store = p->g->values[b->base].store;
    if (store != VKA_STORE_TEMP && store != VKA_STORE_OUTPUT)
        return false;
    const struct vka_place *place = &p->places[b->base];
    *range = (struct range){place->slab, place->offset + b->begin, place->offset + b->end,
                            (b->access & VKA_WRITE) != 0};
    return true;
}

static bool conflict(const struct range *a, const struct range *b)
{
    return (a->written || b->written) && a->memory == b->memory && a->begin < b->end &&
           b->begin < a->end;
}

static bool needs_barrier(const struct vka_program *p, const struct vka_dispatch *d, size_t since)
{
    struct range now, then;
    for (int i = 0; i < d->n_bindings; i++) {
        if (!range_of(p, &d->bindings[i], &now))
            continue;
        for (size_t k = since; k < (size_t)(d - p->dispatches); k++) {
            const struct vka_dispatch *before = &p->dispatches[k];
            for (int j = 0; j < before->n_bindings; j++) {
                if (range_of(p, &before->bindings[j], &then) && conflict(&now, &then))
                    return true;
            }
        }
    }
    return false;
}

void vka_set_barriers(struct vka_program *p)
{
    size_t since = 0; // the first dispatch after the last barrier
    for (size_t i = 0; i < p->dispatch_count; i++) {
        p->dispatches[i].barrier_before = needs_barrier(p, &p->dispatches[i], since);
        if (p->dispatches[i].barrier_before)
            since = i;
    }
}
