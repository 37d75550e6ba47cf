// SPDX-License-Identifier: MIT
//
// The data of op tests: seeded random numbers, and shapes.
#include "op_data.h"

#include "util/half.h"

#include <math.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

// --- random numbers ---

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static double uniform(uint64_t *state)
{
    return (double)(next_random(state) >> 11) * 0x1p-53;
}

static double normal(uint64_t *state)
{
    double u = 1 - uniform(state), v = uniform(state);
    return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

uint64_t op_seed(uint64_t seed, const char *text, uint64_t more)
{
    uint64_t s = seed * 0x100000001b3u + more;
    for (; *text; text++)
        s = (s ^ (unsigned char)*text) * 0x100000001b3u;
    return s;
}

static double any_bits(uint64_t *state)
{
    uint32_t bits = (uint32_t)next_random(state);
    if ((bits & 0x7f800000u) == 0x7f800000u)
        bits |= 0x00400000u; // quiet
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static double fill_float(const struct op_operand *o, uint64_t *state)
{
    uint64_t odds = next_random(state) % 16;
    switch (o->fill) {
    case OP_POSITIVE:
        return 0.05 + 3.95 * uniform(state);
    case OP_WIDE:
        return 200 * uniform(state) - 100;
    case OP_RANGE:
        return o->lo + (o->hi - o->lo) * uniform(state);
    case OP_SPECIAL:
        return odds == 0 ? INFINITY : odds == 1 ? -INFINITY : odds == 2 ? NAN : normal(state);
    case OP_INFINITE:
        return odds < 6 ? -INFINITY : normal(state);
    case OP_BITS:
        return any_bits(state);
    case OP_TIES:
        return (double)(odds % 4);
    default:
        return normal(state);
    }
}

static double fill_int(const struct op_operand *o, uint64_t *state)
{
    uint64_t r = next_random(state);
    if (o->dtype == VKA_BOOL)
        return (double)(r & 1);
    if (o->fill == OP_BITS)
        return (double)(int32_t)(uint32_t)r;
    if (o->fill == OP_RANGE)
        return o->lo + (double)(r % (uint64_t)(o->hi - o->lo + 1));
    return (double)(r % 19) - 9;
}

double op_fill_value(const struct op_operand *o, uint64_t *state)
{
    return o->dtype == VKA_F32 ? fill_float(o, state) : fill_int(o, state);
}

double op_rounded(double value, vka_dtype real)
{
    float f = (float)value;
    return real == VKA_F16    ? vka_f16_to_f32(vka_f32_to_f16(f))
           : real == VKA_BF16 ? vka_bf16_to_f32(vka_f32_to_bf16(f))
                              : f;
}

// --- shapes ---

int64_t op_count(const vka_shape *shape)
{
    uint64_t count = 0;
    assert_true(vka_shape_count(shape, &count));
    return (int64_t)count;
}

void op_coords(const vka_shape *shape, int64_t index, int64_t coords[VKA_MAX_RANK])
{
    for (int i = shape->rank - 1; i >= 0; i--) {
        coords[i] = index % shape->dim[i];
        index /= shape->dim[i];
    }
}

int64_t op_index(const vka_shape *shape, const int64_t coords[VKA_MAX_RANK])
{
    int64_t index = 0;
    for (int i = 0; i < shape->rank; i++)
        index = index * shape->dim[i] + coords[i];
    return index;
}

double op_at(const struct op_tensor *t, const vka_shape *shape, int64_t index)
{
    int64_t coords[VKA_MAX_RANK], own[VKA_MAX_RANK];
    op_coords(shape, index, coords);
    for (int i = 0; i < t->shape.rank; i++) {
        int64_t at = coords[shape->rank - t->shape.rank + i];
        own[i] = t->shape.dim[i] == 1 ? 0 : at;
    }
    return t->v[op_index(&t->shape, own)];
}

struct op_tensor op_tensor_of(vka_dtype dtype, const vka_shape *shape)
{
    struct op_tensor t = {dtype, *shape, op_count(shape), NULL};
    t.v = test_malloc((size_t)t.count * sizeof *t.v);
    return t;
}
