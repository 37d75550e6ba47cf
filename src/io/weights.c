// SPDX-License-Identifier: MIT
//
// Weight sets: sorted names over data that stays where it is.
#include "io/weights.h"

#include "io/json.h"
#include "io/safetensors.h"
#include "util/half.h"

#include <pthread.h>
#include <string.h>

static const float no_elements[1];

vka_result vka_weights_create(vka_context *context, vka_weights **weights)
{
    *weights = NULL;
    vka_weights *w = vka_calloc(context, 1, sizeof *w);
    pthread_mutex_t *lock = vka_alloc(context, 1, sizeof *lock);
    if (!w || !lock || pthread_mutex_init(lock, NULL) != 0) {
        vka_free(context, w);
        vka_free(context, lock);
        return vka_out_of_memory(context);
    }
    w->context = context;
    w->lock = lock;
    *weights = w;
    return VKA_OK;
}

void vka_weights_destroy(vka_weights *weights)
{
    if (!weights)
        return;
    for (size_t i = 0; i < weights->count; i++) {
        vka_free_data(weights->context, weights->entries[i].converted);
        if (weights->entries[i].owns_name)
            vka_free(weights->context, (void *)(uintptr_t)weights->entries[i].name);
    }
    vka_safetensors_close(weights->file);
    pthread_mutex_destroy(weights->lock);
    vka_free(weights->context, weights->lock);
    vka_free(weights->context, weights->wanted);
    vka_free(weights->context, weights->entries);
    vka_free(weights->context, weights);
}

size_t vka_weights_count(const vka_weights *weights)
{
    return weights->count;
}

// Where the name is, or where it would be put.
static size_t position(const vka_weights *weights, const char *name, bool *found)
{
    size_t low = 0, high = weights->count;
    *found = false;
    while (low < high && !*found) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(weights->entries[middle].name, name);
        *found = order == 0;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return *found ? high : low;
}

int vka_weights_index(const vka_weights *weights, const char *name)
{
    bool found;
    size_t at = position(weights, name, &found);
    return found ? (int)at : -1;
}

vka_result vka_weights_put(vka_weights *weights, const char *name, vka_dtype dtype,
                           const vka_shape *shape, const void *data)
{
    vka_context *context = weights->context;
    char quoted[VKA_JSON_QUOTED];
    uint64_t bytes = 0;
    bool found;
    size_t at = position(weights, name, &found), size = vka_dtype_size(dtype);
    if (weights->sealed)
        return vka_error(context, VKA_ERROR_INVALID,
                         "weight %s comes too late: a graph was made with this set",
                         vka_json_quote(name, quoted));
    if (found)
        return vka_error(context, VKA_ERROR_INVALID, "weight %s is there already",
                         vka_json_quote(name, quoted));
    if (size == 0 || shape->rank < 0 || shape->rank > VKA_MAX_RANK ||
        !vka_shape_count(shape, &bytes) || !vka_mul_size(bytes, size, &bytes))
        return vka_error(context, VKA_ERROR_INVALID,
                         "weight %s: no such dtype, more than %d axes, or a size that overflows",
                         vka_json_quote(name, quoted), VKA_MAX_RANK);
    if (weights->count >= INT32_MAX)
        return vka_error(context, VKA_ERROR_UNSUPPORTED, "too many weights");
    if (!vka_grow(context, (void **)&weights->entries, &weights->capacity, weights->count,
                  sizeof *weights->entries))
        return vka_out_of_memory(context);
    struct vka_weight_entry *entry = &weights->entries[at];
    memmove(entry + 1, entry, (weights->count - at) * sizeof *entry);
    *entry = (struct vka_weight_entry){
        .name = name, .dtype = dtype, .shape = *shape, .data = data, .bytes = bytes};
    weights->count++;
    return VKA_OK;
}

void vka_weights_seal(vka_weights *weights)
{
    pthread_mutex_lock(weights->lock);
    weights->sealed = true;
    pthread_mutex_unlock(weights->lock);
}

vka_result vka_weights_official(vka_weights *weights)
{
    pthread_mutex_lock(weights->lock);
    bool late = weights->sealed && !weights->official;
    weights->official |= !late;
    pthread_mutex_unlock(weights->lock);
    if (late)
        return vka_error(weights->context, VKA_ERROR_INVALID,
                         "that the names are official comes too late: a graph was made with this "
                         "set");
    return VKA_OK;
}

bool vka_weights_form(vka_weights *weights, int index, enum vka_form form, int partner)
{
    struct vka_weight_entry *entry = &weights->entries[index];
    pthread_mutex_lock(weights->lock);
    if (!entry->formed) {
        entry->formed = true;
        entry->form = form;
        entry->partner = partner;
    }
    bool same = entry->form == form && entry->partner == partner;
    pthread_mutex_unlock(weights->lock);
    return same;
}

