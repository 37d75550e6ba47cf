// SPDX-License-Identifier: MIT
//
// Long work is cut into several submissions: Windows resets a GPU whose work takes more than two
// seconds, and so do other systems by now. A long dispatch is cut between its workgroups.
#include "vk/plan.h"

#include <math.h>

// Operations a submission. A second of a slow phone; on a fast GPU a millisecond, of which another
// submission is little.
static const double budget = 2e10;

struct splitter {
    struct vka_vk_plan *plan;
    size_t slice_capacity, cut_capacity;
    double most, sum; // operations: of a submission, of the current one so far
};

static bool cut(struct splitter *s)
{
    struct vka_vk_plan *plan = s->plan;
    if (!vka_grow(plan->d->context, (void **)&plan->cuts, &s->cut_capacity, plan->cut_count,
                  sizeof *plan->cuts))
        return false;
    plan->cuts[plan->cut_count++] = plan->slice_count;
    s->sum = 0;
    return true;
}

// Puts a slice of `work` operations behind the others.
static bool add(struct splitter *s, struct vka_vk_slice slice, double work)
{
    struct vka_vk_plan *plan = s->plan;
    if (s->sum > 0 && s->sum + work > s->most && !cut(s))
        return false;
    if (!vka_grow(plan->d->context, (void **)&plan->slices, &s->slice_capacity, plan->slice_count,
                  sizeof *plan->slices))
        return false;
    plan->slices[plan->slice_count++] = slice;
    s->sum += work;
    return true;
}

// Equal slices of no more than a submission's work, where there are as many workgroups.
static bool add_dispatch(struct splitter *s, size_t i, double work)
{
    const struct vka_dispatch *d = &s->plan->program->dispatches[i];
    uint64_t groups = d->groups[vka_vk_slice_axis(d)]; // fits 32 bits: launch.c looked
    uint64_t slices = 1;
    if (work > s->most)
        slices = work / s->most < (double)groups ? (uint64_t)ceil(work / s->most) : groups;
    s->plan->sliced[i] = slices > 1;
    for (uint64_t j = 0; j < slices; j++) {
        uint64_t first = groups * j / slices, end = groups * (j + 1) / slices;
        struct vka_vk_slice slice = {i, (uint32_t)first, (uint32_t)(end - first)};
        if (!add(s, slice, work / (double)slices))
            return false;
    }
    return true;
}

// Dispatches of a node follow each other.
static size_t node_end(const struct vka_program *p, size_t first, double *weight)
{
    size_t end = first;
    *weight = 0;
    for (; end < p->dispatch_count && p->dispatches[end].node == p->dispatches[first].node; end++)
        *weight += p->dispatches[end].weight;
    return end;
}

static bool add_all(struct splitter *s)
{
    const struct vka_program *p = s->plan->program;
    for (size_t i = 0; i < p->dispatch_count;) {
        double weight, flops = vka_node_flops(p, &p->g->nodes[p->dispatches[i].node]);
        size_t end = node_end(p, i, &weight);
        for (; i < end; i++) {
            if (!add_dispatch(s, i, flops * p->dispatches[i].weight / weight))
                return false;
        }
    }
    return true;
}

vka_result vka_vk_split(struct vka_vk_plan *plan)
{
    struct vka_vk_device *d = plan->d;
    struct splitter s = {.plan = plan,
                         .most = d->submission_budget > 0 ? d->submission_budget : budget};
    plan->sliced = vka_calloc(d->context, plan->program->dispatch_count, sizeof *plan->sliced);
    return plan->sliced && cut(&s) && add_all(&s) ? VKA_OK : vka_out_of_memory(d->context);
}
