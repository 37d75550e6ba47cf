// SPDX-License-Identifier: MIT
//
// Where bases live. Values between inputs and outputs share an arena: live ranges, the largest
// first, each at the lowest place that is free for as long as it lives.
#include "graph/program.h"

#include <stdlib.h>
#include <string.h>

static uint64_t aligned(uint64_t bytes)
{
    return (bytes + VKA_ALIGNMENT - 1) / VKA_ALIGNMENT * VKA_ALIGNMENT;
}

// --- the arena alone ---

static int by_size(const void *a, const void *b)
{
    const struct vka_lifetime *x = *(struct vka_lifetime *const *)a;
    const struct vka_lifetime *y = *(struct vka_lifetime *const *)b;
    if (x->bytes != y->bytes)
        return x->bytes > y->bytes ? -1 : 1;
    return x < y ? -1 : 1; // as given, so that plans are alike
}

static int by_offset(const void *a, const void *b)
{
    const struct vka_lifetime *x = *(struct vka_lifetime *const *)a;
    const struct vka_lifetime *y = *(struct vka_lifetime *const *)b;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static bool live_together(const struct vka_lifetime *a, const struct vka_lifetime *b)
{
    return a->first <= b->last && b->first <= a->last;
}

// The lowest offset in `slab` where `item` fits among those placed before it.
static uint64_t lowest_fit(const struct vka_lifetime *item, int slab,
                           struct vka_lifetime *const *placed, size_t count,
                           const struct vka_lifetime **beside)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        if (placed[i]->slab == slab && live_together(placed[i], item))
            beside[n++] = placed[i];
    }
    qsort(beside, n, sizeof *beside, by_offset);
    uint64_t at = 0;
    for (size_t i = 0; i < n; i++) {
        if (at + aligned(item->bytes) <= beside[i]->offset)
            break;
        uint64_t end = beside[i]->offset + aligned(beside[i]->bytes);
        at = end > at ? end : at;
    }
    return at;
}

struct arena {
    vka_context *context;
    uint64_t limit;
    uint64_t *slabs;
    int count;
    size_t capacity;
};

static vka_result place_item(struct arena *a, struct vka_lifetime *item,
                             struct vka_lifetime *const *placed, size_t count,
                             const struct vka_lifetime **beside)
{
    uint64_t size = aligned(item->bytes);
    item->slab = -1;
    if (size > a->limit)
        return VKA_OK; // the caller tells
    for (int slab = 0; slab < a->count; slab++) {
        uint64_t at = lowest_fit(item, slab, placed, count, beside);
        if (at + size > a->limit)
            continue;
        item->slab = slab;
        item->offset = at;
        if (at + size > a->slabs[slab])
            a->slabs[slab] = at + size;
        return VKA_OK;
    }
    if (!vka_grow(a->context, (void **)&a->slabs, &a->capacity, (size_t)a->count, sizeof *a->slabs))
        return vka_out_of_memory(a->context);
    a->slabs[a->count] = size;
    item->slab = a->count++;
    item->offset = 0;
    return VKA_OK;
}

vka_result vka_arena_assign(vka_context *context, struct vka_lifetime *items, size_t count,
                            uint64_t slab_limit, uint64_t **slabs, int *slab_count)
{
    struct arena a = {.context = context, .limit = slab_limit / VKA_ALIGNMENT * VKA_ALIGNMENT};
    struct vka_lifetime **order = vka_alloc(context, count, sizeof *order);
    const struct vka_lifetime **beside = vka_alloc(context, count, sizeof *beside);
    vka_result result = order && beside ? VKA_OK : vka_out_of_memory(context);
    if (result == VKA_OK) {
        for (size_t i = 0; i < count; i++)
            order[i] = &items[i];
        qsort(order, count, sizeof *order, by_size);
    }
    for (size_t i = 0; i < count && result == VKA_OK; i++)
        result = place_item(&a, order[i], order, i, beside);
    vka_free(context, order);
    vka_free(context, beside);
    *slabs = a.slabs;
    *slab_count = a.count;
    return result;
}

// --- a program's bases ---

struct placing {
    struct vka_program *p;
    int *owner; // by base: the base whose bytes it shares (itself, or one further up), 0: none
    int *first, *last;
};

static bool reads_once(const struct vka_graph *g, const struct vka_op_node *node, vka_tensor base)
{
    int times = 0;
    for (int i = 0; i < node->n_in; i++)
        times += node->in[i] && g->values[node->in[i]].base == base;
    return times == 1;
}

// Whether output 0 may take over input 0's bytes at node n.
static bool runs_in_place(const struct placing *s, int n)
{
    const vka_graph *g = s->p->g;
    const struct vka_op_node *node = &g->nodes[n];
    if (!(node->op->flags & VKA_OP_IN_PLACE) || !node->n_in || !node->in[0] || !node->out[0])
        return false;
    const struct vka_value *in = &g->values[node->in[0]], *out = &g->values[node->out[0]];
    const struct vka_value *base = &g->values[in->base];
    return base->store == VKA_STORE_TEMP && out->store == VKA_STORE_TEMP &&
           in->dtype == out->dtype && in->offset == 0 && vka_shape_equal(&in->shape, &out->shape) &&
           vka_is_dense(g, node->in[0]) &&
           vka_elements(g, in->base) == vka_elements(g, node->out[0]) &&
           s->last[s->owner[in->base]] == n && reads_once(g, node, in->base);
}

