// SPDX-License-Identifier: MIT
#include "ops/places.h"
#include "ops/infer.h"

#include <string.h>

enum { FIRST_PLACE = 3 }; // axis of `at`

static bool fail(struct vka_infer *n, const char *op, const char *what)
{
    char x[VKA_SHAPE_TEXT], at[VKA_SHAPE_TEXT];
    vka_fail(n->g, "%s: %s: x is %s, the positions %s", op, what,
             vka_shape_text(&n->in[VKA_PLACES_X]->shape, x),
             vka_shape_text(&n->in[VKA_PLACES_AT]->shape, at));
    return false;
}

// Own positions stay within 31 bits, and so do the elements of a map.
static bool numbers_fit(struct vka_infer *n, const struct vka_sample *p)
{
    const struct vka_value *x = n->in[VKA_PLACES_X];
    const vka_shape *at = &n->in[VKA_PLACES_AT]->shape;
    int64_t span = 0;
    for (int i = 0; i < 2; i++) {
        double low = (double)p->start[i], high = low;
        for (int k = 0; k < at->rank - FIRST_PLACE; k++) {
            double step = (double)p->step[i][k] * (double)(at->dim[FIRST_PLACE + k] - 1);
            low += step < 0 ? step : 0;
            high += step > 0 ? step : 0;
        }
        if (low < INT32_MIN || high > INT32_MAX || x->shape.dim[2 + i] > INT32_MAX)
            return false;
        int64_t stride = x->stride[2 + i] < 0 ? -x->stride[2 + i] : x->stride[2 + i];
        span += (x->shape.dim[2 + i] - 1) * stride;
    }
    return span <= INT32_MAX;
}

bool vka_places_infer(struct vka_infer *n, const char *op, const struct vka_sample *p)
{
    if (!vka_infer_type(n, op, VKA_PLACES_X, VKA_F32) ||
        !vka_infer_type(n, op, VKA_PLACES_AT, VKA_F32))
        return false;
    const vka_shape *x = &n->in[VKA_PLACES_X]->shape, *at = &n->in[VKA_PLACES_AT]->shape;
    if (x->rank != 4 || at->rank <= FIRST_PLACE || at->rank > FIRST_PLACE + VKA_PLACE_AXES)
        return fail(n, op, "x [N, C, H, W] and [N, D, 2, 1 to 4 axes] go");
    if (at->dim[0] != x->dim[0] || at->dim[2] != 2)
        return fail(n, op, "as many items and two numbers a position are needed");
    if (x->dim[1] % at->dim[1] != 0)
        return fail(n, op, "axis 1 of the positions must divide the channels");
    return numbers_fit(n, p) || fail(n, op, "positions or maps go past 2^31");
}

void vka_places_of(const struct vka_args *args, const struct vka_sample *p, struct vka_places *w)
{
    const struct vka_array *x = &args->in[VKA_PLACES_X], *at = &args->in[VKA_PLACES_AT];
    *w = (struct vka_places){.p = p, .channels = x->dim[1], .parts = at->dim[1], .count = 1};
    w->share = w->channels / w->parts;
    w->map.clamp = p->clamp;
    int lead = FIRST_PLACE + VKA_PLACE_AXES - at->rank;
    for (int k = 0; k < VKA_PLACE_AXES; k++) {
        int axis = FIRST_PLACE + k - lead;
        w->size[k] = k < lead ? 1 : at->dim[axis];
        w->at_place[k] = k < lead ? 0 : at->stride[axis];
        w->count *= w->size[k];
    }
    for (int i = 0; i < 2; i++) {
        w->map.size[i] = x->dim[2 + i];
        w->map.step[i] = x->stride[2 + i];
        w->x_step[i] = x->stride[i];
        w->start[i] = p->start[i];
        for (int k = lead; k < VKA_PLACE_AXES; k++)
            w->step[i][k] = p->step[i][k - lead];
    }
    for (int i = 0; i < FIRST_PLACE; i++)
        w->at_step[i] = at->stride[i];
}

void vka_place_at(const struct vka_places *w, int64_t number, int64_t at[VKA_PLACE_AXES])
{
    for (int k = VKA_PLACE_AXES - 1; k >= 0; k--) {
        at[k] = number % w->size[k];
        number /= w->size[k];
    }
}

static void next_place(const struct vka_places *w, int64_t at[VKA_PLACE_AXES])
{
    for (int k = VKA_PLACE_AXES - 1; k >= 0 && ++at[k] == w->size[k]; k--)
        at[k] = 0;
}

void vka_places_corners(const struct vka_places *w, const float *at, int64_t first, int count,
                        struct vka_corners *c)
{
    float position[2][VKA_SAMPLE_BLOCK];
    int64_t place[VKA_PLACE_AXES];
    vka_place_at(w, first, place);
    for (int i = 0; i < count; i++, next_place(w, place)) {
        int64_t own[2] = {w->start[0], w->start[1]}, from = 0;
        for (int k = 0; k < VKA_PLACE_AXES; k++) {
            own[0] += place[k] * w->step[0][k];
            own[1] += place[k] * w->step[1][k];
            from += place[k] * w->at_place[k];
        }
        position[0][i] = (float)own[0] + at[from];
        position[1][i] = (float)own[1] + at[from + w->at_step[2]];
    }
    vka_corners_of(&w->map, position, count, c);
}

// What is beyond the lower halves, which are push constants.
void vka_places_constants(struct vka_dispatch *d, const struct vka_places *w)
{
    for (int i = 0; i < 2; i++)
        vka_constant_u32(d, (uint32_t)w->start[i] & ~VKA_PLACES_HALF);
    for (int i = 0; i < 2; i++) {
        for (int k = 0; k < VKA_PLACE_AXES; k++)
            vka_constant_u32(d, w->size[k] > 1 ? (uint32_t)w->step[i][k] & ~VKA_PLACES_HALF : 0);
    }
    vka_constant_u32(d, w->p->clamp);
}
