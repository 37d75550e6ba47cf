// SPDX-License-Identifier: MIT
//
// Kernels of sliding windows, for the instruction set of the file that includes this. A lane is a
// window; neighbours' taps lie beside each other, at offsets that are the same for all.
#include "cpu/kernels.h"
#include "cpu/vector.h"

enum { TAP_BLOCK = 8, CHANNEL_BLOCK = 8, ROW_VECTORS = 4 };

INLINE vec v_abs(vec a)
{
    return v_max(a, v_zero() - a);
}

// sum plus the likeness of a and b.
INLINE vec v_relate(int relation, vec sum, vec a, vec b)
{
    vec d = a - b;
    switch (relation) {
    case VKA_RELATION_KEY:
        return sum + b;
    case VKA_RELATION_ABS_DIFF:
        return sum - v_abs(d);
    case VKA_RELATION_SQ_DIFF:
        return sum - d * d;
    case VKA_RELATION_NORM_ABS_DIFF:
        return sum - v_abs(d) / (v_abs(a) + v_abs(b) + v_set(1));
    case VKA_RELATION_NORM_SQ_DIFF:
        return sum - d * d / (v_abs(a * b) + v_set(1));
    default:
        return v_fma(a, b, sum);
    }
}

INLINE void relate_taps(const struct vka_taps *t, int relation, int first, int count, float *s,
                        int width, const float *q, const float *k, const float *table)
{
    vec sum[TAP_BLOCK];
    UNROLL for (int j = 0; j < count; j++)
    {
        sum[j] = v_zero();
    }
    for (int64_t c = 0; c < t->channels; c++) {
        vec a = relation == VKA_RELATION_KEY ? v_zero() : v_load(q + c * width);
        const float *line = k + c * t->plane;
        UNROLL for (int j = 0; j < count; j++)
        {
            vec b = v_load(line + t->offset[first + j]);
            if (table)
                b = b + v_set(table[c * t->table_step + first + j]);
            sum[j] = v_relate(relation, sum[j], a, b);
        }
    }
    UNROLL for (int j = 0; j < count; j++)
    {
        v_store(s + (int64_t)(first + j) * width, sum[j]);
    }
}

INLINE void relate_all(const struct vka_taps *t, int relation, float *s, int width, const float *q,
                       const float *k, const float *table)
{
    for (int w = 0; w < width; w += LANES) {
        int j = 0;
        for (; j + TAP_BLOCK <= t->count; j += TAP_BLOCK)
            relate_taps(t, relation, j, TAP_BLOCK, s + w, width, q + w, k + w, table);
        for (; j < t->count; j++)
            relate_taps(t, relation, j, 1, s + w, width, q + w, k + w, table);
    }
}

KERNEL static void tap_logits(const struct vka_taps *t, int relation, float *s, int width,
                              const float *q, const float *k, const float *table)
{
    switch (relation) { // a constant in each
    case VKA_RELATION_KEY:
        relate_all(t, VKA_RELATION_KEY, s, width, q, k, NULL);
        break;
    case VKA_RELATION_ABS_DIFF:
        relate_all(t, VKA_RELATION_ABS_DIFF, s, width, q, k, NULL);
        break;
    case VKA_RELATION_SQ_DIFF:
        relate_all(t, VKA_RELATION_SQ_DIFF, s, width, q, k, NULL);
        break;
    case VKA_RELATION_NORM_ABS_DIFF:
        relate_all(t, VKA_RELATION_NORM_ABS_DIFF, s, width, q, k, NULL);
        break;
    case VKA_RELATION_NORM_SQ_DIFF:
        relate_all(t, VKA_RELATION_NORM_SQ_DIFF, s, width, q, k, NULL);
        break;
    default:
        if (table)
            relate_all(t, VKA_RELATION_PRODUCT, s, width, q, k, table);
        else
            relate_all(t, VKA_RELATION_PRODUCT, s, width, q, k, NULL);
    }
}

KERNEL static void tap_finish(const struct vka_taps *t, float *s, int width,
                              const struct vka_tap_finish *f)
{
    for (int j = 0; j < t->count; j++, s += width) {
        vec bias = v_set(f->bias ? f->bias[j] : 0);
        for (int w = 0; w < width; w += LANES) {
            vec x = v_load(s + w) * v_set(f->scale);
            if (f->extra)
                x = x + v_load(f->extra + t->offset[j] + w);
            if (f->inside) {
                lanes_t in = v_less(v_zero(), v_load(f->inside + t->offset[j] + w));
                x = v_select(in, x, v_set(f->outside));
            }
            v_store(s + w, (x + bias) * v_set(f->unit));
        }
    }
}

INLINE void add_taps(const struct vka_taps *t, int channels, int vectors, float *y, int width,
                     const float *s, const float *v)
{
    vec sum[CHANNEL_BLOCK * ROW_VECTORS];
    UNROLL for (int c = 0; c < channels; c++)
    {
        UNROLL for (int i = 0; i < vectors; i++)
        {
            sum[c * vectors + i] = v_load(y + c * width + i * LANES);
        }
    }
    for (int j = 0; j < t->count; j++) {
        const float *line = v + t->offset[j];
        UNROLL for (int i = 0; i < vectors; i++)
        {
            vec p = v_load(s + (int64_t)j * width + i * LANES);
            UNROLL for (int c = 0; c < channels; c++)
            {
                vec x = v_load(line + c * t->plane + i * LANES);
                sum[c * vectors + i] = v_fma(p, x, sum[c * vectors + i]);
            }
        }
    }
    UNROLL for (int c = 0; c < channels; c++)
    {
        UNROLL for (int i = 0; i < vectors; i++)
        {
            v_store(y + c * width + i * LANES, sum[c * vectors + i]);
        }
    }
}

KERNEL static void tap_sums(const struct vka_taps *t, float *y, int width, const float *s,
                            const float *v)
{
    int64_t c = 0;
    for (; c + CHANNEL_BLOCK <= t->channels; c += CHANNEL_BLOCK) {
        for (int w = 0; w < width; w += LANES)
            add_taps(t, CHANNEL_BLOCK, 1, y + c * width + w, width, s + w, v + c * t->plane + w);
    }
    for (; c < t->channels; c++) {
        int w = 0;
        for (; w + ROW_VECTORS * LANES <= width; w += ROW_VECTORS * LANES)
            add_taps(t, 1, ROW_VECTORS, y + c * width + w, width, s + w, v + c * t->plane + w);
        for (; w < width; w += LANES)
            add_taps(t, 1, 1, y + c * width + w, width, s + w, v + c * t->plane + w);
    }
}
