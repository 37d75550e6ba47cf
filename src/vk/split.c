// SPDX-License-Identifier: MIT
//
// Long work is cut into several submissions: Windows resets a GPU whose work takes more than two
// seconds, and so do other systems by now. A single dispatch isn't cut.
#include "vk/plan.h"

// Operations a submission. A second of a slow phone; on a fast GPU a millisecond, of which another
// submission is little.
static const double budget = 2e10;

// Dispatches of a node follow each other; each is taken for an equal share of it.
static size_t node_end(const struct vka_program *p, size_t first)
{
    size_t end = first + 1;
    while (end < p->dispatch_count && p->dispatches[end].node == p->dispatches[first].node)
        end++;
    return end;
}

static bool cut(struct vka_vk_plan *plan, size_t *capacity, size_t at)
{
    if (!vka_grow(plan->d->context, (void **)&plan->cuts, capacity, plan->cut_count,
                  sizeof *plan->cuts))
        return false;
    plan->cuts[plan->cut_count++] = at;
    return true;
}

vka_result vka_vk_split(struct vka_vk_plan *plan)
{
    const struct vka_program *p = plan->program;
    double most = plan->d->submission_budget > 0 ? plan->d->submission_budget : budget, sum = 0;
    size_t capacity = 0;
    bool ok = cut(plan, &capacity, 0);
    for (size_t first = 0; first < p->dispatch_count && ok;) {
        size_t end = node_end(p, first);
        double share =
            vka_node_flops(p, &p->g->nodes[p->dispatches[first].node]) / (double)(end - first);
        for (; first < end && ok; first++) {
            if (sum > 0 && sum + share > most) {
                ok = cut(plan, &capacity, first);
                sum = 0;
            }
            sum += share;
        }
    }
    return ok ? VKA_OK : vka_out_of_memory(plan->d->context);
}
