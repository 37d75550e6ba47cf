// SPDX-License-Identifier: MIT
//
// A window that slides over 1 to 3 spatial axes, for conv and pool. Fewer axes than three stand at
// the end, after axes of size 1.
#ifndef VKA_OPS_WINDOW_H
#define VKA_OPS_WINDOW_H

#include "ops/op.h"
#include "ops/ops.h"

enum { VKA_WINDOW_AXES = 3 };

// As the params of an op say it: by spatial axis of x, from the first.
struct vka_window_params {
    int64_t kernel[VKA_WINDOW_AXES];
    int64_t stride[VKA_WINDOW_AXES], dilation[VKA_WINDOW_AXES]; // 0 means 1
    int64_t before[VKA_WINDOW_AXES], after[VKA_WINDOW_AXES];
};

// A stride of 0 is the kernel's there.
struct vka_window_params vka_window_of_pool(const struct vka_pool *p);

struct vka_window {
    int64_t in[VKA_WINDOW_AXES], out[VKA_WINDOW_AXES], kernel[VKA_WINDOW_AXES];
    int64_t stride[VKA_WINDOW_AXES], dilation[VKA_WINDOW_AXES], before[VKA_WINDOW_AXES];
    int64_t step[VKA_WINDOW_AXES]; // strides of x
};

// Axes of a tensor [N, C, spatial 1 to 3 axes] that the window slides over.
static inline int vka_window_axes(int rank)
{
    return rank - 2;
}

// Checks ranks and numbers and gives the output's sizes along the spatial axes, rounded up where
// `ceil` (then a window must start inside or in the padding before). `op` and the shape of x are
// for the message; false after a failure.
bool vka_window_infer(vka_graph *g, const char *op, const vka_shape *x,
                      const struct vka_window_params *p, bool ceil, int64_t *out);

void vka_window_of(const struct vka_array *x, const struct vka_array *out,
                   const struct vka_window_params *p, struct vka_window *w);

static inline int64_t vka_product3(const int64_t size[VKA_WINDOW_AXES])
{
    return size[0] * size[1] * size[2];
}

// Turns of three loops over a window's taps, one in the other.
static inline double vka_window_turns(const int64_t kernel[VKA_WINDOW_AXES])
{
    double planes = (double)kernel[0], rows = planes * (double)kernel[1];
    return 3 * planes + 2 * rows + rows * (double)kernel[2];
}

#endif
