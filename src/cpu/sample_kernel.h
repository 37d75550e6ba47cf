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

KERNEL static void blend_places(float *dst, int64_t dst_block, const float *map, int64_t map_block,
                                int32_t nowhere, const struct vka_corners *c, int count,
                                int vectors)
{
    for (int i = 0; i < count; i++, dst += LANES) {
        const float *from[4];
        vec part[4];
        UNROLL for (int k = 0; k < 4; k++)
        {
            int32_t at = c->at[k][i] < 0 ? nowhere : c->at[k][i];
            from[k] = map + (int64_t)at * LANES;
            part[k] = v_set(c->part[k][i]);
        }
        for (int v = 0; v < vectors; v++) {
            vec sum = part[0] * v_load(from[0] + v * map_block);
            UNROLL for (int k = 1; k < 4; k++)
            {
                sum = v_fma(part[k], v_load(from[k] + v * map_block), sum);
            }
            v_store(dst + v * dst_block, sum);
        }
    }
}
