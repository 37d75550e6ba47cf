// SPDX-License-Identifier: MIT
//
// Launches: what ops write down as dispatches, checked against the device's limits.
#include "graph/program.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct vka_launch {
    const struct vka_program *p;
    int node;
    struct vka_program *into; // NULL: a trial
    int64_t scratch;          // words
    char why[512];            // "" while all is well
    vka_result result;
};

void vka_launch_fail(struct vka_launch *l, const char *format, ...)
{
    if (l->why[0])
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(l->why, sizeof l->why, format, args);
    va_end(args);
    l->result = VKA_ERROR_UNSUPPORTED;
}

void vka_launch_most(struct vka_launch *l, const char *what, int64_t count, int64_t most)
{
    if (count > most)
        vka_launch_fail(l, "%lld %s; a dispatch takes %lld", (long long)count, what,
                        (long long)most);
}

const struct vka_limits *vka_launch_limits(const struct vka_launch *l)
{
    return &l->p->limits;
}

void vka_begin(struct vka_launch *l, struct vka_dispatch *d, const char *shader, uint32_t size_x,
               uint32_t size_y, uint32_t size_z)
{
    const struct vka_limits *m = &l->p->limits;
    memset(d, 0, sizeof *d);
    d->shader = shader;
    d->node = l->node;
    d->weight = 1;
    vka_constant_u32(d, size_x);
    vka_constant_u32(d, size_y);
    vka_constant_u32(d, size_z);
    uint64_t invocations = (uint64_t)size_x * size_y * size_z;
    if (invocations > m->max_invocations || size_x > m->max_group_size[0] ||
        size_y > m->max_group_size[1] || size_z > m->max_group_size[2])
        vka_launch_fail(l, "%s wants workgroups of %u x %u x %u; the device offers %u invocations",
                        shader, size_x, size_y, size_z, m->max_invocations);
}

void vka_constant_u32(struct vka_dispatch *d, uint32_t value)
{
    if (d->n_constants < VKA_MAX_CONSTANTS)
        d->constants[d->n_constants] = value;
    d->n_constants++; // too many: told by vka_emit
}

void vka_constant_f32(struct vka_dispatch *d, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    vka_constant_u32(d, bits);
}

void vka_push(struct vka_dispatch *d, const void *push, uint32_t size)
{
    memcpy(d->push, push, size);
    d->push_size = size;
}

void vka_turns(struct vka_dispatch *d, double turns, const char *along)
{
    d->turns = turns;
    d->along = along;
}

void vka_no_loops(struct vka_dispatch *d)
{
    vka_turns(d, 1, NULL);
}

// First and one past the last element that an array touches.
static void reach(const struct vka_array *a, int64_t *low, int64_t *high)
{
    *low = *high = a->offset;
    for (int i = 0; i < a->rank; i++) {
        int64_t r = (a->dim[i] - 1) * a->stride[i];
        *low += r < 0 ? r : 0;
        *high += r > 0 ? r : 0;
    }
    ++*high;
}

// The same in bytes of the base, from where a binding may begin.
static void span(const struct vka_limits *limits, const struct vka_array *a, uint64_t size,
                 uint64_t *begin, uint64_t *end)
{
    int64_t low, high;
    reach(a, &low, &high);
    *begin = (uint64_t)low * size / limits->offset_alignment * limits->offset_alignment;
    *end = ((uint64_t)high * size + 3) / 4 * 4;
}

bool vka_binds(const struct vka_limits *limits, const struct vka_array *a, uint64_t size)
{
    uint64_t begin = 0, end = 0;
    if (vka_present(a))
        span(limits, a, size, &begin, &end);
    return end - begin <= limits->storage_range;
}

// What an absent operand binds: a range that the dispatch uses anyway. The module never touches it,
// but what it could write counts as written to those who look from outside.
static struct vka_binding stand_in(const struct vka_dispatch *d, enum vka_access access)
{
    struct vka_binding b = d->bindings[0];
    for (int i = 0; i < d->n_bindings - 1 && access != VKA_READ; i++) {
        if (d->bindings[i].access != VKA_READ)
            b = d->bindings[i];
    }
    if (access == VKA_READ)
        b.access = VKA_READ;
    return b;
}

uint32_t vka_bind(struct vka_launch *l, struct vka_dispatch *d, const struct vka_array *a,
                  enum vka_access access)
{
    if (d->n_bindings >= VKA_MAX_BINDINGS) {
        vka_launch_fail(l, "%s binds more than %d buffers", d->shader, VKA_MAX_BINDINGS);
        return 0;
    }
    struct vka_binding *b = &d->bindings[d->n_bindings++];
    if (!vka_present(a)) {
        *b = stand_in(d, access);
        return 0;
    }
    uint64_t size = vka_element_size(l->p, a->dtype);
    span(&l->p->limits, a, size, &b->begin, &b->end);
    b->base = a->id;
    b->access = access;
    if (!vka_binds(&l->p->limits, a, size)) {
        char text[VKA_SHAPE_TEXT];
        vka_shape shape = vka_shape_make(a->rank, a->dim);
        vka_launch_fail(
            l, "a tensor of shape %s takes %llu bytes; one binding of the device holds %llu",
            vka_shape_text(&shape, text), (unsigned long long)(b->end - b->begin),
            (unsigned long long)l->p->limits.storage_range);
    }
    return (uint32_t)((uint64_t)a->offset - b->begin / size);
}

