// SPDX-License-Identifier: MIT
//
// Products of places by channels for the instruction set of the file that includes this: a place is
// LANES channels side by side, of the terms and of the sums, and is stored so until it goes to
// maps. Sizes of products and how vectors change places are those of gemm_kernel.h, which comes
// first.
#include "cpu/kernels.h"
#include "cpu/vector.h"

// Places with `channels` lanes that count -> `channels` lines of `count` places.
KERNEL static void turn_places(float *dst, int64_t dst_line, const float *src, int channels,
                               int64_t count)
{
    for (int64_t at = 0; at < count; at += LANES, src += LANES * LANES) {
        int64_t left = count - at < LANES ? count - at : LANES;
        lanes_t some = v_first(left);
        vec r[LANES];
        UNROLL for (int i = 0; i < LANES; i++)
        {
            r[i] = i < left ? v_load(src + i * LANES) : v_zero();
        }
        transpose(r);
        UNROLL for (int i = 0; i < LANES; i++)
        {
            if (i < channels)
                v_store_some(dst + i * dst_line + at, r[i], some);
        }
    }
}

// `rows` places by `vectors` vectors of channels; both are constants where this is called. What c
// has is added last: terms that are small beside it are summed among themselves.
INLINE void places_body(int rows, int vectors, const struct vka_places_product *t)
{
    vec sum[TILE_ROWS][TILE_VECTORS];
    UNROLL for (int i = 0; i < rows; i++)
    {
        UNROLL for (int j = 0; j < vectors; j++)
        {
            sum[i][j] = v_zero();
        }
    }
    const float *b = t->b, *block = t->a;
    for (int64_t left = t->k; left > 0; left -= LANES, block += t->a_block) {
        const float *end = block + (left < LANES ? left : LANES);
        for (const float *a = block; a < end; a++, b += vectors * LANES) {
            vec bv[TILE_VECTORS];
            UNROLL for (int j = 0; j < vectors; j++)
            {
                bv[j] = v_load(b + j * LANES);
            }
            UNROLL for (int i = 0; i < rows; i++)
            {
                vec av = v_set(a[i * LANES]);
                UNROLL for (int j = 0; j < vectors; j++)
                {
                    sum[i][j] = v_fma(av, bv[j], sum[i][j]);
                }
            }
        }
    }
    UNROLL for (int i = 0; i < rows; i++)
    {
        UNROLL for (int j = 0; j < vectors; j++)
        {
            float *c = t->c + j * t->c_block + i * LANES;
            if (t->add)
                sum[i][j] += v_load(c);
            v_store(c, sum[i][j]);
        }
    }
}

#define PLACES(rows)                                                                               \
    KERNEL static void places_##rows##_1(const struct vka_places_product *t)                       \
    {                                                                                              \
        places_body(rows, 1, t);                                                                   \
    }                                                                                              \
    KERNEL static void places_##rows##_2(const struct vka_places_product *t)                       \
    {                                                                                              \
        places_body(rows, 2, t);                                                                   \
    }
#define PLACES_NAMES(rows) {places_##rows##_1, places_##rows##_2},
EACH_ROWS(PLACES)
static void (*const places_sizes[TILE_ROWS][TILE_VECTORS])(const struct vka_places_product *t) = {
    EACH_ROWS(PLACES_NAMES)};

KERNEL static void multiply_places(int rows, int vectors, const struct vka_places_product *t)
{
    places_sizes[rows - 1][vectors - 1](t);
}
