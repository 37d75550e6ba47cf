// SPDX-License-Identifier: MIT
#include "cli/made_up.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// The name is the seed, so that a tensor's data don't hang on what else there is.
static uint64_t seed_of(const char *name)
{
    uint64_t seed = 0xcbf29ce484222325u;
    for (; *name; name++)
        seed = (seed ^ (unsigned char)*name) * 0x100000001b3u;
    return seed;
}

static uint64_t next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static float next_unit(uint64_t *state) // 0 <= x < 1
{
    return (float)(next(state) >> 40) * 0x1p-24f;
}

static void *room(const vka_shape *shape, uint64_t size, uint64_t *count)
{
    uint64_t bytes;
    if (!vka_shape_count(shape, count) || !vka_mul_size(*count, size, &bytes) || bytes > SIZE_MAX)
        return NULL;
    return malloc(bytes ? (size_t)bytes : 1);
}

float *made_up_weight(const char *name, const vka_shape *shape)
{
    uint64_t count = 0, state = seed_of(name);
    float *data = room(shape, sizeof *data, &count);
    if (!data)
        return NULL;
    bool variance = strstr(name, "var") != NULL;
    uint64_t inputs = shape->rank > 1 && shape->dim[0] > 0 ? count / (uint64_t)shape->dim[0] : 4;
    float low = variance ? 0.5f : -1 / sqrtf((float)inputs), range = variance ? 1 : -2 * low;
    for (uint64_t i = 0; i < count; i++)
        data[i] = low + range * next_unit(&state);
    return data;
}

static void fill_integers(const vka_graph *g, vka_tensor base, uint64_t *state, int32_t *data,
                          uint64_t count)
{
    int64_t low = INT32_MIN, high = INT32_MAX;
    bool checked = false;
    for (size_t c = 0; c < g->check_count; c++) {
        if (g->checks[c].tensor != base)
            continue;
        checked = true;
        low = g->checks[c].lo > low ? g->checks[c].lo : low;
        high = g->checks[c].hi < high ? g->checks[c].hi : high;
    }
    if (!checked || high < low) // 0 lies in every range that a step on the device checks
        low = high = 0;
    for (uint64_t i = 0; i < count; i++)
        data[i] = (int32_t)(low + (int64_t)(next(state) % (uint64_t)(high - low + 1)));
}

bool made_up_input(const vka_graph *g, size_t i, vka_io *io)
{
    const char *name = g->inputs[i].name;
    vka_tensor t = g->inputs[i].tensor;
    vka_dtype dtype = vka_type(g, t);
    vka_shape shape = vka_shape_of(g, t);
    uint64_t count = 0, state = seed_of(name);
    void *data = room(&shape, vka_dtype_size(dtype), &count);
    if (!data)
        return false;
    if (dtype == VKA_I32)
        fill_integers(g, t, &state, data, count);
    for (uint64_t k = 0; k < count && dtype != VKA_I32; k++) {
        if (dtype == VKA_BOOL)
            ((unsigned char *)data)[k] = next(&state) & 1;
        else
            ((float *)data)[k] = next_unit(&state);
    }
    *io = (vka_io){name, dtype, data, count * vka_dtype_size(dtype)};
    return true;
}
