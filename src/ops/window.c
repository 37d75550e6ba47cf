// SPDX-License-Identifier: MIT
#include "ops/window.h"

#include <string.h>

static int64_t or_one(int64_t x)
{
    return x ? x : 1;
}

static bool infer_axis(vka_graph *g, const char *op, const vka_shape *x, int axis,
                       const struct vka_window_params *p, bool ceil, int64_t *out)
{
    enum { MOST = 1 << 30 }; // keeps all sums below within 63 bits
    char text[VKA_SHAPE_TEXT];
    int64_t size = x->dim[2 + axis], kernel = p->kernel[axis];
    int64_t stride = or_one(p->stride[axis]), dilation = or_one(p->dilation[axis]);
    int64_t before = p->before[axis], after = p->after[axis];
    bool sane = kernel >= 1 && stride >= 1 && dilation >= 1 && before >= 0 && after >= 0 &&
                kernel < MOST && stride < MOST && dilation < MOST && before < MOST && after < MOST;
    if (!sane)
        return vka_fail(g,
                        "%s: spatial axis %d: the window %lld, stride %lld and dilation %lld must "
                        "be at least 1, the padding %lld and %lld at least 0 (and below 2^30)",
                        op, axis, (long long)kernel, (long long)stride, (long long)dilation,
                        (long long)before, (long long)after),
               false;
    int64_t reach = dilation * (kernel - 1) + 1, room = size + before + after - reach;
    if (room < 0)
        return vka_fail(g,
                        "%s: spatial axis %d of x %s: the window reaches over %lld elements, more "
                        "than %lld and the padding %lld + %lld",
                        op, axis, vka_shape_text(x, text), (long long)reach, (long long)size,
                        (long long)before, (long long)after),
               false;
    *out = (room + (ceil ? stride - 1 : 0)) / stride + 1;
    if (ceil && (*out - 1) * stride >= size + before)
        --*out;
    return true;
}

bool vka_window_infer(vka_graph *g, const char *op, const vka_shape *x,
                      const struct vka_window_params *p, bool ceil, int64_t *out)
{
    enum { MOST_BITS = 44 };
    uint64_t padded = (uint64_t)x->dim[1];
    for (int i = 0; i < vka_window_axes(x->rank); i++) {
        if (!infer_axis(g, op, x, i, p, ceil, &out[i]))
            return false;
        uint64_t size = (uint64_t)(x->dim[2 + i] + p->before[i] + p->after[i]);
        if (!vka_mul_size(padded, size, &padded) || padded >> MOST_BITS)
            return vka_fail(g, "%s: x with its padding has more than 2^%d elements", op, MOST_BITS),
                   false;
    }
    return true;
}

struct vka_window_params vka_window_of_pool(const struct vka_pool *p)
{
    struct vka_window_params w;
    memcpy(w.kernel, p->kernel, sizeof w.kernel);
    memcpy(w.stride, p->stride, sizeof w.stride);
    memcpy(w.dilation, p->dilation, sizeof w.dilation);
    memcpy(w.before, p->before, sizeof w.before);
    memcpy(w.after, p->after, sizeof w.after);
    for (int i = 0; i < VKA_WINDOW_AXES; i++)
        w.stride[i] = w.stride[i] ? w.stride[i] : w.kernel[i];
    return w;
}

void vka_window_of(const struct vka_array *x, const struct vka_array *out,
                   const struct vka_window_params *p, struct vka_window *w)
{
    int axes = vka_window_axes(x->rank), lead = VKA_WINDOW_AXES - axes;
    *w = (struct vka_window){{1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1},
                             {1, 1, 1}, {0, 0, 0}, {0, 0, 0}};
    for (int i = 0; i < axes; i++) {
        w->in[lead + i] = x->dim[2 + i];
        w->out[lead + i] = out->dim[2 + i];
        w->kernel[lead + i] = p->kernel[i];
        w->stride[lead + i] = or_one(p->stride[i]);
        w->dilation[lead + i] = or_one(p->dilation[i]);
        w->before[lead + i] = p->before[i];
        w->step[lead + i] = x->stride[2 + i];
    }
}
