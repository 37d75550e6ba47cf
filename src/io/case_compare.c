// SPDX-License-Identifier: MIT
//
// Comparing what came out with what a case file wants.
#include "io/case.h"

#include "util/half.h"

#include <math.h>
#include <string.h>

static double half_at(const unsigned char *at, vka_dtype dtype)
{
    uint16_t bits;
    memcpy(&bits, at, sizeof bits);
    return dtype == VKA_F16 ? vka_f16_to_f32(bits) : vka_bf16_to_f32(bits);
}

static double real_at(const void *data, vka_dtype dtype, uint64_t i)
{
    const unsigned char *at = (const unsigned char *)data + i * vka_dtype_size(dtype);
    float value;
    if (dtype != VKA_F32)
        return half_at(at, dtype);
    memcpy(&value, at, sizeof value);
    return value;
}

static int64_t whole_at(const void *data, vka_dtype dtype, uint64_t i)
{
    const unsigned char *at = (const unsigned char *)data + i * vka_dtype_size(dtype);
    int64_t wide;
    int32_t narrow;
    if (dtype == VKA_I64) {
        memcpy(&wide, at, sizeof wide);
        return wide;
    }
    if (dtype == VKA_I32) {
        memcpy(&narrow, at, sizeof narrow);
        return narrow;
    }
    return *at != 0;
}

static vka_shape place(const vka_shape *shape, uint64_t index)
{
    vka_shape at = *shape;
    for (int i = shape->rank; i-- > 0;) {
        at.dim[i] = (int64_t)(index % (uint64_t)shape->dim[i]);
        index /= (uint64_t)shape->dim[i];
    }
    return at;
}

static void tell_first(struct vka_difference *d, const vka_shape *shape, uint64_t index, double got,
                       double want)
{
    d->same = false;
    d->first = place(shape, index);
    d->got = got;
    d->want = want;
}

// Both finite, or both the same infinity, or both NaN.
static bool places_agree(double got, double want)
{
    if (isfinite(got) && isfinite(want))
        return true;
    return isnan(want) ? isnan(got) : got == want;
}

static double greatest(double a, double b)
{
    return isfinite(b) && b > a ? b : a;
}

static struct vka_difference compare_real(const struct vka_safetensor *want, const void *got,
                                          uint64_t count, double bound)
{
    struct vka_difference d = {.same = true};
    double most = 0, most_got = 0, most_off = 0;
    for (uint64_t i = 0; i < count; i++) {
        double w = real_at(want->data, (vka_dtype)want->dtype, i);
        most = greatest(most, fabs(w));
        if (!isfinite(w))
            continue;
        double g = real_at(got, VKA_F32, i);
        most_got = greatest(most_got, fabs(g));
        most_off = greatest(most_off, fabs(g - w));
    }
    double scale = most > 0 ? most : 1;
    d.err = most > 0 ? most_off / most : most_got;
    for (uint64_t i = 0; i < count && d.same; i++) {
        double w = real_at(want->data, (vka_dtype)want->dtype, i);
        double g = real_at(got, VKA_F32, i);
        bool wrong = !places_agree(g, w);
        if (!wrong && isfinite(w))
            wrong = fabs(g - w) / scale > bound;
        if (wrong)
            tell_first(&d, &want->shape, i, g, w);
    }
    return d;
}

static struct vka_difference compare_whole(const struct vka_safetensor *want, const void *got,
                                           uint64_t count)
{
    struct vka_difference d = {.same = true};
    vka_dtype have = vka_case_dtype((vka_dtype)want->dtype);
    for (uint64_t i = 0; i < count && d.same; i++) {
        int64_t w = whole_at(want->data, (vka_dtype)want->dtype, i), g = whole_at(got, have, i);
        if (g != w)
            tell_first(&d, &want->shape, i, (double)g, (double)w);
    }
    d.err = d.same ? 0 : 1;
    return d;
}

struct vka_difference vka_case_compare(const struct vka_safetensor *want, const void *got,
                                       double bound)
{
    uint64_t count = want->bytes / vka_dtype_size((vka_dtype)want->dtype);
    if (vka_case_dtype((vka_dtype)want->dtype) == VKA_F32)
        return compare_real(want, got, count, bound);
    return compare_whole(want, got, count);
}
