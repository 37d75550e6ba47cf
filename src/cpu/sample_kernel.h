// SPDX-License-Identifier: MIT
//
// Bilinear samples (cpu/sample.h) for the instruction set of the file that includes this.
#include "cpu/kernels.h"
#include "cpu/sample.h"
#include "cpu/vector.h"

INLINE vec blend_vector(const float *x, const struct vka_corners *c, int i, vec sum)
{
    UNROLL for (int k = 0; k < 4; k++)
    {
        sum = v_fma(v_load(&c->part[k][i]), v_gather(x, &c->at[k][i]), sum);
    }
    return sum;
}

KERNEL static void blend(float *dst, int count, const float *x, const struct vka_corners *c,
                         bool add)
{
    int i = 0;
    for (; i + LANES <= count; i += LANES)
        v_store(dst + i, blend_vector(x, c, i, add ? v_load(dst + i) : v_zero()));
    if (i < count) {
        lanes_t some = v_first(count - i);
        vec sum = add ? v_load_some(dst + i, some) : v_zero();
        v_store_some(dst + i, blend_vector(x, c, i, sum), some);
    }
}