static void find_lifetimes(struct placing *s)
{
    const vka_graph *g = s->p->g;
    for (size_t n = 0; n < g->node_count; n++) {
        const struct vka_op_node *node = &g->nodes[n];
        for (int i = 0; i < node->n_in; i++)
            s->last[g->values[node->in[i]].base] = (int)n;
        for (int i = 0; i < node->n_out; i++) {
            s->first[node->out[i]] = s->last[node->out[i]] = (int)n;
            s->owner[node->out[i]] = node->out[i];
        }
        s->first[node->scratch] = s->last[node->scratch] = (int)n;
        s->owner[node->scratch] = node->scratch;
    }
    for (size_t n = 0; n < g->node_count; n++) {
        if (!runs_in_place(s, (int)n))
            continue;
        vka_tensor out = g->nodes[n].out[0];
        int owner = s->owner[g->values[g->nodes[n].in[0]].base];
        s->owner[out] = owner;
        s->last[owner] = s->last[out];
    }
}

static vka_result too_large(struct vka_program *p, vka_tensor base)
{
    char text[VKA_SHAPE_TEXT];
    return vka_error(
        p->context, VKA_ERROR_UNSUPPORTED,
        "a tensor of shape %s needs %llu bytes; one allocation of the device holds %llu",
        vka_shape_text(&p->g->values[base].shape, text),
        (unsigned long long)vka_base_bytes(p, base), (unsigned long long)p->limits.allocation);
}

static vka_result place_arena(struct placing *s, struct vka_lifetime *items)
{
    struct vka_program *p = s->p;
    const vka_graph *g = p->g;
    size_t count = 0;
    for (size_t i = 1; i < g->value_count; i++) {
        if (s->owner[i] == (int)i && g->values[i].store == VKA_STORE_TEMP)
            items[count++] = (struct vka_lifetime){.bytes = vka_base_bytes(p, (vka_tensor)i),
                                                   .first = s->first[i],
                                                   .last = s->last[i]};
    }
    vka_result result =
        vka_arena_assign(p->context, items, count, p->device ? p->limits.allocation : INT64_MAX / 2,
                         &p->slabs, &p->slab_count);
    count = 0;
    for (size_t i = 1; i < g->value_count && result == VKA_OK; i++) {
        if (s->owner[i] != (int)i || g->values[i].store != VKA_STORE_TEMP)
            continue;
        const struct vka_lifetime *item = &items[count++];
        if (item->slab < 0)
            return too_large(p, (vka_tensor)i);
        p->places[i] = (struct vka_place){item->slab, item->offset, item->bytes};
    }
    for (size_t i = 1; i < g->value_count && result == VKA_OK; i++) {
        if (s->owner[i] && s->owner[i] != (int)i)
            p->places[i] = p->places[s->owner[i]];
    }
    return result;
}

static vka_result place_beside(struct vka_program *p, vka_tensor base, uint64_t *total)
{
    uint64_t bytes = vka_base_bytes(p, base);
    p->places[base] = (struct vka_place){-1, *total, bytes};
    if (!vka_add_size(*total, aligned(bytes), total))
        return vka_error(p->context, VKA_ERROR_UNSUPPORTED, "the tensors are too large in all");
    return VKA_OK;
}

static vka_result place_fixed(struct placing *s)
{
    struct vka_program *p = s->p;
    const vka_graph *g = p->g;
    vka_result result = VKA_OK;
    for (size_t i = 0; i < g->input_count && result == VKA_OK; i++)
        result = place_beside(p, g->inputs[i].tensor, &p->input_bytes);
    for (size_t i = 0; i < g->output_count && result == VKA_OK; i++)
        result = place_beside(p, g->outputs[i].tensor, &p->output_bytes);
    for (size_t i = 1; i < g->value_count && result == VKA_OK; i++) {
        const struct vka_value *v = &g->values[i];
        if (v->base != (vka_tensor)i)
            continue;
        if (v->store == VKA_STORE_CONSTANT && v->data)
            result = place_beside(p, (vka_tensor)i, &p->constant_bytes);
        else if (v->store == VKA_STORE_WEIGHT && s->last[i] >= 0)
            result = place_beside(p, (vka_tensor)i, &p->weight_bytes);
    }
    return result;
}

vka_result vka_place_all(struct vka_program *p)
{
    size_t n = p->g->value_count;
    struct placing s = {.p = p};
    p->places = vka_calloc(p->context, n, sizeof *p->places);
    struct vka_lifetime *items = vka_alloc(p->context, n, sizeof *items);
    s.owner = vka_calloc(p->context, n, sizeof *s.owner);
    s.first = vka_calloc(p->context, n, sizeof *s.first);
    s.last = vka_alloc(p->context, n, sizeof *s.last);
    vka_result result = VKA_ERROR_OUT_OF_MEMORY;
    if (p->places && items && s.owner && s.first && s.last) {
        for (size_t i = 0; i < n; i++)
            s.last[i] = -1;
        find_lifetimes(&s);
        result = place_fixed(&s);
        if (result == VKA_OK)
            result = place_arena(&s, items);
    } else {
        vka_out_of_memory(p->context);
    }
    vka_free(p->context, items);
    vka_free(p->context, s.owner);
    vka_free(p->context, s.first);
    vka_free(p->context, s.last);
    return result;
}