struct vka_array vka_scratch(struct vka_launch *l, int64_t words)
{
    l->scratch = words;
    vka_tensor id = l->into ? l->p->g->nodes[l->node].scratch : 0;
    return (struct vka_array){.dtype = VKA_I32, .rank = 1, .dim = {words}, .stride = {1}, .id = id};
}

// Too many in one direction go on in the next one, in rows that are about equally full; in many
// rows, since long work is cut between them.
enum { FOLDED_ROWS = 1024 };

static void fold_groups(struct vka_launch *l, struct vka_dispatch *d)
{
    const uint32_t *max = l->p->limits.max_group_count;
    for (int i = 0; i < 2; i++) {
        if (d->groups[i] <= max[i] || d->groups[i + 1] != 1)
            continue;
        uint64_t rows = (d->groups[i] + max[i] - 1) / max[i];
        rows = rows < FOLDED_ROWS && max[i + 1] >= FOLDED_ROWS ? FOLDED_ROWS : rows;
        d->groups[i] = (d->groups[i] + rows - 1) / rows;
        d->groups[i + 1] = rows;
    }
    for (int i = 0; i < 3; i++) {
        if (d->groups[i] == 0 || d->groups[i] > max[i])
            vka_launch_fail(l, "%s needs %llu workgroups in direction %d; the device offers %u",
                            d->shader, (unsigned long long)d->groups[i], i, max[i]);
    }
}

static void check_turns(struct vka_launch *l, const struct vka_dispatch *d)
{
    if (d->turns < 1)
        vka_launch_fail(l, "%s doesn't say how many turns its loops take", d->shader);
    if (d->turns > l->p->limits.max_turns)
        vka_launch_fail(l, "the loops of %s along %s take %.0f turns; the device makes %u",
                        d->shader, d->along, d->turns, l->p->limits.max_turns);
}

static void check_dispatch(struct vka_launch *l, struct vka_dispatch *d)
{
    const struct vka_limits *m = &l->p->limits;
    check_turns(l, d);
    if ((uint32_t)d->n_bindings > m->storage_buffers)
        vka_launch_fail(l, "%s binds %d storage buffers; the device offers %u", d->shader,
                        d->n_bindings, m->storage_buffers);
    if (d->push_size > m->push_bytes)
        vka_launch_fail(l, "%s pushes %u bytes; the device offers %u", d->shader, d->push_size,
                        m->push_bytes);
    if (d->n_constants > VKA_MAX_CONSTANTS)
        vka_launch_fail(l, "%s has more than %d constants", d->shader, VKA_MAX_CONSTANTS);
}

void vka_emit(struct vka_launch *l, struct vka_dispatch *d, uint64_t x, uint64_t y, uint64_t z)
{
    d->groups[0] = x;
    d->groups[1] = y;
    d->groups[2] = z;
    fold_groups(l, d);
    check_dispatch(l, d);
    if (l->why[0] || !l->into)
        return;
    struct vka_program *p = l->into;
    if (!vka_grow(p->context, (void **)&p->dispatches, &p->dispatch_capacity, p->dispatch_count,
                  sizeof *p->dispatches)) {
        char text[VKA_MEMORY_TEXT];
        vka_launch_fail(l, "%s", vka_memory_text("the list of dispatches", text));
        l->result = VKA_ERROR_OUT_OF_MEMORY;
        return;
    }
    p->dispatches[p->dispatch_count++] = *d;
}

bool vka_launch_fits(const struct vka_program *p, const struct vka_variant *variant,
                     const struct vka_args *args, int64_t *scratch, char *why, size_t why_size)
{
    struct vka_launch l = {.p = p};
    variant->launch(&l, args);
    *scratch = l.scratch;
    if (l.why[0])
        snprintf(why, why_size, "%s", l.why);
    return l.why[0] == '\0';
}

vka_result vka_launch_all(struct vka_program *p)
{
    for (size_t i = 0; i < p->g->node_count; i++) {
        const struct vka_op_node *node = &p->g->nodes[i];
        struct vka_launch l = {.p = p, .into = p, .node = (int)i};
        struct vka_args args;
        vka_program_args(p, node, &args);
        node->variant->launch(&l, &args);
        if (l.why[0])
            return vka_error(p->context, l.result, "%s%s%s", node->path, *node->path ? ": " : "",
                             l.why);
    }
    return VKA_OK;
}
