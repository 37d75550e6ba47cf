// SPDX-License-Identifier: MIT
//
// Places at which maps are sampled, for the ops `sample` and `sample_sum`: checks, the walk on the
// CPU, the constants of shaders/common/places.glsl.
#ifndef VKA_OPS_PLACES_H
#define VKA_OPS_PLACES_H

#include "cpu/sample.h"
#include "ops/op.h"
#include "ops/ops.h"

enum { VKA_PLACES_X, VKA_PLACES_AT }; // operands
#define VKA_PLACES_HALF 0xffffu

// x and `at` fit each other, and no number grows too large.
bool vka_places_infer(struct vka_infer *n, const char *op, const struct vka_sample *p);

struct vka_places {
    const struct vka_sample *p;
    struct vka_map map;
    int64_t channels, parts, share;      // C, D, C / D
    int64_t size[VKA_PLACE_AXES], count; // missing axes are in front, of size 1
    int64_t x_step[2];                   // item, channel
    int64_t at_step[3];                  // item, part, column after row
    int64_t at_place[VKA_PLACE_AXES];
    int64_t start[2], step[2][VKA_PLACE_AXES];
};
void vka_places_of(const struct vka_args *args, const struct vka_sample *p, struct vka_places *w);

// Coordinates of a place by its number.
void vka_place_at(const struct vka_places *w, int64_t number, int64_t at[VKA_PLACE_AXES]);
// The corners of `count` places from `first` on; `at` starts at the item and the part.
void vka_places_corners(const struct vka_places *w, const float *at, int64_t first, int count,
                        struct vka_corners *c);

// Lower halves of two numbers.
static inline uint32_t vka_places_halves(const int64_t pair[2])
{
    return ((uint32_t)pair[0] & VKA_PLACES_HALF) | (uint32_t)pair[1] << 16;
}

// Adds the constants 3 to 13 and fills the push constants that bear these names.
void vka_places_constants(struct vka_dispatch *d, const struct vka_places *w);
#define VKA_PLACES_PUSH(push, w, args)                                                             \
    do {                                                                                           \
        (push)->channels = (uint)(w)->channels;                                                    \
        (push)->share = (uint)(w)->share;                                                          \
        for (int i_ = 0; i_ < 2; i_++)                                                             \
            (push)->size[i_] = (uint)(w)->map.size[i_];                                            \
        for (int i_ = 0; i_ < VKA_PLACE_AXES; i_++) {                                              \
            (push)->places[i_] = (uint)(w)->size[i_];                                              \
            (push)->x_stride[i_] = (uint)(args)->in[VKA_PLACES_X].stride[i_];                      \
            (push)->at_stride[3 + i_] = (uint)(w)->at_place[i_];                                   \
        }                                                                                          \
        for (int i_ = 0; i_ < 3; i_++)                                                             \
            (push)->at_stride[i_] = (uint)(w)->at_step[i_];                                        \
        (push)->start = vka_places_halves((w)->start);                                             \
        for (int i_ = 0; i_ < VKA_PLACE_AXES; i_++)                                                \
            (push)->steps[i_] = vka_places_halves(&(w)->step[i_ / 2][i_ % 2 * 2]);                 \
    } while (0)

#endif