bool vka_weights_want(vka_weights *weights, const char *name, const vka_shape *shape)
{
    pthread_mutex_lock(weights->lock);
    vka_free(weights->context, weights->wanted);
    weights->wanted = vka_strdup(weights->context, name);
    weights->wanted_shape = *shape;
    bool kept = weights->wanted != NULL;
    pthread_mutex_unlock(weights->lock);
    return kept;
}

vka_result vka_weights_add(vka_weights *weights, const char *name, vka_dtype dtype,
                           const vka_shape *shape, const void *data)
{
    if (!name || !*name || !shape)
        return vka_error(weights->context, VKA_ERROR_INVALID, "weight \"%s\": no name or no shape",
                         name ? name : "");
    char *copy = vka_strdup(weights->context, name);
    if (!copy)
        return vka_out_of_memory_for(weights->context, "a weight's name");
    vka_result result = vka_weights_put(weights, copy, dtype, shape, data);
    if (result == VKA_OK)
        weights->entries[vka_weights_index(weights, copy)].owns_name = true;
    else
        vka_free(weights->context, copy);
    return result;
}

// The file's names are sorted, so that each one is put at the end.
static vka_result take_all(vka_weights *weights)
{
    struct vka_safetensor tensor;
    for (size_t i = 0; i < vka_safetensors_count(weights->file); i++) {
        vka_result result = vka_safetensors_use(weights->file, i, &tensor);
        if (result == VKA_OK)
            result = vka_weights_put(weights, tensor.name, (vka_dtype)tensor.dtype, &tensor.shape,
                                     tensor.data);
        if (result != VKA_OK)
            return result;
    }
    return VKA_OK;
}

vka_result vka_weights_load(vka_context *context, const char *path, vka_weights **weights)
{
    vka_weights *w;
    *weights = NULL;
    vka_result result = vka_weights_create(context, &w);
    if (result != VKA_OK)
        return result;
    result = vka_safetensors_open(context, path, &w->file);
    if (result == VKA_OK)
        result = take_all(w);
    if (result == VKA_OK)
        *weights = w;
    else
        vka_weights_destroy(w);
    return result;
}

// --- floats ---

static float *convert(const vka_weights *weights, const struct vka_weight_entry *entry,
                      const float *partner)
{
    uint64_t count = entry->bytes / vka_dtype_size(entry->dtype), bytes, bad;
    float *copy =
        vka_mul_size(count, sizeof *copy, &bytes) ? vka_alloc_data(weights->context, bytes) : NULL;
    if (!copy)
        return NULL;
    vka_convert_in(entry->data, entry->dtype, copy, VKA_F32, VKA_F32, count, &bad);
    if (vka_form_apply(weights->context, entry, copy, count, partner))
        return copy;
    vka_free_data(weights->context, copy);
    return NULL;
}

// The copy is made under the lock, by the first who asks.
static const float *converted(const vka_weights *weights, struct vka_weight_entry *entry,
                              const float *partner)
{
    char quoted[VKA_JSON_QUOTED];
    pthread_mutex_lock(weights->lock);
    if (!entry->converted)
        entry->converted = convert(weights, entry, partner);
    const float *result = entry->converted;
    pthread_mutex_unlock(weights->lock);
    if (!result)
        vka_out_of_memory_for(weights->context, "weight %s as floats",
                              vka_json_quote(entry->name, quoted));
    return result;
}

const float *vka_weights_f32(vka_weights *weights, int index)
{
    struct vka_weight_entry *entry = &weights->entries[index];
    char quoted[VKA_JSON_QUOTED];
    if (!vka_dtype_converts(entry->dtype, VKA_F32)) {
        vka_error(weights->context, VKA_ERROR_INVALID, "weight %s is %s, a float is wanted",
                  vka_json_quote(entry->name, quoted), vka_dtype_name(entry->dtype));
        return NULL;
    }
    if (entry->bytes == 0)
        return no_elements;
    if (!entry->data) {
        vka_error(weights->context, VKA_ERROR_INVALID, "weight %s has no data",
                  vka_json_quote(entry->name, quoted));
        return NULL;
    }
    const float *partner = NULL;
    bool parted = entry->form == VKA_FORM_NORMED || entry->form == VKA_FORM_SPECTRAL;
    if (entry->form == VKA_FORM_PLAIN && entry->dtype == VKA_F32 &&
        (uintptr_t)entry->data % sizeof(float) == 0)
        return entry->data;
    if (parted && !(partner = vka_weights_f32(weights, entry->partner)))
        return NULL;
    return converted(weights, entry, partner);
}
