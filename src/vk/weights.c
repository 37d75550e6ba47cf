// SPDX-License-Identifier: MIT
//
// Weights are put into chunks, each an allocation no larger than the device takes. A plan that
// needs more of the set than the plans before it adds a chunk.
#include "vk/weights.h"

#include "io/weights.h"

struct chunk {
    struct vka_vk_buffer buffer;
    struct chunk *next;
};

struct place {
    struct chunk *chunk; // NULL: not there
    uint64_t offset;
};

struct vka_vk_weights {
    struct vka_vk_weights *next;
    vka_weights *set;
    vka_dtype real; // as they are stored
    int users;
    struct place *places; // by index into the set
    struct chunk *chunks;
};

// The weights of a chunk that is being made.
struct batch {
    const struct vka_vk_weights *weights;
    struct item {
        int source;
        uint64_t offset, count;
    } * items;
    size_t count;
    uint64_t bytes;
};

static void destroy(struct vka_vk_device *d, struct vka_vk_weights *w)
{
    while (w->chunks) {
        struct chunk *next = w->chunks->next;
        vka_vk_buffer_destroy(d, &w->chunks->buffer);
        vka_free(d->context, w->chunks);
        w->chunks = next;
    }
    vka_free(d->context, w->places);
    vka_free(d->context, w);
}

static struct vka_vk_weights *find_or_make(struct vka_vk_device *d, vka_weights *set,
                                           vka_dtype real)
{
    for (struct vka_vk_weights *w = d->weights; w; w = w->next) {
        if (w->set == set && w->real == real)
            return w;
    }
    struct vka_vk_weights *w = vka_calloc(d->context, 1, sizeof *w);
    struct place *places = vka_calloc(d->context, vka_weights_count(set), sizeof *places);
    if (!w || !places) {
        vka_free(d->context, w);
        vka_free(d->context, places);
        vka_out_of_memory(d->context);
        return NULL;
    }
    *w = (struct vka_vk_weights){.next = d->weights, .set = set, .real = real, .places = places};
    d->weights = w;
    return w;
}

// Under the lock: takes a user off, and the copy from the list with its last one.
static void drop(struct vka_vk_device *d, struct vka_vk_weights *w)
{
    if (--w->users > 0)
        return;
    struct vka_vk_weights **link = &d->weights;
    while (*link != w)
        link = &(*link)->next;
    *link = w->next;
    destroy(d, w);
}

static vka_result tell_piece(void *user, size_t i, struct vka_vk_piece *p)
{
    const struct batch *b = user;
    const struct item *item = &b->items[i];
    p->offset = item->offset;
    p->count = item->count;
    p->real = b->weights->real;
    p->words = vka_weights_f32(b->weights->set, item->source);
    return p->words ? VKA_OK : VKA_ERROR_OUT_OF_MEMORY; // the text is set
}

static vka_result upload(struct vka_vk_device *d, struct vka_vk_weights *w, struct batch *b)
{
    struct chunk *chunk = vka_calloc(d->context, 1, sizeof *chunk);
    if (!chunk)
        return vka_out_of_memory(d->context);
    vka_result result = vka_vk_buffer_upload(d, b->bytes, "a chunk of the weights", b->count,
                                             tell_piece, b, &chunk->buffer);
    if (result != VKA_OK) {
        vka_free(d->context, chunk);
        return result;
    }
    chunk->next = w->chunks;
    w->chunks = chunk;
    for (size_t i = 0; i < b->count; i++)
        w->places[b->items[i].source] = (struct place){chunk, b->items[i].offset};
    b->count = 0;
    b->bytes = 0;
    return VKA_OK;
}

static bool waits(const struct batch *b, int source)
{
    for (size_t i = 0; i < b->count; i++) {
        if (b->items[i].source == source)
            return true;
    }
    return false;
}

static vka_result add(struct vka_vk_device *d, struct vka_vk_weights *w,
                      const struct vka_value *value, struct batch *b)
{
    uint64_t count, bytes;
    if (w->places[value->source].chunk || waits(b, value->source))
        return VKA_OK;
    if (!vka_shape_count(&value->shape, &count) ||
        !vka_mul_size(count, vka_dtype_size(w->real), &bytes) || bytes > (uint64_t)INT64_MAX / 2)
        return vka_error(d->context, VKA_ERROR_INVALID, "weight %d is too large", value->source);
    bytes = (bytes + VKA_ALIGNMENT - 1) / VKA_ALIGNMENT * VKA_ALIGNMENT;
    if (b->count > 0 && b->bytes + bytes > d->limits.allocation) {
        vka_result result = upload(d, w, b);
        if (result != VKA_OK)
            return result;
    }
    b->items[b->count++] = (struct item){value->source, b->bytes, count};
    b->bytes += bytes;
    return VKA_OK;
}

static bool is_weight(const struct vka_program *p, size_t i)
{
    const struct vka_value *v = &p->g->values[i];
    return v->base == (vka_tensor)i && v->store == VKA_STORE_WEIGHT && p->places[i].bytes > 0;
}

static vka_result add_all(struct vka_vk_device *d, struct vka_vk_weights *w,
                          const struct vka_program *p, size_t most)
{
    struct batch b = {.weights = w};
    b.items = vka_calloc(d->context, most, sizeof *b.items);
    if (!b.items)
        return vka_out_of_memory(d->context);
    vka_result result = VKA_OK;
    for (size_t i = 1; i < p->g->value_count && result == VKA_OK; i++) {
        if (is_weight(p, i))
            result = add(d, w, &p->g->values[i], &b);
    }
    if (result == VKA_OK && b.count > 0)
        result = upload(d, w, &b);
    vka_free(d->context, b.items);
    return result;
}

vka_result vka_vk_weights_acquire(struct vka_vk_device *d, const struct vka_program *program,
                                  struct vka_vk_weights **weights)
{
    size_t count = 0;
    *weights = NULL;
    for (size_t i = 1; i < program->g->value_count; i++)
        count += is_weight(program, i);
    if (count == 0)
        return VKA_OK;
    pthread_mutex_lock(&d->shared_lock);
    struct vka_vk_weights *w = find_or_make(d, program->g->weights, program->real);
    vka_result result = VKA_ERROR_OUT_OF_MEMORY; // the text is set
    if (w) {
        w->users++;
        result = add_all(d, w, program, count);
        if (result != VKA_OK)
            drop(d, w);
    }
    pthread_mutex_unlock(&d->shared_lock);
    *weights = result == VKA_OK ? w : NULL;
    return result;
}

void vka_vk_weights_release(struct vka_vk_device *d, struct vka_vk_weights *weights)
{
    if (!weights)
        return;
    pthread_mutex_lock(&d->shared_lock);
    drop(d, weights);
    pthread_mutex_unlock(&d->shared_lock);
}

VkBuffer vka_vk_weights_find(const struct vka_vk_weights *weights, int source, uint64_t *offset)
{
    const struct place *place = &weights->places[source];
    *offset = place->offset;
    return place->chunk->buffer.handle;
}
